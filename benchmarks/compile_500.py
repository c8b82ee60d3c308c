"""Lowering 500 metrics to states and SQL against loaded tables: the work between a saved file and the first scan.

    python benchmarks/compile_500.py [--runs 7]

The book is that of `check_500.py`, whose 500 metrics write each kind of measure with its own condition; a table of 1,000 rows
stands behind it. Best of several runs, CPU and wall, each with nothing kept from the run before: once with new expressions
(trees parsed as in a new process), once more with the trees known (what a reload after a save costs).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from check_500 import write_book

from connectors.contract import Batch
from scorecard.book.read import read_book
from scorecard.book.sqlparse import judge
from scorecard.ground.clock import FixedClock
from scorecard.measures.plan import axes
from scorecard.measures.run import Meter
from scorecard.refresh.run import calendar_of
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import LoadOrder

ROWS = """
    select i as ticket_id, timestamp '2026-01-05' + interval (i) hour as created_at,
           timestamp '2026-01-05 08:00' + interval (i) hour as closed_at, i * 0.5 as amount, i % 90 + 0.5 as minutes,
           i % 5 + 1 as score, i % 77 as customer_id, 'c' || (i % 9) as channel, ['high', 'low'][i % 2 + 1] as priority
    from range(1000) r(i)
"""
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def best(work: Callable[[], object], runs: int, before: Callable[[], object] = lambda: None) -> tuple[float, float]:
    """(CPU, wall) seconds of the quickest run."""
    taken = []
    for _ in range(runs):
        before()
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        taken.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(taken)


def main() -> None:
    options = argparse.ArgumentParser(description="Lowering 500 metrics.")
    options.add_argument("--runs", type=int, default=7)
    runs = options.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        path = write_book(folder, 500)
        book = read_book(path)
        engine = DuckWarehouse.open(folder / "data", FixedClock(NOW))
        try:
            rows = duckdb.sql(ROWS).to_arrow_table()
            source = book.sources["tickets"]
            order = LoadOrder(source, axes(book, "tickets"), "Europe/Berlin", NOW, NOW)
            load, _ = engine.load(order, [Batch(rows)])
            assert load.outcome == "ok", load.problems
            meter = Meter(engine, book, calendar_of(book))
            assert meter.mistakes() == ()
            for label, before in (("new expressions", judge.cache_clear), ("known trees", lambda: None)):
                cpu, wall = best(meter.mistakes, runs, before)
                print(f"compile 500, {label:<16} {cpu * 1000:6.0f} ms CPU  {wall * 1000:6.0f} ms")
            cpu, wall = best(lambda: read_book(path), runs)
            print(f"read 500 (beside it)          {cpu * 1000:6.0f} ms CPU  {wall * 1000:6.0f} ms")
        finally:
            engine.close()


if __name__ == "__main__":
    main()
