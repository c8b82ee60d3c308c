"""Hundreds of real CSV files under one real server, every 5 s: how late their loads begin, and what they cost.

``python benchmarks/many_sources.py [--sources 500] [--few 50] [--every 5] [--seconds 60] [--changing 0.02]``: the same with few
sources in the same run, against which the cost of a load with many is compared. Every fifth source has a metric;
``changing``: the share of files that get a new row each second. Aims: 10 ms of CPU for a load that finds nothing new,
100 ms for a board besides the measuring, on two cores.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

import duckdb
from serving import Served, served

ROWS = 100


def write_book(folder: Path, sources: int, every: int) -> None:
    """metrics.yaml and the files."""
    lines = ["version: 1", "organization: {name: Bench, timezone: Europe/Berlin}", "sources:"]
    for n in range(sources):
        rows = (f"{i},2026-09-{1 + i % 27:02d}T10:00:00,team-{i % 3},{i}\n" for i in range(ROWS))
        (folder / f"s{n}.csv").write_text("ticket_id,created_at,team,minutes\n" + "".join(rows))
        lines.append(f"  s{n}: {{kind: csv, path: s{n}.csv, every: {every}s, time: created_at, timezone: UTC}}")
    lines += ["teams: {all: {title: All, owner: Ana Ruiz}}", "metrics:"]
    lines += [
        f"  m{n}: {{team: all, role: lagging, source: s{n}, count: rows, better: higher, target: 5}}"
        for n in range(0, sources, 5)
    ]
    (folder / "metrics.yaml").write_text("\n".join(lines) + "\n")


def add_rows(folder: Path, sources: int, share: float, seconds: float) -> None:
    """A new row to some files each second, each replaced as a whole."""
    chosen, until, count = random.Random(1), time.monotonic() + seconds, ROWS
    while (left := until - time.monotonic()) > 0:
        count += 1
        for n in chosen.sample(range(sources), int(share * sources)):
            path, aside = folder / f"s{n}.csv", folder / f"s{n}.new"
            aside.write_text(path.read_text() + f"{count},2026-09-28T10:00:00,team-0,1\n")
            aside.replace(path)
        time.sleep(min(1.0, left))


def settle(server: Served, sources: int) -> None:
    """Waits until everything was loaded once and the server has nothing but its rounds to do."""

    while True:
        with urllib.request.urlopen(server.address + "/api/v1/sources", timeout=60) as answer:
            found = json.load(answer)["sources"]
        if sum(1 for source in found if source["rows"]) == sources:
            return
        time.sleep(0.5)


def place_of(found: list[float], every: int) -> float:
    """The earliest of moments within an interval that begins anew after each end: the one after the widest gap."""
    found = sorted(found)
    gaps = [(later - earlier) % every for earlier, later in zip([found[-1], *found], found, strict=False)]
    return found[gaps.index(max(gaps))]


def run(sources: int, every: int, seconds: float, share: float) -> tuple[float, float]:
    """(median milliseconds of lateness, milliseconds of CPU for each load); prints what was found."""
    with tempfile.TemporaryDirectory(prefix="many-") as name:
        folder = Path(name)
        write_book(folder, sources, every)
        with served(folder) as server:
            began = time.monotonic()
            settle(server, sources)
            print(f"{sources} sources, all loaded {time.monotonic() - began:.0f} s after the server was ready")
            time.sleep(2 * every)
            start, cpu, began = time.time(), server.cpu_seconds(), time.monotonic()
            add_rows(folder, sources, share, seconds)
            cpu, wall = server.cpu_seconds() - cpu, time.monotonic() - began
        with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
            loads = connection.execute(
                "SELECT source, epoch(started_at), outcome, seconds FROM _loads.history WHERE epoch(started_at) >= ?",
                [start],
            ).fetchall()
    begun: dict[str, list[float]] = {}
    for source, at, _, _ in loads:
        begun.setdefault(source, []).append(at)
    # A load's lateness is against its source's own grid: the earliest that it ever was in its interval.
    places = {source: place_of([at % every for at in times], every) for source, times in begun.items()}
    late = sorted((at % every - places[source]) % every * 1000 for source, times in begun.items() for at in times)
    gaps = [after - before for times in begun.values() for before, after in pairwise(sorted(times))]
    took = [seconds * 1000 for _, _, outcome, seconds in loads if outcome == "unchanged"]
    changed = sum(1 for _, _, outcome, _ in loads if outcome == "ok")
    p95 = late[int(0.95 * (len(late) - 1))]
    print(
        f"{sources} sources every {every} s for {wall:.0f} s: {len(loads)} loads, wanted {sources * wall / every:.0f}"
    )
    print(f"  {changed} brought rows, {sum(1 for load in loads if load[2] not in ('ok', 'unchanged'))} failed")
    print(f"  lateness p50 {statistics.median(late):.0f} ms, p95 {p95:.0f} ms, longest {late[-1]:.0f} ms")
    print(f"  widest gap of a source {max(gaps, default=0):.1f} s, {len(begun)} of {sources} sources ran")
    print(f"  unchanged loads took {statistics.median(took):.1f} ms; CPU {cpu / wall:.0%} of a core")
    each = cpu / len(loads) * 1000
    print(f"  {each:.1f} ms of CPU for each load, its share of the boards included")
    return statistics.median(late), each


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sources", type=int, default=500)
    parser.add_argument("--few", type=int, default=50)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--changing", type=float, default=0.02)
    asked = parser.parse_args()
    _, few = run(asked.few, asked.every, asked.seconds, asked.changing)
    _, many = run(asked.sources, asked.every, asked.seconds, asked.changing)
    print(f"a load among {asked.sources} costs {many / few:.2f} times one among {asked.few}")


if __name__ == "__main__":
    main()
