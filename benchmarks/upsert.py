"""Some thousand changed rows, spread over a big table with a key: a load, and beside it the least that DuckDB can do.

That is ``DELETE … USING; INSERT`` of typed rows with their days, committed, in a table of the same rows and another file:
no typing, no comparing, no counting, nothing kept of what was there, no record. Both in turn, in two ways: rows that lie
as they were first loaded (``spread``: other keys each time), and the same rows again and again (``again``: they lie at the end).

Aim: 60 ms for 10k rows of 10M on two quiet cores. The CPU time says more where others want the processors.

Usage: python benchmarks/upsert.py [rows] [changed] [rounds]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

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


def made(rows: int, first: int, every: int, salt: int) -> pa.Table:
    """Each ``every``-th row from one on, with minutes that depend on ``salt``."""
    moment = f"timestamp '2021-09-01' + to_seconds(i * 150000000 // {rows}"
    with duckdb.connect() as connection:
        return connection.sql(
            f"SELECT i AS ticket_id, {moment}) AS created_at, {moment} + hash(i) % 400000) AS closed_at, "
            f"'team-' || (i % 12) AS team, (hash(i + {salt}) % 50000) / 100 AS minutes FROM range({first}, {rows}, {every}) r(i)"
        ).to_arrow_table()


def taken(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds and CPU seconds."""
    began, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - began, time.process_time() - cpu


class Loads:
    """Upserts into a warehouse."""

    def __init__(self, folder: Path) -> None:
        columns = {name: Column(name, name, kind) for name, kind in TYPES.items()}
        source = Source(
            "tickets", "sql", {}, Schedule(60), mode="upsert", key=("ticket_id",), time="created_at", columns=columns
        )
        self.order = LoadOrder(source, ("created_at", "closed_at"), "Europe/Berlin", NOW, NOW)
        self.warehouse = DuckWarehouse.open(folder, FixedClock(NOW))

    def take(self, table: pa.Table) -> None:
        reader = table.to_reader(122_880)
        done, _ = self.warehouse.load(self.order, [Batch(reader)])
        assert (done.outcome, done.loaded + done.unchanged) == ("ok", table.num_rows), done


class Bare:
    """The same rows in a table of DuckDB's."""

    def __init__(self, folder: Path) -> None:
        self.connection = duckdb.connect(str(folder / "bare.duckdb"), config={"threads": 2, "memory_limit": "2GB"})

    def take(self, table: pa.Table) -> None:
        days = ", ".join(f"CAST({name} AS DATE) AS day_{name}" for name in ("created_at", "closed_at"))
        self.connection.register("came", table)
        for statement in (
            f"CREATE TABLE IF NOT EXISTS tickets AS SELECT *, {days} FROM came LIMIT 0",
            "BEGIN",
            "DELETE FROM tickets USING came WHERE tickets.ticket_id = came.ticket_id",
            f"INSERT INTO tickets SELECT *, {days} FROM came",
            "COMMIT",
        ):
            self.connection.execute(statement)


def main() -> None:
    rows, changed, rounds = (
        int(sys.argv[n]) if len(sys.argv) > n else d for n, d in ((1, 10_000_000), (2, 10_000), (3, 9))
    )
    folder = Path(tempfile.mkdtemp(prefix="upsert-"))
    loads, bare = Loads(folder), Bare(folder)
    doers: dict[str, Loads | Bare] = {"load": loads, "bare": bare}
    every, whole = max(1, rows // changed), made(rows, 0, 1, 0)
    for doer in doers.values():
        doer.take(whole)
    del whole
    for way in ("spread", "again"):
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in doers}
        for salt in range(1, rounds + 1):
            came = made(rows, salt % every if way == "spread" else 0, every, salt)
            for name, doer in doers.items():
                spent[name].append(taken(partial(doer.take, came)))
        if way == "again":  # the first time they lie as they were loaded
            spent = {name: found[1:] for name, found in spent.items()}
        for name, found in spent.items():
            wall, cpu = ([pair[n] * 1000 for pair in found] for n in (0, 1))
            print(
                f"{way:6} {name}: {min(wall):4.0f} ms (median {statistics.median(wall):4.0f}), "
                f"CPU {min(cpu):4.0f} ms (median {statistics.median(cpu):4.0f})"
            )
    loads.warehouse.close()
    bare.connection.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
