"""The pages in a real browser: they render, stay live, grow old by themselves, and recover alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser_setup import installed
from tests.fixtures import northwind
from tests.fixtures.served import Served

pytestmark = pytest.mark.browser

ADDRESSES = (
    "/", "/teams/support", "/teams/operations", "/processes/ticket-resolution", "/processes/invoicing", "/metrics",
    "/metrics/csat", "/metrics/orders_shipped", "/data", "/wall/support-floor", "/wall/all-hands", "/embed/delivery",
)  # fmt: skip
SCREENS = ((1920, 1080), (3840, 2160), (1080, 1920), (1280, 720))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=installed(), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose board does not change."""
    served = Served(tmp_path_factory.mktemp("calm"))
    served.publish(fresh=timedelta(hours=1))
    yield served.start()
    served.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    made.publish(fresh=timedelta(hours=1))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Any]:
    """Opens an address; afterwards nothing may have been complained about in its console."""
    contexts, complaints = [], []

    def opened(address: str, width: int = 1440, height: int = 900, *, strict: bool = True) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
        contexts.append(context)
        page = context.new_page()
        if strict:
            page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
            page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(address)
        page.wait_for_selector(".card, .wall, .empty")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints, complaints


def url(served: Served, address: str) -> str:
    return f"http://127.0.0.1:{served.port}{address}"


def link_is(page: Page, state: str, seconds: float = 8) -> None:
    page.wait_for_selector(f'.root[data-link="{state}"]', state="attached", timeout=seconds * 1000)


