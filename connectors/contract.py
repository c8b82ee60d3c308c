"""What every kind of source is asked (``Pull``) and gives back (``Batch``, ``Rejected``, or ``SourceFailed``).

A connector is a plain generator function ``pull(request: Pull) -> Iterator[Batch]``: it reads, and it changes nothing.
Values arrive as the source has them (a CSV gives text); types, quarantine, keys and times are the warehouse's work,
so that they mean the same for every kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where an incremental pull goes on.

    ``column`` is the normalised column name. ``value`` is the newest value seen (datetime aware UTC, date, int, float,
    Decimal or str), or the declared start on the first pull, already moved back by the lookback.
    ``format`` is ``iso``, ``epoch_s``, ``epoch_ms`` or a strftime pattern; None leaves it to the kind's default.
    """

    column: str
    value: Any
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row the connector could not read at all (ragged, bad encoding, broken JSON line)."""

    file: str
    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """Something that a source gave at an earlier pull, kept as it came in the file ``path``.

    ``name``: of the file or the address, as it may be shown. ``form``: ``file``, ``json``, ``ndjson``, ``csv`` or ``rows``
    (Parquet). ``charset``: of an answer that named one. ``rejected``: rows that could not even be kept as rows.
    """

    name: str
    form: str
    path: Path
    charset: str | None = None
    rejected: tuple[Rejected, ...] = ()


class Landing(Protocol):
    """Keeps what a source gives, as it comes. It never fails a pull: what cannot be kept is given up."""

    def file(self, name: str, path: Path, digest: str | None = None) -> None:
        """A file that is read, whole; with its content hash where that is known. Also one that has not changed."""
        ...

    def answer(
        self, name: str, form: str, body: bytes, *, status: int, charset: str | None, hidden: tuple[bytes, ...]
    ) -> None:
        """An answer that is read. ``name``: its address without secrets. ``hidden``: what may not be kept of the body."""
        ...


@dataclass(frozen=True, slots=True)
class Pull:
    """One request for rows. Everything is a plain value; ``${NAME}`` has been filled in.

    ``options`` holds the source's own keys as written in YAML (path, csv, url, query, records, params, paging, auth, …).
    ``columns`` maps declared, normalised column names to their types (``text``, ``timestamp``, …) for kinds that can use it.
    ``state`` is what the last good load's batches carried in ``Batch.state`` (file hashes, ETags), {} at first or on --full.
    ``folder`` is where relative paths start; files must lie in it or in one of ``allowed``.
    ``scans``: the caller knows what to do with a ``Batch.scan``. ``small_bytes``: files up to this size come as tables,
    for starting what reads large ones takes longer than reading them. ``secrets``: values that no message or name may show.
    ``stop``: set by the caller, from any thread, when nobody waits for the rows any more; what runs elsewhere for this
    pull (a query on a database) is then ended. ``landing``: told of what the source gives, as it comes. ``given``: what it
    gave earlier, to be read instead of asking it.
    """

    source: str
    kind: str
    options: Mapping[str, Any]
    folder: Path
    now: datetime
    columns: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[Path, ...] = ()
    cursor: Cursor | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    timeout_seconds: float = 300.0
    max_bytes: int = 4 * 1024**3
    scans: bool = False
    small_bytes: int = 0
    secrets: tuple[str, ...] = ()
    stop: Event = field(default_factory=Event, compare=False, repr=False)
    landing: Landing | None = field(default=None, compare=False, repr=False)
    given: tuple[Given, ...] | None = None


class ScanFailed(Exception):
    """A scan cannot be read as it was offered; not an error, the rows then come in batches."""


class Scan(Protocol):
    """Rows that have not been read yet, offered to a caller who can say in DuckDB's SQL what is wanted of them.

    SELECTs name them ``_scan``: the columns, all text, and for ``look`` the line of each as ``_line``. What was streamed is
    only good once ``keep`` said so.
    """

    columns: tuple[str, ...]
    """In the order of the file."""
    first_line: int
    """The line of the first row; each further row stands one line below."""
    alone: bool
    """Whether the pull has no other rows than these."""

    def look(self, select: str) -> pa.RecordBatchReader:
        """Any SELECT. Raises ScanFailed."""
        ...

    def stream(self, select: str) -> pa.RecordBatchReader:
        """A SELECT that gives a row for every row, in order. Ends early where something is wrong. Raises ScanFailed."""
        ...

    def keep(self) -> bool:
        """Whether the stream brought every row as the file has it. If so, no batch will bring them."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, in source order.

    ``rows`` has normalised, unique column names; it may be a Table or, for big inputs, a RecordBatchReader that is read
    once. A BIGINT column ``_line`` (1-based line in ``file``; record number where there are no lines) may be included.
    ``unchanged`` counts rows known not to have changed and therefore not sent (an unchanged file, HTTP 304): None if unknown.
    ``state`` is remembered with the load and handed back in the next ``Pull.state`` (the last batch's wins, merged).
    ``scan`` comes with a table without rows: what it offers and is not kept follows in the next batches.
    ``remarks``: what a person should hear of ``file`` though nothing failed, one sentence each.
    A batch that says nothing of all this announces that something has changed and is about to be read, which may take long.
    """

    rows: pa.Table | pa.RecordBatchReader
    file: str | None = None
    rejected: tuple[Rejected, ...] = ()
    unchanged: int | None = 0
    state: Mapping[str, Any] = field(default_factory=dict)
    scan: Scan | None = None
    remarks: tuple[str, ...] = ()

    @property
    def announces(self) -> bool:
        """Whether it says nothing but that something is about to be read."""
        said = (self.rows.schema.names, self.file, self.rejected, self.unchanged, self.state, self.scan, self.remarks)
        return not any(said) and self.unchanged is not None


class SourceFailed(Exception):
    """A pull that did not work. ``retry`` is true only for network and lock errors; ``after`` is Retry-After in seconds."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        place: str | None = None,
        retry: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place
        self.retry = retry
        self.after = after


class Connector(Protocol):
    """The one function a kind of source consists of."""

    def __call__(self, request: Pull) -> Iterator[Batch]: ...
