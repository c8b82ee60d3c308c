"""Some thousand changed rows, spread over a big table with a key, against loading the whole table anew in the same run.

Aim: 60 ms for 10k rows of 10M on two quiet cores. The CPU time says more where others want the processors.

Usage: python benchmarks/upsert.py [rows] [changed] [rounds]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from connectors.contract import Batch
from scorecard.book.model.source import Column, ColumnType, Schedule, Source
from scorecard.ground.clock import FixedClock
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import LoadOrder

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
TYPES: dict[str, ColumnType] = {
    "ticket_id": "integer",
    "created_at": "timestamp",
    "closed_at": "timestamp",
    "team": "text",
    "minutes": "double",
}


def load(warehouse: DuckWarehouse, rows: int, every: int, salt: int) -> tuple[float, float, int]:
    """Seconds and CPU seconds of a load of each ``every``-th row, with minutes that depend on ``salt``; and how many rows it loaded."""
    columns = {name: Column(name, name, kind) for name, kind in TYPES.items()}
    source = Source(
        "tickets", "sql", {}, Schedule(60), mode="upsert", key=("ticket_id",), time="created_at", columns=columns
    )
    moment = f"timestamp '2021-09-01' + to_seconds(i * 150000000 // {rows}"
    with duckdb.connect() as connection:
        reader = connection.sql(
            f"SELECT i AS ticket_id, {moment}) AS created_at, {moment} + hash(i) % 400000) AS closed_at, "
            f"'team-' || (i % 12) AS team, (hash(i + {salt}) % 50000) / 100 AS minutes FROM range(0, {rows}, {every}) r(i)"
        ).to_arrow_reader(122_880)
        order = LoadOrder(source, ("created_at", "closed_at"), "Europe/Berlin", NOW, NOW)
        began, cpu = time.perf_counter(), time.process_time()
        done, _ = warehouse.load(order, [Batch(reader)])
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert done.outcome == "ok", done.problems
    return seconds, cpu, done.loaded


def main() -> None:
    rows, changed, rounds = (
        int(sys.argv[n]) if len(sys.argv) > n else d for n, d in ((1, 10_000_000), (2, 10_000), (3, 7))
    )
    folder = Path(tempfile.mkdtemp(prefix="upsert-"))
    warehouse = DuckWarehouse.open(folder, FixedClock(NOW))
    whole, _, _ = load(warehouse, rows, 1, 0)
    taken, spent = [], []
    for salt in range(1, rounds + 1):
        seconds, cpu, loaded = load(warehouse, rows, max(1, rows // changed), salt)
        taken.append(seconds)
        spent.append(cpu)
    warehouse.close()
    shutil.rmtree(folder)
    typical = statistics.median(taken)
    print(f"{loaded} of {rows} rows changed: {typical * 1000:.0f} ms (best {min(taken) * 1000:.0f} ms)")
    print(f"CPU {statistics.median(spent) * 1000:.0f} ms (best {min(spent) * 1000:.0f} ms)")
    print(f"a full load: {whole:.2f} s, {whole / typical:.0f} times as long")


if __name__ == "__main__":
    main()
