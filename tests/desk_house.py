"""A small organisation for tests of the analysts' commands: files in a folder, and command lines run in this process."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scorecard.cli.main import execute
from scorecard.cli.session import Session

NOW = "2026-09-30T08:00:00Z"
BOOK = """version: 1
organization: {name: Test, timezone: Europe/Berlin}
sources:
  orders: {kind: csv, path: orders.csv, key: [order_id], time: ordered_at, every: 1m, columns: {ordered_at: timestamp, paid_at: timestamp}}
teams:
  sales: {title: Sales, owner: Ana Ruiz <ana@example.com>}
  north: {title: North, parent: sales}
  south: {title: South, parent: sales}
metrics:
  orders_count: {title: Orders, team: sales, role: leading, source: orders, count: rows, split: {team: region}, better: higher, target: 7, amber: 6}
  revenue: {title: Revenue, team: sales, role: lagging, source: orders, sum: amount, unit: EUR, better: higher}
  per_order: {title: Per order, team: sales, role: lagging, formula: revenue / orders_count, unit: EUR, better: higher, target: 50}
"""


def rows() -> str:
    """Orders of 80 days up to the clock: 7 a week in even weeks, 5 in odd ones; amounts 40 and 60 by turns."""
    lines, first = ["order_id,ordered_at,paid_at,amount,region"], datetime(2026, 7, 13, tzinfo=UTC)
    for day in range(80):
        at = first + timedelta(days=day, hours=9)
        if at.isocalendar().week % 2 and at.weekday() > 4:
            continue
        region = "North" if day % 2 else "South"
        lines.append(
            f"{day},{at:%Y-%m-%dT%H:%MZ},{at + timedelta(days=9):%Y-%m-%dT%H:%MZ},{40 + 20 * (day % 2)},{region}"
        )
    return "\n".join(lines) + "\n"


def make(folder: Path, book: str = BOOK) -> Path:
    """metrics.yaml and its rows in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.yaml").write_text(book)
    (folder / "orders.csv").write_text(rows())
    return folder


def run(folder: Path, *words: str, now: str = NOW) -> tuple[int, str, str]:
    """One command line on the folder's metrics.yaml and data, run in this process: (exit status, stdout, stderr)."""
    session = Session(out=io.StringIO(), err=io.StringIO())
    line = ["--config", str(folder / "metrics.yaml"), "--data", str(folder / "data"), "--now", now]
    status = execute(session, [*line, *words])
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    return status, session.out.getvalue(), session.err.getvalue()


def answer(folder: Path, *words: str) -> Any:
    """The JSON that a command line answers with."""
    status, out, err = run(folder, "--format", "json", *words)
    assert status == 0, err
    return json.loads(out)


def edit(folder: Path, old: str, new: str, file: str = "metrics.yaml") -> None:
    """Changes one text in a file, which must hold it."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
