"""PostgreSQL's types as Arrow's, and its text of values read as those: exact, or said to be no value to count with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

INSTANT = pa.timestamp("us", "UTC")
LOCAL = pa.timestamp("us")
NUMERIC, MONEY, BYTEA = 1700, 790, 17
PLAIN: dict[int, pa.DataType] = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int64(), 23: pa.int64(), 26: pa.int64(),
    700: pa.float64(), 701: pa.float64(), 1082: pa.date32(), 1114: LOCAL, 1184: INSTANT,
}  # fmt: skip
"""Object id → type; what is not listed comes as text. https://www.postgresql.org/docs/current/catalog-pg-type.html"""
TEXTS = {18, 19, 25, 1042, 1043, 114, 3802, 2950, 1083, 1266, 1186, BYTEA}
"""Of those that come as text, the usual ones: char, name, text, character, varchar, json, jsonb, uuid, times, interval."""

SOUND = {
    "decimal": re.compile(r"-?\d+(\.\d+)?"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "timestamp": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d){0,2})?"),
    "double": re.compile(r"-?[\d.]+(e[+-]?\d+)?"),
}
"""How the values that can be counted with are written; the others are NaN, infinity, years without four digits, BC."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a result: ``type`` is Arrow's; ``free``: a ``numeric`` of which nobody declared the digits."""

    name: str
    type: pa.DataType
    free: bool = False
    hexadecimal: bool = False

    @property
    def kind(self) -> str:
        """Which of the SOUND spellings its values must have; "" for those that are always sound."""
        if self.free or pa.types.is_decimal(self.type):
            return "decimal"
        if pa.types.is_timestamp(self.type):
            return "timestamp"
        return {pa.date32(): "date", pa.float64(): "double"}.get(self.type, "")


def field_of(name: str, oid: int, precision: int | None, scale: int | None) -> Field:
    """The field of a column with this type's object id; precision and scale of a ``numeric``, None where undeclared."""
    if oid in {NUMERIC, MONEY}:
        if precision is None or scale is None or not 0 <= scale <= precision <= 38:
            return Field(name, pa.string(), free=True)
        return Field(name, pa.decimal128(precision, scale))
    return Field(name, PLAIN.get(oid, pa.string()), hexadecimal=oid == BYTEA)


@dataclass(frozen=True, slots=True)
class Odd:
    """A row that is left out: its place among the rows of its piece, why, and its values as text."""

    at: int
    reason: str
    values: tuple[str | None, ...]


def read_piece(piece: bytes | bytearray, fields: Sequence[Field]) -> tuple[pa.Table, list[Odd]]:
    """Whole lines of ``COPY … (FORMAT csv)`` as a table, without the rows that hold a value nobody can count with.

    Raises UnicodeError for text that is not UTF-8.
    """
    try:
        table = _parsed(piece, fields)
    except pa.ArrowInvalid:
        return _read_carefully(piece, fields)
    if not all(_all_sound(table.column(at), field) for at, field in enumerate(fields)):
        return _read_carefully(piece, fields)
    return _dressed(table, fields), []


def _parsed(piece: bytes | bytearray, fields: Sequence[Field]) -> pa.Table:
    numbered = [str(at) for at in range(len(fields))]  # names may be anything
    return arrow_csv.read_csv(
        pa.py_buffer(piece),
        read_options=arrow_csv.ReadOptions(column_names=numbered, use_threads=False, block_size=len(piece) + 1),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict(zip(numbered, (field.type for field in fields), strict=True)),
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
            true_values=["t"], false_values=["f"],
        ),
    )  # fmt: skip


def _all_sound(column: pa.ChunkedArray, field: Field) -> bool:
    if field.free:
        return pc.all(pc.match_substring_regex(column, f"^{SOUND['decimal'].pattern}$")).as_py() is not False
    if field.kind == "double":
        return pc.all(pc.is_finite(column)).as_py() is not False
    return True


def _dressed(table: pa.Table, fields: Sequence[Field]) -> pa.Table:
    columns = [
        pc.utf8_slice_codeunits(column, 2) if field.hexadecimal else column
        for column, field in zip(table.columns, fields, strict=True)
    ]
    return pa.table(columns, names=[field.name for field in fields])


def _read_carefully(piece: bytes | bytearray, fields: Sequence[Field]) -> tuple[pa.Table, list[Odd]]:
    """Value by value: slow, and only for pieces in which something is odd."""
    try:
        texts = _parsed(piece, [Field(field.name, pa.string()) for field in fields])
    except pa.ArrowInvalid as problem:
        raise UnicodeError(f"could not decode: {problem}") from None
    rows = list(zip(*(column.to_pylist() for column in texts.columns), strict=True))
    odd: list[Odd] = []
    good: list[tuple[str | None, ...]] = []
    watched = [(at, field, SOUND[field.kind]) for at, field in enumerate(fields) if field.kind]
    for at, row in enumerate(rows):
        found = next(
            ((field, value) for i, field, sound in watched if (value := row[i]) is not None and not _is(sound, value)),
            None,
        )
        if found is None:
            good.append(row)
        else:
            field, value = found
            odd.append(Odd(at, f"column {field.name} is {value}, which is no value to count with", row))
    columns = [pa.array([_value(row[at], field) for row in good], field.type) for at, field in enumerate(fields)]
    return pa.table(columns, names=[field.name for field in fields]), odd


def _is(sound: re.Pattern[str], value: str) -> bool:
    return sound.fullmatch(value) is not None


def _value(text: str | None, field: Field) -> Any:
    if text is None:
        return None
    if field.hexadecimal:
        return text[2:]
    if field.free or pa.types.is_string(field.type):
        return text
    if pa.types.is_boolean(field.type):
        return text == "t"
    if pa.types.is_timestamp(field.type):
        return datetime.fromisoformat(text)
    return _FROM_TEXT[field.kind](text)


_FROM_TEXT: dict[str, Any] = {"": int, "decimal": Decimal, "double": float, "date": date.fromisoformat}
