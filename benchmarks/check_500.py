"""`scorecard check` on 30 and on 500 metrics, from process start to its last line.

Beside it, in the same run: an interpreter that does nothing, and one that only imports duckdb, as measures of the machine. CPU is user and system time of the process:
on a machine with other work it says more than the clock on the wall. The best of several runs each.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
MEASURES = (
    "count: rows",
    "sum: amount",
    "mean: minutes",
    "p90: closed_at - created_at\n    unit: h",
    "ratio: {of: count_if(score >= 4), to: count(score)}",
    "distinct: customer_id",
    "stock: {opened: created_at, closed: closed_at}",
)


def write_book(folder: Path, count: int) -> Path:
    """A book of so many metrics, every measure in turn, with targets."""
    lines = [
        "version: 1",
        "organization: {name: Bench, timezone: Europe/Berlin}",
        "sources:",
        '  tickets: {kind: csv, path: "tickets/*.csv", every: 1m, key: [ticket_id], time: created_at}',
        "teams:",
        *(f"  team-{i}: {{title: Squad {chr(65 + i % 26)}{i}, owner: Ana Ruiz}}" for i in range(count // 10 + 1)),
        "metrics:",
    ]
    for i in range(count):
        lines += [
            f"  metric_{i}:",
            f"    title: Metric {i}",
            f"    team: team-{i // 10}",
            f"    role: {'leading' if i % 2 else 'lagging'}",
            "    source: tickets",
            f"    {MEASURES[i % len(MEASURES)]}",
            f"    where: channel = 'c{i % 9}' and priority in ('high', 'low')",
            "    better: lower",
            f"    target: {100 + i}",
            "    tolerance: 10%",
        ]
    path = folder / f"metrics_{count}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def seconds(command: list[str], folder: Path) -> tuple[float, float]:
    """(CPU, wall) of one process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as on a user's machine
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {code: [sys.executable, "-c", code] for code in ("pass", "import duckdb")}
        for count in (30, 500):
            path = write_book(folder, count)
            commands[f"check of {count}"] = [sys.executable, "-m", "scorecard", "--config", path.name, "check"]
        taken: dict[str, list[tuple[float, float]]] = {label: [] for label in commands}
        for _ in range(RUNS):
            for label, command in commands.items():
                taken[label].append(seconds(command, folder))
        base = min(taken["pass"])[0]
        for label, found in taken.items():
            cpu, wall = min(found)[0], min(wall for _, wall in found)
            print(f"{label:<15} {cpu:6.3f} s CPU  {wall:6.3f} s  ({cpu / base:4.1f}x)")


if __name__ == "__main__":
    main()
