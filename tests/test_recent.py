"""The strip of a source's runs: single ones, half hours, and since when it fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scorecard.ground.errors import Problem
from scorecard.refresh.recent import RUNS_KEPT, SLOTS, Recent
from scorecard.refresh.runs import Runs
from scorecard.warehouse.engine import Load

BEGIN = datetime(2026, 9, 28, 8, tzinfo=UTC)


def load(minutes: float, outcome: str = "ok", source: str = "s") -> Load:
    at = BEGIN + timedelta(minutes=minutes)
    problems = (Problem("no such file"),) if outcome == "failed" else ()
    return Load(int(minutes * 10), source, outcome, "schedule", at, at, 1, seconds=0.5, problems=problems)


def test_few_runs_are_told_one_by_one() -> None:
    recent = Recent.of([load(0), load(60, "unchanged"), load(120, "failed"), load(180, "held")])
    cells = recent.cells(BEGIN + timedelta(minutes=181))
    assert [cell.outcome for cell in cells] == ["ok", "unchanged", "failed", "held"]
    assert cells[2].problem == "no such file"
    assert (recent.failing_since, recent.failing) == (BEGIN + timedelta(minutes=120), 1), "held is no good load yet"


def test_a_good_load_ends_the_failing_whatever_its_rows() -> None:
    recent = Recent.of([load(m, "failed") for m in range(5)])
    assert (recent.failing_since, recent.failing) == (BEGIN, 5)
    assert recent.heard(load(6, "unchanged")).failing_since is None


def test_many_runs_are_told_by_half_hours_with_the_worst_of_each() -> None:
    runs = [load(m, "failed" if 600 <= m < 640 else "ok") for m in range(2 * 1440)]
    now = BEGIN + timedelta(days=2)
    recent = Recent.of(runs)
    assert len(recent.last) == RUNS_KEPT
    assert len(recent.slots) <= SLOTS
    cells = recent.cells(now)
    assert len(cells) == SLOTS
    assert {cell.outcome for cell in cells if cell.runs} == {"ok"}, "yesterday's failures are a day old"
    earlier = Recent.of(runs[:1000]).cells(BEGIN + timedelta(minutes=1000))
    failed = [cell for cell in earlier if cell.outcome == "failed"]
    assert [cell.bad for cell in failed] == [30, 10]
    assert failed[0].problem == "no such file"


def test_a_gap_without_runs_is_seen() -> None:
    runs = [load(m) for m in range(0, 300, 2)] + [load(m) for m in range(600, 800, 2)]
    cells = Recent.of(runs).cells(BEGIN + timedelta(minutes=800))
    assert sum(1 for cell in cells if cell.outcome is None) == 10


def test_counters_only_grow_and_know_nothing_of_earlier_lives() -> None:
    runs = Runs([load(0), load(1, "failed")])
    runs.heard(load(2, "failed"))
    recent, counts, seconds = runs.seen()
    assert counts == {("s", "failed"): 1}
    assert seconds == {"s": 0.5}
    assert recent["s"].failing == 2
    runs.forget_all_but({"other"})
    recent, counts, _ = runs.seen()
    assert recent == {}
    assert counts == {("s", "failed"): 1}
