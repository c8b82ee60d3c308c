"""The browser ages readings alone: it says at every moment what the server would, and an override ends without it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from scorecard.board.board import Board
from scorecard.board.build import Ingredients, build
from scorecard.board.reading import Reading
from scorecard.judgement.override import Override
from scorecard.judgement.rollup import counts, worst
from scorecard.judgement.status import Status
from scorecard.views.ageing import mark, standing
from scorecard.warehouse.engine import Standing
from tests.browser_setup import installed
from tests.fixtures.lines import line_of
from tests.web_house import BOOK, CALENDAR, NOW, House, measured, served

pytestmark = pytest.mark.browser
COMPONENT = Path(__file__).parent.parent / "scorecard" / "views" / "component"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=installed(), args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def board(said: dict[str, Override], at: datetime) -> Board:
    loaded = at - timedelta(minutes=3)
    made_of = Ingredients(
        BOOK, CALENDAR, at, 7, {"tickets": Standing("tickets", loaded, loaded, 3, 9, {"at": "TIMESTAMP"})}
    )
    return build(replace(made_of, overrides={("solved", "week", None): said}), measured())


def aged(seed: int) -> tuple[Reading, datetime]:
    """A reading of some colour, perhaps under an override, and a moment at which it is looked at."""
    chance = random.Random(seed)
    minutes = st_minutes(chance)
    said: Status = chance.choice(get_args(Status))
    override = Override(said, "Ana", NOW, chance.choice([None, "why"]), chance.choice([None, NOW + st_minutes(chance)]))
    held = {f"2026-W{week}": override for week in range(32, 41)} if chance.random() < 0.8 else {}
    reading = chance.choice(board(held, NOW).readings["solved", "week", None])
    fresh = chance.choice([None, NOW + st_minutes(chance)])
    return replace(reading, fresh_until=fresh), NOW + minutes


def st_minutes(chance: random.Random) -> timedelta:
    return timedelta(minutes=chance.choice([1, 5, 9, 10, 11, 30]))


def test_the_browser_says_what_the_server_would_at_every_moment(browser: Browser) -> None:
    cases = [aged(seed) for seed in range(400)]
    page = browser.new_page()
    page.add_script_tag(path=COMPONENT / "base.js")
    sent: list[Any] = [
        {"item": standing(r, "UTC", NOW), "mark": mark(r, True), "now": int(now.timestamp() * 1000)} for r, now in cases
    ]
    found = page.evaluate(
        """cases => cases.map(function (one) {
          const S = window.scorecard_views;
          const shown = S.shown(one.item, one.now);
          const tally = S.tally([one.mark], one.now);
          return [shown.status, shown.word, shown.thin, tally.counts, tally.worst, S.freshMoments([one.item, one.mark]).length];
        })""",
        sent,
    )
    seen = set()
    for (reading, now), (status, word, thin, counted, worst_of, moments) in zip(cases, found, strict=True):
        expected = reading.at(now)
        by_server = standing(expected, "UTC", now)
        assert (status, word, thin) == (by_server["status"], by_server["word"], by_server["thin"]), (reading, now)
        assert counted == counts([expected.status])
        assert worst_of == worst([(expected.status, 1.0)])
        held = 0 if reading.override is None or reading.override.override.until is None else 2
        assert moments == held + (0 if reading.fresh_until is None else 2)
        seen.add((reading.status, status))
    assert {"green", "amber", "red", "grey"} <= {status for _, status in seen}
    assert ("green", "grey") in seen
    page.close()


def test_an_override_ends_in_an_open_page_when_the_server_is_dead(browser: Browser, tmp_path: Path) -> None:
    house = House(tmp_path)
    house.publish()
    page = browser.new_page()
    page.clock.install(time=NOW)
    with served(house) as site:
        sent = {"metric": "solved", "period": "2026-W39", "status": "red", "by": "Ben", "text": "two were closed twice"}
        until = NOW + timedelta(minutes=5)
        assert site.post("/api/v1/overrides", {**sent, "until": until.isoformat()}).status_code == 201
        page.goto(site.url + "/processes/desk")
        row = page.locator("tr[data-metric=solved]").first
        expect(row).to_have_attribute("data-status", "red")
        expect(row.locator(".tag.said")).to_contain_text("set by Ben until")
        expect(row.locator(".chip")).to_contain_text("set by Ben")
    page.clock.fast_forward(4 * 60_000)
    expect(row).to_have_attribute("data-status", "red")
    page.clock.fast_forward(2 * 60_000)
    expect(row).to_have_attribute("data-status", "green")
    expect(row.locator(".tag.said")).to_have_count(0)
    page.close()


def test_what_is_not_conclusive_is_hatched_and_said(browser: Browser, tmp_path: Path) -> None:
    house = House(tmp_path)
    house.publish()
    thin = house.publisher.current()
    key = ("solved", "week", None)
    rows = line_of(thin.calendar, [replace(r, conclusive=False) for r in thin.readings[key]])
    house.publisher.publish(replace(thin, version=house.publisher.next_version, readings={**thin.readings, key: rows}))
    with served(house) as site:
        page = browser.new_page()
        page.goto(site.url + "/processes/desk")
        row = page.locator("tr[data-metric=solved]").first
        expect(row.locator(".chip.thin")).to_contain_text("not conclusive")
        expect(row.locator(".tag.thin")).to_contain_text("n = 130, not conclusive")
        expect(page.locator(".legend")).to_contain_text("not conclusive")
        assert "thin-green" in str(row.locator(".shape.thin").first.evaluate("e => getComputedStyle(e).fill"))
        assert page.locator("#thin-green .stripe").evaluate("e => getComputedStyle(e).fill") != "rgb(0, 0, 0)"
        hatched = row.locator(".c-value").evaluate("e => getComputedStyle(e).backgroundImage")
        assert "repeating-linear-gradient" in hatched
        page.close()
