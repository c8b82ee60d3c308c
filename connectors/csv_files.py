"""CSV files, globs, gzipped files and addresses of files, as rows of text.

A file is looked at first, in one pass over its bytes. One that is plain and that DuckDB reads without a single objection is
streamed by DuckDB; any other goes through the careful reader in ``connectors.csv.records``, which gives the same rows more
slowly and knows the true line of each.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.contract import Batch, Pull, Rejected, SourceFailed
from connectors.csv.dialect import Dialect, find_delimiter, read_dialect
from connectors.csv.files import Facts, ReplacedError, digest, find_files, inspect, shown_name, stamp, text_lines
from connectors.csv.numbers import Ungrouping
from connectors.csv.records import Broken, Record, first_records
from connectors.csv.scan import FileScan
from connectors.names import collisions, normalise_all

ROWS_A_BATCH = 65_536
REJECTED_LIMIT = 100_000
COLUMN_LIMIT = 5_000
LINE = "_line"
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*", re.ASCII)


def pull(request: Pull) -> Iterator[Batch]:
    """The rows of all files, in order of their names; with unchanged files only counted where that is safe.

    Raises SourceFailed: no file, not a CSV, headers that differ or collide, cut off, changed while read, too many broken rows.
    """
    dialect = read_dialect(request.options.get("csv") or {})
    address = str(request.options.get("path") or "")
    if address.lower().startswith(("http://", "https://")):
        from connectors.csv.download import downloaded  # brings in requests, which files on disk do not need

        with downloaded(request, address) as (path, name):
            yield from _pull_files(request, dialect, [(path, name)])
    else:
        yield from _pull_files(request, dialect, [(path, shown_name(path, request)) for path in find_files(request)])


def pull_file(request: Pull, path: Path, name: str) -> Iterator[Batch]:
    """The rows of one file that need not lie in the folder, called ``name``; at least one batch. Raises as ``pull`` does."""
    work = _prepare(path, name, request, read_dialect(request.options.get("csv") or {}))
    yield from work.batches(work.columns, alone=True)
    yield Batch(rows=_empty(work.columns))


def _pull_files(request: Pull, dialect: Dialect, files: list[tuple[Path, str]]) -> Iterator[Batch]:
    reading = hashlib.sha256(repr((dialect, sorted(request.columns.items()))).encode()).hexdigest()[:16]
    known: Mapping[str, Any] = request.state.get("files", {}) if request.state.get("reading") == reading else {}
    columns: tuple[str, ...] = tuple(request.state.get("columns", ())) if known else ()
    remembered: dict[str, Any] = {}
    deadline = time.monotonic() + request.timeout_seconds
    for path, name in files:
        if name in known and digest(path) == known[name]["digest"]:
            remembered[name] = known[name]
            yield Batch(rows=pa.table({}), file=name, unchanged=int(known[name]["rows"]))
            continue
        work = _prepare(path, name, request, dialect)
        _must_match(columns, work, others=bool(remembered))
        columns = columns or work.columns
        for batch in work.batches(columns, alone=len(files) == 1):
            yield batch
            if time.monotonic() > deadline:
                message = f"reading took longer than {request.timeout_seconds:g} s"
                raise SourceFailed(message, hint="split the files or raise the limit", place=name)
        remembered[name] = {"digest": work.facts.digest, "rows": work.sent}
    state = {"files": remembered, "reading": reading, "columns": list(columns)}
    # A table without columns says that nothing was sent; a file that went away is a change.
    yield Batch(rows=pa.table({}) if remembered == known else _empty(columns), state=state)


def _empty(columns: tuple[str, ...]) -> pa.Table:
    return pa.schema([*((name, pa.string()) for name in columns), (LINE, pa.int64())]).empty_table()


def _prepare(path: Path, name: str, request: Pull, dialect: Dialect) -> _File:
    """Looks at a file and reads its header; once more where it was replaced meanwhile."""
    for attempt in (1, 2):
        try:
            facts = inspect(path, dialect.encoding, name, request.max_bytes)
            file = _read_header(path, name, facts, request, dialect)
            if stamp(path) != facts.stamp:
                raise ReplacedError(name)
        except ReplacedError:
            if attempt == 2:
                raise
        except FileNotFoundError:
            raise SourceFailed("the file went away while it was read", place=name, retry=True) from None
        else:
            return file
    raise AssertionError("unreachable")


def _read_header(path: Path, name: str, facts: Facts, request: Pull, dialect: Dialect) -> _File:
    lines = _head(path, name, facts, dialect)
    if not lines:
        hint = "it should hold at least a header line"
        raise SourceFailed(f"nothing is left behind the {dialect.skip} lines to skip", hint=hint, place=name)
    delimiter = find_delimiter(dialect, lines, name)
    reader = first_records(text_lines(path, facts), dialect, delimiter, facts.encoding)
    first = _first(reader, name, facts)
    if isinstance(first, Broken):
        advice = "declare csv: {encoding: ...}" if "bytes that are not" in first.reason else None
        raise SourceFailed(f"line {first.line} (the header) cannot be read: {first.reason}", hint=advice, place=name)
    hint = "rename one of them in the file"
    if dialect.header and all(NUMBER.fullmatch(cell.strip()) for cell in first.values):
        advice = "csv: {header: false} if the file has none, csv: {skip: 1} if the header stands lower"
        raise SourceFailed(f"line {first.line} holds numbers where the header should be", hint=advice, place=name)
    written = first.values if dialect.header else [""] * len(first.values)
    if len(written) > COLUMN_LIMIT:
        raise SourceFailed(f"{len(written)} columns; at most {COLUMN_LIMIT} can be read", place=name)
    for normal, doubled in collisions(written).items():
        listed = " and ".join(repr(spelt) for spelt in doubled)
        raise SourceFailed(f"the header has columns {listed}, which all become '{normal}'", hint=hint, place=name)
    if LINE in written:
        raise SourceFailed(f"a column may not be called '{LINE}'", place=name)
    behind = reader.line if dialect.header else dialect.skip
    return _File(path, name, facts, request, dialect, delimiter, normalise_all(written), tuple(written), behind)


def _first(reader: Any, name: str, facts: Facts) -> Record | Broken:
    try:
        found: Record | Broken | None = next(iter(reader), None)
    except UnicodeError as problem:
        raise _undecodable(problem, name, facts) from None
    if found is None:
        raise SourceFailed("the file holds no line but blank ones", hint="it should hold at least a header", place=name)
    return found


def _head(path: Path, name: str, facts: Facts, dialect: Dialect) -> list[str]:
    """The header line and up to twenty behind it, without the skipped, blank and comment lines."""
    found: list[str] = []
    try:
        for number, line in enumerate(text_lines(path, facts)):
            if number < dialect.skip or not line.strip() or (dialect.comment and line.startswith(dialect.comment)):
                continue
            found.append(line.rstrip("\r\n"))
            if len(found) > 20:
                break
    except UnicodeError as problem:
        raise _undecodable(problem, name, facts) from None
    return found


def _undecodable(problem: UnicodeError, name: str, facts: Facts) -> SourceFailed:
    hint = "declare csv: {encoding: ...}; if it is right, the file is damaged or cut off"
    reason = problem.reason if isinstance(problem, UnicodeDecodeError) else str(problem)
    return SourceFailed(f"the file is not {facts.encoding} text ({reason})", hint=hint, place=name)


def _must_match(columns: tuple[str, ...], work: _File, *, others: bool) -> None:
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


@dataclass(slots=True)
class _File:
    """One file, ready to be read. ``behind``: the number of the last line before the first row. ``sent`` rows so far."""

    path: Path
    name: str
    facts: Facts
    request: Pull
    dialect: Dialect
    delimiter: str
    columns: tuple[str, ...]
    written: tuple[str, ...]
    behind: int
    sent: int = 0
    failure: list[SourceFailed] = field(default_factory=list)

    def batches(self, order: tuple[str, ...], *, alone: bool) -> Iterator[Batch]:
        """All rows, the columns in the given order. Raises ReplacedError where the file did not stay as it was."""
        connection, scan = self._connect() if self._may_be_quick() else None, None
        try:
            if connection is not None and self.request.scans:
                scan = self._scan(connection, order, alone)
                yield Batch(rows=_empty(order), file=self.name, scan=scan)
            if scan is not None and scan.kept:
                self.sent = self.facts.lines - self.behind
            elif connection is not None and (rows := self._count(connection)) is not None:
                yield from self._quickly(connection, order, rows)
            else:
                yield from self._carefully(order)
        finally:
            if connection is not None:
                connection.close()
        try:
            if stamp(self.path) != self.facts.stamp:
                raise ReplacedError(self.name)
        except FileNotFoundError:
            raise ReplacedError(self.name) from None

    def _may_be_quick(self) -> bool:
        marks = [self.delimiter, self.dialect.quote, self.dialect.escape]
        return (
            self.facts.plain
            and len(self.columns)
            > 1  # a blank line is no row, and DuckDB takes it for one where there is but one column
            and self.dialect.comment is None
            and all(mark.isascii() for mark in marks)
            and not any(mark in str(self.path) for mark in "*?[{")
        )

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """A connection that can read this one file and nothing else."""
        connection = duckdb.connect(":memory:")
        connection.execute(f"SET allowed_paths = [{_text(str(self.path))}]")
        for setting in (
            "memory_limit = '1GB'", "temp_directory = ''", "autoinstall_known_extensions = false",
            "autoload_known_extensions = false", "allow_community_extensions = false", "enable_external_access = false",
            "TimeZone = 'UTC'", "lock_configuration = true",
        ):  # fmt: skip
            connection.execute(f"SET {setting}")
        return connection

    def _reader_sql(self) -> str:
        names = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in self.columns)
        nulls = ", ".join(map(_text, self.dialect.nulls))
        return (
            f"read_csv({_text(str(self.path))}, columns={{{names}}}, auto_detect=false, header=false, skip={self.behind},"
            f" delim={_text(self.delimiter)}, quote={_text(self.dialect.quote)}, escape={_text(self.dialect.escape)},"
            f" nullstr=[{nulls}], compression='{'gzip' if self.facts.gzipped else 'none'}', strict_mode=true,"
            " store_rejects=true)"
        )

    def _count(self, connection: duckdb.DuckDBPyConnection) -> int | None:
        """How many rows DuckDB finds; None where it objects to one, or where lines and rows are not one to one."""
        try:
            twice = f"count(*) FILTER ({self._header_again()})"
            found = connection.execute(f"SELECT count(*), {twice} FROM {self._reader_sql()}").fetchall()
            rejected = connection.execute("SELECT count(*) FROM reject_errors").fetchall()
        except duckdb.Error:
            return None
        rows = int(found[0][0])
        suspect = rejected[0][0] or (self.dialect.header and found[0][1])
        return rows if not suspect and rows == self.facts.lines - self.behind else None

    def _header_again(self) -> str:
        """Whether a row is the header once more; two columns are enough to suspect it, and cheap."""
        again = [f"{_name(c)} = {_text(w)}" for c, w in zip(self.columns[:2], self.written, strict=False)]
        return " AND ".join(again)

    def _select_sql(self, order: tuple[str, ...]) -> str:
        numbers = Ungrouping(self.dialect, self.request.columns)
        listed = ", ".join(
            f"{numbers.sql(_name(name))} AS {_name(name)}" if numbers.concerns(name) else _name(name) for name in order
        )
        return f"SELECT {listed} FROM {self._reader_sql()}"

    def _scan(self, connection: duckdb.DuckDBPyConnection, order: tuple[str, ...], alone: bool) -> FileScan:
        # A header once more is left out, so that the count does not come out and the rows come the careful way.
        less = f" WHERE ({self._header_again()}) IS NOT TRUE" if self.dialect.header else ""
        select, rows = self._select_sql(order) + less, self.facts.lines - self.behind
        size = self.facts.stamp[0] * (10 if self.facts.gzipped else 1)
        return FileScan(connection, select, order, self.behind, rows, size, alone=alone)

    def _quickly(self, connection: duckdb.DuckDBPyConnection, order: tuple[str, ...], rows: int) -> Iterator[Batch]:
        inner = connection.sql(self._select_sql(order)).to_arrow_reader(ROWS_A_BATCH)
        schema = _empty(order).schema
        reader = pa.RecordBatchReader.from_batches(schema, self._numbered(inner, schema))
        yield Batch(rows=reader, file=self.name)
        for _ in reader:  # a consumer that stopped early must not make the count wrong
            pass
        if self.failure:
            raise self.failure[0]
        if self.sent != rows:
            raise ReplacedError(self.name)

    def _numbered(self, inner: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Adds the line of each row. An error is kept for ``_quickly``: raised here, it would lose its type on the way."""
        try:
            for batch in inner:
                start = self.behind + self.sent + 1
                lines = pa.arange(start, start + batch.num_rows)
                yield pa.RecordBatch.from_arrays([*batch.columns, lines], schema=schema)
                self.sent += batch.num_rows
        except (duckdb.Error, pa.ArrowException, OSError) as problem:
            self.failure.append(SourceFailed(f"cannot read the file: {problem}", place=self.name))

    def _carefully(self, order: tuple[str, ...]) -> Iterator[Batch]:
        reader = first_records(text_lines(self.path, self.facts), self.dialect, self.delimiter, self.facts.encoding)
        reader.width = len(self.columns)
        found = iter(reader)
        numbers, nulls = Ungrouping(self.dialect, self.request.columns), set(self.dialect.nulls)
        places = [self.columns.index(name) for name in order]
        if self.dialect.header:
            next(found, None)
            reader.header = list(self.written)
        rejected = 0
        while True:
            rows, lines, broken = self._some(found)
            rejected += len(broken)
            if rejected > REJECTED_LIMIT:
                hint = f"the first of this batch: line {broken[0].line}: {broken[0].reason}"
                raise SourceFailed(f"more than {REJECTED_LIMIT:,} lines cannot be read", hint=hint, place=self.name)
            if not rows and not broken:
                return
            self.sent += len(rows)
            cells = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in order]
            for at, name in enumerate(self.columns):
                if numbers.concerns(name):
                    cells[at] = [numbers.cell(cell) for cell in cells[at]]
            arrays = [pa.array([None if cell in nulls else cell for cell in cells[at]], pa.string()) for at in places]
            table = pa.Table.from_arrays([*arrays, pa.array(lines, pa.int64())], schema=_empty(order).schema)
            yield Batch(rows=table, file=self.name, rejected=tuple(broken))

    def _some(self, found: Iterator[Record | Broken]) -> tuple[list[list[str]], list[int], list[Rejected]]:
        """The next rows, their lines, and the broken lines among them."""
        rows: list[list[str]] = []
        lines: list[int] = []
        broken: list[Rejected] = []
        try:
            for record in found:
                if isinstance(record, Broken):
                    broken.append(Rejected(self.name, record.line, record.reason, record.text))
                else:
                    rows.append(record.values)
                    lines.append(record.line)
                if len(rows) + len(broken) >= ROWS_A_BATCH // 2:
                    break
        except UnicodeError as problem:
            raise _undecodable(problem, self.name, self.facts) from None
        except (EOFError, OSError) as problem:
            raise SourceFailed(f"cannot read the file: {problem}", place=self.name) from None
        return rows, lines, broken


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
