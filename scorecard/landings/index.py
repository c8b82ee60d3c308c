"""Which landings there are: one small SQLite file beside the parts, so that a landing is there whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.contract import Rejected
from scorecard.landings.landing import Landing, Part

TABLES = """
CREATE TABLE IF NOT EXISTS landing (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, at TEXT NOT NULL,
  seen TEXT NOT NULL, outcome TEXT NOT NULL, load INTEGER NOT NULL, complete INTEGER NOT NULL, definition TEXT NOT NULL,
  missed INTEGER NOT NULL, taken_by INTEGER);
CREATE TABLE IF NOT EXISTS part (landing INTEGER NOT NULL REFERENCES landing ON DELETE CASCADE, number INTEGER NOT NULL,
  digest TEXT NOT NULL, size INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (landing, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS landing_of ON landing (source, id);
CREATE INDEX IF NOT EXISTS part_of ON part (digest);
"""
BUSY_SECONDS = 30.0


class Index:
    """Each call is a transaction of its own, from any thread. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as db:
            db.executescript(TABLES)

    def add(self, landing: Landing) -> int:
        """Its number."""
        with self._open() as db:
            row = (landing.source, _text(landing.at), _text(landing.seen), landing.outcome, landing.load)
            more = (landing.complete, landing.definition, landing.missed)
            number = db.execute(
                "INSERT INTO landing (source, at, seen, outcome, load, complete, definition, missed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, *more),
            ).lastrowid
            db.executemany(
                "INSERT INTO part VALUES (?, ?, ?, ?, ?)",
                [(number, n, part.digest, part.size, _packed(part)) for n, part in enumerate(landing.parts)],
            )
            return int(number or 0)

    def change(self, number: int, **columns: Any) -> None:
        """Columns of one landing: ``seen``, ``outcome``, ``load``."""
        given = {name: _text(value) if isinstance(value, datetime) else value for name, value in columns.items()}
        with self._open() as db:
            names = ", ".join(f"{name} = ?" for name in given)
            db.execute(f"UPDATE landing SET {names} WHERE id = ?", (*given.values(), number))

    def drop(self, numbers: Iterable[int]) -> None:
        with self._open() as db:
            db.executemany("DELETE FROM landing WHERE id = ?", [(number,) for number in numbers])

    def taken_back(self, source: str, after: int, by: int) -> None:
        """The rollback ``by`` puts back what load ``after`` had made: what came later is not part of the table any more,
        and what an earlier rollback had taken away is again, where that one came after it."""
        with self._open() as db:
            db.execute(
                "UPDATE landing SET outcome = 'ok', taken_by = NULL "
                "WHERE source = ? AND outcome = 'taken back' AND load <= ? AND taken_by > ?",
                (source, after, after),
            )
            db.execute(
                "UPDATE landing SET outcome = 'taken back', taken_by = ? WHERE source = ? AND outcome = 'ok' AND load > ?",
                (by, source, after),
            )

    def of(self, source: str | None = None, *, outcome: str | None = None, limit: int = -1) -> tuple[Landing, ...]:
        """Newest first."""
        where = "(?1 IS NULL OR source = ?1) AND (?2 IS NULL OR outcome = ?2)"
        with self._open() as db:
            rows = db.execute(
                "SELECT id, source, at, seen, outcome, load, complete, definition, missed FROM landing "
                f"WHERE {where} ORDER BY id DESC LIMIT ?3",
                (source, outcome, limit),
            ).fetchall()
            parts: dict[int, list[Part]] = {row[0]: [] for row in rows}
            if rows:
                first, last = rows[-1][0], rows[0][0]
                found = db.execute(
                    "SELECT landing, digest, size, body FROM part WHERE landing BETWEEN ? AND ? ORDER BY landing, number",
                    (first, last),
                )
                for number, digest, size, body in found:
                    if number in parts:
                        parts[number].append(_unpacked(digest, size, json.loads(body)))
        return tuple(_landing(row, tuple(parts[row[0]])) for row in rows)

    def totals(self) -> Mapping[str, tuple[int, int, datetime]]:
        """Source → (landings, bytes on the disk, the oldest one's moment)."""
        with self._open() as db:
            rows = db.execute(
                "SELECT l.source, l.landings, coalesce(p.bytes, 0), l.since FROM "
                "(SELECT source, count(*) AS landings, min(at) AS since FROM landing GROUP BY 1) l LEFT JOIN "
                "(SELECT source, sum(size) AS bytes FROM (SELECT DISTINCT source, digest, size FROM part JOIN landing "
                "ON part.landing = landing.id) GROUP BY 1) p USING (source)"
            ).fetchall()
        return {source: (count, size, datetime.fromisoformat(since)) for source, count, size, since in rows}

    def too_old(self, source: str, moment: datetime) -> list[int]:
        """Landings that the source gave for the last time before a moment."""
        with self._open() as db:
            asked = "SELECT id FROM landing WHERE source = ? AND seen < ?"
            return [number for (number,) in db.execute(asked, (source, _text(moment)))]

    def too_many(self, source: str, most: int) -> list[int]:
        """The oldest ones, without which the others take no more than so many bytes."""
        held: set[str] = set()
        size, gone = 0, set()
        with self._open() as db:
            asked = "SELECT landing, digest, part.size FROM part JOIN landing ON id = landing WHERE source = ? ORDER BY id DESC"
            for number, digest, bytes_ in db.execute(asked, (source,)):
                size += 0 if digest in held else bytes_
                held.add(digest)
                if size > most:
                    gone.add(number)
        return sorted(gone)

    def digests(self, source: str) -> dict[str, int]:
        """Everything of a source that a landing still needs, and the bytes that each takes."""
        with self._open() as db:
            return dict(
                db.execute(
                    "SELECT DISTINCT digest, size FROM part JOIN landing ON part.landing = landing.id WHERE source = ?",
                    (source,),
                ).fetchall()
            )

    def sources(self) -> tuple[str, ...]:
        """Of which something is kept."""
        with self._open() as db:
            return tuple(name for (name,) in db.execute("SELECT DISTINCT source FROM landing ORDER BY 1"))

    def copy_to(self, path: Path) -> None:
        """All of it as of now, in another file."""
        with self._open() as db, closing(sqlite3.connect(path)) as copy:
            db.backup(copy)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            with db:
                yield db
        finally:
            db.close()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _packed(part: Part) -> str:
    body = {"name": part.name, "form": part.form, "at": _text(part.at), "status": part.status, "charset": part.charset}
    return json.dumps({**body, "masked": part.masked, "rejected": [asdict(row) for row in part.rejected]})


def _unpacked(digest: str, size: int, body: dict[str, Any]) -> Part:
    rejected = tuple(Rejected(**row) for row in body.pop("rejected"))
    at = datetime.fromisoformat(body.pop("at"))
    return Part(digest=digest, size=size, at=at, rejected=rejected, **body)


def _landing(row: tuple[Any, ...], parts: tuple[Part, ...]) -> Landing:
    number, source, at, seen, outcome, load, complete, definition, missed = row
    moments = datetime.fromisoformat(at), datetime.fromisoformat(seen)
    return Landing(number, source, *moments, outcome, load, bool(complete), definition, missed, parts)
