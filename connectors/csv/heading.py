"""The top of a CSV file: its delimiter and columns, and where its rows begin. What cannot be a header is refused by name."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.contract import SourceFailed
from connectors.csv.dialect import CANDIDATES, Dialect, find_delimiter, outside_quotes
from connectors.csv.files import Facts, text_lines
from connectors.csv.oneness import Rows
from connectors.csv.records import Broken, Record, RecordReader, first_records
from connectors.names import collisions, normalise_all

COLUMN_LIMIT = 5_000
LOOKED_AT = 20
LINE = "_line"
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Heading:
    """``columns`` normalised, ``written`` as in the file; ``behind``: the number of the last line before the first row."""

    delimiter: str
    columns: tuple[str, ...]
    written: tuple[str, ...]
    behind: int


def read_heading(path: Path, name: str, facts: Facts, dialect: Dialect, declared: Container[str] = ()) -> Heading:
    """Raises SourceFailed: nothing there, unreadable, numbers, a title above the header, another one below it, too many
    columns, one twice. ``declared``: columns whose types are.
    """
    numbers, lines = _head(path, name, facts, dialect)
    if not lines:
        hint = "it should hold at least a header line"
        raise SourceFailed(f"nothing is left behind the {dialect.skip} lines to skip", hint=hint, place=name)
    delimiter = find_delimiter(dialect, lines, name)
    if dialect.header:
        _must_be_no_title(numbers, lines, delimiter, dialect, name)
    reader = first_records(text_lines(path, facts), dialect, delimiter, facts.encoding)
    first = _first(reader, name, facts)
    if isinstance(first, Broken):
        advice = "declare csv: {encoding: ...}" if "bytes that are not" in first.reason else None
        raise SourceFailed(f"line {first.line} (the header) cannot be read: {first.reason}", hint=advice, place=name)
    if dialect.header and all(NUMBER.fullmatch(cell.strip()) for cell in first.values):
        advice = "csv: {header: false} if the file has none, csv: {skip: 1} if the header stands lower"
        raise SourceFailed(f"line {first.line} holds numbers where the header should be", hint=advice, place=name)
    written = first.values if dialect.header else [""] * len(first.values)
    if len(written) > COLUMN_LIMIT:
        raise SourceFailed(f"{len(written)} columns; at most {COLUMN_LIMIT} can be read", place=name)
    for normal, doubled in collisions(written).items():
        listed = " and ".join(repr(spelt) for spelt in doubled)
        message = f"the header has columns {listed}, which all become '{normal}'"
        raise SourceFailed(message, hint="rename one of them in the file", place=name)
    if LINE in written:
        raise SourceFailed(f"a column may not be called '{LINE}'", place=name)
    if dialect.header:
        Rows(numbers, lines, delimiter, dialect, normalise_all(written), declared).must_be_one_table(name)
    behind = reader.line if dialect.header else dialect.skip
    return Heading(delimiter, normalise_all(written), tuple(written), behind)


def undecodable(problem: UnicodeError, name: str, facts: Facts) -> SourceFailed:
    """Bytes that the encoding does not know."""
    hint = "declare csv: {encoding: ...}; if it is right, the file is damaged or cut off"
    reason = problem.reason if isinstance(problem, UnicodeDecodeError) else str(problem)
    return SourceFailed(f"the file is not {facts.encoding} text ({reason})", hint=hint, place=name)


def _must_be_no_title(
    numbers: Sequence[int], lines: Sequence[str], delimiter: str, dialect: Dialect, name: str
) -> None:
    """A first line with fewer values than the lines further down, and like none of them, is a title above the header."""
    marks = [delimiter]
    if dialect.delimiter is None and not outside_quotes(lines[0], delimiter, dialect.quote):
        marks = list(CANDIDATES)
    for mark in marks:
        counts = [outside_quotes(line, mark, dialect.quote) for line in lines]
        at = next((n for n, count in enumerate(counts) if count > counts[0]), None)
        if at is None or len(counts) - at < max(2, at + 1) or any(count != counts[at] for count in counts[at:]):
            continue
        if counts[0] and counts[0] in counts[1:at]:
            continue  # a header and rows like it, and other rows further down
        if counts[at] == counts[0] + 1 and all(line.rstrip().endswith(mark) for line in lines[at:]):
            continue  # a delimiter too many at the end of each row
        message = f"line {numbers[0]} has {counts[0] + 1} values, and all lines from line {numbers[at]} on have {counts[at] + 1}"
        hint = f"if the header is line {numbers[at]}, set csv: {{skip: {numbers[at] - 1}}}"
        raise SourceFailed(message, hint=hint, place=name)


def _first(reader: RecordReader, name: str, facts: Facts) -> Record | Broken:
    try:
        found: Record | Broken | None = next(iter(reader), None)
    except UnicodeError as problem:
        raise undecodable(problem, name, facts) from None
    if found is None:
        raise SourceFailed("the file holds no line but blank ones", hint="it should hold at least a header", place=name)
    return found


def _head(path: Path, name: str, facts: Facts, dialect: Dialect) -> tuple[list[int], list[str]]:
    """The header line and up to twenty behind it, with their numbers, without the skipped, blank and comment lines."""
    numbers: list[int] = []
    found: list[str] = []
    try:
        for number, line in enumerate(text_lines(path, facts), start=1):
            if number <= dialect.skip or not line.strip() or (dialect.comment and line.startswith(dialect.comment)):
                continue
            numbers.append(number)
            found.append(line.rstrip("\r\n"))
            if len(found) > LOOKED_AT:
                break
    except UnicodeError as problem:
        raise undecodable(problem, name, facts) from None
    return numbers, found
