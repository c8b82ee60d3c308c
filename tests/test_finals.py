"""Restatements: a final value that changes is said, after a restart too; late data before that is not, nor another title."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from scorecard.board.board import Board
from scorecard.board.build import Ingredients, build
from scorecard.book.model.metric import Metric
from scorecard.measures.finals import Finals, definition_of
from scorecard.measures.values import Changed, Measured
from scorecard.views.ageing import standing
from tests.amounts import times
from tests.measuring import BY_TEAM, World, average, count, formula, metric, moment
from tests.served import command

N = metric("n", count(), split=BY_TEAM, grain="day")
LATE = metric("late", count(), final_after_seconds=3 * 86_400)
MEAN = metric("mean", average("minutes"), unit="min")
EACH = metric("each", formula("n / late"))
FRIDAY = moment("2026-03-06 12:00")


@contextmanager
def world(*metrics: Metric) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder), now=FRIDAY)
        made.source("tickets", {"id": "integer", "created_at": "timestamp", "team": "text", "minutes": "double"})
        made.open(*(metrics or (N, LATE, MEAN, EACH)))
        try:
            yield made
        finally:
            made.close()


def rows(*days: int, first: int = 1, **more: object) -> list[dict[str, object]]:
    held = {"team": "support", "minutes": 10, **more}
    return [{"id": first + n, "created_at": f"2026-03-{day:02d} 09:00", **held} for n, day in enumerate(days)]


def look(made: World, finals: Finals, touched: dict[str, Any] | None = None, *, keep: bool = True) -> Measured:
    standings = {name: s for name in made.sources if (s := made.engine.standing(name)) is not None}
    return finals.look(made.measure(made.now, touched), standings, made.now, keep=keep)


def board(made: World, measured: Measured) -> Board:
    standings = {name: s for name in made.sources if (s := made.engine.standing(name)) is not None}
    return build(Ingredients(made.book, made.calendar, made.now, 1, standings), measured)


def restated(made: World, measured: Measured, name: str, period: str) -> object:
    reading = board(made, measured).reading(name, None, period, None, made.now)
    return None if reading.restated is None else (reading.restated.value, reading.restated.text)


def test_a_final_value_that_changes_is_restated_after_a_restart_too() -> None:
    with world() as made:
        made.load("tickets", rows(2, 2, 3))
        first = look(made, Finals(made.engine, made.book))
        assert first.restated == {}
        made.now = moment("2026-03-07 15:00")
        late = made.load("tickets", rows(2, 5, first=9, minutes=13))
        finals = Finals(made.engine, made.book)
        seen = look(made, finals, {"tickets": late})
        assert restated(made, seen, "n", "2026-03-02") == (2.0, "was 2 until 2026-03-07")
        assert restated(made, seen, "n", "2026-03-03") is None
        assert restated(made, seen, "n", "2026-03-05") == (0.0, "was 0 until 2026-03-07")
        assert seen.restated["n", "day", ("team", "support")]["2026-03-02"] == Changed(2.0, made.now)
        made.now = moment("2026-03-08 15:00")
        made.load("tickets", rows(2, first=20))
        again = look(made, Finals(made.engine, made.book))
        assert restated(made, again, "n", "2026-03-02") == (2.0, "was 2 until 2026-03-07"), "the first change counts"
        json = board(made, again).reading("n", None, "2026-03-02", None, made.now).as_json()["restated"]
        assert json == {"from": 2.0, "text": "was 2 until 2026-03-07", "at": "2026-03-07T15:00:00Z"}


def test_what_is_taken_back_is_restated_no_more() -> None:
    with world() as made:
        made.load("tickets", rows(2, 3))
        look(made, Finals(made.engine, made.book))
        made.now += timedelta(days=1)
        made.load("tickets", rows(2, first=9))
        assert restated(made, look(made, Finals(made.engine, made.book)), "n", "2026-03-02") is not None
        made.now += timedelta(days=1)
        made.load("tickets", rows(2, 3), full=True)
        assert look(made, Finals(made.engine, made.book)).restated == {}


def test_a_value_is_final_only_once_a_load_has_come_after_final_after() -> None:
    with world() as made:
        finals = Finals(made.engine, made.book)
        made.load("tickets", rows(2, 3))  # on Friday: Monday to Thursday are final, the week is not
        look(made, finals)
        made.now = moment("2026-03-10 12:00")  # the clock alone makes nothing final
        look(made, finals)
        made.load("tickets", rows(6, 7, first=9), at=made.now)
        seen = look(made, finals)
        assert restated(made, seen, "mean", "2026-W10") is None
        assert restated(made, seen, "n", "2026-03-06") is None
        made.now = moment("2026-03-11 12:00")
        made.load("tickets", rows(6, first=20, minutes=40), at=made.now)
        seen = look(made, finals)
        assert restated(made, seen, "mean", "2026-W10") == (10.0, "was 10 min until 2026-03-11")
        assert restated(made, seen, "late", "2026-W10") is None, "its week is final three days after its end"
        assert restated(made, seen, "each", "2026-W10") is None, "and so is what is made of it"


def test_a_change_of_the_definition_is_no_change_of_the_data() -> None:
    with world(MEAN) as made:
        made.load("tickets", [*rows(2), *rows(3, first=5, minutes=30)])
        made.now = moment("2026-03-10 12:00")
        made.load("tickets", rows(9, first=30), at=made.now)
        look(made, Finals(made.engine, made.book))
        made.use(replace(MEAN, title="Another title", decimals=1, place=None))
        assert look(made, Finals(made.engine, made.book)).restated == {}
        made.use(metric("mean", average("minutes"), unit="min", where="minutes < 20"))
        made.now += timedelta(days=1)
        seen = look(made, Finals(made.engine, made.book))
        assert restated(made, seen, "mean", "2026-W10") == (
            20.0, "was 20 min until the definition changed, first seen on 2026-03-11",
        )  # fmt: skip


def test_a_command_that_only_reads_remembers_nothing() -> None:
    with world() as made:
        made.load("tickets", rows(2, 3))
        look(made, Finals(made.engine, made.book), keep=False)
        assert made.engine.query("SELECT count(*) FROM meter.finals").item() == 0


def test_definitions_follow_what_is_computed() -> None:
    with world() as made:
        book = made.book

        def of(other: Metric) -> str:
            return definition_of(replace(book, metrics={**book.metrics, other.name: other}), other)

        assert of(replace(MEAN, title="x", targets=(), grain="month")) == of(MEAN)
        for other in (metric("mean", average("id"), unit="min"), replace(MEAN, unit="h"), replace(MEAN, split=BY_TEAM)):
            assert of(other) != of(MEAN)
        redone = replace(book, metrics={**book.metrics, "n": metric("n", count("team"), grain="day")})
        assert definition_of(redone, EACH) != definition_of(book, EACH), "a part's definition is its own too"


STEP = st.tuples(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([5, 10, 10.5])), min_size=1, max_size=4),
    st.integers(0, 40),
)


@settings(
    deadline=None,
    max_examples=times(5),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(STEP, min_size=2, max_size=5))
@example([([(2, 1, 10)], 30), ([(2, 5, 10)], 30), ([(1, 6, 10)], 30)])  # the series loses its first days again
def test_looking_at_what_changed_says_the_same_as_looking_at_all(steps: list[Any]) -> None:
    """``finals`` sees every step; another, as in a new process, only what the store says after it."""
    with world() as made:
        made.load("tickets", rows(2))
        finals = Finals(made.engine, made.book)
        look(made, finals)
        for changes, hours in steps:
            made.now += timedelta(hours=hours)
            held = {
                i: {"id": i, "created_at": f"2026-03-0{d} 09:00", "team": "sales", "minutes": m} for i, d, m in changes
            }
            touched = made.load("tickets", list(held.values()), at=made.now)
            seen = look(made, finals, {"tickets": touched})
            assert seen.changed is not None
            whole = replace(seen, changed=None, restated={})
            standings = {"tickets": made.engine.standing("tickets")}
            anew = Finals(made.engine, made.book).look(whole, standings, made.now, keep=False)  # type: ignore[arg-type]
            assert dict(anew.restated) == dict(seen.restated)


def test_the_command_line_says_what_was_restated(tmp_path: Path) -> None:
    (tmp_path / "metrics.yaml").write_text(
        """version: 1
