"""What the warehouse remembers besides rows: run history, standings and rows put aside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from scorecard.ground.errors import Place, Problem
from scorecard.warehouse import quarantine
from scorecard.warehouse.engine import Load, Standing
from scorecard.warehouse.quarantine import PutAside, Settled
from scorecard.warehouse.traces import packed, unpacked

HISTORY_KEPT = 3000
"""Loads after which rows put aside that are mended by now are forgotten."""
SWEPT_EVERY = 200
"""Loads between two times that this is done."""
TABLES = (
    "CREATE SCHEMA IF NOT EXISTS _loads",
    """CREATE TABLE IF NOT EXISTS _loads.history (id BIGINT, source VARCHAR, outcome VARCHAR, cause VARCHAR,
       started_at TIMESTAMP, finished_at TIMESTAMP, generation BIGINT, counts VARCHAR, seconds DOUBLE,
       problems VARCHAR)""",
    """CREATE TABLE IF NOT EXISTS _loads.standing (source VARCHAR, loaded_at TIMESTAMP, data_until TIMESTAMP,
       body VARCHAR)""",
    *quarantine.TABLES,
    "CREATE TABLE IF NOT EXISTS _loads.looked (source VARCHAR, axis VARCHAR, day DATE, n BIGINT, h HUGEINT)",
)
STANDING = "SELECT source, loaded_at, data_until, body FROM _loads.standing"
NOTHING_SETTLED = Settled(rows=False)
FIELDS = "source = ?, outcome = ?, cause = ?, started_at = ?, finished_at = ?, generation = ?, counts = ?, seconds = ?"
COUNTS = ("read", "loaded", "unchanged", "duplicate", "quarantined", "removed", "times_doubled", "times_missing")


@dataclass(frozen=True, slots=True)
class Memory:
    """A standing and what only loads need to know.

    ``optional``: columns that a batch may lack. ``open``: columns whose type is not known yet: all values were null.
    ``zone``: of the reporting days. ``newest``: newest ``time`` of all, also later than the load. ``key``: by which changes of
    its rows are told (() for a table without one; None: kept before that was noted).
    """

    standing: Standing
    optional: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    zone: str = "UTC"
    newest: datetime | None = None
    key: tuple[str, ...] | None = None


@dataclass(slots=True)
class Counts:
    """The counters of one load while it runs."""

    read: int = 0
    loaded: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    removed: int = 0
    times_doubled: int = 0
    times_missing: int = 0
    aside: list[PutAside] = field(default_factory=list)
    settled: Settled = NOTHING_SETTLED
    warnings: list[Problem] = field(default_factory=list)


def naive(moment: datetime | None) -> datetime | None:
    """UTC without a zone, as moments are stored."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def write_load(cursor: duckdb.DuckDBPyConnection, load: Load) -> None:
    """The load's record, in place of the one that said it was running."""
    id_, *values = _row(load)
    begun = load.outcome != "running"
    sql = f"UPDATE _loads.history SET {FIELDS}, problems = ? WHERE id = ?"
    if not begun or not _changed(cursor, sql, [*values, id_]):
        cursor.execute("INSERT INTO _loads.history SELECT $10, $1, $2, $3, $4, $5, $6, $7, $8, $9", [*values, id_])
    if load.id % SWEPT_EVERY == 0:
        quarantine.forget_quarantine(cursor, load.id - HISTORY_KEPT)


def write_loads(cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load]) -> None:
    """The records of loads that have none yet."""
    cursor.execute(
        "INSERT INTO _loads.history SELECT r[1]::BIGINT, r[2], r[3], r[4], r[5]::TIMESTAMP, r[6]::TIMESTAMP, r[7]::BIGINT, "
        "r[8], r[9]::DOUBLE, r[10] FROM (SELECT unnest(?::VARCHAR[][]) AS r)",
        [[list(map(str, _row(load))) for load in loads]],
    )
    if any(load.id % SWEPT_EVERY == 0 for load in loads):
        quarantine.forget_quarantine(cursor, loads[-1].id - HISTORY_KEPT)


def _row(load: Load) -> list[Any]:
    return [
        load.id,
        load.source,
        load.outcome,
        load.cause,
        naive(load.started_at),
        naive(load.finished_at),
        load.generation,
        json.dumps({name: getattr(load, name) for name in COUNTS}),
        load.seconds,
        json.dumps([p.as_json() for p in load.problems]),
    ]


def read_load(cursor: duckdb.DuckDBPyConnection, id_: int) -> Load | None:
    """One load; None where there is none of that number, or it still runs."""
    row = cursor.execute("SELECT * FROM _loads.history WHERE id = ? AND outcome <> 'running'", [id_]).fetchone()
    return None if row is None else load_of(row)


def load_of(row: tuple[Any, ...]) -> Load:
    """A load from its row of the history."""
    return Load(
        id=row[0],
        source=row[1],
        outcome=row[2],
        cause=row[3],
        started_at=row[4].replace(tzinfo=UTC),
        finished_at=row[5].replace(tzinfo=UTC),
        generation=row[6],
        seconds=row[8],
        problems=tuple(_problem(entry) for entry in json.loads(row[9])),
        **json.loads(row[7]),
    )


