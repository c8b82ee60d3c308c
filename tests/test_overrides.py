"""Overrides: what a person may say, how long it stands, what it can never make green, and that everybody sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.board.board import Board
from scorecard.board.build import Ingredients, build
from scorecard.judgement.override import Override, better, ended, stands
from scorecard.judgement.status import Status
from scorecard.refresh.overrides import OverridesRead, newest_of
from scorecard.warehouse.engine import Standing
from tests.amounts import times
from tests.served import served as served_product
from tests.web_house import BOOK, CALENDAR, NOW, House, Site, measured, served

WEEK = ("solved", "week", None)
HOUR = timedelta(hours=1)


def board(*said: tuple[str, Override], at: datetime = NOW, before: Board | None = None) -> Board:
    """The house's board with overrides on weeks of ``solved``."""
    standing = Standing("tickets", NOW, NOW, 3, 1000, {"at": "TIMESTAMP"})
    made_of = Ingredients(BOOK, CALENDAR, at, 7 if before is None else 8, {"tickets": standing})
    made_of = replace(made_of, overrides={WEEK: dict(said)} if said else {})
    return build(made_of, replace(measured(), changed=None if before is None else {}), before)


def says(status: Status, text: str | None = None, until: datetime | None = None, by: str = "Ana Ruiz") -> Override:
    return Override(status, by, NOW - HOUR, text, until)


def test_worse_freely_and_the_original_is_kept() -> None:
    shown = board(("2026-W39", says("red", "a branch was closed"))).reading("solved", None, "2026-W39", None, NOW)
    assert (shown.status, shown.judged, shown.reason) == ("red", "green", "override")
    assert shown.because == "Ana Ruiz says red: a branch was closed; judged green: 130 is at or over the target of 100"
    assert shown.as_json()["override"] == {
        "by": "Ana Ruiz", "text": "a branch was closed", "until": None, "at": "2026-09-28T07:00:00Z",
    }  # fmt: skip
    step = shown.trail[-1]
    assert (step["step"], step["applies"], step["judged"], step["status"]) == ("override", True, "green", "red")


@pytest.mark.parametrize(
    ("override", "lacking"),
    [
        (says("green"), "a reason and an end"),
        (says("green", "counted twice"), "an end"),
        (says("green", until=NOW + HOUR), "a reason"),
    ],
)
def test_better_needs_a_reason_and_an_end(override: Override, lacking: str) -> None:
    shown = board(("2026-W37", override)).reading("solved", None, "2026-W37", None, NOW)
    assert (shown.status, shown.judged, shown.override) == ("red", "red", None)
    assert shown.trail[-1]["applies"] is False
    assert str(shown.trail[-1]["detail"]).endswith(f"has not {lacking}")
    good = board(("2026-W37", says("green", "counted twice", NOW + HOUR)))
    assert good.reading("solved", None, "2026-W37", None, NOW).status == "green"


def test_it_ends_by_the_clock_alone() -> None:
    until = NOW + timedelta(minutes=3)
    shown = board(("2026-W37", says("green", "counted twice", until)))
    assert shown.reading("solved", None, "2026-W37", None, until - timedelta(seconds=1)).status == "green"
    later = shown.reading("solved", None, "2026-W37", None, until)
    plain = board().reading("solved", None, "2026-W37", None, NOW)
    assert (later.status, later.reason, later.because) == (plain.status, plain.reason, plain.because)
    assert later.override is None
    assert later.trail[-1]["applies"] is False
    assert "ended at" in str(later.trail[-1]["detail"])
    assert shown.next_turn(NOW) == until


def test_nothing_stale_is_green_by_an_override() -> None:
    shown = board(("2026-W40", says("green", "all is well", NOW + 9 * HOUR)))
    assert shown.reading("solved", None, "2026-W40", None, NOW).fresh_until == NOW + timedelta(minutes=10)
    stale = shown.reading("solved", None, "2026-W40", None, NOW + HOUR)
    assert (stale.status, stale.reason, stale.override) == ("grey", "stale", None)
    assert stale.trail[-1]["step"] == "stale"
    grey = board(("2026-W40", says("green", "all is well", NOW + 9 * HOUR)), at=NOW + HOUR)
    assert grey.reading("solved", None, "2026-W40", None, NOW + HOUR).status == "grey"
    none = board(("2024-W01", says("green", "it was good", NOW + HOUR)))
    assert none.reading("solved", None, "2024-W01", None, NOW).status == "grey"


def test_the_card_rolls_up_what_people_say() -> None:
    card = board(("2026-W39", says("red"))).scorecard("support", now=NOW)
    assert (card.status, card.counts["red"], card.counts["green"]) == ("red", 1, 0)


@pytest.mark.parametrize(
    "before", [(), (("2026-W36", says("red")),), (("2026-W37", says("green", "why", NOW + HOUR)),)]
)
@pytest.mark.parametrize("after", [(), (("2026-W36", says("red")),), (("2026-W37", says("green", "why", NOW + HOUR)),)])
@pytest.mark.parametrize("minutes", [0, 70])
def test_taking_boards_over_gives_the_same_as_building_them_anew(before: Any, after: Any, minutes: int) -> None:
    at = NOW + timedelta(minutes=minutes)
    quick, full = board(*after, at=at, before=board(*before)), board(*after, at=at)

    def bare(rows: Board) -> list[object]:
        return [replace(r, as_of=NOW, version=0) for key in rows.readings for r in rows.readings[key]]

    assert bare(quick) == bare(full)


