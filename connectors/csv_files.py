"""CSV files, globs, gzipped and zipped files and addresses of files, as rows of text.

A file is looked at first, in one pass over its bytes. One that is plain and that DuckDB reads without a single objection is
streamed by DuckDB; any other goes through the careful reader in ``connectors.csv.records``, which gives the same rows more
slowly and knows the true line of each.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.contract import Batch, Pull, SourceFailed
from connectors.csv.archives import Archive, is_zip
from connectors.csv.dialect import Dialect, read_dialect
from connectors.csv.files import digest, find_files, inspect, shown_name
from connectors.csv.heading import read_heading
from connectors.csv.looks import looks_of, looks_the_same
from connectors.csv.pinned import Pinned, pinned
from connectors.csv.reading import FileReading, empty

Entry = Mapping[str, Any]
"""What is remembered of a file: ``digest``, ``rows`` that were sent, ``within``, the digest of the zip file it is in, and
``looks``, by which it is known without being read (``connectors.csv.looks``)."""
NO_ROWS = pa.table({})


def pull(request: Pull) -> Iterator[Batch]:
    """The rows of all files, in order of their names; with unchanged files only counted where that is safe.

    Raises SourceFailed: no file, not a CSV, headers that differ or collide, cut off, changed while read, too many broken rows.
    """
    dialect = read_dialect(request.options.get("csv") or {})
    remembered = _Remembered.of(request, dialect)
    if request.given is not None:
        yield from _pull_files(request, dialect, [(one.path, one.name) for one in request.given], remembered)
        return
    address = str(request.options.get("path") or "")
    if not address.lower().startswith(("http://", "https://")):
        files = [(path, shown_name(path, request)) for path in find_files(request)]
        yield from _pull_files(request, dialect, files, remembered)
        return
    from connectors.csv.download import downloaded  # brings in requests, which files on disk do not need

    with downloaded(request, address, remembered.server if remembered.files else {}) as found:
        remembered.server = found.server
        if found.path is None:
            yield from _nothing_new(remembered)
        else:
            yield from _pull_files(request, dialect, [(found.path, found.name)], remembered)


def pull_file(request: Pull, path: Path, name: str) -> Iterator[Batch]:
    """The rows of one file that need not lie in the folder, called ``name``; at least one batch. Raises as ``pull`` does."""
    dialect = read_dialect(request.options.get("csv") or {})
    with pinned(path, name) as pin:
        work = _prepare(pin, request, dialect)
        yield from work.batches(work.heading.columns, alone=True)
        yield Batch(rows=empty(work.heading.columns))


@dataclass(slots=True)
class _Remembered:
    """What the last load remembered, as far as it was read in the same way. ``server``: how its answer can be known again."""

    reading: str
    files: Mapping[str, Entry] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    server: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Pull, dialect: Dialect) -> _Remembered:
        reading = hashlib.sha256(repr((dialect, sorted(request.columns.items()))).encode()).hexdigest()[:16]
        if request.state.get("reading") != reading:
            return cls(reading)
        state = request.state
        return cls(reading, state.get("files", {}), tuple(state.get("columns", ())), state.get("server", {}))

    def state(self, files: Mapping[str, Entry], columns: tuple[str, ...]) -> dict[str, Any]:
        found = {"files": dict(files), "reading": self.reading, "columns": list(columns)}
        return {**found, "server": dict(self.server)} if self.server else found


@dataclass(frozen=True, slots=True)
class _Ready:
    """One file to read through ``pin``; or one that has not changed (None), of which ``entry`` says all."""

    name: str
    pin: Pinned | None
    entry: Entry
    alone: bool = False


def _nothing_new(remembered: _Remembered) -> Iterator[Batch]:
    """The server said that the file is the one that was read last."""
    for name, entry in remembered.files.items():
        yield Batch(rows=NO_ROWS, file=name, unchanged=int(entry["rows"]))
    yield Batch(rows=NO_ROWS, state=remembered.state(remembered.files, remembered.columns))


def _pull_files(
    request: Pull, dialect: Dialect, files: list[tuple[Path, str]], remembered: _Remembered
) -> Iterator[Batch]:
    known, columns = remembered.files, remembered.columns
    now: dict[str, Entry] = {}
    deadline = time.monotonic() + request.timeout_seconds
    for ready in _ready(request, dialect, files, known):
        name = ready.name
        if ready.pin is None:
            now[name] = ready.entry
            yield Batch(rows=NO_ROWS, file=name, unchanged=int(ready.entry["rows"]))
            continue
        if known:
            yield Batch(rows=NO_ROWS)  # it takes longer from here on
        work = _prepare(ready.pin, request, dialect)
        _must_match(columns, work, others=bool(now))
        columns = columns or work.heading.columns
        for batch in work.batches(columns, alone=ready.alone):
            yield batch
            if time.monotonic() > deadline:
                message = f"reading took longer than {request.timeout_seconds:g} s"
                raise SourceFailed(message, hint="split the files or raise the limit", place=name)
        now[name] = {**ready.entry, "digest": work.facts.digest, "rows": work.sent}
        if not work.sent and not work.rejected:
            yield Batch(rows=NO_ROWS, file=name, remarks=("the file holds a header and no rows",))
    # A table without columns says that nothing was sent; a file that went away is a change.
    rows = NO_ROWS if _told(now) == _told(known) else empty(columns)
    yield Batch(rows=rows, state=remembered.state(now, columns))


def _ready(
    request: Pull, dialect: Dialect, files: list[tuple[Path, str]], known: Mapping[str, Entry]
) -> Iterator[_Ready]:
    """The files one after the other, those within zip files as well; each can be read until the next one is asked for."""
    for path, name in files:
        if is_zip(path):
            with pinned(path, name) as pin:
                _land(request, pin.path, name)
                yield from _members(request, dialect, pin, known, lone=len(files) == 1)
                pin.check()
        elif name in known and (entry := _unchanged(request, path, name, known[name])) is not None:
            _land(request, path, name, entry["digest"])
            yield _Ready(name, None, entry)
        else:
            with pinned(path, name) as pin:
                _land(request, pin.path, name)
                yield _Ready(name, pin, {}, alone=len(files) == 1)


def _unchanged(request: Pull, path: Path, name: str, known: Entry) -> Entry | None:
    """What is to be remembered of a file that is as it was; None where it is not. What is to be kept is read in any case."""
    if request.landing is None and looks_the_same(path, known.get("looks")):
        return known
    looks = looks_of(path)
    if _digest(path, name) != known["digest"]:
        return None
    return {**known, "looks": looks} if looks is not None and looks[:-1] == (looks_of(path) or [0])[:-1] else known


def _told(files: Mapping[str, Entry]) -> dict[str, Entry]:
    """What is remembered of the files' content."""
    return {name: {key: entry[key] for key in entry if key != "looks"} for name, entry in files.items()}


