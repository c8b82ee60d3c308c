"""Loads that are staged and wait: their rows in the warehouse, and what it takes to publish exactly those."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

import duckdb

from scorecard.book.model.source import Source
from scorecard.warehouse.changes import KEPT, Tables, one
from scorecard.warehouse.deletions import says_deleted
from scorecard.warehouse.engine import Touched
from scorecard.warehouse.merging import brought_before
from scorecard.warehouse.quarantine import Settled
from scorecard.warehouse.quoting import live_table, quote, quoted
from scorecard.warehouse.records import COUNTS, Counts, pack, unpack
from scorecard.warehouse.shaping import Plan, Shape

TABLE = "CREATE TABLE IF NOT EXISTS _loads.staged (source VARCHAR, load BIGINT, fingerprint VARCHAR, body VARCHAR)"
MOST_DAYS = 5000
"""More touched days than this are kept as: everything."""


def held_table(source: str) -> str:
    """The rows that wait, as they were prepared; no source can have this name."""
    return "main." + quote(f"_held_{source}")


def keys_table(source: str) -> str:
    """Keys of rows put aside, which a full load does not remove."""
    return "main." + quote(f"_heldkeys_{source}")


@dataclass(frozen=True, slots=True)
class Staged:
    """All of a load but its rows, between staging and publication. ``at``: when it was pulled.

    ``whole``: it replaces the table. ``base``: the generation that it follows, 0 for none. ``definition``: of the source.
    ``rows``, ``touched``: what the table would be and what would change.
    """

    plan: Plan
    whole: bool
    full: bool
    newest: Any
    state: Mapping[str, Any]
    optional: frozenset[str]
    open: frozenset[str]
    gone: frozenset[str]
    counts: Counts
    at: datetime
    base: int = 0
    definition: str = ""
    rows: int = 0
    touched: Touched = field(default_factory=Touched)


@dataclass(frozen=True, slots=True)
class Parked:
    """One that waits, as it is kept. ``fingerprint``: the same for the same rows."""

    source: str
    load: int
    fingerprint: str
    staged: Staged


def fingerprint(cursor: duckdb.DuckDBPyConnection, prepared: str, staged: Staged) -> str:
    """Of the rows as they were pulled, in whatever order."""
    names = sorted(staged.plan.names)
    row = cursor.execute(f"SELECT count(*), sum(hash({quoted(names)}))::VARCHAR FROM {prepared}").fetchone()
    count, total = row or (0, None)
    return f"{count}:{total}:{'full' if staged.full else 'part'}:{staged.definition}"


def park(cursor: duckdb.DuckDBPyConnection, source: str, load: int, prepared: str, staged: Staged, mark: str) -> None:
    """Keeps the prepared rows, instead of any that waited before. Runs in the caller's transaction."""
    drop(cursor, source)
    if staged.whole:
        cursor.execute(f"ALTER TABLE {prepared} RENAME TO {held_table(source).removeprefix('main.')}")
    else:
        cursor.execute(f"CREATE TABLE {held_table(source)} AS SELECT * FROM {prepared} ORDER BY rowid")
        if staged.full:
            cursor.execute(f"CREATE TABLE {keys_table(source)} AS SELECT * FROM temp.{KEPT}")
    cursor.execute("INSERT INTO _loads.staged VALUES (?, ?, ?, ?)", [source, load, mark, json.dumps(_packed(staged))])


def take_keys(cursor: duckdb.DuckDBPyConnection, source: str, key: Sequence[str]) -> None:
    """The keys of rows put aside, where the upsert looks for them."""
    if not key:
        return
    table = keys_table(source)
    known = one(cursor, "SELECT count(*) FROM duckdb_tables() WHERE 'main.\"' || table_name || '\"' = ?", [table])
    rows = table if known else f"{held_table(source)} WHERE FALSE"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {KEPT} AS SELECT {quoted(key)} FROM {rows}")


def renew(cursor: duckdb.DuckDBPyConnection, parked: Parked, now: datetime) -> None:
    """The source gave the same rows again, just now."""
    body = json.dumps(_packed(replace(parked.staged, at=now)))
    cursor.execute("UPDATE _loads.staged SET body = ? WHERE load = ?", [body, parked.load])


def clear_left(cursor: duckdb.DuckDBPyConnection) -> None:
    """After a start: what was staged to be weighed when the process died is nobody's to decide on."""
    for (source,) in cursor.execute(
        "SELECT source FROM _loads.staged WHERE load NOT IN (SELECT id FROM _loads.history WHERE outcome = 'held')"
    ).fetchall():
        drop(cursor, source)


