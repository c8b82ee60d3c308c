"""What was just counted comes into the grid as what is kept of it would: the same periods, slices and amounts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

from scorecard.measures import folding
from scorecard.measures.grid import Grid
from scorecard.measures.run import Meter
from tests.measuring import BY_TEAM, World, average, count, metric, moment, ratio, total

COLUMNS = {"id": "integer", "created_at": "timestamp", "minutes": "double", "cost": "decimal", "team": "text"}
METRICS = (
    metric("all", count(), grain="hour"),
    metric("by_team", count(), split=BY_TEAM, grain="day"),
    metric("minutes", total("minutes"), split=BY_TEAM),
    metric("mean", average("minutes"), split=BY_TEAM, grain="month", where="minutes > 0"),
    metric("costs", total("cost"), split=BY_TEAM),
    metric("share", ratio("count_if(minutes > 1000000)", "rows"), split=BY_TEAM),
    metric("cheap", ratio("min(cost)", "max(minutes)"), split=BY_TEAM),
)
BEGIN = moment("2025-12-20 22:30")
MINUTES = ("1.1", "-2.7", "1e23", "1e300", None, "0.3")
TEAMS = ("support", "Support", "Support DE", "operations", "nobody", None)


def grid_of(meter: Meter) -> Grid:
    assert meter._desk is not None
    return meter._desk.upkeep.grid


@pytest.mark.filterwarnings("ignore")
def test_what_was_counted_is_what_is_kept(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.now = moment("2026-03-01 12:00")
    world.source("tickets", COLUMNS)
    world.open(*METRICS)
    rows = [
        {
            "id": i,
            "created_at": BEGIN + timedelta(hours=17 * i),
            "minutes": MINUTES[i % len(MINUTES)],
            "cost": f"{i}.{i % 7}",
            "team": TEAMS[i // 2 % 6],
        }
        for i in range(60)
    ]
    world.load("tickets", rows)
    assert not world.measure().problems
    counted = dict(grid_of(world.meter).amounts)
    assert {grain for _, grain in counted} == {"hour", "day", "week", "month", "quarter", "year"}
    again = world.fresh()
    again.measure(world.now, {})
    assert {place: dict(cells) for place, cells in grid_of(again).amounts.items()} == counted
    with mock.patch.object(folding, "LARGEST", 1):  # sums that might not fit are added up by the engine
        again.measure(world.now, None)
    assert grid_of(again).amounts == counted
    world.close()
