"""What the warehouse's tests share: sources made by hand, batches of text, and a warehouse in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.contract import Batch
from scorecard.book.model.source import Check, Column, ColumnType, Schedule, Source, SourceCursor
from scorecard.ground.clock import FixedClock
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Load, LoadOrder, Touched

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
Rows = Mapping[str, Sequence[Any]]


def warehouse_in(folder: Path, **limits: Any) -> DuckWarehouse:
    return DuckWarehouse.open(folder, FixedClock(NOW), **limits)


def source(
    name: str = "tickets",
    *,
    mode: str | None = None,
    key: Sequence[str] = (),
    kind: str = "csv",
    columns: Mapping[str, ColumnType | tuple[ColumnType, str]] | None = None,
    cursor: str | None = None,
    time: str | None = None,
    deleted: str | None = None,
    timezone: str = "UTC",
    checks: Sequence[Check] = (),
    quarantine_at_most: float = 0.5,
    **options: Any,
) -> Source:
    declared = {}
    for column, told in (columns or {}).items():
        kind_of, pattern = (told, None) if isinstance(told, str) else told
        declared[column] = Column(column, column, kind_of, pattern)
    return Source(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        options=options,
        schedule=Schedule(60),
        key=tuple(key),
        mode=mode or ("upsert" if key else "replace"),  # type: ignore[arg-type]
        time=time,
        deleted=deleted,
        columns=declared,
        timezone=timezone,
        cursor=None if cursor is None else SourceCursor(cursor),
        checks=tuple(checks),
        quarantine_at_most=quarantine_at_most,
    )


def order(of: Source, *axes: str, zone: str = "Europe/Berlin", full: bool = False, now: datetime = NOW) -> LoadOrder:
    return LoadOrder(of, axes, zone, now, now, full=full)


def text(rows: Rows, *, lines: bool = True) -> pa.Table:
    """Rows of text, as a CSV gives them, with the line of each."""
    columns = {n: pa.array([None if v is None else str(v) for v in vs], pa.string()) for n, vs in rows.items()}
    if lines:
        count = len(next(iter(rows.values()), []))
        columns["_line"] = pa.array(range(2, count + 2), pa.int64())
    return pa.table(columns)


def load(
    warehouse: DuckWarehouse,
    of: Source,
    rows: Rows | pa.Table | Iterable[Batch],
    *axes: str,
    file: str | None = "a.csv",
    **more: Any,
) -> tuple[Load, Touched]:
    if isinstance(rows, Mapping):
        rows = text(rows)
    batches = [Batch(rows, file)] if isinstance(rows, pa.Table) else rows
    return warehouse.load(order(of, *axes, **more), batches)


def good(
    warehouse: DuckWarehouse, of: Source, rows: Rows | pa.Table | Iterable[Batch], *axes: str, **more: Any
) -> tuple[Load, Touched]:
    """Loaded, and it went well; every row is accounted for."""
    done, touched = load(warehouse, of, rows, *axes, **more)
    assert done.outcome in {"ok", "unchanged"}, done.problems
    assert done.read == done.loaded + done.unchanged + done.duplicate + done.quarantined, done
    return done, touched


def rows_of(
    warehouse: DuckWarehouse, name: str = "tickets", columns: str = "*", by: str = "ALL"
) -> list[tuple[Any, ...]]:
    def named(names: str) -> str:
        return names if names in {"*", "ALL"} else ", ".join(f'"{n.strip()}"' for n in names.split(","))

    return warehouse.query(f"SELECT {named(columns)} FROM {warehouse.table(name)} ORDER BY {named(by)}").rows()


def day(text_: str) -> date:
    return date.fromisoformat(text_)


def clock(year: int, month: int, day_: int, *time: int) -> datetime:
    """A moment as the tables hold it: in UTC, without saying so."""
    hour, minute, second, micro = (*time, 0, 0, 0, 0)[:4]
    return datetime(year, month, day_, hour, minute, second, micro, tzinfo=UTC).replace(tzinfo=None)
