"""Rows of Python values into Arrow columns whose types hold for the whole result, however late the first value comes.

Rows are written to a temporary file as they arrive, in whatever types each stretch has; the type of a column is settled
only when all have been seen. Nothing leaves before the end, so a pull that fails half-way has sent nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from types import NoneType
from typing import Any

import pyarrow as pa

from connectors.scratch import Scratch

LINE = "_line"
ROWS_A_BATCH = 50_000
ROWS_HELD = 2048
"""As Python's values, which take ten times the room of a column's."""
IN_MEMORY = 32 * 1024**2
INT64 = 2**63
EXACT = 2**53
"""Whole numbers up to here are exact as floating point numbers."""
DIGITS = 38
INSTANT = pa.timestamp("us", "UTC")
Report = Callable[[int, str, Sequence[Any]], None]


class Unreadable(str):
    """A value that the driver has no Python value for, as the database wrote it (a time of infinity)."""

    __slots__ = ()


class _Column:
    """What has been seen of one column: ``kinds`` without null, digits before the point, digits behind it."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.digits = self.scale = 0
        self.exact = True

    def keep(self, values: list[Any]) -> pa.Array:
        """Notes what the values are; gives them in the narrowest way that keeps them as they are, mixed ones as text."""
        found = {_kind(type_, values) for type_ in set(map(type, values)) - {NoneType}}
        self.kinds |= found
        if found == {"integer"}:
            return self._integers(values)
        if found == {"decimal"}:
            return self._decimals(values)
        if found == {"instant"}:
            return pa.array(values, INSTANT)
        if len(found) == 1 and found <= {"boolean", "double", "date", "local"}:
            return pa.array(values, _ARROW[found.pop()])
        if not found:
            return pa.nulls(len(values))
        if "integer" in found:
            self._integers([value for value in values if type(value) is int])
        if "decimal" in found:
            self._decimals([value for value in values if isinstance(value, Decimal)])
        return _texts(values)

    def _integers(self, values: list[Any]) -> pa.Array:
        present = [value for value in values if value is not None]
        largest = max(map(abs, present), default=0)
        self.exact = self.exact and largest <= EXACT
        if min(present, default=0) >= -INT64 and max(present, default=0) < INT64:
            return pa.array(values, pa.int64())
        self.kinds.add("large")
        self.digits = max(self.digits, len(str(largest)))
        return _texts(values)

    def _decimals(self, values: list[Any]) -> pa.Array:
        try:
            array = pa.array(values)
            digits, scale = array.type.precision - array.type.scale, max(0, array.type.scale)
        except (pa.ArrowInvalid, AttributeError):  # more digits than a decimal of Arrow holds
            digits = scale = DIGITS
        self.digits, self.scale = max(self.digits, digits), max(self.scale, scale)
        return _texts(values)

    def type(self) -> pa.DataType:
        """The one type that holds every value seen: the values' own, else text."""
        kinds = self.kinds
        if not kinds:
            return pa.null()
        if kinds == {"integer"}:
            return pa.int64()
        if kinds == {"integer", "double"} and self.exact:
            return pa.float64()
        if kinds <= {"integer", "large", "decimal"}:
            digits = max(self.digits, 19 if "integer" in kinds else 1)
            if digits + self.scale <= DIGITS:
                return pa.decimal128(18 if digits + self.scale <= 18 else DIGITS, self.scale)
        return _ARROW.get(next(iter(kinds)), pa.string()) if len(kinds) == 1 else pa.string()


_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "double",
    str: "text",
    Decimal: "decimal",
    date: "date",
}
_ARROW = {
    "boolean": pa.bool_(), "double": pa.float64(), "date": pa.date32(), "local": pa.timestamp("us"), "instant": INSTANT,
}  # fmt: skip


def _kind(type_: type, values: list[Any]) -> str:
    """The kind of the values of one Python type."""
    if issubclass(type_, datetime):
        zones: set[tzinfo | None] = {value.tzinfo for value in values if isinstance(value, type_)}
        return "local" if zones == {None} else "mixed" if None in zones else "instant"
    return _KINDS.get(type_, "other")


