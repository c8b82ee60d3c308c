"""The board: readings judged, cards, selections; and that an incremental build equals a full one."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from scorecard.board.board import Board
from scorecard.board.build import Ingredients, build
from scorecard.board.reading import Reading
from scorecard.book.expressions import expression
from scorecard.book.model import Book
from scorecard.book.model.metric import Count, Formula, Mean, Metric, Split
from scorecard.book.model.organization import Organization, Person, Process, Team
from scorecard.book.model.source import Schedule, Source
from scorecard.book.scope import adds_up
from scorecard.ground.errors import NotFound, Refused
from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.targets import Relative, Target, Tolerance, Versus
from scorecard.measures.values import Cell, Measured, Series
from scorecard.warehouse.engine import Standing

CALENDAR = Calendar("Europe/Berlin")
NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)  # a Monday
ANA = Person("Ana Ruiz")
WEEKS = CALENDAR.between("week", date(2026, 8, 3), date(2026, 9, 28))


def book() -> Book:
    def metric(name: str, **more: object) -> Metric:
        basis: dict[str, object] = {
            "title": name.title(), "measure": Count(), "role": "leading", "better": "higher", "source": "tickets", "time": "at",
        }  # fmt: skip
        return Metric(name=name, **{**basis, **more})  # type: ignore[arg-type]

    metrics = (
        metric(
            "solved",
            process="desk",
            targets=(Target(100.0, tolerance=Tolerance(0.1, True)),),
            split=Split("team", "team"),
        ),
        metric("grown", team="support", role="lagging", targets=(Target(Relative(Versus("previous"), 0.05)),)),
        metric("plain", team="support", weight=0),
        metric("rated", measure=Mean(None), min_sample=20, targets=(Target(4.0, amber=3.5),)),  # type: ignore[arg-type]
    )
    return Book(
        organization=Organization("Test", ANA, "Europe/Berlin"),
        sources={"tickets": Source("tickets", "csv", {}, Schedule(every_seconds=60), time="at")},
        teams={
            "support": Team("support", "Support", ANA),
            "night": Team("night", "Night shift", None, parent="support"),
        },
        processes={"desk": Process("desk", "Desk", "support", ANA)},
        metrics={m.name: m for m in metrics},
    )


BOOK = book()


def measured(values: dict[str, list[float | None]], changed: dict[object, frozenset[int]] | None = None) -> Measured:
    def series(row: list[float | None]) -> Series:
        return Series(WEEKS, tuple(Cell(v, n=None if v is None else int(v)) for v in row))

    keys = {
        (n.split("/")[0], "week", ("team", n.split("/")[1]) if "/" in n else None): row for n, row in values.items()
    }
    return Measured({key: series(row) for key, row in keys.items()}, changed=changed)  # type: ignore[arg-type]


VALUES: dict[str, list[float | None]] = {
    "solved": [90, 95, 100, 105, 99, 89, 120, 130, 10],
    "solved/night": [9, 9, 9, 9, 9, 9, 9, 9, 1],
    "grown": [100, 105, 105, 120, 110, 120, 130, 140, 20],
    "plain": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "rated": [30, 30, 30, 30, 30, 30, 19, None, None],
}


def made(now: datetime = NOW, version: int = 7, loaded: datetime | None = NOW) -> Ingredients:
    standing = Standing("tickets", loaded, loaded, 3, 1000, {"at": "TIMESTAMP"})
    return Ingredients(BOOK, CALENDAR, now, version, {} if loaded is None else {"tickets": standing})


def board() -> Board:
    return build(made(), measured(VALUES))


def test_colours_follow_the_targets_of_the_period() -> None:
    rows = board().series("solved", last=None, now=NOW)
    assert [r.status for r in rows[:-1]] == ["amber", "amber", "green", "green", "amber", "red", "green", "green"]
    assert all(r.reason == "target" for r in rows[:-1])
    assert (rows[-1].running, rows[-1].provisional) == (True, True)
    assert rows[-2].previous == 120
    grown = board().series("grown", last=None, now=NOW)
    assert (grown[0].status, grown[0].reason) == ("neutral", "no_comparison")
    assert [r.status for r in grown[1:4]] == ["green", "red", "green"]


def test_a_slice_inherits_no_target_that_adds_up() -> None:
    rows = board().series("solved", slice=("team", "night"), now=NOW)
    assert {(r.status, r.reason) for r in rows[:-1]} == {("neutral", "no_target")}
    assert (rows[0].team, rows[0].process) == ("night", "desk")


def test_a_card_shows_the_last_closed_period_and_rolls_up() -> None:
    card = board().scorecard("support", now=NOW)
    assert [(r.metric, r.period, r.status) for r in card.readings] == [
        ("solved", "2026-W39", "green"), ("plain", "2026-W39", "neutral"), ("grown", "2026-W39", "green"),
    ]  # fmt: skip
    assert card.status == "green"
    assert card.counts == {"red": 0, "amber": 0, "grey": 0, "green": 2, "neutral": 0}
    assert card.owner == "Ana Ruiz"
    night = board().scorecard("night", now=NOW)
    assert [(r.metric, r.slice) for r in night.readings] == [("solved", ("team", "night"))]
    whole = board().scorecard("organization", now=NOW)
    assert whole.status is None
    assert sum(whole.counts.values()) == 3
    assert [r.metric for r in whole.readings] == ["rated"]


def test_too_few_and_nothing_are_grey() -> None:
    rows = {r.period: r for r in board().series("rated", last=None, now=NOW)}
    assert (rows["2026-W38"].status, rows["2026-W38"].reason) == ("grey", "too_few")
    assert (rows["2026-W39"].status, rows["2026-W39"].reason) == ("grey", "no_data")
    assert rows["2026-W37"].status == "green"


def test_a_period_beyond_the_grid_is_no_data_not_an_error() -> None:
    reading = board().reading("solved", None, "2024-W01", None, NOW)
    assert (reading.status, reading.reason, reading.value) == ("grey", "no_data", None)
    never = build(made(loaded=None), Measured({}))
    assert never.scorecard("support", now=NOW).status == "grey"


def test_a_reading_turns_grey_when_its_freshness_ends() -> None:
    shown = board()
    running = shown.series("solved", now=NOW)[-1]
    assert running.fresh_until == NOW + timedelta(minutes=10)
    later = shown.series("solved", now=NOW + timedelta(minutes=11))
    assert (later[-1].status, later[-1].reason) == ("grey", "stale")
    assert later[-2].status == "green"  # its load came after its end: it stays


def test_selections() -> None:
    shown = board()
    assert [r.metric for r in shown.select(team="support", now=NOW)] == ["solved", "grown", "plain"]
    assert [r.slice for r in shown.select(["solved"], team="night", now=NOW)] == [("team", "night")]
    assert [r.period for r in shown.select(["solved"], periods=2, now=NOW)] == ["2026-W38", "2026-W39"]
    assert len(shown.select(["solved"], first="2026-W36", last="2026-W38", now=NOW)) == 3
    assert [r.period for r in shown.select(["solved"], first="2026-09-21", now=NOW)] == ["2026-W39", "2026-W40"]
    assert [r.period for r in shown.select(["solved"], first="2026-W37", periods=2, now=NOW)] == [
        "2026-W37",
        "2026-W38",
    ]
    assert [r.period for r in shown.select(["solved"], last="2026-W38", periods=2, now=NOW)] == ["2026-W37", "2026-W38"]
    with pytest.raises(NotFound, match="did you mean 'solved'"):
        shown.select(["sovled"], now=NOW)
    with pytest.raises(NotFound, match="did you mean 'support'"):
        shown.select(team="suport", now=NOW)
    with pytest.raises(Refused, match="'decade' is no grain"):
        shown.select(grain="decade", now=NOW)
    with pytest.raises(Refused, match="coarser"):
        shown.select(["solved"], grain="day", now=NOW)


def test_filters_that_contradict_each_other_are_refused() -> None:
    shown = board()
    for also in ({"first": "2026-W36"}, {"last": "2026-W39"}, {"periods": 2}):
        with pytest.raises(Refused, match="both asked for"):
            shown.select(["solved"], period="2026-W38", now=NOW, **also)
    with pytest.raises(Refused, match=r"ends .* before it begins"):
        shown.select(["solved"], first="2026-W39", last="2026-W38", now=NOW)
    assert [r.period for r in shown.select(["solved"], first="2026-W38", last="2026-W38", now=NOW)] == ["2026-W38"]


@pytest.mark.parametrize("seen", ["all", "newest", "none"])
@pytest.mark.parametrize("touched", [0, 3, 6, 7, 8])
def test_an_incremental_board_equals_a_full_one(touched: int, seen: str) -> None:
    before = board()
    for line in before.readings.values():
        assert len(line[{"all": 0, "newest": -2, "none": len(line)}[seen] :]) <= len(line)
    values = {name: list(row) for name, row in VALUES.items()}
    values["grown"][touched] = 77.0
    later = made(NOW + timedelta(hours=30), 8, NOW + timedelta(hours=30))
    changes: dict[object, frozenset[int]] = {("grown", "week", None): frozenset({touched})}
    quick = build(later, measured(values, changes), before)
    full = build(later, measured(values))

    def bare(rows: Board) -> list[object]:
        return [
            replace(r, as_of=NOW, version=0, loaded_at=None, data_until=None)
            for key in rows.readings
            for r in rows.readings[key]
        ]

    assert bare(quick) == bare(full)
    kept = [r for r in quick.readings["grown", "week", None] if r.version == 7]
    assert (
        bool(kept) == {"all": True, "newest": touched not in (6, 7), "none": False}[seen]
    )  # taken over as far as looked at


def test_nothing_is_judged_before_somebody_asks() -> None:
    made_, judged = board(), list[tuple[str, int]]()

    def noting(name: str, judge: Callable[[int], Reading], place: int) -> Reading:
        judged.append((name, place))
        return judge(place)

    for (name, _, _), line in made_.readings.items():
        line._judge = partial(noting, name, line._judge)
    assert made_.next_turn(NOW) == NOW + timedelta(minutes=10)
    assert not judged
    rows = made_.series("solved", last=3, now=NOW)
    assert judged == [("solved", 6), ("solved", 7), ("solved", 8)]
    assert made_.series("solved", last=3, now=NOW) == rows
    assert len(judged) == 3


def test_the_next_turn_is_what_the_judged_readings_wait_for() -> None:
    """Found without a verdict, from the same board at many moments."""
    for hours in range(0, 24 * 9, 7):
        now = NOW + timedelta(hours=hours)
        for loaded in (now, NOW, NOW - timedelta(days=9)):
            made_ = build(made(now, 7, loaded), measured(VALUES))
            waits = {m for line in made_.readings.values() for r in line[-2:] for m in (r.fresh_until,) if m}
            waits |= {r.end for line in made_.readings.values() for r in line if r.running}
            assert made_.next_turn(now) == min((m for m in waits if m > now), default=None)


def test_many_threads_read_one_board_as_one_would() -> None:
    alone, shared = board(), board()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: {key: line[:] for key, line in shared.readings.items()}, range(8)))
    assert all(one == {key: line[:] for key, line in alone.readings.items()} for one in found)
    assert all(one[key][i] is found[0][key][i] for one in found for key in one for i in range(len(one[key])))


def test_a_board_keeps_none_of_those_before_it_alive() -> None:
    """Readings are taken over; what they were judged from is not."""
    first = board()
    for line in first.readings.values():
        assert line[:]
    later = made(NOW + timedelta(minutes=1), 8)
    second = build(later, measured(VALUES, {}), first)
    witness = weakref.ref(first)
    del first, line
    gc.collect()
    assert witness() is None
    assert second.readings["solved", "week", None][0].version == 7


def test_the_next_turn_is_the_first_moment_that_changes_anything() -> None:
    assert board().next_turn(NOW) == NOW + timedelta(minutes=10)


def test_what_is_added_from_sums_has_a_pace_and_a_quotient_has_none() -> None:
    def formula(text: str) -> bool:
        made = replace(BOOK.metrics["solved"], name="made", measure=Formula(expression(text, "formula")), source=None)
        return adds_up(BOOK, made)

    assert formula("solved + grown")
    assert formula("2 * (solved - grown) / 4")
    assert not formula("solved / grown")
    assert not formula("solved + 1")
    assert not formula("solved + rated")


@pytest.mark.parametrize("grain", ["hour", "day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("final_after", [0, 1, 3 * 86_400])
def test_a_period_is_provisional_until_it_is_final(grain: str, final_after: int) -> None:
    """At every grain, to the second, also when it is judged again without anything having moved."""
    closed = CALENDAR.latest_closed(NOW, grain)
    periods = (closed, CALENDAR.shift(closed, 1))
    one = replace(BOOK.metrics["solved"], final_after_seconds=final_after, grain=grain, split=None)  # type: ignore[arg-type]
    book_ = replace(BOOK, metrics={"solved": one})
    cells = Measured({("solved", grain, None): Series(periods, (Cell(5.0), Cell(1.0)))}, changed={})
    end, before = closed.end, None
    for seconds, provisional in ((-1, True), (0, final_after > 0), (final_after - 1, True), (final_after, False)):
        now = end.astimezone(UTC) + timedelta(seconds=seconds)
        standing = Standing("tickets", now, now, 3, 1000, {"at": "TIMESTAMP"})
        board_ = build(Ingredients(book_, CALENDAR, now, 7, {"tickets": standing}), cells, before)
        reading = board_.readings["solved", grain, None][0]
        assert (reading.running, reading.provisional) == (seconds < 0, provisional), seconds
        if provisional and seconds >= 0:
            assert (board_.next_turn(now) or now) <= end + timedelta(seconds=final_after), (
                "it is published when it is final"
            )
        before = board_
