"""`scorecard check` on 30 and on 500 metrics, from process start to its last line.

Beside it, in the same run: an interpreter that only imports what the check needs, as the floor under it.
"""

from __future__ import annotations

import os
import statistics
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


def seconds(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as on a user's machine
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def main() -> None:
    imports = "import click, yaml, sqlglot, scorecard.cli.main"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {"imports alone": [sys.executable, "-c", imports]}
        for count in (30, 500):
            path = write_book(folder, count)
            commands[f"check of {count}"] = [sys.executable, "-m", "scorecard", "--config", path.name, "check"]
        taken: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(RUNS):
            for label, command in commands.items():
                taken[label].append(seconds(command, folder))
        base = statistics.median(taken["imports alone"])
        for label, found in taken.items():
            median = statistics.median(found)
            print(f"{label:<14} {median:6.3f} s  ({median / base:4.1f}x the imports alone)")


if __name__ == "__main__":
    main()
