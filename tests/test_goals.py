"""Targets that are rows of a source: which row counts, what a load of them touches, and what is wrong with them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scorecard.board.board import Board
from scorecard.board.build import Ingredients, build
from scorecard.book.columns import check_columns
from scorecard.judgement.targets import FromSource, Target, Tolerance
from scorecard.measures.goals import GoalReader
from scorecard.measures.place import key_of
from scorecard.measures.slices import Slicing
from scorecard.measures.values import Goals, Measured
from tests.amounts import times
from tests.bookfiles import problems, read
from tests.measuring import BY_TEAM, World, count, metric, moment, ratio

AIM = FromSource("goals", "goal", "floor", team="team")
PLAIN = FromSource("goals", "goal")
FIRST = date(2026, 3, 2)
NOW = moment("2026-04-01 12:00")


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder), now=NOW)
        made.source("tickets", {"id": "integer", "created_at": "timestamp", "team": "text", "good": "boolean"})
        made.source(
            "goals",
            {"id": "integer", "day": "date", "team": "text", "goal": "double", "floor": "double"},
            time="day",
        )
        made.open(
            metric("n", count(), split=BY_TEAM, targets=(Target(AIM),), pace="none"),
            metric("share", ratio("count_if(good)", "rows"), split=BY_TEAM, targets=(Target(0.5), Target(PLAIN))),
            metric("monthly", count(), targets=(Target(PLAIN, tolerance=Tolerance(0.1, True), grain="month"),)),
            metric("free", count(), split=BY_TEAM, targets=(Target(3.0),)),
        )
        try:
            yield made
        finally:
            made.close()


def board(made: World, measured: Measured, version: int, before: Board | None = None) -> Board:
    standings = {name: s for name in made.sources if (s := made.engine.standing(name)) is not None}
    return build(Ingredients(made.book, made.calendar, made.now, version, standings), measured, before)


def bare(rows: Board) -> dict[Any, Any]:
    return {
        (*key, r.period): replace(r, version=0, loaded_at=None, data_until=None)
        for key in rows.readings
        for r in rows.readings[key]
    }


def read_anew(made: World) -> Goals:
    standings = {name: s for name in made.sources if (s := made.engine.standing(name)) is not None}
    return GoalReader(made.engine, made.book, made.calendar, Slicing(made.book)).read(standings, lambda work: work())


TICKETS = [
    {"id": n, "created_at": f"2026-03-{1 + n % 28:02d} 10:00", "team": ["support", "sales"][n % 2], "good": n % 3 == 0}
    for n in range(60)
]
DAY = st.integers(0, 34).map(lambda n: (FIRST + timedelta(days=n)).isoformat())
GOAL = st.fixed_dictionaries(
    {
        "id": st.integers(0, 6),
        "day": DAY,
        "team": st.sampled_from(["support", "Support DE", " SALES", "", None, "nobody"]),
        "goal": st.sampled_from(["4", "7", "7.5", "-1", "0", None]),
        "floor": st.sampled_from(["2", "6", None]),
    }
)


@settings(
    deadline=None,
    max_examples=times(6),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(st.lists(GOAL, min_size=1, max_size=4, unique_by=lambda r: r["id"]), min_size=1, max_size=4))
def test_a_load_of_targets_judges_again_what_it_touches_and_nothing_else(loads: list[list[dict[str, Any]]]) -> None:
    with world() as made:
        made.load("tickets", TICKETS)
        made.load("goals", [{"id": 9, "day": "2026-03-09", "team": None, "goal": "5", "floor": None}])
        last = board(made, made.measure(touched=None), 1)
        assert bare(last)  # only what somebody has looked at is taken over
        for number, rows in enumerate(loads, 2):
            touched = made.load("goals", rows)
            measured = made.measure(touched={"goals": touched})
            assert measured.changed is not None
            quick = board(made, measured, number, last)
            full = board(made, replace(measured, changed=None, goals=read_anew(made)), number)
            assert bare(quick) == bare(full)
            for key, readings in quick.readings.items():
                for old, new in zip(last.readings[key], readings, strict=True):
                    same = (old.target, old.amber, old.reason) == (new.target, new.amber, new.reason)
                    if same and not new.running and new.fresh_until is None and new.reason != "no_data":
                        assert new.version == old.version, (key, new.period)
            last = quick


def test_the_newest_row_of_a_period_counts_and_what_contradicts_itself_is_said() -> None:
    with world() as made:
        made.load("tickets", TICKETS)
        made.load(
            "goals",
            [
                {"id": 1, "day": "2026-03-03", "team": "support", "goal": "5", "floor": "4"},
                {"id": 2, "day": "2026-03-05", "team": "Support DE", "goal": "9", "floor": None},
                {"id": 3, "day": "2026-03-10", "team": None, "goal": "8", "floor": "7"},
                {"id": 4, "day": "2026-03-10", "team": " ", "goal": "6", "floor": "7"},
                {"id": 5, "day": "2026-03-10", "team": "sport", "goal": "6", "floor": "7"},
            ],
        )
        shown = board(made, made.measure(touched=None), 1)

        def limits(period: str, slice_: tuple[str, str] | None) -> object:
            reading = shown.reading("n", None, period, slice_, made.now)
            return reading.target, reading.amber

        assert limits("2026-W10", ("team", "support")) == (9.0, None)
        assert limits("2026-W10", ("team", "sales")) == (None, None)
        assert limits("2026-W10", None) == (None, None)
        assert limits("2026-W11", None) == (8.0, 7.0), "of two of the same time the higher one"
        assert limits("2026-W11", ("team", "operations")) == (None, None), "a parent has rows of its own, or none"
        said = [str(p) for p in shown.notices]
        assert any("differ, in 1 weeks: 2026-W11" in text for text in said)
        assert any("no known team: sport" in text and "did you mean 'support'" in text for text in said)


def test_a_stale_table_of_targets_makes_no_value_stale() -> None:
    with world() as made:
        made.load("goals", [{"id": 1, "day": "2026-03-24", "team": None, "goal": "1", "floor": None}])
        made.now += timedelta(days=3)
        made.load("tickets", TICKETS, at=made.now)
        shown = board(made, made.measure(touched=None), 1)
        week = shown.reading("n", None, "2026-W13", None, made.now)
        assert (week.status, week.target) == ("green", 1.0)
        assert week.loaded_at == made.now


@pytest.mark.parametrize("value", [None, math.inf, -math.inf, math.nan])
def test_what_is_no_finite_number_is_no_target(value: float | None) -> None:
    with world() as made:
        week = made.calendar.parse("2026-W10")
        goals = Goals({(AIM, "week"): {(None, key_of(week)): (value, 3.0)}})
        assert goals.of(AIM, week, None) is None
        assert Goals({(AIM, "week"): {(None, key_of(week)): (2.0, 3.0)}}).of(AIM, week, None) == (2.0, 3.0)


def test_a_table_that_cannot_hold_targets_is_said_and_the_values_stand() -> None:
    with world() as made:
        made.load("tickets", TICKETS)
        made.load("goals", [{"id": 1, "day": "2026-03-03", "team": "support", "goal": "5", "floor": "4"}])
        text = replace(AIM, value="team")
        lost = replace(AIM, value="gaol")
        made.use(
            metric("n", count(), targets=(Target(text),)),
            metric("m", count(), targets=(Target(lost),)),
        )
        shown = board(made, made.measure(touched=None), 1)
        assert {shown.reading(name, None, "2026-W10", None, made.now).status for name in ("n", "m")} == {"neutral"}
        said = [str(p) for p in shown.notices]
        assert any("'team' is varchar, not a number" in one for one in said)
        assert any("it has no column 'gaol'" in one and "did you mean 'goal'" in one for one in said)


BOOK = """version: 1
organization: {name: Goals, owner: Dana Lee, timezone: UTC}
sources:
  work: {kind: csv, path: work.csv, key: [id], time: day, every: 1h}
  goals: {kind: csv, path: goals.csv, time: day, every: 1h}