statuses = st.sampled_from(get_args(Status))


@settings(deadline=None, max_examples=times(150))
@given(
    said=statuses,
    judged=statuses,
    text=st.one_of(st.none(), st.just("why")),
    until=st.one_of(st.none(), st.integers(-90, 90).map(lambda n: NOW + timedelta(minutes=n))),
)
def test_what_stands_is_never_grey_made_green_nor_better_without_reason(
    said: Status, judged: Status, text: str | None, until: datetime | None
) -> None:
    override = says(said, text, until)
    applies, detail = stands(override, judged, NOW)
    assert detail
    if applies:
        assert judged != "grey"
        assert not ended(override, NOW)
        assert said != judged
        assert not better(said, judged) or (text is not None and until is not None)


# -- the journal -------------------------------------------------------------------------------------------------------

ABOUT = {"metric": "solved", "period": "2026-W39", "by": "Ana Ruiz"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    house = House(tmp_path)
    house.publish()
    with served(house) as site:
        yield site


def shown(site: Site) -> Any:
    answer = site.get("/api/v1/metrics/solved/readings?period=2026-W39").json()["readings"][0]
    return answer["status"], answer["judged"], answer["override"] and answer["override"]["by"]


def test_the_newest_counts_and_clear_takes_it_back(site: Site) -> None:
    written = site.post("/api/v1/overrides", {**ABOUT, "status": "amber"})
    assert (written.status_code, written.json()["judged"]) == (201, "green")
    assert shown(site) == ("amber", "green", "Ana Ruiz")
    site.post("/api/v1/overrides", {**ABOUT, "status": "red", "by": "Ben"})
    assert shown(site) == ("red", "green", "Ben")
    cleared = site.post("/api/v1/overrides", {**ABOUT, "status": "clear"})
    assert cleared.status_code == 201
    assert shown(site) == ("green", "green", None)
    site.post("/api/v1/overrides", {**ABOUT, "status": "red"})
    site.post("/api/v1/overrides", {**ABOUT, "status": "green"})
    assert shown(site) == ("green", "green", None), "saying what was judged takes back what was said before"


def test_what_cannot_be_said_has_no_colour_to_replace(site: Site) -> None:
    answer = site.post("/api/v1/overrides", {**ABOUT, "period": "2024-W01", "status": "red"})
    assert answer.status_code == 400
    assert "no colour to replace" in answer.json()["error"]["message"]


def test_an_override_of_a_slice_is_of_that_slice_alone(site: Site) -> None:
    sent = {**ABOUT, "slice": {"team": "night"}, "status": "red"}
    assert site.post("/api/v1/overrides", sent).status_code == 201
    board = site.house.publisher.current()
    assert board.reading("solved", None, "2026-W39", ("team", "night"), NOW).status == "red"
    assert board.reading("solved", None, "2026-W39", None, NOW).status == "green"


def test_what_another_process_writes_is_noticed(tmp_path: Path) -> None:
    house = House(tmp_path)
    read = OverridesRead(house.journal)
    assert read.current(CALENDAR) == {}
    assert not read.changed()
    house.journal.add("override", "Ana", {"metric": "solved", "period": "2026-W39", "status": "red", "judged": "green"})
    assert read.changed()
    assert read.current(CALENDAR)[WEEK]["2026-W39"].status == "red"
    assert not read.changed()
    house.journal.close()


def test_entries_that_fit_no_reading_are_left_out(tmp_path: Path) -> None:
    house = House(tmp_path)
    for body in ({"metric": "solved", "period": "2026-W99", "status": "red"}, {"metric": "solved", "status": "red"}):
        house.journal.add("override", "Ana", body)
    house.journal.add("override", "Ana", {"metric": "solved", "period": "2026-W39", "status": "blue"})
    assert newest_of(house.journal.entries("override"), CALENDAR) == {}
    house.journal.close()


def test_a_served_override_is_published_within_a_second(tmp_path: Path) -> None:
    (tmp_path / "metrics.yaml").write_text(
        """version: 1
organization: {name: Small, owner: Dana Lee, timezone: UTC}
sources:
  calls: {kind: csv, path: calls.csv, key: [id], time: day, columns: {day: date}, every: 1h}
metrics:
  calls_made: {role: leading, source: calls, count: rows, better: higher, target: 2}
"""
    )
    (tmp_path / "calls.csv").write_text("id,day\n1,2026-03-02\n2,2026-03-03\n")
    with served_product(tmp_path) as product:
        product.wait_for("calls_made", 2.0, period="2026-W10")
        sent = {"metric": "calls_made", "period": "2026-W10", "status": "red", "by": "Ana", "text": "one was a test"}
        status, _ = product.post("/api/v1/overrides", sent)
        began = time.monotonic()
        assert status == 201
        while (found := product.reading("calls_made", period="2026-W10"))["status"] != "red":
            assert time.monotonic() - began < 1.0
            time.sleep(0.02)
        assert (found["judged"], found["reason"], found["override"]["text"]) == ("green", "override", "one was a test")
        until = datetime.now(UTC) + timedelta(seconds=2)
        sent = {**sent, "status": "amber", "until": until.isoformat()}
        assert product.post("/api/v1/overrides", sent)[0] == 201
        version = product.version()
        time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
        assert product.reading("calls_made", period="2026-W10")["status"] == "green"
        ended = time.monotonic()
        while product.version() == version:  # the clock alone publishes it, so that pages hear of it
            assert time.monotonic() - ended < 5
            time.sleep(0.05)