def drop(cursor: duckdb.DuckDBPyConnection, source: str) -> None:
    """What waits of a source goes."""
    cursor.execute("DELETE FROM _loads.staged WHERE source = ?", [source])
    for table in (held_table(source), keys_table(source)):
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


def candidate_rows(source: Source, staged: Staged, columns: Mapping[str, str], database: str) -> str:
    """A SELECT of the source's table as it would be: the rows that wait, and those of the live table that stay.

    Names are whole, with that of the database, so that it means the same beside another one.
    """
    held, live, keys = (f"{quote(database)}.{of(source.name)}" for of in (held_table, live_table, keys_table))
    names = quoted(staged.plan.columns)
    flag = next((shape for shape in staged.plan.shapes if shape.name == source.deleted), None)
    there = held if flag is None else f"(SELECT * FROM {held} WHERE NOT ({says_deleted(flag.name, flag.type)}))"
    if staged.whole:
        return f"SELECT {names} FROM {there}"
    shown = ", ".join(quote(n) if n in columns else f"NULL::{t} AS {quote(n)}" for n, t in staged.plan.columns.items())
    if source.mode == "append":
        by = None if source.cursor is None else source.cursor.column
        again = brought_before(Tables(live, held), staged.plan.names, by)
        return f"SELECT {shown} FROM {live} UNION ALL SELECT {names} FROM {held} WHERE rowid NOT IN ({again})"
    key = quoted(source.key)
    stays = "" if not staged.full else f" SEMI JOIN (SELECT {key} FROM {keys}) USING ({key})"
    return f"SELECT {shown} FROM {live}{stays} ANTI JOIN {held} USING ({key}) UNION ALL SELECT {names} FROM {there}"


def parked_of(cursor: duckdb.DuckDBPyConnection, source: str) -> Parked | None:
    """What waits of a source."""
    return next(iter(all_parked(cursor, source)), None)


def all_parked(cursor: duckdb.DuckDBPyConnection, source: str | None = None) -> tuple[Parked, ...]:
    """Everything that waits, oldest first."""
    rows = cursor.execute(
        "SELECT source, load, fingerprint, body FROM _loads.staged "
        "WHERE CAST($1 AS VARCHAR) IS NULL OR source = $1 ORDER BY load",
        [source],
    ).fetchall()
    return tuple(Parked(source, load, mark, _unpacked(json.loads(body))) for source, load, mark, body in rows)


def _packed(staged: Staged) -> dict[str, Any]:
    plan, days = staged.plan, staged.touched.days
    everything = staged.touched.everything or sum(map(len, days.values())) > MOST_DAYS
    return {
        "shapes": [asdict(shape) for shape in plan.shapes],
        "plan": [list(plan.axes), plan.source_zone, plan.zone, plan.comma],
        "whole": staged.whole,
        "full": staged.full,
        "newest": pack(staged.newest),
        "state": pack(dict(staged.state)),
        "names": [sorted(names) for names in (staged.optional, staged.open, staged.gone)],
        "counts": {name: getattr(staged.counts, name) for name in COUNTS},
        "settled": [staged.counts.settled.rows, sorted(staged.counts.settled.but_files)],
        "at": pack(staged.at),
        "base": staged.base,
        "definition": staged.definition,
        "rows": staged.rows,
        "touched": None if everything else {a: sorted(d.isoformat() for d in found) for a, found in days.items()},
    }


def _unpacked(body: Mapping[str, Any]) -> Staged:
    axes, source_zone, zone, comma = body["plan"]
    optional, still_open, gone = (frozenset(names) for names in body["names"])
    touched = body["touched"]
    rows, files = body["settled"]
    return Staged(
        plan=Plan(tuple(Shape(**shape) for shape in body["shapes"]), tuple(axes), source_zone, zone, comma),
        whole=body["whole"],
        full=body["full"],
        newest=unpack(body["newest"]),
        state=unpack(body["state"]),
        optional=optional,
        open=still_open,
        gone=gone,
        counts=Counts(**body["counts"], settled=Settled(rows, frozenset(files))),
        at=unpack(body["at"]),
        base=body["base"],
        definition=body["definition"],
        rows=body["rows"],
        touched=Touched(everything=True)
        if touched is None
        else Touched({axis: frozenset(map(date.fromisoformat, days)) for axis, days in touched.items()}),
    )
