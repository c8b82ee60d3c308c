"""What people wrote: append-only, chained by hashes, answered for only once it is on disk."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args

from sqlalchemy import Connection, Engine, Row, Select, create_engine, event, insert, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, SQLAlchemyError

from scorecard.ground.clock import Clock, utc_text
from scorecard.ground.errors import Place, Problem, Refused, Unavailable, did_you_mean
from scorecard.journal.tables import create, entries, last_number

Kind = Literal["note", "action", "flag", "value", "override", "signoff", "decision", "token", "token_revoked"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FIRST = "0" * 64
"""What the first entry follows."""

_WRITES = "scorecard_writes"
_LOCK_NUMBER = 0x5C0_7EC0  # PostgreSQL's advisory lock: one writer at a time, over all processes


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing somebody wrote. ``body`` is the rest of it as plain JSON; ``at`` is aware, UTC."""

    seq: int
    id: str
    kind: str
    at: datetime
    by: str
    body: Mapping[str, Any]
    previous_hash: str = field(repr=False)
    hash: str = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """As the API answers it: what was sent, with its id and time."""
        return {**self.body, "by": self.by, "id": self.id, "at": utc_text(self.at)}


class Journal:
    """The only place that keeps what people write. Safe from many threads and, by the database's lock, processes."""

    def __init__(self, engine: Engine, clock: Clock, name: str) -> None:
        self._engine, self.clock, self._name = engine, clock, name
        # In one process writers queue here, so that SQLite's busy timeout is left for other processes.
        self._writing = threading.Lock()

    @classmethod
    def open(cls, place: str | Path, clock: Clock) -> Journal:
        """``place``: a folder's or file's path (SQLite; a folder gets ``journal.sqlite``) or a database URL.

        Raises Unavailable where it cannot be opened or made, Refused for a URL that makes no sense.
        """
        url = _url(place)
        name = (
            url.database or str(place)
            if url.get_backend_name() == "sqlite"
            else url.render_as_string(hide_password=True)
        )
        journal = cls(_engine(url), clock, name)
        with journal._answering("the journal cannot be opened"):
            with journal._engine.connect() as connection:
                known = connection.dialect.has_table(connection, entries.name)
            if not known:
                with journal._writing_transaction() as connection:
                    create(connection)
        return journal

    def add(self, kind: Kind, by: str, body: Mapping[str, Any]) -> Entry:
        """Writes one entry and returns it once it is on disk; Unavailable ("not saved") if that fails.

        Raises Refused for an unknown kind, an empty ``by`` or a body that is not plain, finite JSON.
        """
        written = _checked(kind, by, body)
        with self._writing, self._answering("not saved"):
            with self._writing_transaction() as connection:
                newest = connection.execute(select(entries).order_by(entries.c.seq.desc()).limit(1)).first()
                before = 0 if newest is None else int(newest.seq)
                entry = _chained(
                    seq=max(before, last_number(connection)) + 1,
                    kind=kind,
                    at=self.clock.now().astimezone(UTC),
                    by=by.strip(),
                    body=written,
                    previous_hash=FIRST if newest is None else str(newest.hash),
                )
                connection.execute(insert(entries).values(_row(entry)))
            return entry

    def entries(self, kind: Kind | None = None, *, limit: int | None = 100, **filters: str | None) -> tuple[Entry, ...]:
        """Newest first. ``filters``: ``id``, ``by``, ``team``/``process`` (of the slice), any key of the body."""
        query = select(entries).order_by(entries.c.seq.desc())
        if kind is not None:
            query = query.where(entries.c.kind == kind)
        for key, value in filters.items():
            if value is not None:
                query = _narrowed(query, key, value)
        if limit is not None:
            query = query.limit(limit)
        with self._answering("the journal cannot be read"), self._engine.connect() as connection:
            return tuple(_entry(row) for row in connection.execute(query))

    def verify(self) -> tuple[Problem, ...]:
        """Walks the whole chain: entries that are missing, edited, or do not follow the one before; () if sound."""
        problems: list[Problem] = []
        expected, previous = 1, FIRST
        with self._answering("the journal cannot be read"), self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=1000).execute(select(entries).order_by(entries.c.seq))
            for row in rows:
                problems.extend(self._broken(row, expected, previous))
                expected, previous = int(row.seq) + 1, str(row.hash)
            highest = last_number(connection)
        if highest >= expected:
            problems.append(
                self._problem(
                    expected, highest, "are missing at the end" if highest > expected else "is missing at the end"
                )
            )
        return tuple(problems)

    @property
    def file(self) -> Path | None:
        """Its SQLite file; None where it is kept by a database server."""
        return Path(self._name) if self._engine.dialect.name == "sqlite" else None

    def copy_to(self, path: Path) -> bool:
        """All entries as of now in an SQLite file of their own, while others write on. False: a server keeps them, and copies.

        Raises Unavailable.
        """
        if self.file is None:
            return False
        with self._answering("the journal cannot be copied"), closing(self._engine.raw_connection()) as ours:
            try:
                with closing(sqlite3.connect(path)) as copy:
                    cast(sqlite3.Connection, ours.driver_connection).backup(copy)
            except sqlite3.Error as error:
                raise OSError(str(error)) from error
        return True

    def close(self) -> None:
        """Lets go of the database; the journal cannot be used afterwards."""
        self._engine.dispose()

    def _broken(self, row: Row[Any], expected: int, previous: str) -> Iterator[Problem]:
        seq = int(row.seq)
        if seq > expected:
            yield self._problem(expected, seq - 1, "are missing" if seq - 1 > expected else "is missing")
        elif str(row.previous_hash) != previous:
            yield self._problem(seq, seq, "does not follow the one before: one of the two was changed")
        try:
            entry = _entry(row)
            sound = _fingerprint(entry) == entry.hash
        except (ValueError, TypeError, AttributeError):
            sound = False  # its time or body is no longer what was written
        if not sound:
            yield self._problem(seq, seq, "was changed after it was written")

    def _problem(self, first: int, last: int, what: str) -> Problem:
        which = f"entry {first}" if first == last else f"entries {first} to {last}"
        return Problem(f"journal {which} {what}", Place(self._name), "compare with your last backup of the journal")

    @contextmanager
    def _writing_transaction(self) -> Iterator[Connection]:
        """Serialised over all processes: nobody else reads the end of the chain until this is committed."""
        with self._engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL synchronous_commit TO on"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            yield connection

    @contextmanager
    def _answering(self, what: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable(_sentence(what, self._name, error)) from error


def _url(place: str | Path) -> URL:
    """SQLite for a path; PostgreSQL through psycopg, however the URL names it."""
    written = str(place)
    if isinstance(place, Path) or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|sqlite:", written):
        path = Path(place)
        return URL.create("sqlite", database=str(path / "journal.sqlite" if path.is_dir() else path))
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):  # without its cause, which repeats the URL and so the password
        hint = "postgresql://user:password@host/database"
        raise Refused(Problem("the journal's URL cannot be read", hint=hint)) from None
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise Refused(
            Problem(f"a journal cannot be kept in '{backend}'", hint="use a file's path or a postgresql:// URL")
        )
    return url.set(drivername="sqlite")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url, pool_pre_ping=True, pool_size=5, max_overflow=15, connect_args={"connect_timeout": 10}
        )
    engine = create_engine(url, pool_size=5, max_overflow=20, connect_args={"timeout": 5.0, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _: object) -> None:
        # Transactions are ours (see _begin); the driver would start them late and as readers.
        raw.isolation_level = None
        # One file that is whole after each commit (no log beside it that could be lost), and EXTRA is FULL plus the
        # folder: in this mode FULL alone may take the last commit back when power fails right after it.
        raw.execute("PRAGMA synchronous = EXTRA")
        raw.execute("PRAGMA trusted_schema = OFF")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _checked(kind: str, by: str, body: Mapping[str, Any]) -> dict[str, Any]:
    problems = []
    if kind not in KINDS:
        problems.append(
            Problem(f"'{kind}' is no kind of entry", hint=did_you_mean(kind, KINDS) or f"one of {', '.join(KINDS)}")
        )
    if not by.strip():
        problems.append(Problem("'by' is empty", hint="say who writes this"))
    try:
        written = _canonical(dict(body))
        plain = json.loads(written)
        written.encode()  # half of a surrogate pair is no text that a database could keep
        if "\\u0000" in written or "\0" in by:
            problems.append(Problem("the entry contains a NUL character", hint="leave it out"))
    except (TypeError, ValueError, RecursionError):
        problems.append(Problem("the entry is not plain JSON", hint="only text, finite numbers, lists and mappings"))
    if problems:
        raise Refused(*problems)
    return dict(plain)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _chained(*, seq: int, kind: str, at: datetime, by: str, body: Mapping[str, Any], previous_hash: str) -> Entry:
    unsigned = Entry(seq, secrets.token_hex(8), kind, at, by, body, previous_hash, "")
    return Entry(seq, unsigned.id, kind, at, by, body, previous_hash, _fingerprint(unsigned))


def _fingerprint(entry: Entry) -> str:
    """sha256 over everything but the hash itself."""
    said = [entry.seq, entry.id, entry.kind, entry.at.isoformat(), entry.by, dict(entry.body), entry.previous_hash]
    return hashlib.sha256(_canonical(said).encode()).hexdigest()


def _row(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "id": entry.id,
        "kind": entry.kind,
        "at": entry.at.isoformat(),
        "by": entry.by,
        "body": dict(entry.body),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def _entry(row: Row[Any]) -> Entry:
    at = datetime.fromisoformat(row.at)
    return Entry(int(row.seq), row.id, row.kind, at, row.by, dict(row.body), row.previous_hash, row.hash)


def _narrowed(query: Select[Any], key: str, value: str) -> Select[Any]:
    if key in ("id", "by"):
        return query.where(entries.c[key] == value)
    if key in ("team", "process"):
        return query.where(entries.c.body["slice", key].as_string() == value)
    return query.where(entries.c.body[key].as_string() == value)


def _sentence(what: str, name: str, error: SQLAlchemyError | OSError) -> Problem:
    """Why, in the words of the database but without its statement; never a password."""
    cause = str(error.orig).strip().splitlines() if isinstance(error, DBAPIError) and error.orig is not None else []
    reason = cause[0] if cause else type(error).__name__
    hints = {
        "full": "free some space on that disk, then send it again",
        "readonly": "make the file and its folder writable, then try again",
        "read-only": "make the file and its folder writable, then try again",
        "unable to open": "check that the folder exists and can be written",
        "not a database": "it is damaged or not a journal: put your last backup of it in its place",
        "malformed": "it is damaged: put your last backup of it in its place",
        "locked": "another program holds it: try again in a moment",
    }
    hint = next(
        (h for word, h in hints.items() if word in reason.lower()),
        "try again; if it stays, look at the disk that it lies on",
    )
    damaged = isinstance(error, DatabaseError) and "not a database" in reason.lower()
    return Problem(f"{what}: {'the file is not a journal' if damaged else reason}", Place(name), hint)
