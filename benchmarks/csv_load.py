"""A CSV through connector, types, reporting days, checks and publish, against DuckDB's bare read_csv into a table.

Both in the same run, in turns, on the same file; the ratio is of paired medians (aim: at most 1.25 in CPU seconds at 5M rows).
Usage: python benchmarks/csv_load.py [rows] [rounds]
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

from connectors.contract import Pull
from connectors.registry import pull
from scorecard.book.model.source import Check, Column, ColumnType, Schedule, Source
from scorecard.ground.clock import FixedClock
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import LoadOrder

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
TYPES: dict[str, ColumnType] = {
    "ticket_id": "integer",
    "created_at": "timestamp",
    "closed_at": "timestamp",
    "team": "text",
    "priority": "integer",
    "minutes": "double",
    "cost": "double",
    "score": "integer",
    "open": "boolean",
    "subject": "text",
}


def write_file(path: Path, rows: int) -> None:
    """Tickets over five years, in time order."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT i AS ticket_id, timestamp '2021-09-01' + to_seconds(i * 150000000 // {rows}) AS created_at,
                timestamp '2021-09-01' + to_seconds(i * 150000000 // {rows} + hash(i) % 400000) AS closed_at,
                'team-' || (i % 12) AS team, (i % 4)::INT AS priority, round(random() * 500, 2) AS minutes,
                round(random() * 90, 2) AS cost, (i % 5 + 1)::INT AS score, i % 9 = 0 AS open,
                'the subject of ticket number ' || hash(i) AS subject
                FROM range({rows}) r(i)) TO '{path}' (HEADER)"""
        )


def read_bare(path: Path, folder: Path) -> tuple[float, float]:
    """Seconds and CPU seconds of read_csv into a table of a new file."""
    with duckdb.connect(str(folder / "bare.duckdb"), config={"threads": 2, "memory_limit": "2GB"}) as connection:
        began, cpu = time.perf_counter(), time.process_time()
        connection.execute(f"CREATE TABLE tickets AS SELECT * FROM read_csv('{path}')")
        return time.perf_counter() - began, time.process_time() - cpu


def load(path: Path, folder: Path, *, declared: bool, key: bool) -> tuple[float, float]:
    """Seconds and CPU seconds of a first load into a new warehouse."""
    source = Source(
        name="tickets",
        kind="csv",
        options={"path": path.name},
        schedule=Schedule(60),
        key=("ticket_id",) if key else (),
        mode="upsert" if key else "replace",
        time="created_at",
        columns={name: Column(name, name, kind) for name, kind in TYPES.items()} if declared else {},
        timezone="UTC",
        checks=(Check("rows", at_least=1), Check("not_null", ("ticket_id", "created_at"))),
    )
    warehouse = DuckWarehouse.open(folder / "ours", FixedClock(NOW))
    order = LoadOrder(source, ("created_at", "closed_at"), "Europe/Berlin", NOW, NOW)
    columns = {name: column.type for name, column in source.columns.items()}
    request = Pull(
        "tickets",
        "csv",
        {**source.options, "mode": source.mode, "key": source.key},
        path.parent,
        NOW,
        columns,
        scans=True,
    )
    began, cpu = time.perf_counter(), time.process_time()
    done, _ = warehouse.load(order, pull(request))
    taken = time.perf_counter() - began, time.process_time() - cpu
    assert done.outcome == "ok", done.problems
    assert done.read == done.loaded
    warehouse.close()
    return taken


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    folder = Path(tempfile.mkdtemp(prefix="csv-load-"))
    path = folder / "tickets.csv"
    write_file(path, rows)
    print(f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB, {rounds} rounds")
    cases = {"declared": (True, False), "inferred": (False, False), "declared, key": (True, True)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ["bare", *cases]}
    for _ in range(rounds):
        for name in times:
            place = folder / "round"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            if name == "bare":
                times[name].append(read_bare(path, place))
            else:
                declared, key = cases[name]
                times[name].append(load(path, place, declared=declared, key=key))
    shutil.rmtree(folder)
    for name in cases:
        pairs = list(zip(times[name], times["bare"], strict=True))
        wall, cpu = (statistics.median(ours[n] / bare[n] for ours, bare in pairs) for n in (0, 1))
        seconds, bare_seconds = (statistics.median(taken[0] for taken in times[n]) for n in (name, "bare"))
        print(f"{name:14} {wall:.2f}x ({seconds:.2f} s against {bare_seconds:.2f} s), CPU {cpu:.2f}x")


if __name__ == "__main__":
    main()