# -- rendering -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_renders_under_the_policy_and_only_charts_load_plotly(calm: str, open_page: Any, theme: str) -> None:
    page = open_page(calm)
    for address in ADDRESSES if theme == "light" else ("/", "/metrics/csat", "/data", "/wall/support-floor"):
        page.goto(f"{calm}{address}?theme={theme}")
        link_is(page, "live")
        plotly = page.evaluate("performance.getEntriesByType('resource').some(r => /plotly/.test(r.name))")
        if address.startswith("/metrics/"):
            page.wait_for_selector(".chart .main-svg")
            plotly = page.evaluate("performance.getEntriesByType('resource').some(r => /plotly/.test(r.name))")
        assert plotly == address.startswith("/metrics/"), address
        assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_no_page_is_wider_than_a_phone(calm: str, open_page: Any) -> None:
    page = open_page(calm, 390, 844)
    for address in ADDRESSES:
        page.goto(f"{calm}{address}")
        page.wait_for_selector("h1, .wall")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_rows_put_aside_can_be_unfolded(calm: str, open_page: Any) -> None:
    group = open_page(f"{calm}/data").locator(".aside-group").first
    expect(group.locator("li")).to_have_count(3)
    expect(group.locator(".wrong b").first).to_have_text("12m")
    group.locator("button").click()
    expect(group.locator("li")).to_have_count(4)


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_a_wall_fills_its_screen_and_cuts_nothing_off(calm: str, open_page: Any, width: int, height: int) -> None:
    page = open_page(calm, width, height)
    for address in ("/wall/support-floor", "/wall/all-hands", "/wall/delivery"):
        page.goto(calm + address)
        page.wait_for_selector(".tile")
        page.wait_for_timeout(700)
        cut = page.evaluate(
            """() => [...document.querySelectorAll('.tile')].flatMap(tile => {
                const box = tile.getBoundingClientRect();
                const parts = [...tile.querySelectorAll('h2, .number, .chip, .aim-text, footer b, .closed-chip, .change')];
                return parts.filter(p => { const r = p.getBoundingClientRect();
                    const room = box.right - parseFloat(getComputedStyle(tile).paddingRight);
                    return r.right > room + 2 || r.bottom > box.bottom + 1 || r.top < box.top - 1; })
                  .map(p => tile.dataset.metric + ': ' + p.className + ' ' + p.textContent); })"""
        )
        assert not cut, (address, cut)
        covered = page.evaluate(
            "() => [...document.querySelectorAll('.tile')].reduce((s, t) => s + t.offsetWidth * t.offsetHeight, 0)"
        )
        assert covered > 0.74 * width * height
        smallest = page.evaluate(
            """() => Math.min(...[...document.querySelectorAll('.tile .chip, .tile h2, .tile footer b, .aim-text')]
                .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
        )
        assert smallest > 0.021 * min(width, height)  # about 14 mm on a 55-inch screen: readable at five metres


def test_a_wall_turns_through_its_screens(served: Served, open_page: Any) -> None:
    page = open_page(url(served, "/wall/quick"))
    assert page.locator(".wall").get_attribute("data-slides") == "2"
    for title in ("Night shift", "Invoicing", "Night shift"):
        expect(page.locator(".wall-top h1")).to_have_text(title)


def test_why_opens_with_the_sentence_and_can_be_used_by_keyboard(calm: str, open_page: Any) -> None:
    page = open_page(f"{calm}/processes/ticket-resolution")
    why = page.locator('[data-metric="backlog"] .why')
    why.focus()
    page.keyboard.press("Enter")
    expect(why).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".details .because")).to_contain_text("target of 400")
    page.keyboard.press("Enter")
    expect(page.locator(".details")).to_have_count(0)


def test_what_could_run_is_never_a_link(calm: str, open_page: Any) -> None:
    page = open_page(f"{calm}/processes/invoicing")
    expect(page.locator(".process-card")).to_contain_text("javascript:alert(1)")
    bad = page.evaluate("[...document.querySelectorAll('a')].filter(a => !/^(https?|mailto):/.test(a.href)).length")
    assert bad == 0


# -- moving about ----------------------------------------------------------------------------------------------


def test_good_news_is_only_what_can_be_judged_and_is_fresh(calm: str, open_page: Any) -> None:
    page = open_page(calm)

    def said(marks: list[Any], now: int = 100, unloaded: tuple[int, int] = (0, 9)) -> Any:
        asked = "(asked) => window.scorecard_views.summary(...asked)"
        return page.evaluate(asked, [marks, now, list(unloaded)])

    green, amber, grey, late = ["green", 200, True], ["amber", 150, True], ["grey", None, True], ["red", 50, True]
    assert said([green, ["red", 200, True]]) is None
    assert said([green, amber, ["neutral", None, True]])[:2] == ["green", "Nothing is off target."]
    assert said([green, amber, grey, late])[2] == "2 metrics cannot be judged."
    assert said([green, amber], 175)[2] == "1 metric cannot be judged."
    assert said([green, amber], 201) == ["grey", "Nothing can be judged.", "2 metrics cannot be said in this period."]
    assert said([["neutral", None, True]])[:2] == ["neutral", "Nothing is judged."]
    assert said([]) is None
    assert said([grey], unloaded=(4, 9))[1:] == [
        "Loading for the first time.", "Rows of 5 of 9 sources are here; numbers appear by themselves."
    ]  # fmt: skip
    expect(page.locator(".clear")).to_have_count(0)  # something is off target there


def test_good_news_is_drawn_and_ends_by_itself(served: Served, open_page: Any) -> None:
    now, whole = served.clock.now(), northwind.book()
    only = replace(whole, metrics={"first_reply_p90": whole.metrics["first_reply_p90"]})
    version = served.publisher.next_version
    served.publisher.publish(northwind.board(now, version, fresh=timedelta(seconds=3), of=only))
    card = open_page(url(served, "/?period=" + running(served))).locator(".clear")
    expect(card).to_have_attribute("data-status", "green")
    expect(card).to_contain_text("Nothing is off target.")
    expect(card).to_have_attribute("data-status", "grey", timeout=8000)
    expect(card).to_contain_text("Nothing can be judged.")


def test_what_somebody_has_called_grey_turns_stale_in_the_browser_too(calm: str, open_page: Any) -> None:
    page = open_page(calm)
    judged = {"status": "green", "word": "On target", "reason": "", "because": "it is good", "stale": "no good load"}
    item: dict[str, Any] = {
        **judged,
        "status": "grey",
        "word": "Set grey",
        "reason": "override",
        "fresh": 200,
        "until": None,
    }
    item |= {"by": "Ana", "tags": [], "stale": "no good load since 08:00", "judged": judged}

    def shown(now: int) -> Any:
        return page.evaluate("([item, now]) => window.scorecard_views.shown(item, now)", [item, now])

    assert (shown(100)["status"], shown(100)["word"]) == ("grey", "Set grey")
    assert (shown(300)["word"], shown(300)["because"]) == ("Stale", "no good load since 08:00")


def test_links_turn_the_page_without_loading_it_and_keep_the_theme(calm: str, open_page: Any) -> None:
    page = open_page(f"{calm}/?theme=dark")
    page.evaluate("window.same = true")
    page.click('.team h3 a:has-text("Finance")')
    expect(page.locator("h1")).to_contain_text("Finance")
    assert page.url.endswith("/teams/finance?theme=dark")
    assert page.title() == "Finance · Northwind Operations"
    page.click(".periods a.step >> nth=0")
    page.wait_for_url("**/teams/finance?period=*&theme=dark")
    page.click('.segments a:has-text("Month")')
    page.wait_for_url("**grain=month**")
    page.click(".theme")
    page.wait_for_selector("html[data-theme=light]")
    page.go_back()
    page.wait_for_selector("html[data-theme=dark]")
    assert page.evaluate("window.same") is True


def test_an_unknown_page_is_a_404_with_an_offer(calm: str, open_page: Any) -> None:
    page = open_page(f"{calm}/teams/suport", strict=False)
    expect(page.locator(".missing")).to_contain_text("Did you mean Support")
    assert page.request.get(f"{calm}/teams/suport").status == 404
    page.click('.missing a:has-text("Support")')
    expect(page.locator("h1")).to_contain_text("Support")


def test_metrics_can_be_found(calm: str, open_page: Any) -> None:
    page = open_page(f"{calm}/metrics")
    page.fill("input[type=search]", "elin change failure")
    expect(page.locator(".scorecard .row")).to_have_count(1)
    page.click('.filter button:has-text("No data")')
    expect(page.locator(".empty")).to_contain_text("Nothing matches")


# -- live ------------------------------------------------------------------------------------------------------


@pytest.mark.alone
def test_a_changed_number_is_on_the_glass_within_a_second(served: Served, open_page: Any) -> None:
    pages = [open_page(url(served, "/processes/ticket-resolution")), open_page(url(served, "/wall/support-floor"))]
    for page in pages:
        link_is(page, "live")
    times = []
    for value in (701.0, 702.0, 703.0, 704.0, 705.0):
        began = time.monotonic()
        served.publish(fresh=timedelta(hours=1), changed={"backlog": value})
        pages[0].wait_for_selector(f'[data-metric=backlog] .digits:text-is("{value:.0f}")', timeout=3000)
        times.append(time.monotonic() - began)
        assert pages[0].locator("[data-metric=backlog] .number.changed").count() == 1
    assert sorted(times)[2] < 1.0, times
    expect(pages[1].locator(".tile[data-metric=backlog] footer b")).to_have_text("705")


def test_many_versions_at_once_leave_the_newest_and_few_questions(served: Served, open_page: Any) -> None:
    page = open_page(url(served, "/processes/ticket-resolution"))
    link_is(page, "live")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if r.url.endswith("_dash-update-component") else None)
    base, made = served.publisher.next_version, []
    for number in range(12):
        changed = {"backlog": 800.0 + number}
        made.append(northwind.board(served.clock.now(), base + number, fresh=timedelta(hours=1), changed=changed))
    for board in made:
        served.publisher.publish(board)
        page.wait_for_timeout(15)
    expect(page.locator("[data-metric=backlog] .digits")).to_have_text("811")
    expect(page.locator(".root")).to_have_attribute("data-version", str(base + 11))
    page.wait_for_timeout(300)
    assert len(asked) < 12


def test_tabs_of_a_browser_share_one_stream(served: Served, browser: Browser) -> None:
    context = browser.new_context()
    for address in ("/", "/data", "/wall/support-floor"):
        page = context.new_page()
        page.goto(url(served, address))
        link_is(page, "live")
    assert served.opened == 1
    context.close()


def test_a_refused_stream_is_replaced_by_asking(served: Served, open_page: Any) -> None:
    served.streams = False
    page = open_page(url(served, "/processes/ticket-resolution"), strict=False)
    link_is(page, "poll")
    served.publish(fresh=timedelta(hours=1), changed={"backlog": 711.0})
    expect(page.locator("[data-metric=backlog] .digits")).to_have_text("711", timeout=5000)


def test_without_a_shared_worker_the_page_asks_by_itself(served: Served, browser: Browser) -> None:
    context = browser.new_context()
    context.add_init_script("delete window.SharedWorker")
    page = context.new_page()
    page.goto(url(served, "/processes/ticket-resolution"))
    link_is(page, "poll")
    served.publish(fresh=timedelta(hours=1), changed={"backlog": 712.0})
    expect(page.locator("[data-metric=backlog] .digits")).to_have_text("712", timeout=5000)
    context.close()


# -- growing old, and coming back ------------------------------------------------------------------------------


def test_a_reading_turns_grey_at_its_moment_with_the_server_dead_and_heals(served: Served, open_page: Any) -> None:
    page = open_page(url(served, "/processes/ticket-resolution?period=" + running(served)), strict=False)
    wall = open_page(url(served, "/wall/support-floor"), strict=False)
    for each in (page, wall):
        link_is(each, "live")
    served.publish(fresh=timedelta(seconds=4))
    version = served.publisher.current().version
    for each in (page, wall):
        each.wait_for_selector(f'.root[data-version="{version}"]', state="attached")
    row, tile = page.locator(".row[data-metric=first_reply_p90]"), wall.locator(".tile[data-metric=first_reply_p90]")
    expect(row).to_have_attribute("data-status", "green")
    served.stop()
    expect(row).to_have_attribute("data-status", "grey", timeout=8000)
    expect(row.locator(".chip")).to_have_text("Stale")
    expect(tile).to_have_attribute("data-status", "grey")
    expect(page.locator(".heading .count.green")).to_have_count(0)
    link_is(page, "lost", 12)
    expect(page.locator(".liveness")).to_contain_text("Disconnected since")
    expect(wall.locator(".wall-health")).to_contain_text("Disconnected since")
    expect(wall.locator(".wall-health")).to_have_attribute("data-health", "loud")
    served.start()
    served.publish(fresh=timedelta(hours=1))
    for each in (page, wall):
        each.wait_for_selector('.root[data-link="live"], .root[data-link="poll"]', state="attached", timeout=15000)
    expect(row).to_have_attribute("data-status", "green", timeout=8000)
    expect(tile).to_have_attribute("data-status", "green")


def running(served: Served) -> str:
    board = served.publisher.current()
    return board.calendar.running(board.as_of, "week").label


def test_a_page_opened_before_the_first_board_fills_itself(tmp_path: Path, open_page: Any) -> None:
    early = Served(tmp_path)
    address = early.start()
    try:
        page = open_page(f"{address}/teams/support", strict=False)
        expect(page.locator("h1")).to_contain_text("The first load is still running")
        early.publish(fresh=timedelta(hours=1))
        expect(page.locator("h1")).to_contain_text("Support", timeout=8000)
    finally:
        early.stop()


# -- notes -----------------------------------------------------------------------------------------------------


def test_a_note_is_kept_shown_and_never_run(served: Served, open_page: Any) -> None:
    page = open_page(url(served, "/metrics/csat"), strict=False)
    page.fill(".note-form textarea", "please refuse this")
    page.fill(".note-form input", "Ana Ruiz")
    page.click(".note-form button")
    expect(page.locator(".note-said")).to_contain_text("the note is too strange. write another")
    expect(page.locator(".note-form textarea")).to_have_value("please refuse this")
    page.fill(".note-form textarea", "<img src=x onerror=alert(1)> fixed")
    page.click(".note-form button")
    expect(page.locator(".notes li").first).to_contain_text("<img src=x onerror=alert(1)> fixed")
    assert page.locator(".notes img").count() == 0
    assert served.notes[0]["by"] == "Ana Ruiz"