def _problem(entry: Mapping[str, Any]) -> Problem:
    place = Place(entry["file"], entry["line"] or 0, entry["column"] or 0) if entry["file"] else None
    return Problem(entry["message"], place, entry["hint"], entry["severity"])


def packed_memory(memory: Memory) -> dict[str, Any]:
    """All of it but the two moments, as plain JSON."""
    standing = memory.standing
    return {
        "generation": standing.generation,
        "rows": standing.rows,
        "columns": dict(standing.columns),
        "first_day": {axis: day.isoformat() for axis, day in standing.first_day.items()},
        "cursor": pack(standing.cursor),
        "state": pack(dict(standing.state)),
        "definition": standing.definition,
        "optional": sorted(memory.optional),
        "open": sorted(memory.open),
        "zone": memory.zone,
        "newest": pack(memory.newest),
        "key": None if memory.key is None else list(memory.key),
        "traces": packed(standing.traces),
    }


def write_memory(cursor: duckdb.DuckDBPyConnection, memory: Memory) -> None:
    """The standing after a good load, in the load's own transaction."""
    standing, body = memory.standing, packed_memory(memory)
    values = [naive(standing.loaded_at), naive(standing.data_until), json.dumps(body), standing.source]
    update = "UPDATE _loads.standing SET loaded_at = ?, data_until = ?, body = ? WHERE source = ?"
    if not _changed(cursor, update, values):
        cursor.execute("INSERT INTO _loads.standing SELECT $4, $1, $2, $3", values)


def _changed(cursor: duckdb.DuckDBPyConnection, update: str, values: Sequence[Any]) -> bool:
    """Whether there was a row to change. It takes half of the time of taking it away and adding another."""
    ((rows,),) = cursor.execute(update, values).fetchall()
    return bool(rows)


def read_memory(cursor: duckdb.DuckDBPyConnection, source: str) -> Memory | None:
    """None: never loaded."""
    row = cursor.execute(f"{STANDING} WHERE source = ?", [source]).fetchone()
    return None if row is None else unpacked_memory(*row)


def generation_of(cursor: duckdb.DuckDBPyConnection, source: str) -> int | None:
    """Of a source's rows as the transaction sees them; None: never loaded."""
    row = cursor.execute("SELECT body FROM _loads.standing WHERE source = ?", [source]).fetchone()
    return None if row is None else int(json.loads(row[0])["generation"])


def standing_of(row: tuple[Any, ...]) -> Standing:
    """A standing from a row of STANDING."""
    return unpacked_memory(*row).standing


def unpacked_memory(source: str, loaded_at: datetime | None, data_until: datetime | None, text: str) -> Memory:
    """The memory that ``packed_memory`` was given."""
    body = json.loads(text)
    standing = Standing(
        source=source,
        loaded_at=aware(loaded_at),
        data_until=aware(data_until),
        generation=body["generation"],
        rows=body["rows"],
        columns=body["columns"],
        first_day={axis: date.fromisoformat(day) for axis, day in body["first_day"].items()},
        cursor=unpack(body["cursor"]),
        state=unpack(body["state"]),
        definition=body["definition"],
        traces=unpacked(body.get("traces", {})),
        empty=frozenset(body["open"]),
    )
    key = body.get("key")
    return Memory(
        standing,
        frozenset(body["optional"]),
        frozenset(body["open"]),
        body["zone"],
        unpack(body["newest"]),
        None if key is None else tuple(key),
    )


def without_types(memory: Memory, optional: frozenset[str], open_: frozenset[str]) -> Memory:
    """The memory, knowing which columns a batch may lack, and of which no type is known yet."""
    return replace(memory, standing=replace(memory.standing, empty=open_), optional=optional, open=open_)


def renewed(memory: Memory, now: datetime, state: Mapping[str, Any]) -> Memory:
    """The same rows, seen to be still the same at ``now``."""
    return replace(memory, standing=replace(memory.standing, loaded_at=now, state=dict(state) or memory.standing.state))


def pack(value: Any) -> Any:
    """A plain value as JSON that gives back the same value: moments, days and exact numbers are tagged."""
    match value:
        case datetime():
            return {"~": "moment", "is": value.astimezone(UTC).isoformat()}
        case date():
            return {"~": "day", "is": value.isoformat()}
        case Decimal():
            return {"~": "decimal", "is": str(value)}
        case Mapping():
            return {"~": "map", "is": [[pack(k), pack(v)] for k, v in value.items()]}
        case list() | tuple():
            return {"~": "list" if isinstance(value, list) else "tuple", "is": [pack(v) for v in value]}
        case _:
            return value


def unpack(value: Any) -> Any:
    """The value that ``pack`` was given."""
    if not isinstance(value, Mapping):
        return value
    inner = value["is"]
    match value["~"]:
        case "moment":
            return datetime.fromisoformat(inner)
        case "day":
            return date.fromisoformat(inner)
        case "decimal":
            return Decimal(inner)
        case "map":
            return {unpack(k): unpack(v) for k, v in inner}
        case "tuple":
            return tuple(unpack(v) for v in inner)
        case _:
            return [unpack(v) for v in inner]


def with_counts(counts: Counts) -> dict[str, Any]:
    """The counters as the Load's fields."""
    return {name: getattr(counts, name) for name in COUNTS}
