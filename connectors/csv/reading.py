"""One CSV file as batches of text, or as a scan: the quick way where DuckDB has nothing to object, else the careful one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from connectors.contract import Batch, Pull, Rejected, SourceFailed
from connectors.csv.dialect import Dialect
from connectors.csv.files import Facts, text_lines
from connectors.csv.heading import LINE, Heading, undecodable
from connectors.csv.numbers import Ungrouping
from connectors.csv.pinned import Pinned, ReplacedError
from connectors.csv.records import Broken, Record, first_records
from connectors.csv.scan import FileScan

ROWS_A_BATCH = 65_536
REJECTED_LIMIT = 100_000


def empty(columns: tuple[str, ...]) -> pa.Table:
    """No rows of text, with their lines."""
    return pa.schema([*((name, pa.string()) for name in columns), (LINE, pa.int64())]).empty_table()


@dataclass(slots=True)
class FileReading:
    """One file, ready to be read. ``pin`` keeps it one version; ``sent`` rows so far, ``rejected`` besides."""

    pin: Pinned
    facts: Facts
    request: Pull
    dialect: Dialect
    heading: Heading
    sent: int = 0
    rejected: int = 0
    failure: list[SourceFailed] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.pin.name

    @property
    def columns(self) -> tuple[str, ...]:
        return self.heading.columns

    @property
    def behind(self) -> int:
        return self.heading.behind

    def batches(self, order: tuple[str, ...], *, alone: bool) -> Iterator[Batch]:
        """All rows, the columns in the given order. Raises ReplacedError where the file did not stay as it was."""
        connection, scan = self._connect() if self._may_be_quick() else None, None
        try:
            if connection is not None and self.request.scans:
                scan = self._scan(connection, order, alone)
                yield Batch(rows=empty(order), file=self.name, scan=scan)
            if scan is not None and scan.kept:
                self.sent = self.facts.lines - self.behind
            elif connection is not None and (rows := self._count(connection)) is not None:
                yield from self._quickly(connection, order, rows)
            else:
                yield from self._carefully(order)
        finally:
            if connection is not None:
                connection.close()
        self.pin.check()

    def _may_be_quick(self) -> bool:
        marks = [self.heading.delimiter, self.dialect.quote, self.dialect.escape]
        return (
            self.facts.plain
            and self.facts.size * (10 if self.facts.gzipped else 1) > self.request.small_bytes
            and len(self.columns)
            > 1  # a blank line is no row, and DuckDB takes it for one where there is but one column
            and self.dialect.comment is None
            and all(mark.isascii() for mark in marks)
            and not any(mark in str(self.pin.path) for mark in "*?[{")
        )

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """A connection that can read this one file and nothing else."""
        connection = duckdb.connect(":memory:")
        connection.execute(f"SET allowed_paths = [{_text(str(self.pin.path))}]")
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
            f"read_csv({_text(str(self.pin.path))}, columns={{{names}}}, auto_detect=false, header=false, skip={self.behind},"
            f" delim={_text(self.heading.delimiter)}, quote={_text(self.dialect.quote)}, escape={_text(self.dialect.escape)},"
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
        again = [f"{_name(c)} = {_text(w)}" for c, w in zip(self.columns[:2], self.heading.written, strict=False)]
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
        size = self.facts.size * (10 if self.facts.gzipped else 1)
        return FileScan(connection, select, order, self.behind, rows, size, alone=alone)

    def _quickly(self, connection: duckdb.DuckDBPyConnection, order: tuple[str, ...], rows: int) -> Iterator[Batch]:
        inner = connection.sql(self._select_sql(order)).to_arrow_reader(ROWS_A_BATCH)
        schema = empty(order).schema
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
        reader = first_records(
            text_lines(self.pin.path, self.facts), self.dialect, self.heading.delimiter, self.facts.encoding
        )
        reader.width = len(self.columns)
        found = iter(reader)
        numbers, nulls = Ungrouping(self.dialect, self.request.columns), set(self.dialect.nulls)
        places = [self.columns.index(name) for name in order]
        if self.dialect.header:
            next(found, None)
            reader.header = list(self.heading.written)
        while True:
            rows, lines, broken = self._some(found)
            self.rejected += len(broken)
            if self.rejected > REJECTED_LIMIT:
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
            table = pa.Table.from_arrays([*arrays, pa.array(lines, pa.int64())], schema=empty(order).schema)
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
            raise undecodable(problem, self.name, self.facts) from None
        except (EOFError, OSError) as problem:
            raise SourceFailed(f"cannot read the file: {problem}", place=self.name) from None
        return rows, lines, broken


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
