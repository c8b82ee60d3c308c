"""Rows put aside: what is kept of them, for how long, and which of them are still missing from their table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from scorecard.book.model.source import Source
from scorecard.ground.errors import Place, Problem
from scorecard.warehouse.engine import Load, Quarantine, QuarantineGroup, QuarantineRow
from scorecard.warehouse.shaping import Shape

ROWS_KEPT = 10_000
"""Of one source."""
TEXT_KEPT, VALUE_KEPT, CELL_KEPT, CELLS_KEPT = 2_000, 200, 120, 60
"""Characters of a row, a value and a cell, and how many cells."""
ROWS_SHOWN, GROUPS_SHOWN = 10, 8
"""What a board carries: rows of one reason, and reasons of one source."""
TABLES = (
    """CREATE TABLE IF NOT EXISTS _loads.quarantine (load BIGINT, source VARCHAR, file VARCHAR, line BIGINT,
       reason VARCHAR, text VARCHAR)""",
    "ALTER TABLE _loads.quarantine ADD COLUMN IF NOT EXISTS kind VARCHAR",
    "ALTER TABLE _loads.quarantine ADD COLUMN IF NOT EXISTS column_name VARCHAR",
    "ALTER TABLE _loads.quarantine ADD COLUMN IF NOT EXISTS value VARCHAR",
    "ALTER TABLE _loads.quarantine ADD COLUMN IF NOT EXISTS gone_by BIGINT",
)
"""``kind``: the reason without the value, so that equal mistakes can be counted together. ``gone_by``: the load since which
the row is no longer missing (its file was read again, or is gone); of a load that failed, itself. NULL while it is missing."""
VARYING = re.compile(r": '.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PutAside:
    """One row that could not be loaded. ``column`` and ``value``: what could not be read, where it is one value."""

    file: str | None
    line: int | None
    reason: str
    text: str
    kind: str
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """Which rows put aside before are over with this load: all but those of these files, or none (``rows`` False)."""

    rows: bool
    but_files: frozenset[str] = frozenset()


def unread(source: Source, file: str | None, line: int | None, reason: str, text: str) -> PutAside:
    """A row that the connector could not read at all."""
    kind = VARYING.sub("", reason)
    return PutAside(file, line, _kept(reason, source), _kept(text, source), _kept(kind, source))


def misread(source: Source, file: str | None, line: int | None, shape: Shape, value: str, row: str) -> PutAside:
    """A row with a value that is not of its column's type; ``row`` is its JSON."""
    shown = value if len(value) <= 60 else value[:57] + "..."
    column, wanted = shape.name, _with_article(shape.kind, shape.format)
    return PutAside(
        file,
        line,
        _kept(f"column '{column}': '{shown}' is not {wanted}", source),
        _kept(_shortened(row, column), source),
        f"column '{column}' is not {wanted}",
        column,
        _kept(value, source, VALUE_KEPT),
    )


def keyless(source: Source, file: str | None, line: int | None, column: str, row: str) -> PutAside:
    """A row without the key that would tell it from others."""
    reason = f"the key column '{column}' is empty"
    return PutAside(file, line, reason, _kept(_shortened(row, column), source), reason, column)


def _with_article(kind: str, pattern: str | None) -> str:
    words = {
        "integer": "an integer",
        "epoch_s": "a number of seconds (epoch_s)",
        "epoch_ms": "a number of milliseconds (epoch_ms)",
        "boolean": "true or false",
    }
    said = words.get(kind, f"a {kind}")
    return said if pattern is None else f"{said} like {pattern}"


def _kept(text: str, source: Source, most: int = TEXT_KEPT) -> str:
    for secret in sorted(source.secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) >= 4 else text
    return text if len(text) <= most else text[: most - 1] + "…"


def _shortened(row: str, column: str) -> str:
    """The row's JSON with long cells cut, and of very many the first; the column it is about always among them."""
    cells = json.loads(row or "{}")
    names = list(cells)
    if len(names) > CELLS_KEPT:
        names = [*dict.fromkeys([column, *names[: CELLS_KEPT - 1]])]
    cut = {
        name: v if not isinstance(v := cells[name], str) or len(v) <= CELL_KEPT else v[: CELL_KEPT - 1] + "…"
        for name in names
    }
    return json.dumps(cut, ensure_ascii=False, default=str)


