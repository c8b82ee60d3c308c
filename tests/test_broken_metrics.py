"""A metric whose SQL fails on the rows breaks its own cells only, and costs the others next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scorecard.book.model.organization import Organization
from tests.measuring import ANA, BY_TEAM, World, count, distinct, metric, moment, quantile, total, values

COLUMNS = {"id": "integer", "created_at": "timestamp", "minutes": "double", "cost": "decimal", "team": "text"}
GOOD = tuple(metric(f"n_{i}", count(), where=f"minutes > {i}", split=BY_TEAM) for i in range(16))
OTHERS = (metric("median", quantile("minutes")), metric("values", distinct("minutes"), split=BY_TEAM))
BROKEN = (
    metric("wrong_sum", total("cast(team as integer)"), split=BY_TEAM),
    metric("wrong_median", quantile("cast(team as integer)")),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, Organization("Test", ANA, "Europe/Berlin"))
    made.now = moment("2026-03-16 15:30")
    made.source("tickets", COLUMNS)
    made.open(*GOOD, *OTHERS, *BROKEN)
    made.load("tickets", [row(i) for i in range(60)])
    yield made
    made.close()


def row(i: int) -> dict[str, object]:
    day = f"2026-03-{1 + i % 15:02d}T12:00:00Z"
    return {"id": i, "created_at": day, "minutes": i, "cost": "1", "team": ("support", "sales")[i % 2]}


def statements(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    query = world.engine.query

    def spy(sql: str, parameters: Any = (), **more: Any) -> pl.DataFrame:
        seen.append(sql)
        return query(sql, parameters, **more)

    monkeypatch.setattr(world.engine, "query", spy)
    return seen


def test_the_one_that_fails_is_found_in_halves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = statements(world, monkeypatch)
    measured = world.measure()
    assert set(measured.problems) == {"wrong_sum", "wrong_median"}
    assert "Could not convert string" in measured.problems["wrong_sum"].message
    assert values(measured, "n_3")["2026-W10"] is not None
    scans = [s for s in seen if "GROUP BY bucket, slice" in s and "make_timestamp" not in s]
    assert len(scans) <= 12  # not one for each of seventeen


def test_a_tick_beside_it_looks_only_at_what_was_touched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.measure()
    touched = world.load("tickets", [{**row(1), "id": 99, "created_at": "2026-03-16T12:00:00Z"}])
    seen = statements(world, monkeypatch)
    measured = world.measure(None, {"tickets": touched})
    assert set(measured.problems) == {"wrong_sum", "wrong_median"}
    assert measured.changed is not None
    last = len(measured.series["n_0", "week", None].cells) - 1
    assert measured.changed["n_0", "week", None] == {last}
    unbounded = [s for s in seen if 'main."tickets"' in s and "DATE '" not in s and not s.startswith("SELECT (SELECT")]
    assert all("team" in s for s in unbounded)
    assert len(unbounded) <= 2 + 4  # the two that are broken, tried again
    fresh = world.fresh().measure(world.now, None)
    assert {k: s.cells for k, s in fresh.series.items()} == {k: s.cells for k, s in measured.series.items()}


def test_once_the_rows_are_good_it_is_there(world: World) -> None:
    world.measure()
    touched = world.load("tickets", [{**row(i), "team": str(i)} for i in range(60)])
    measured = world.measure(None, {"tickets": touched})
    assert measured.problems == {}
    assert values(measured, "wrong_sum")["2026-W10"] is not None
