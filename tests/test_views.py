"""Pages as pure functions: an address and a board in, JSON out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scorecard.board.board import Board
from scorecard.book.model import Book
from scorecard.book.model.organization import Organization, Person
from scorecard.ground.errors import Place, Problem
from scorecard.refresh.pulse import Warned
from scorecard.views.address import Address, mail, outside
from scorecard.views.charts import chart
from scorecard.views.rows import _point
from scorecard.views.shell import Frame, opening_page, page_for
from scorecard.views.theme import COLOURS, THEMES, Theme
from scorecard.views.wording import UTC_MOMENT, local_moments
from tests.fixtures import northwind
from tests.fixtures.northwind import NOW

FRAME = Frame(NOW)


@pytest.fixture(scope="module")
def board() -> Board:
    return northwind.board()


def page(board: Board, address: str, **frame: Any) -> dict[str, Any]:
    made = page_for(board, address, Frame(frame.pop("now", NOW), **frame)).page
    json.dumps(made, allow_nan=False)  # what does not fit into JSON never reaches a browser
    return made


def rows(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for group in made["body"]["groups"] for row in group["rows"]}


def walk(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from walk(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from walk(value)


# -- scorecards ------------------------------------------------------------------------------------------------


def test_a_process_page_shows_leading_before_lagging_and_worst_first(board: Board) -> None:
    made = page(board, "/processes/ticket-resolution")
    assert [g["role"] for g in made["body"]["groups"]] == ["leading", "lagging"]
    assert [r["status"] for r in made["body"]["groups"][0]["rows"]] == ["red", "amber", "green", "green"]
    card = made["body"]["card"]
    assert (card["owner"]["name"], card["deputy"]["name"]) == ("Ben Ito", "Carla Ruiz")
    assert card["sop"]["href"] == "https://wiki.example.com/sop/7"
    assert card["reviewed"] == {"text": "3 Sep 2026 · next by 3 Sep 2027", "overdue": False}
    assert made["tab"] == "Ticket resolution · Northwind Operations"


def test_a_row_carries_value_target_change_and_history_in_words(board: Board) -> None:
    row = rows(page(board, "/processes/ticket-resolution"))["first_reply_p90"]
    assert (row["number"], row["unit"], row["target"]["text"]) == ("27.4", "min", "≤ 30.0 min")
    assert row["word"] == "On target"
    assert len(row["spark"]["points"]) == 13
    assert row["spark"]["label"].startswith("13 weeks to 2026-W39: from ")
    assert row["because"].startswith("27.4 min is at or under")
    assert row["change"]["arrow"] == "down"
    assert row["change"]["sense"] == "better"  # lower is better


def test_an_arrow_says_worse_by_the_metrics_own_direction(board: Board) -> None:
    made = rows(page(board, "/processes/order-fulfilment"))
    assert (made["otif"]["change"]["arrow"], made["otif"]["change"]["sense"]) == ("down", "worse")
    assert rows(page(board, "/teams/support"))["occupancy"]["change"]["sense"] == "none"  # a band has no direction


def test_counts_leave_out_what_has_no_weight_and_the_whole_beside_a_slice(board: Board) -> None:
    heavy = board.book.metrics["backlog"]
    book = replace(board.book, metrics={**board.book.metrics, "backlog": replace(heavy, weight=0)})
    made = page(replace(board, book=book), "/processes/ticket-resolution")
    counting = [mark for mark in made["marks"] if mark[2]]
    assert len(made["marks"]) == 6
    assert sorted(mark[0] for mark in counting) == ["amber", "amber", "green", "green", "green"]


def test_a_team_page_links_to_what_stands_below(board: Board) -> None:
    made = page(board, "/teams/support?theme=dark&period=2026-W30")
    assert [c["title"] for c in made["body"]["children"]] == ["Night shift", "Day shift", "Ticket resolution"]
    assert all("theme=dark" in c["href"] and "period=2026-W30" in c["href"] for c in made["body"]["children"])
    assert [c["text"] for c in made["crumbs"]] == ["Northwind Operations", "Operations"]


def test_a_slice_links_to_its_own_part_of_the_metric(board: Board) -> None:
    row = rows(page(board, "/teams/night-shift"))["csat"]
    assert row["href"] == "/metrics/csat?team=night-shift"


def test_an_overdue_review_a_missing_deputy_and_an_unsafe_link_are_seen(board: Board) -> None:
    late = page(board, "/processes/order-fulfilment")["body"]["card"]
    assert late["reviewed"] == {"text": "11 Jun 2025 · overdue since 11 Jun 2026", "overdue": True}
    assert page(board, "/processes/release")["body"]["card"]["deputy"] is None
    unsafe = page(board, "/processes/invoicing")["body"]["card"]
    assert unsafe["sop"] == {"href": None, "text": "javascript:alert(1)"}


# -- freshness -------------------------------------------------------------------------------------------------


def test_what_is_stale_now_is_grey_now_and_says_what_it_was(board: Board) -> None:
    row = rows(page(board, "/processes/invoicing"))["invoice_days"]
    assert (row["status"], row["word"], row["reason"]) == ("grey", "Stale", "stale")
    assert "it was" in row["because"]


def test_what_cannot_be_said_shows_no_change_and_says_times_by_the_local_clock(board: Board) -> None:
    stale = rows(page(board, "/processes/ticket-resolution", now=NOW + timedelta(days=40)))["first_reply_p90"]
    assert (stale["status"], stale["change"]) == ("grey", None), "a fall that a late source made is none"
    said = "no new data since 2026-11-13T23:00:00Z; it was: 4 is over 3"
    assert local_moments(said, "Europe/Berlin", NOW) == "no new data since 14 Nov, 00:00; it was: 4 is over 3"
    assert local_moments("until 2025-07-01T10:00:00Z", "America/New_York", NOW) == "until 1 Jul 2025, 06:00"
    assert local_moments("at 2026-09-28", "Europe/Berlin", NOW) == "at 2026-09-28", "a day is said as it stands"
    for key, value in walk(page(board, "/processes/ticket-resolution", now=NOW + timedelta(days=40))):
        assert key != "because" or not UTC_MOMENT.search(value)


def test_what_will_be_stale_carries_the_moment_and_the_sentence(board: Board) -> None:
    made = page(board, "/wall/support-floor")
    tile = next(t for t in made["body"]["screens"][0]["tiles"] if t["metric"] == "backlog")
    assert tile["fresh"] == int((NOW + timedelta(minutes=10)).timestamp() * 1000)
    assert tile["stale"].startswith("No good load since 14:05; it was: 655 is")
    assert page(board, "/", ticking=False)["ticking"] is False


def test_nothing_stale_is_green_on_any_page_at_any_time(board: Board) -> None:
    for address in ("/", "/teams/support", "/metrics", "/metrics/csat", "/wall/support-floor", "/wall/all-hands"):
        for hours in (0, 1, 24, 24 * 14):
            now = NOW + timedelta(hours=hours)
            made = page(board, address, now=now)
            for _, node in walk(made):
                if isinstance(node, dict) and node.get("fresh") is not None and node.get("fresh") < made["now"]:
                    assert node["status"] == "grey", (address, hours, node)


# -- the organisation ------------------------------------------------------------------------------------------


def test_the_organisation_names_what_is_red_now_and_whose_it_is(board: Board) -> None:
    made = page(board, "/")
    red = made["body"]["exceptions"][0]
    assert red["role"] == "red"
    named = {(row["title"], row["owner"]["name"], row["card"]["text"]) for row in red["rows"]}
    assert ("Open tickets", "Ben Ito", "Ticket resolution") in named  # on the process's card, not twice on its team's
    assert ("Satisfied customers, Night shift", "Ben Ito", "Night shift") in named
    assert len([n for n in named if n[0] == "Open tickets"]) == 1


def test_the_organisation_page_carries_what_its_summary_counts(board: Board) -> None:
    body = page(board, "/")["body"]
    listed = {group["role"]: len(group["rows"]) for group in body["exceptions"]}
    statuses = [mark[0] for mark in body["judged"]]
    assert {status: statuses.count(status) for status in listed} == listed
    assert "green" in statuses
    assert body["unloaded"] == [0, len(board.sources)]
    sources = (replace(board.sources[0], outcome=None), *board.sources[1:])
    assert page(replace(board, sources=sources), "/")["body"]["unloaded"] == [1, len(sources)]


def test_teams_stand_worst_first_with_their_processes_below(board: Board) -> None:
    teams = page(board, "/")["body"]["teams"]
    assert teams[0]["title"] == "Operations"
    assert [(b["title"], b["level"]) for b in teams[0]["below"]][:2] == [("Logistics", 1), ("Order fulfilment", 2)]
    assert {t["title"] for t in teams} == {"Operations", "Engineering", "Sales", "Finance"}


def test_foundations_name_what_processes_lack(board: Board) -> None:
    found = {
        item["title"]: [link["text"] for link in item["links"]] for item in page(board, "/")["body"]["foundations"]
    }
    assert found["1 process without a deputy"] == ["Release to production"]
    assert found["1 process without a written procedure"] == ["Lead handling"]
    assert "Order fulfilment" in found["2 processes with an overdue procedure review"]


def test_an_empty_organisation_says_what_to_do_next() -> None:
    empty = northwind.board(of=Book(Organization("New", Person("A", None))))
    assert "metrics.yaml" in page(empty, "/")["body"]["empty"]["text"]
    assert page(empty, "/metrics")["body"]["group"] is None


# -- periods, grains, themes -----------------------------------------------------------------------------------


def test_pages_open_on_the_last_closed_period_and_step_from_there(board: Board) -> None:
    when = page(board, "/teams/support")["when"]
    assert (when["label"], when["dates"], when["running"]) == ("2026-W39", "21 – 27 Sep 2026", False)
    assert when["previous"]["href"] == "/teams/support?period=2026-W38"
    assert when["next"]["href"] == "/teams/support?period=2026-W40"
    assert when["next"]["text"].startswith("2026-W40 (running)")
    assert when["latest"]["href"] is None
    running = page(board, "/teams/support?period=2026-W40")["when"]
    assert running["running"]
    assert running["next"]["href"] is None
    assert running["previous"]["href"] == "/teams/support"  # the last closed one needs no query


def test_where_rows_end_before_the_period_their_own_is_one_step_away(board: Board) -> None:
    assert page(board, "/teams/support")["when"]["newest"]["href"] is None
    old = replace(board, stamps={"backlog": (NOW, NOW - timedelta(days=31)), "csat": (NOW, None)})
    newest = page(old, "/metrics?theme=dark")["when"]["newest"]
    assert newest["href"] == "/metrics?period=2026-W35&theme=dark"
    assert newest["text"] == "2026-W35, 24 – 30 Aug 2026"
    assert page(old, "/metrics/backlog?grain=month")["when"]["newest"]["href"] is None  # August is what is shown
    assert page(old, "/metrics/csat")["when"]["newest"]["href"] is None


def test_a_metrics_history_holds_the_chosen_period_however_old(board: Board) -> None:
    every = board.series("backlog", "week", None, NOW, None)
    drawn = page_for(board, f"/metrics/backlog?period={every[3].period}", FRAME)
    assert [r.period for r in drawn.chart] == [r.period for r in every[: 3 + 53 // 4 + 1]]
    assert page_for(board, "/metrics/backlog", FRAME).chart == every[-53:]
    assert drawn.page["body"]["nothing"] is None


def test_a_grain_keeps_the_time_that_is_looked_at(board: Board) -> None:
    made = page(board, "/teams/support?period=2026-W30")
    by = {grain["text"]: grain["href"] for grain in made["grains"]}
    assert by["Month"] == "/teams/support?period=2026-07&grain=month"
    month = page(board, by["Month"])
    assert month["when"]["label"] == "2026-07"
    assert rows(month)["backlog"]["period"] == "2026-07"
    assert {g["text"]: g["href"] for g in page(board, "/teams/support")["grains"]}[
        "Year"
    ] == "/teams/support?grain=year"


def test_every_address_keeps_its_theme(board: Board) -> None:
    for address in ("/", "/teams/support", "/processes/invoicing", "/metrics", "/metrics/csat", "/data", "/nope"):
        made = page(board, f"{address}?theme=dark")
        assert made["theme"] == "dark"
        links = [value for key, value in walk(made) if key == "href" and isinstance(value, str) and value[0] == "/"]
        assert links, address
        assert all("theme=dark" in link for link in links), address
        assert "theme=light" in made["themes"]["light"]
    assert page(board, "/?theme=pink")["theme"] is None


def test_a_period_that_cannot_be_is_said_on_the_page(board: Board) -> None:
    drawn = page_for(board, "/teams/support?period=2026-W99", FRAME)
    assert (drawn.found, drawn.page["kind"]) == (False, "missing")
    assert "2026-W99" in drawn.page["body"]["text"]
    assert all("period" not in link["href"] for link in drawn.page["body"]["links"])


# -- metrics ---------------------------------------------------------------------------------------------------


def test_a_metric_page_has_readings_definition_sql_slices_and_notes(board: Board) -> None:
    body = page(board, "/metrics/csat")["body"]
    assert body["readings"][0]["period"] == "2026-W40"
    assert body["readings"][0]["running"]
    assert len(body["readings"]) == 53
    assert body["definition"].startswith("csat:")
    assert body["sql"][0].startswith("select")
    assert [part["title"] for part in body["slices"]] == ["Night shift", "Day shift"]
    assert body["notes"][0]["by"] == "Ben Ito"
    assert body["notes"][1]["about"] == "night-shift"
    assert body["note"] == {
        "metric": "csat",
        "grain": "week",
        "slice": None,
        "period": "2026-W39",
        "periods": [r["period"] for r in body["readings"][:13]],
    }


def test_a_metric_page_shows_one_slice_at_another_grain(board: Board) -> None:
    made = page(board, "/metrics/csat?team=night-shift&grain=month&period=2026-W30")
    assert made["when"]["label"] == "2026-06"  # the last month that had ended by the end of that week
    assert made["body"]["note"]["slice"] == {"team": "night-shift"}
    assert [s["text"] for s in made["slices"] if s["current"]] == ["Night shift"]


def test_a_chart_has_values_target_and_limit_with_a_mark_per_status(board: Board) -> None:
    drawn = page_for(board, "/metrics/backlog", FRAME)
    figure = chart(board.book.metric("backlog"), drawn.chart, "2026-W39", "light").figure
    names = [trace.name for trace in figure.data]
    assert names == ["Limit of amber", "Target", "Open tickets"]
    assert figure.data[1].line.dash == "dot"
    *closed, running = figure.data[2].marker.symbol
    assert set(closed) == {"square", "triangle-up"}
    assert running.endswith("-open")  # hollow: the running period is not yet what it will be
    assert page_for(board, "/teams/support", FRAME).chart == ()  # no other page needs the chart's library


@pytest.mark.parametrize("theme", THEMES)
def test_a_point_that_is_not_conclusive_is_pale_and_striped_and_says_so(board: Board, theme: Theme) -> None:
    readings = page_for(board, "/metrics/backlog?period=2026-W39", FRAME).chart
    certain = [replace(r, conclusive=True) for r in readings]
    thin, colours = replace(certain[-2], conclusive=False, n=12), COLOURS[theme]
    figure = chart(board.book.metric("backlog"), (*certain[:-2], thin, certain[-1]), "2026-W39", theme).figure
    drawn = next(trace for trace in figure.data if trace.mode == "lines+markers")
    assert [note[3] for note in drawn.customdata][-2:-1] == ["<br>n = 12, not conclusive"]
    full, pale = colours[thin.status], drawn.marker.color[-2]
    assert drawn.marker.line.color[-2] == full
    assert (pale not in colours.values(), re.fullmatch("#[0-9A-F]{6}", pale) is not None) == (True, True)
    assert set(drawn.marker.color[:-2]) <= set(colours.values())
    stripe = next(trace for trace in figure.data if trace.name == "Not conclusive")
    assert (list(stripe.x), list(stripe.y), list(stripe.marker.color)) == ([thin.period], [drawn.y[-2]], [full])
    assert stripe.hoverinfo == "skip"  # or it would hide what the mark says
    names = [t.name for t in chart(board.book.metric("backlog"), certain, "2026-W39", theme).figure.data]
    assert "Not conclusive" not in names


def test_a_cohort_that_is_too_young_is_not_drawn(board: Board) -> None:
    readings = page_for(board, "/metrics/backlog?period=2026-W39", FRAME).chart
    young = replace(readings[-1], running=False, projected=None, status="grey", reason="too_young")
    figure = chart(board.book.metric("backlog"), (*readings[:-1], young), "2026-W39", "light").figure
    drawn = next(trace for trace in figure.data if trace.mode == "lines+markers")
    assert drawn.y[-1] is None
    assert None not in drawn.y[-4:-1]
    point = _point(young, False, "Europe/Berlin", young.end)
    assert (point["value"], point["label"].split(", ")[1:]) == (None, ["Too young"])


@pytest.mark.parametrize("reason", ["stale", "held", "error"])
def test_no_line_is_drawn_to_what_cannot_be_said(board: Board, reason: str) -> None:
    readings = page_for(board, "/metrics/backlog?period=2026-W39", FRAME).chart[-6:]
    late = replace(readings[2], status="grey", reason=reason)
    figure = chart(board.book.metric("backlog"), (*readings[:2], late, *readings[3:]), "2026-W39", "light").figure
    by_name = {trace.name: trace for trace in figure.data}
    said, apart = by_name["Open tickets"], by_name["Cannot be said"]
    assert [y is None for y in said.y][:5] == [False, False, True, False, False]
    assert [y is None for y in apart.y][:5] == [True, False, False, False, True]  # from and to its neighbours, dotted
    assert (apart.y[2], apart.line.dash, apart.marker.size[1], apart.marker.size[2]) == (late.value, "dot", 0, 9.5)
    assert apart.customdata[2][0] == late.text
    assert _point(late, False, "Europe/Berlin", late.end)["unsaid"]
    gone = replace(late, value=0.0, n=0)  # no row has come: a fall to zero would be told
    figure = chart(board.book.metric("backlog"), (*readings[:2], gone, *readings[3:]), "2026-W39", "light").figure
    assert "Cannot be said" not in [trace.name for trace in figure.data]
    assert _point(gone, False, "Europe/Berlin", late.end)["value"] is None
    assert not _point(readings[1], False, "Europe/Berlin", late.end)["unsaid"]


def test_a_chart_grows_with_the_page(board: Board) -> None:
    readings = page_for(board, "/metrics/backlog", FRAME).chart
    small, large = (
        chart(board.book.metric("backlog"), readings, "2026-W39", "light", scale=by).figure for by in (1, 2)
    )
    assert large.layout.font.size == 2 * small.layout.font.size == 26
    assert large.layout.xaxis.tickfont.size == 24
    assert large.layout.margin.l == 16
    for one, two in zip(small.data, large.data, strict=True):
        assert two.line.width == 2 * one.line.width
        assert (one.x, one.y) == (two.x, two.y)
    assert [2 * size for size in small.data[2].marker.size] == list(large.data[2].marker.size)
    assert list(large.layout.xaxis.range) == list(small.layout.xaxis.range)


def test_a_chart_of_a_band_and_of_a_running_sum(board: Board) -> None:
    band = page_for(board, "/metrics/occupancy", FRAME)
    assert [t.name for t in chart(board.book.metric("occupancy"), band.chart, "2026-W39", "dark").figure.data].count(
        "Target"
    ) == 2
    made = page_for(board, "/metrics/orders_shipped", FRAME)
    names = [t.name for t in chart(board.book.metric("orders_shipped"), made.chart, "2026-W39", "dark").figure.data]
    assert names[-2:] == ["Heading for", "So far"]


def test_the_list_can_be_searched_by_everything_that_names_a_metric(board: Board) -> None:
    listed = {row["metric"]: row for row in page(board, "/metrics")["body"]["group"]["rows"]}
    assert len(listed) == len(board.book.metrics)
    for word in ("csat", "satisfied", "ben ito", "support", "ticket resolution", "surveys", "lagging"):
        assert word in listed["csat"]["words"]


# -- data ------------------------------------------------------------------------------------------------------


def test_the_data_page_puts_trouble_first_and_accounts_for_rows(board: Board) -> None:
    body = page(board, "/data")["body"]
    assert [(s["name"], s["word"]) for s in body["sources"][:2]] == [
        ("ledger", "Failing"),
        ("deploys", "Last run failed"),
    ]
    tickets = next(s for s in body["sources"] if s["name"] == "tickets")
    counts = {name: int(number.replace("\u202f", "")) for name, number in tickets["last"]}
    assert counts["read"] == counts["loaded"] + counts["unchanged"] + counts["duplicate"] + counts["quarantined"]
    assert any("in quarantine" in remark for remark in tickets["remarks"])
    assert tickets["details"] == []
    assert "Open tickets" in [m["text"] for m in tickets["metrics"]]
    assert body["loads"][0]["source"] == "tickets"
    assert page(board, "/data")["when"] is None


def test_what_to_do_about_a_failing_source_is_said_once(board: Board) -> None:
    failing = next(s for s in board.sources if s.name == "ledger")
    said = replace(failing, problem=f"no file at gone.csv ({failing.hint})")
    shown = page(replace(board, sources=(said,)), "/data")["body"]["sources"][0]
    assert (shown["problem"], shown["hint"]) == ("no file at gone.csv", failing.hint)


def test_a_bad_book_on_disk_is_said_on_every_page() -> None:
    wrong = Problem("unknown key 'targt' in metric 'csat'", Place("metrics.yaml", 41, 13), "did you mean 'target'?")
    bad = northwind.board(notices=(wrong,))
    for address in ("/", "/data", "/wall/support-floor"):
        notice = page(bad, address)["notices"][0]
        assert notice["place"] == "metrics.yaml:41:13"
        assert notice["hint"] == "did you mean 'target'?"


def test_what_check_would_advise_stands_with_the_data_alone() -> None:
    advice = Problem("process 'refunds' has no leading metric", Place("metrics.yaml", 90, 3), severity="warning")
    advised = northwind.board(of=replace(northwind.book(), warnings=(advice,)), notices=(advice,))
    assert [len(page(advised, a)["notices"]) for a in ("/", "/data", "/wall/support-floor")] == [0, 1, 0]


# -- walls -----------------------------------------------------------------------------------------------------


def test_a_wall_shows_the_running_period_with_the_last_closed_beside(board: Board) -> None:
    body = page(board, "/wall/support-floor")["body"]
    assert (body["rotate"], body["theme"], body["embedded"]) == (20000, "dark", False)
    assert [s["title"] for s in body["screens"]] == ["Support", "Ticket resolution"]
    tile = next(t for t in body["screens"][0]["tiles"] if t["metric"] == "tickets_created")
    assert (tile["period"], tile["running"], tile["closed"]["period"]) == ("2026-W40", True, "2026-W39")
    assert tile["number"] == "548"
    assert (tile["heading"], tile["range"]) == ("heading for 1\u202f534", "1\u202f396 – 1\u202f688")
    facts = dict(tile["facts"])
    assert (facts["Nine times of ten"], facts["Chance of the target"]) == ("1\u202f396 – 1\u202f688", "38%")
    assert page(board, "/embed/support-floor")["body"]["embedded"]


def test_a_wall_tells_the_age_of_the_sources_it_rests_on_and_no_others(board: Board) -> None:
    assert [s["name"] for s in page(board, "/wall/delivery")["body"]["sources"]] == ["orders"]
    names = {s["name"] for s in page(board, "/wall/support-floor")["body"]["sources"]}
    assert "ledger" not in names


# -- what is not there -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "offer"),
    [("/teams/suport", "/teams/support"), ("/metrics/cast", "/metrics/csat"), ("/processes/releas", "/processes/release"),
     ("/teams/invoicing", "/processes/invoicing"), ("/wall/suport-floor", "/wall/support-floor"), ("/team/support", "/teams/support")],
)  # fmt: skip
def test_an_unknown_name_offers_the_one_that_was_meant(board: Board, address: str, offer: str) -> None:
    drawn = page_for(board, address, FRAME)
    assert not drawn.found
    assert drawn.page["body"]["links"][0]["href"] == offer


def test_an_unknown_address_offers_the_start(board: Board) -> None:
    drawn = page_for(board, "/wp-admin/<script>", FRAME)
    assert not drawn.found
    assert [link["href"] for link in drawn.page["body"]["links"]] == ["/"]


def test_before_the_first_board_a_page_says_that_it_is_loading() -> None:
    drawn = opening_page("/teams/support?theme=dark", FRAME)
    assert drawn.page["kind"] == "opening"
    assert drawn.page["theme"] == "dark"


# -- addresses -------------------------------------------------------------------------------------------------


def test_addresses_are_read_and_written_back() -> None:
    address = Address.read("/metrics/csat/?period=2026-W39&team=night-shift&theme=light&utm=x")
    assert address.path == "/metrics/csat"
    assert address.text() == "/metrics/csat?period=2026-W39&theme=light&team=night-shift"
    assert address.to("/teams/support") == "/teams/support?period=2026-W39&theme=light"
    assert Address.read("//evil.example/x").path == "/x"
    assert Address.read("/teams/%3Cb%3E").to("/teams/<b>") == "/teams/%3Cb%3E"


@pytest.mark.parametrize(
    "bad",
    [
        "javascript:alert(1)",
        " javascript:x",
        "data:text/html,x",
        "vbscript:x",
        "//evil.example",
        "/local",
        "https://a b",
        'https://x"onclick=',
        "",
    ],
)
def test_only_plain_outside_addresses_become_links(bad: str) -> None:
    assert outside(bad) is None


def test_outside_addresses_and_mail() -> None:
    assert outside("https://wiki.example.com/sop/7?a=b#c") is not None
    assert mail("ana@example.com") == "mailto:ana@example.com"
    assert mail("ana@example.com?bcc=x@example.com") is None


def test_no_page_carries_a_link_that_could_run(board: Board) -> None:
    for address in ("/", "/teams/finance", "/processes/invoicing", "/metrics/overdue", "/data"):
        for key, value in walk(page(board, address)):
            if key in ("href", "mail") and value is not None:
                assert re.match(r"^(/(?!/)|https?://|mailto:)", value), (address, value)


# -- the schedule beside the board -----------------------------------------------------------------------------


def test_the_data_page_tells_what_fails_since_when_and_what_the_breaker_does(board: Board) -> None:
    body = page(board, "/data", pulse=lambda: northwind.pulse(NOW))["body"]
    sources = {source["name"]: source for source in body["sources"]}
    turn = sources["deploys"]["turn"]
    assert turn["failing"]["text"].startswith("Failing since ")
    assert turn["failing"]["runs"] == "6 runs"
    assert turn["breaker"]["state"] == "open"
    assert "left alone after 6 network or lock errors in a row" in turn["breaker"]["text"]
    assert turn["breaker"]["next"] == turn["next"] == (NOW.timestamp() + 154) * 1000
    assert turn["strip"]["marks"].endswith("f")
    assert "failed" in turn["strip"]["titles"][str(len(turn["strip"]["marks"]) - 1)]
    assert sources["ledger"]["turn"]["strip"]["marks"].endswith("f" * 9)
    assert "fffffffffff" not in sources["ledger"]["turn"]["strip"]["marks"]
    assert sources["orders"]["remarks"][-1].startswith("4 runs skipped, the one before being still under way")
    later = page(board, "/data", now=NOW + timedelta(hours=2), pulse=lambda: northwind.pulse(NOW))["body"]["sources"]
    assert not [r for s in later if s["name"] == "orders" for r in s["remarks"] if "skipped" in r], "no news any more"
    assert sources["orders"]["turn"]["running"] == (NOW.timestamp() - 71) * 1000
    assert body["schedule"] == {"status": "green", "text": "1 of 8 workers busy"}
    assert sources["tickets"]["turn"]["breaker"] is None


def test_an_alarm_of_the_scheduler_is_on_every_page(board: Board) -> None:
    alarm = Warned("clock", NOW, "This machine's clock was set back by 1 h", "wait")
    for address in ("/", "/teams/support", "/metrics/csat", "/data", "/wall/support-floor", "/embed/delivery", "/nope"):
        assert page(board, address, alarms=(alarm,))["alarms"] == [
            {"kind": "clock", "message": alarm.message, "hint": "wait", "since": NOW.timestamp() * 1000}
        ]
    assert page(board, "/")["alarms"] == []


def test_the_data_page_of_500_sources_stays_light(board: Board) -> None:
    """It is asked for every few seconds by everyone who looks at it."""
    one = northwind.pulse(NOW)
    names = [f"source_{n}" for n in range(500)]
    states = tuple(replace(board.sources[1], name=name) for name in names)
    many = replace(
        one,
        turns={name: replace(one.turns["crm"], source=name) for name in names},
        recent=dict.fromkeys(names, one.recent["crm"]),
    )
    made = page(replace(board, sources=states), "/data", pulse=lambda: many)
    assert len(made["body"]["sources"]) == 500
    assert len(json.dumps(made, separators=(",", ":"))) < 900_000