def quarantine_warnings(source: str, rows: Sequence[PutAside], total: int, shown: int = 20) -> list[Problem]:
    """The first rows put aside, and how many more there are."""
    said = [
        Problem(
            f"{source}: {row.reason}" if row.file or not row.line else f"{source}: row {row.line}: {row.reason}",
            Place(row.file, row.line or 0) if row.file else None,
            severity="warning",
        )
        for row in rows[:shown]
    ]
    more = total - len(said)
    if more > 0:
        said.append(Problem(f"{source}: {more} more rows were put aside", severity="warning"))
    return said


def write_quarantine(cursor: duckdb.DuckDBPyConnection, load: Load, rows: Sequence[PutAside], settled: Settled) -> None:
    """Rows put aside by a load, and which earlier ones it settles; the oldest of the source go when there are too many."""
    good = load.outcome in {"ok", "unchanged"}
    if good and settled.rows:
        cursor.execute(
            "UPDATE _loads.quarantine SET gone_by = ? WHERE source = ? AND gone_by IS NULL "
            "AND (file IS NULL OR NOT list_contains(?::VARCHAR[], file))",
            [load.id, load.source, sorted(settled.but_files)],
        )
    if not rows:
        return
    kept = [
        [
            None if v is None else str(v)
            for v in (
                load.id,
                load.source,
                r.file,
                r.line,
                r.reason,
                r.text,
                r.kind,
                r.column,
                r.value,
                None if good else load.id,
            )
        ]
        for r in rows[:ROWS_KEPT]
    ]
    if good:  # a row that a later pull brings once more is missing once
        cursor.execute(
            "UPDATE _loads.quarantine SET gone_by = ? WHERE source = ? AND gone_by IS NULL AND file IS NULL "
            "AND list_contains(?::VARCHAR[], text)",
            [load.id, load.source, sorted({r.text for r in rows if r.file is None})],
        )
    cursor.execute(
        "INSERT INTO _loads.quarantine (load, source, file, line, reason, text, kind, column_name, value, gone_by) "
        "SELECT r[1]::BIGINT, r[2], r[3], r[4]::BIGINT, r[5], r[6], r[7], r[8], r[9], r[10]::BIGINT "
        "FROM (SELECT unnest(?::VARCHAR[][]) AS r)",
        [kept],
    )
    cursor.execute(
        """DELETE FROM _loads.quarantine WHERE source = $source AND load < (
             SELECT min(load) FROM (SELECT load, sum(count(*)) OVER (ORDER BY load DESC) AS upto
             FROM _loads.quarantine WHERE source = $source GROUP BY load) WHERE upto <= $most OR load = $load)""",
        {"source": load.source, "most": ROWS_KEPT, "load": load.id},
    )


def forget_quarantine(cursor: duckdb.DuckDBPyConnection, before: int) -> None:
    """Rows of loads older than this go with their loads, unless they are still missing."""
    cursor.execute("DELETE FROM _loads.quarantine WHERE load < ? AND gone_by IS NOT NULL", [before])


def read_quarantines(cursor: duckdb.DuckDBPyConnection, failed: Iterable[int]) -> Mapping[str, Quarantine]:
    """Per source the rows that are missing from its table, and those of the ``failed`` loads, which have failed or wait."""
    rows = cursor.execute(
        f"""SELECT source, of_failed, sort_of, column_name, n, load, file, line, reason, value, text FROM (
             SELECT *, gone_by IS NOT NULL AS of_failed, coalesce(kind, reason) AS sort_of,
               count(*) OVER (PARTITION BY source, gone_by IS NOT NULL, coalesce(kind, reason)) AS n,
               row_number() OVER (PARTITION BY source, gone_by IS NOT NULL, coalesce(kind, reason)
                 ORDER BY load DESC, file, line) AS nth
             FROM _loads.quarantine WHERE gone_by IS NULL OR list_contains(?::BIGINT[], load))
           WHERE nth <= {ROWS_SHOWN} ORDER BY source, of_failed DESC, n DESC, sort_of, nth""",
        [list(failed)],
    ).fetchall()
    groups: dict[tuple[str, bool, str], QuarantineGroup] = {}
    for source, of_failed, kind, column, count, load, *shown in rows:
        key = (source, bool(of_failed), kind)
        before = groups.get(key, QuarantineGroup(kind, column, count, load if of_failed else None, ()))
        groups[key] = QuarantineGroup(kind, column, count, before.failed, (*before.first, QuarantineRow(load, *shown)))
    found: dict[str, Quarantine] = {}
    for (source, of_failed, _), group in groups.items():
        before_ = found.get(source, Quarantine())
        missing = before_.missing + (0 if of_failed else group.rows)
        shown_groups = before_.groups if len(before_.groups) >= GROUPS_SHOWN else (*before_.groups, group)
        found[source] = Quarantine(missing, before_.reasons + 1, shown_groups)
    return found
