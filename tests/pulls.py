"""Pulling in tests: a request in one line, and everything that came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.contract import Batch, Cursor, Pull, Rejected, SourceFailed
from connectors.registry import pull

NOW = datetime(2026, 9, 28, 8, 0, tzinfo=UTC)


@dataclass
class Pulled:
    """All batches of a pull, joined. ``rows`` without ``_line``; ``lines`` beside them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    unchanged: int = 0
    types: dict[str, str] = field(default_factory=dict)
    batches: int = 0

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


def asked(
    kind: str,
    folder: Path,
    *,
    cursor: Cursor | None = None,
    state: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    allowed: tuple[Path, ...] = (),
    seconds: float = 30.0,
    scans: bool = False,
    small_bytes: int = 0,
    max_bytes: int = 4 * 1024**3,
    **options: Any,
) -> Pull:
    return Pull(
        source="tickets", kind=kind, options=options, folder=folder, now=NOW, cursor=cursor, state=state or {},
        columns=columns or {}, allowed=allowed, timeout_seconds=seconds, max_bytes=max_bytes, scans=scans,
        small_bytes=small_bytes,
    )  # fmt: skip


def collected(batches: Iterator[Batch]) -> Pulled:
    found = Pulled()
    for batch in batches:
        table = batch.rows.read_all() if isinstance(batch.rows, pa.RecordBatchReader) else batch.rows
        found.batches += 1
        found.types |= {field.name: str(field.type) for field in table.schema if field.name != "_line"}
        for row in table.to_pylist():
            found.lines.append(row.pop("_line"))
            found.rows.append(row)
        found.rejected += batch.rejected
        found.state |= batch.state
        found.unchanged += batch.unchanged or 0
    return found


def pulled(kind: str, folder: Path, **given: Any) -> Pulled:
    return collected(pull(asked(kind, folder, **given)))


def failure(kind: str, folder: Path, **given: Any) -> SourceFailed:
    """The SourceFailed that a pull ends with; nothing may have been sent before."""
    with pytest.raises(SourceFailed) as caught:
        collected(pull(asked(kind, folder, **given)))
    return caught.value