metrics:
  done:
    role: lagging
    source: work
    count: rows
    better: higher
    targets: [{from: goals, value: goal, amber: floor, tolerance: 5%}]
"""
COLUMNS = {"day": "DATE", "goal": "DOUBLE", "floor": "DECIMAL(18,2)"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (COLUMNS, None),
        ({**COLUMNS, "goal": "VARCHAR"}, "column 'goal' of source 'goals' holds VARCHAR, no numbers"),
        ({**COLUMNS, "floor": "DATE"}, "column 'floor' of source 'goals' holds DATE, no numbers"),
        ({"day": "DATE", "goals": "DOUBLE", "floor": "DOUBLE"}, "source 'goals' has no column 'goal'"),
        ({**COLUMNS, "day": "VARCHAR"}, "holds VARCHAR, no times"),
    ],
)
def test_check_knows_the_columns_of_targets(columns: dict[str, str], said: str | None, tmp_path: Path) -> None:
    found = [str(p) for p in check_columns(read(tmp_path, BOOK), {"goals": columns})]
    assert (found == []) == (said is None)
    assert said is None or said in found[0]


def test_a_source_of_targets_needs_a_time(tmp_path: Path) -> None:
    found = problems(tmp_path, BOOK.replace("goals.csv, time: day", "goals.csv"))
    assert [(p.place.line, p.place.column) for p in found if p.place] == [(12, 15)]
    assert "the row's time picks the period of the targets of metric 'done'" in found[0].message
