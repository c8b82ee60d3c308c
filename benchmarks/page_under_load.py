"""How long a page takes while a big load runs: p50 and p95 of a team page, idle and during a load of 5M rows (aim: p95 50 ms).

``python benchmarks/page_under_load.py [--rows 5000000] [--readers 4]``. Each reader asks for the page's JSON five times a
second, as browsers do that follow a board.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

import polars as pl
import requests
from serving import Served, served

BOOK = """
version: 1
organization: {name: Bench, timezone: UTC}
sources:
  small: {kind: csv, path: small.csv, every: 1s, key: [id], time: made_at}
  big: {kind: csv, path: big.csv, every: 9h, key: [id], time: made_at, columns: {id: integer, made_at: timestamp, amount: double}}
teams: {sales: {title: Sales, owner: Ana Ruiz}}
metrics:
"""
METRIC = "  {0}_{1}: {{team: sales, role: lagging, source: {0}, {2}, grain: day, better: higher, target: 5}}\n"


def write(folder: Path, rows: int, seed: int) -> None:
    """The big file: rows over 400 days, in order."""
    ids = pl.int_range(rows, eager=True)
    start = pl.datetime(2025, 9, 1)
    frame = pl.DataFrame({"id": ids}).with_columns(
        made_at=start + pl.duration(seconds=pl.col("id") * (400 * 86_400) // rows),
        amount=(pl.col("id") * 7919 + seed) % 1000 / 10,
    )
    aside = folder / "big.new"
    frame.write_csv(aside, datetime_format="%Y-%m-%dT%H:%M:%S")
    aside.replace(folder / "big.csv")


def measure(server: Served, readers: int, until: threading.Event, most_seconds: float) -> list[float]:
    """Milliseconds of every answer."""
    took: list[float] = []

    def read() -> None:
        with requests.Session() as session:
            while not until.is_set() and time.monotonic() < end:
                began = time.perf_counter()
                session.get(server.address + "/teams/sales", timeout=60).raise_for_status()
                took.append((time.perf_counter() - began) * 1000)
                until.wait(0.2)

    end = time.monotonic() + most_seconds
    threads = [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def say(name: str, took: list[float]) -> None:
    ordered = sorted(took)
    p95, longest = ordered[int(0.95 * len(ordered))], ordered[-1]
    print(
        f"{name}: {len(took)} pages, p50 {statistics.median(took):.1f} ms, p95 {p95:.1f} ms, longest {longest:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--readers", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measures = ("count: rows", "sum: amount", "mean: amount", "p90: amount")
        metrics = [
            METRIC.format(s, n, m) for s in ("small", "big") for n, m in enumerate(measures) if s == "small" or n < 3
        ]
        (folder / "metrics.yaml").write_text(BOOK + "".join(metrics))
        (folder / "small.csv").write_text("id,made_at,amount\n1,2026-09-21T10:00:00Z,3.5\n")
        write(folder, 1000, 0)
        with served(folder) as server:
            time.sleep(6)
            say("idle", measure(server, asked.readers, threading.Event(), 8))
            write(folder, asked.rows, 1)
            done = threading.Event()
            cpu = server.cpu_seconds()

            def watch() -> None:
                requests.post(server.address + "/api/v1/sources/big/refresh", timeout=60).raise_for_status()
                loads: list[dict[str, object]] = []
                while len(loads) < 2:
                    time.sleep(0.5)
                    loads = requests.get(server.address + "/api/v1/loads?source=big", timeout=60).json()["loads"]
                print(f"load: {loads[0]['outcome']}, {loads[0]['loaded']} rows in {loads[0]['seconds']:.1f} s")
                time.sleep(2)  # measuring and publishing what it brought
                done.set()

            watcher = threading.Thread(target=watch)
            watcher.start()
            say(f"during a load of {asked.rows} rows", measure(server, asked.readers, done, 600))
            watcher.join()
            print(f"CPU of the server meanwhile {server.cpu_seconds() - cpu:.1f} s")


if __name__ == "__main__":
    main()