organization: {name: Small, owner: Dana Lee, timezone: UTC}
sources:
  calls: {kind: csv, path: calls.csv, key: [id], time: day, columns: {day: date}, every: 1h}
metrics:
  calls_made: {role: leading, source: calls, count: rows, better: higher}
"""
    )
    calls = tmp_path / "calls.csv"
    calls.write_text("id,day\n1,2026-03-02\n2,2026-03-03\n")
    refreshed = command(tmp_path, "--now", "2026-03-09T09:00:00Z", "refresh")
    assert refreshed.returncode == 0, refreshed.stderr
    calls.write_text("id,day\n1,2026-03-02\n2,2026-03-03\n3,2026-03-03\n")
    assert command(tmp_path, "--now", "2026-03-11T09:00:00Z", "refresh").returncode == 0
    words = ("values", "calls_made", "--period", "2026-W10")
    shown = command(tmp_path, "--now", "2026-03-12T09:00:00Z", "--format", "json", *words)
    assert '"text": "was 2 until 2026-03-11"' in shown.stdout, shown.stdout + shown.stderr


def test_pages_mark_what_was_restated() -> None:
    with world(N) as made:
        made.load("tickets", rows(2, 3))
        look(made, Finals(made.engine, made.book))
        made.now = moment("2026-03-07 15:00")
        made.load("tickets", rows(2, first=9))
        shown = board(made, look(made, Finals(made.engine, made.book)))
        tags = {
            day: [t["title"] for t in standing(shown.reading("n", None, day, None, made.now), "UTC", made.now)["tags"]]
            for day in ("2026-03-02", "2026-03-03")
        }
        assert tags == {"2026-03-02": ["was 1 until 2026-03-07"], "2026-03-03": []}
