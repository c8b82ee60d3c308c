"""What became of loads that were held: who decided what and why, and what a source's next loads must know of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from uuid import uuid4

import duckdb

from scorecard.warehouse.engine import Decision, Load, Move
from scorecard.warehouse.records import aware, naive

TABLES = (
    """CREATE TABLE IF NOT EXISTS _loads.decisions (id VARCHAR, what VARCHAR, source VARCHAR, load BIGINT, person VARCHAR,
       why VARCHAR, decided TIMESTAMP, goes_to BIGINT, said BOOLEAN)""",
    "CREATE TABLE IF NOT EXISTS _loads.moves (load BIGINT, body VARCHAR)",
    "CREATE TABLE IF NOT EXISTS _loads.marks (source VARCHAR, kind VARCHAR, fingerprint VARCHAR, body VARCHAR)",
)
PINNED, REJECTED = "pinned", "rejected"
"""Kinds of marks: loads wait after a rollback; rows that a person has rejected."""
COLUMNS = "id, what, source, load, person, why, decided, goes_to"
NEVER = ""


def write_decision(cursor: duckdb.DuckDBPyConnection, decision: Decision) -> None:
    """In the transaction that carries it out. A person's is ``said`` once the journal has it."""
    row = [*_row(decision), not decision.by]
    cursor.execute("INSERT INTO _loads.decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def supersede(cursor: duckdb.DuckDBPyConnection, source: str, held: int, by: int, at: datetime) -> None:
    """A held load that nobody decided on has been overtaken by a newer one."""
    write_decision(cursor, Decision(uuid4().hex, "supersede", source, held, "", "", at, to=by))
    cursor.execute("UPDATE _loads.history SET outcome = 'superseded' WHERE id = ?", [held])


def overtaken(cursor: duckdb.DuckDBPyConnection, load: int) -> int | None:
    """The held load in whose place this one came."""
    row = cursor.execute(
        "SELECT max(load) FROM _loads.decisions WHERE what = 'supersede' AND goes_to = ?", [load]
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def unsaid(cursor: duckdb.DuckDBPyConnection) -> tuple[Decision, ...]:
    """People's decisions that the journal may not have yet, oldest first."""
    rows = cursor.execute(f"SELECT {COLUMNS} FROM _loads.decisions WHERE NOT said ORDER BY decided, load").fetchall()
    return tuple(_decision(row) for row in rows)


def mark_said(cursor: duckdb.DuckDBPyConnection, decision: Decision) -> None:
    cursor.execute("UPDATE _loads.decisions SET said = TRUE WHERE id = ?", [decision.id])


def write_moves(cursor: duckdb.DuckDBPyConnection, load: int, moves: Sequence[Move]) -> None:
    """The numbers that a held load would move."""
    if moves:
        cursor.execute("INSERT INTO _loads.moves VALUES (?, ?)", [load, json.dumps([asdict(m) for m in moves])])


def told(cursor: duckdb.DuckDBPyConnection, loads: Iterable[Load]) -> tuple[Load, ...]:
    """The loads with what was decided of them."""
    found = tuple(loads)
    if not found:
        return ()
    first = min(load.id for load in found)
    both = cursor.execute(  # two statements of mostly nothing would cost twice as much
        f"SELECT {COLUMNS}, NULL AS body FROM _loads.decisions WHERE load >= $1 UNION ALL BY NAME "
        "SELECT load, body FROM _loads.moves WHERE load >= $1 ORDER BY decided",
        [first],
    ).fetchall()
    decided = {row[3]: _decision(row[:-1]) for row in both if row[-1] is None}
    moved = [(row[3], row[-1]) for row in both if row[-1] is not None]
    moves = {load: tuple(_move(entry) for entry in json.loads(body)) for load, body in moved}
    if not decided and not moves:
        return found
    return tuple(replace(x, decision=decided.get(x.id), moves=moves.get(x.id, ())) for x in found)


# -- marks -----------------------------------------------------------------------------------------------------


def mark(cursor: duckdb.DuckDBPyConnection, kind: str, decision: Decision, rows: str = NEVER) -> None:
    """Replaces the source's mark of that kind. ``rows``: their fingerprint."""
    unmark(cursor, kind, decision.source)
    body = json.dumps([*_row(decision)[:6], decision.at.isoformat(), decision.to])
    cursor.execute("INSERT INTO _loads.marks VALUES (?, ?, ?, ?)", [decision.source, kind, rows, body])


def unmark(cursor: duckdb.DuckDBPyConnection, kind: str, source: str) -> None:
    cursor.execute("DELETE FROM _loads.marks WHERE source = ? AND kind = ?", [source, kind])


def marked(cursor: duckdb.DuckDBPyConnection, kind: str) -> dict[str, tuple[Decision, str]]:
    """Source → (the decision, the fingerprint of its rows)."""
    rows = cursor.execute("SELECT source, fingerprint, body FROM _loads.marks WHERE kind = ?", [kind]).fetchall()
    found = {}
    for source, print_, body in rows:
        id_, what, name, load, by, why, at, to = json.loads(body)
        found[source] = Decision(id_, what, name, load, by, why, datetime.fromisoformat(at), to), print_
    return found


def _row(decision: Decision) -> list[object]:
    d = decision
    return [d.id, d.what, d.source, d.load, d.by, d.why, naive(d.at), d.to]


def _decision(row: tuple[object, ...]) -> Decision:
    id_, what, source, load, by, why, at, to = row
    return Decision(str(id_), str(what), str(source), load, str(by), str(why), aware(at), to)  # type: ignore[arg-type]


def _move(entry: dict[str, object]) -> Move:
    where = entry["slice"]
    slice_ = tuple(where) if isinstance(where, list) else None
    return Move(**{**entry, "slice": slice_})  # type: ignore[arg-type]
