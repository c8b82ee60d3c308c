"""Too little memory for one source's numbers: its metrics say so, the others stand, and an audit raises no false alarm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from scorecard.book.model.organization import Organization
from scorecard.warehouse.engine import NOTHING
from scorecard.warehouse.faults import as_error
from tests.measuring import ANA, BY_TEAM, World, count, metric, moment, quantile, values

COLUMNS = {"id": "integer", "created_at": "timestamp", "minutes": "double", "team": "text"}
FAILED = as_error(duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block of size 256.0 KiB"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, Organization("Test", ANA, "Europe/Berlin"))
    made.now = moment("2026-03-16 15:30")
    for name in ("tickets", "calls"):
        made.source(name, COLUMNS)
    made.open(
        metric("n_tickets", count(), split=BY_TEAM),
        metric("median_tickets", quantile("minutes"), split=BY_TEAM),
        metric("n_calls", count(), source="calls", split=BY_TEAM),
    )
    for name in ("tickets", "calls"):
        made.load(name, [row(i) for i in range(60)])
    yield made
    made.close()


def row(i: int) -> dict[str, object]:
    day = f"2026-03-{1 + i % 15:02d}T12:00:00Z"
    return {"id": i, "created_at": day, "minutes": i, "team": ("support", "sales")[i % 2]}


class Memory:
    """Statements that hold all of these words find no memory while it is ``short``."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
        self.short, self.refused = True, 0
        query = world.engine.query

        def asked(sql: str, parameters: Any = (), **more: Any) -> pl.DataFrame:
            if self.short and all(word in sql for word in words):
                self.refused += 1
                raise FAILED
            return query(sql, parameters, **more)

        monkeypatch.setattr(world.engine, "query", asked)


def states(world: World, metric_: str) -> list[str]:
    world.measure()
    desk = world.meter._desk
    assert desk is not None
    return list(desk.plan.states_of(desk.plan.lowered[metric_]))


def test_a_source_whose_numbers_cannot_be_kept_or_read_breaks_its_own_metrics(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = states(world, "n_tickets")[0]
    good = world.measure()
    memory = Memory(world, monkeypatch, "meter.additive", state)
    measured = world.measure()
    assert memory.refused
    assert set(measured.problems) == {"n_tickets", "median_tickets"}
    assert measured.problems["n_tickets"].message == (
        "metric 'n_tickets': not enough memory: could not allocate block of size 256.0 KiB"
    )
    assert "memory limit" in str(measured.problems["n_tickets"].hint)
    assert not [key for key in measured.series if key[0] == "n_tickets"]
    assert values(measured, "n_calls") == values(good, "n_calls")
    memory.short = False
    again = world.measure(None, {"tickets": NOTHING})
    assert again.problems == {}
    assert {k: s.cells for k, s in again.series.items()} == {k: s.cells for k, s in good.series.items()}


def test_what_an_audit_could_not_compute_is_no_difference(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.measure()
    rows = f"{world.engine.table('tickets')}"
    memory = Memory(world, monkeypatch, rows, "minutes", "team")  # its slices alone
    audited = world.meter.audit("tickets", lambda: None)
    assert audited is not None
    assert memory.refused
    assert (audited.differences, audited.notice()) == (0, None)
    unsaid = audited.unsaid()
    assert unsaid is not None
    assert unsaid.message.startswith("tickets: not all kept numbers could be compared with its rows: not enough memory")
    memory.short = False
    world.measure(None, {})
    found = world.meter.audit("tickets", lambda: None)
    assert found is not None
    assert (found.differences, found.unsaid()) == (0, None)
    assert found.states > audited.states
