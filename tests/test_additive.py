"""What adds up: the same to the last bit, however much work it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest

from scorecard.measures.states import tame
from tests.measuring import BY_TEAM, World, average, metric, moment, total

COLUMNS = {"id": "integer", "created_at": "timestamp", "minutes": "double", "team": "text"}
SMALL = [0.1, 0.2, 1e-30, -7.25, 2.0**41, -(2.0**41) + 0.1, 5e-324, None, 3.3, 1 / 3]


def kept(world: World) -> object:
    world.meter.measure(world.now, None)
    return world.engine.query("SELECT * FROM meter.additive ORDER BY ALL").rows()


@pytest.mark.parametrize("odd", [None, 2.0**42, -1e23])
def test_doubles_that_are_tame_take_less_work_and_give_the_same(tmp_path: Path, odd: float | None) -> None:
    world = World(tmp_path)
    world.now = moment("2026-03-16 15:30")
    world.source("tickets", COLUMNS)
    world.open(
        metric("sum", total("minutes"), split=BY_TEAM),
        metric("mean", average("minutes"), split=BY_TEAM, where="minutes > 0"),
        metric("hours", total("minutes / 60")),
    )
    values = SMALL if odd is None else [*SMALL, odd]
    teams = ("support", "sales", None)
    rows = [
        {"id": i, "created_at": f"2026-03-{1 + i % 4:02d}T12:00:00Z", "minutes": v, "team": teams[i % 3]}
        for i, v in enumerate(values * 3)
    ]
    world.load("tickets", rows)
    asked: list[str] = []
    query = world.engine.query

    def noted(sql: str, parameters: Any = (), **more: Any) -> pl.DataFrame:
        asked.append(sql)
        return query(sql, parameters, **more)

    with mock.patch.object(world.engine, "query", noted):
        found = kept(world)
    assert any("AS BIGINT)) AS HUGEINT) AS a_" in sql for sql in asked) == (odd is None)
    with mock.patch.object(tame, "LARGEST_TAME", 0.0):
        assert kept(world) == found
    world.close()