def _land(request: Pull, path: Path, name: str, digest: str | None = None) -> None:
    if request.landing is not None:
        request.landing.file(name, path, digest)


def _members(
    request: Pull, dialect: Dialect, pin: Pinned, known: Mapping[str, Entry], *, lone: bool
) -> Iterator[_Ready]:
    within = _digest(pin.path, pin.name)
    mine = {name: entry for name, entry in known.items() if name.startswith(f"{pin.name}/")}
    same = {name: entry for name, entry in mine.items() if entry.get("within") == within}
    if same:
        yield from (_Ready(name, None, entry) for name, entry in same.items())
        return
    archive = Archive(pin.path, pin.name, request.max_bytes)
    members = archive.members(dialect.members)
    for info in members:
        name = f"{pin.name}/{archive.said(info)}"
        with archive.unpacked(info) as path:
            if name in known and digest(path) == known[name]["digest"]:
                yield _Ready(name, None, {**known[name], "within": within})
            else:
                yield _Ready(name, Pinned(path, name), {"within": within}, alone=lone and len(members) == 1)


def _digest(path: Path, name: str) -> str:
    try:
        return digest(path)
    except FileNotFoundError:
        raise SourceFailed("the file went away while it was read", place=name, retry=True) from None
    except OSError as problem:
        raise SourceFailed(f"cannot read the file: {problem.strerror or problem}", place=name) from None


def _prepare(pin: Pinned, request: Pull, dialect: Dialect) -> FileReading:
    """Looks at a file and reads its header."""
    facts = inspect(pin.path, dialect.encoding, pin.name, request.max_bytes)
    heading = read_heading(pin.path, pin.name, facts, dialect, request.columns)
    pin.check()
    return FileReading(pin, facts, request, dialect, heading)


def _must_match(columns: tuple[str, ...], work: FileReading, *, others: bool) -> None:
    """Every file must have the columns of the first, in whatever order; a lone one those that it had before."""
    if not columns or set(columns) == set(work.columns):
        return
    missing = [name for name in columns if name not in work.columns]
    extra = [name for name in work.columns if name not in columns]
    parts = [f"lacks {', '.join(missing)}"] if missing else []
    parts += [f"has {', '.join(extra)} besides"] if extra else []
    if others:
        whose = "the other files'"
        hint = "all files of one source need the same columns; make two sources where they differ"
    else:
        whose = "that of the loads before"
        hint = "if it was renamed or dropped on purpose, change metrics.yaml and run refresh --full"
    raise SourceFailed(f"the header differs from {whose}: it {' and '.join(parts)}", hint=hint, place=work.name)
