"""When cohorts are old enough: by the clock and by the last good load, in local days, through formulas and changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scorecard.board.maturity import Maturity
from scorecard.book.expressions import expression
from scorecard.book.model import Book
from scorecard.book.model.metric import Change, Cohort, Count, Formula, Measure, Metric
from scorecard.book.model.organization import Organization, Person
from scorecard.book.model.source import Schedule, Source
from scorecard.book.read import read_book
from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.targets import Versus
from scorecard.warehouse.engine import Standing
from tests.bookfiles import GOOD, write

CALENDAR = Calendar("Europe/Berlin")
RIPE = datetime(2026, 3, 29, 22, tzinfo=UTC)
"""Week 12 ends at midnight of 23 March (23:00 UTC the day before); seven local days later it is summer time."""
SECOND = timedelta(seconds=1)


def made(name: str, measure: Measure) -> Metric:
    rows = isinstance(measure, Cohort | Count)
    return Metric(name, name, measure, "lagging", "higher", source="trials" if rows else None)


def maturity(now: datetime, loaded_at: datetime | None, matures_after: int = 7 * 86_400) -> Maturity:
    rows = expression("rows", "aggregate")
    metrics = (
        made("won", Cohort(rows, rows, matures_after)),
        made("begun", Count()),
        made("joint", Formula(expression("won * begun", "formula"))),
        made("deep", Formula(expression("joint + 1", "formula"))),
        made("before", Formula(expression("begun * previous(won)", "formula"))),
        made("last_year", Formula(expression("begun - year_ago(joint)", "formula"))),
        made("more", Change("deep", Versus("previous"))),
    )
    source = Source("trials", "csv", {}, Schedule(every_seconds=60), time="started_at")
    book = Book(
        Organization("Test", Person("Ana Ruiz"), "Europe/Berlin"),
        {"trials": source},
        {},
        {},
        metrics={m.name: m for m in metrics},
    )
    standings = (
        {} if loaded_at is None else {"trials": Standing("trials", loaded_at.replace(tzinfo=None), None, 1, 9, {})}
    )
    return Maturity(book, CALENDAR, standings, now)


def young(at: Maturity, name: str, label: str = "2026-W12") -> str | None:
    return at.too_young(at.book.metrics[name], CALENDAR.parse(label))


def test_a_cohort_is_old_enough_after_so_many_local_days() -> None:
    assert young(maturity(RIPE, RIPE), "won") is None
    early = RIPE - SECOND
    assert young(maturity(early, early), "won") == "it is old enough from 2026-03-30, 7d after the period's end"


def test_a_load_must_have_come_since_then() -> None:
    said = young(maturity(RIPE + SECOND, RIPE - SECOND), "won")
    assert said is not None
    assert "no good load has come since then" in said
    assert young(maturity(RIPE + SECOND, None), "won") is None  # never loaded: no data says it


@pytest.mark.parametrize(
    ("seconds", "said"), [(36 * 3600, "2026-03-24 12:00, 36h after"), (90 * 60, "2026-03-23 01:30, 90m after")]
)
def test_other_lengths_are_real_time(seconds: int, said: str) -> None:
    ripe = datetime(2026, 3, 22, 23, tzinfo=UTC) + timedelta(seconds=seconds)
    assert young(maturity(ripe, ripe, seconds), "won") is None
    found = young(maturity(ripe - SECOND, ripe, seconds), "won")
    assert found is not None
    assert said in found


def test_what_is_made_of_a_cohort_is_as_young_as_the_cohort_it_looks_at() -> None:
    at = maturity(RIPE, RIPE)
    assert [young(at, name, "2026-W13") is None for name in ("won", "begun", "joint", "deep", "more")] == [
        False, True, False, False, False,
    ]  # fmt: skip
    assert (
        young(at, "deep", "2026-W13")
        == "'won' is too young: it is old enough from 2026-04-06, 7d after the period's end"
    )
    assert young(at, "before", "2026-W13") is None  # it looks at week 12
    assert young(at, "before", "2026-W14") is not None
    assert young(at, "last_year", "2026-W14") is None
    assert young(at, "won", "2026-03-22T22") is None
    assert young(at, "won", "2026-03-22T23") is not None


@pytest.mark.parametrize(
    ("of", "to", "sampling"),
    [
        ("count_if(won)", "rows", "binomial"),
        ("count_if(won)", "count(x)", "binomial"),
        ("sum(kept)", "sum(begun)", "none"),
    ],
)
def test_a_share_of_what_was_counted_has_binomial_noise(of: str, to: str, sampling: str, tmp_path: Path) -> None:
    text = GOOD.replace("count: resolved_at", f"cohort: {{of: {of}, to: {to}, matures_after: 7d}}", 1)
    found = read_book(write(tmp_path, text)).metrics["tickets_resolved"].measure
    assert isinstance(found, Cohort)
    assert found.sampling == sampling