def _texts(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array([text_of(value) for value in values], pa.string())
    except UnicodeEncodeError:  # half characters
        whole = [None if value is None else (text_of(value) or "") for value in values]
        return pa.array([None if t is None else t.encode("utf-8", "replace").decode() for t in whole], pa.string())


def text_of(value: Any) -> str | None:
    """Any value as text: lists and mappings as JSON, bytes as hexadecimal digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


class Gathering(Scratch):
    """Takes rows, gives tables. Use as a context manager: leaving it drops the temporary file.

    ``report(line, reason, values)`` hears of every row that holds a value nobody can count with (NaN, infinity, a time
    outside of all calendars); such rows are left out.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(IN_MEMORY)
        self._report = report
        self._columns: dict[str, _Column] = {}
        self._lines: list[int] = []
        self._rows: list[Sequence[Any]] = []
        self._order: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def expect(self, names: Sequence[str]) -> None:
        """The columns of the rows to come; new ones may join between rows."""
        self._flush()
        self._order = tuple(names)
        self._known = frozenset(names)
        for name in names:
            self._columns.setdefault(name, _Column())

    def add(self, line: int, values: Sequence[Any]) -> None:
        """One row, in the expected order."""
        self._rows.append(values)
        self._lines.append(line)
        if len(self._rows) >= ROWS_HELD:
            self._flush()

    def add_mapping(self, line: int, row: dict[str, Any]) -> None:
        """One row by names; what it lacks is null, what it brings becomes a column."""
        if not row.keys() <= self._known:
            # The rows so far keep their columns; only a stretch of rows is cut, and stretches are joined by name.
            self.expect([*self._order, *(name for name in row if name not in self._known)])
        self.add(line, [row.get(name) for name in self._order])

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = [list(column) for column in zip(*self._rows, strict=True)]
        bad = {
            at: reason for name, values in zip(self._order, columns, strict=True) for at, reason in _odd(name, values)
        }
        for at, reason in sorted(bad.items()):
            self._report(self._lines[at], reason, self._rows[at])
        if bad:
            columns = [[value for at, value in enumerate(column) if at not in bad] for column in columns]
            self._lines = [line for at, line in enumerate(self._lines) if at not in bad]
        arrays = [self._columns[name].keep(values) for name, values in zip(self._order, columns, strict=True)]
        table = pa.Table.from_arrays([*arrays, pa.array(self._lines, pa.int64())], names=[*self._order, LINE])
        with pa.ipc.new_stream(self._file, table.schema) as writer:
            writer.write_table(table)
        self._rows, self._lines = [], []

    def finish(self) -> None:
        """After the last row: everything has been looked at and reported."""
        self._flush()

    def tables(self) -> Iterator[pa.Table]:
        """All rows in order, every table with the same columns and types; one empty table where there were none."""
        self._flush()
        schema = pa.schema([*((name, column.type()) for name, column in self._columns.items()), (LINE, pa.int64())])
        size, sent = self._file.tell(), False
        self._file.seek(0)
        small: list[pa.Table] = []
        while self._file.tell() < size:
            with pa.ipc.open_stream(self._file) as reader:
                table = reader.read_all()
            small.append(pa.Table.from_arrays([_settled(table, field) for field in schema], schema=schema))
            if sum(part.num_rows for part in small) >= ROWS_A_BATCH:
                yield pa.concat_tables(small)
                small, sent = [], True
        if small or not sent:
            yield pa.concat_tables(small) if small else schema.empty_table()


def _odd(name: str, values: list[Any]) -> Iterator[tuple[int, str]]:
    """Which rows hold a value that cannot be counted with."""
    types = set(map(type, values))
    if not types & {float, Decimal, Unreadable}:
        return
    if types <= {float, NoneType} and all(map(math.isfinite, [value for value in values if value is not None])):
        return
    for at, value in enumerate(values):
        finite = (
            math.isfinite(value) if isinstance(value, float)
            else value.is_finite() if isinstance(value, Decimal) else not isinstance(value, Unreadable)
        )  # fmt: skip
        if not finite:
            yield at, f"column {name} is {value}, which is no value to count with"


def _settled(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    """One column of a stretch in its final type."""
    if field.name not in table.schema.names:
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    column = table.column(field.name)
    if column.type == field.type:
        return column
    if pa.types.is_string(field.type) and not pa.types.is_null(column.type):
        return pa.chunked_array([_texts(column.to_pylist())], pa.string())
    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    import pyarrow.compute as pc  # 8 MB that few results need

    return pc.cast(column, field.type)
