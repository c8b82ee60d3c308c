"""One refresh tick after 10,000 new rows against computing everything, on the same warehouse: paired medians.

    python benchmarks/tick.py [--rows 1000000 10000000] [--rounds 5] [--folder DIR]

Twelve metrics of all kinds, four of them on pace, by week and all coarser grains, in an organisation of 20 teams. A tick is what `Meter.measure`
does with what a load has touched; loading itself is measured elsewhere. CPU is that of the whole process, all threads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from connectors.contract import Batch
from scorecard.book.expressions import expression
from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Change,
    Count,
    Distinct,
    Formula,
    Mean,
    Measure,
    Metric,
    Quantile,
    Ratio,
    Split,
    Stock,
    Sum,
)
from scorecard.book.model.organization import Organization, Team
from scorecard.book.model.source import Column, Schedule, Source
from scorecard.ground.clock import FixedClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.targets import Target, Versus
from scorecard.measures.plan import axes
from scorecard.measures.run import Meter
from scorecard.measures.values import Series, SeriesKey
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import LoadOrder, Touched

NOW = datetime(2025, 12, 17, 15, 0, tzinfo=UTC)
DAYS = 3 * 365
NEW_ROWS = 10_000
TYPES = {
    "id": "integer", "created_at": "timestamp", "resolved_at": "timestamp", "team": "text", "priority": "integer",
    "minutes": "double", "cost": "decimal", "score": "integer", "customer": "integer",
}  # fmt: skip


def rows_sql(first: int, count: int, begin: str, seconds: int) -> str:
    """Seeded tickets in the order of time: ids ``first`` … spread evenly over some seconds from ``begin`` (UTC)."""
    return f"""
        SELECT i AS id, created_at,
            CASE WHEN hash(i * 3) % 20 > 0 THEN created_at + to_seconds(CAST(600 + hash(i * 5) % 400000 AS BIGINT)) END
                AS resolved_at,
            'team-' || (hash(i * 7) % 20) AS team, CAST(1 + hash(i * 11) % 4 AS BIGINT) AS priority,
            CAST(hash(i * 13) % 100000 AS DOUBLE) / 37.0 AS minutes,
            CAST((hash(i * 17) % 50000) / 100.0 AS DECIMAL(18, 2)) AS cost,
            CASE WHEN hash(i * 19) % 3 = 0 THEN CAST(1 + hash(i * 23) % 5 AS BIGINT) END AS score,
            CAST(hash(i * 29) % {max(1000, first // 10 or count // 10)} AS BIGINT) AS customer
        FROM (SELECT range + {first} AS i, TIMESTAMP '{begin}' + to_microseconds(CAST(range * ({seconds}e6 / {count}) AS BIGINT))
            AS created_at FROM range({count}))"""


def book() -> Book:
    """Twelve metrics: counts, sums, means, quantiles, distinct values, a ratio, a stock, a formula, a change."""
    columns = {name: Column(name, name, kind) for name, kind in TYPES.items()}  # type: ignore[arg-type]
    source = Source("tickets", "csv", {}, Schedule(60), ("id",), "upsert", "created_at", columns)
    split = Split("team", "team")
    ratio = Ratio(expression("count_if(score >= 4)", "aggregate"), expression("count(score)", "aggregate"))
    measures: dict[str, tuple[Measure, dict[str, object]]] = {
        "created": (Count(), {"split": split}),
        "urgent": (Count(), {"where": expression("priority = 1", "condition"), "split": split}),
        "resolved": (Count(expression("resolved_at")), {"time": "resolved_at", "split": split}),
        "cost": (Sum(expression("cost")), {"split": split}),
        "mean_minutes": (Mean(expression("minutes")), {"split": split}),
        "satisfied": (ratio, {"split": split}),
        "median_minutes": (Quantile(expression("minutes"), 0.5), {}),
        "hours_p90": (Quantile(expression("resolved_at - created_at"), 0.9), {"time": "resolved_at", "unit": "h"}),
        "customers": (Distinct(expression("customer")), {}),
        "backlog": (Stock("created_at", "resolved_at"), {"split": split}),
    }
    for name in ("created", "urgent", "resolved", "cost"):  # judged on their pace, by the profile of 13 weeks
        measures[name][1]["targets"] = (Target(1000.0),)
    metrics = {
        name: Metric(name, name, measure, "lagging", "lower", source="tickets", **{"time": "created_at", **more})  # type: ignore[arg-type]
        for name, (measure, more) in measures.items()
    }
    derived: dict[str, Measure] = {
        "cost_each": Formula(expression("cost / created", "formula")),
        "growth": Change("created", Versus("year_ago")),
    }
    metrics |= {name: Metric(name, name, measure, "lagging", "lower") for name, measure in derived.items()}
    teams = {f"team-{n}": Team(f"team-{n}", f"Team {n}", None) for n in range(20)}
    return Book(Organization("Benchmark", None, "Europe/Berlin"), {"tickets": source}, teams, metrics=metrics)


class Bench:
    """A loaded warehouse and its meter."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.book = book()
        self.calendar = Calendar("Europe/Berlin")
        self.engine = DuckWarehouse.open(folder, FixedClock(NOW), memory_limit="6GB", query_seconds=600)
        self.made = duckdb.connect()
        self.next_id = 0
        self.series: Mapping[SeriesKey, Series] = {}
        self.load(rows, (NOW - timedelta(days=DAYS)).strftime("%Y-%m-%d %H:%M:%S"), DAYS * 86_400 - 3600)
        self.meter = Meter(self.engine, self.book, self.calendar)

    def load(self, count: int, begin: str, seconds: int) -> Touched:
        table = self.made.sql(rows_sql(self.next_id, count, begin, seconds)).to_arrow_table()
        self.next_id += count
        source = self.book.sources["tickets"]
        order = LoadOrder(source, axes(self.book, "tickets"), "Europe/Berlin", NOW, NOW)
        load, touched = self.engine.load(order, [Batch(table)])
        assert load.outcome == "ok", load.problems
        return touched

    def timed(self, touched: dict[str, Touched] | None) -> tuple[float, float]:
        """(wall, CPU) seconds of one measuring."""
        wall, cpu = time.perf_counter(), time.process_time()
        measured = self.meter.measure(NOW, touched)
        spent = time.perf_counter() - wall, time.process_time() - cpu
        assert not measured.problems, measured.problems
        self.series = measured.series
        return spent


def compare(rows: int, rounds: int, folder: Path) -> None:
    """Prints the medians of tick and full recompute, and the medians of their paired ratios.

    Two warehouses get the same loads, so that ticks follow ticks and a full recompute does not rewrite what a tick reads.
    """
    ticking, whole = Bench(folder / "ticking", rows), Bench(folder / "whole", rows)
    ticking.timed(None)
    whole.timed(None)
    ticks, fulls = [], []
    for number in range(rounds + 1):
        begin = (NOW - timedelta(minutes=50) + timedelta(minutes=number)).strftime("%Y-%m-%d %H:%M:%S")
        touched = ticking.load(NEW_ROWS, begin, 60)
        whole.load(NEW_ROWS, begin, 60)
        tick = ticking.timed({"tickets": touched})
        full = whole.timed(None)
        if number:  # the first round warms up
            ticks.append(tick)
            fulls.append(full)
    assert ticking.series == whole.series
    ticking.engine.close()
    whole.engine.close()
    for kind, place in (("wall", 0), ("cpu", 1)):
        tick_median = statistics.median(t[place] for t in ticks)
        full_median = statistics.median(f[place] for f in fulls)
        ratio = statistics.median(f[place] / t[place] for t, f in zip(ticks, fulls, strict=True))
        print(
            f"{rows:>11,} rows  {kind:<4}  tick {tick_median * 1000:8.1f} ms  "
            f"full {full_median * 1000:9.1f} ms  {ratio:6.1f}x cheaper",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            compare(rows, given.rounds, Path(folder))


if __name__ == "__main__":
    main()
