"""What a CSV file holds, as far as its rows tell: how it is written, and of each column what kind of thing it is."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, cast

from connectors.names import collisions, normalise_all
from scorecard.ground.errors import Place, Problem, Refused

Kind = Literal["time", "number", "integer", "text", "empty"]
DELIMITERS = (",", ";", "\t", "|")
MOST_ROWS = 200_000
MOST_VALUES = 2_000
"""Different values of a column that are counted."""
NULLS = ("NA", "N/A", "n/a", "NULL", "null", "None", "-", "NaN", "nan")
ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(Z|[+-]\d\d(:?\d\d)?)?)?")
_DAYS = (
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y", "%d.%m.%y", "%d %b %Y",
    "%d-%b-%Y", "%b %d, %Y", "%Y%m%d", "%d-%b-%y", "%d %B %Y", "%B %d, %Y", "%b %d %Y",
    "%a, %d %b %Y", "%a, %d-%b-%Y", "%a %d %b %Y", "%a %b %d %Y", "%A, %d %B %Y", "%A, %B %d, %Y",
)  # fmt: skip
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = tuple(day + hour for day in _DAYS for hour in _HOURS)
INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")


@dataclass(frozen=True, slots=True)
class Column:
    """``written`` is the header's name, ``name`` the normalised one. ``values``: how often each value occurs, of up to
    MOST_VALUES different ones. ``format``: how its times are written, None where they are ISO; ``ambiguous``: day and month
    could also stand the other way round."""

    written: str
    name: str
    kind: Kind
    filled: int
    distinct: int
    values: Counter[str] = field(default_factory=Counter)
    format: str | None = None
    ambiguous: bool = False

    @property
    def whole_days(self) -> bool:
        """Times without a time of day."""
        hours = ":" in next(iter(self.values), "") if self.format is None else ":" in self.format
        return self.kind == "time" and not hours

    def moment(self, text: str) -> datetime:
        """A time of this column; without a zone it is taken as UTC."""
        found = datetime.fromisoformat(text.replace(" Z", "Z")) if self.format is None else _parsed(text, self.format)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Profile:
    """A file: how it is written and what its columns hold. ``rows`` are those looked at, each as long as the header."""

    delimiter: str
    encoding: str
    decimal: str
    thousands: str | None
    nulls: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str]]
    cut: bool

    def at(self, name: str) -> int:
        """A column's position."""
        return next(i for i, column in enumerate(self.columns) if column.name == name)

    def moments(self, time: Column) -> set[datetime]:
        """The different moments of a time column."""
        place, empty = self.at(time.name), {"", *self.nulls}
        return set(map(time.moment, {row[place].strip() for row in self.rows} - empty))


def profile(path: Path) -> Profile:
    """Looks at up to MOST_ROWS rows. Refused for what is no table."""
    encoding = _encoding(path)
    delimiter = _delimiter(path, encoding)
    with _opened(path, encoding) as stream:
        reader = csv.reader(_sound(stream), delimiter=delimiter)
        header = [cell.strip() for cell in next(reader, [])]
        if not any(header):
            raise Refused(
                Problem("the file has no header line", Place(str(path), 1), "name its columns in the first line")
            )
        rows = [row for row in islice(reader, MOST_ROWS) if len(row) == len(header)]
        cut = next(reader, None) is not None
    if not rows:
        raise Refused(Problem("the file has a header and no rows", Place(str(path), 1), "give it at least one row"))
    names = normalise_all(header)
    doubled = collisions(header)
    if doubled:
        told = "; ".join(f"{', '.join(map(repr, many))} all become '{name}'" for name, many in doubled.items())
        raise Refused(Problem(f"two columns have the same name: {told}", Place(str(path), 1), "rename one of them"))
    columns = [list(cells) for cells in zip(*rows, strict=True)]
    decimal, thousands = _number_signs(columns)
    nulls = _nulls(columns, decimal, thousands)
    empty = {"", *nulls}
    told_columns = tuple(
        _column(written, name, [c.strip() for c in cells if c.strip() not in empty], decimal, thousands)
        for written, name, cells in zip(header, names, columns, strict=True)
    )
    return Profile(delimiter, encoding, decimal, thousands, nulls, told_columns, rows, cut)


# -- how it is written -----------------------------------------------------------------------------------------


def _bytes(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        gzipped = stream.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if gzipped else path.open("rb")


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(_bytes(path), encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")


def _encoding(path: Path) -> str:
    """utf-8 where all bytes are, utf-16 by its mark, else Windows' western European, which reads any other file."""
    try:
        with _bytes(path) as stream:
            start = stream.read(4)
            if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return "utf-16"
            decoder = codecs.getincrementaldecoder("utf-8")()
            decoder.decode(start)
            while chunk := stream.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _western(path)
    except (OSError, EOFError) as wrong:
        said = getattr(wrong, "strerror", None) or str(wrong)
        raise Refused(Problem(f"the file cannot be read: {said}", Place(str(path)))) from None
    return "utf-8"


def _western(path: Path) -> str:
    """cp1252 unless a byte has no meaning there."""
    with _bytes(path) as stream:
        try:
            while chunk := stream.read(1 << 20):
                chunk.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
    return "cp1252"


def _sound(lines: Iterator[str] | io.TextIOWrapper) -> Iterator[str]:
    """Lines without the NUL characters, at which the csv module stops."""
    return (line.replace("\0", "") for line in lines)


def _delimiter(path: Path, encoding: str) -> str:
    """The sign with which most of the first records have the same number of values, and more than one."""
    with _opened(path, encoding) as stream:
        lines = list(islice(_sound(stream), 200))
    best, most = ",", 0.0
    for sign in DELIMITERS:
        try:
            lengths = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
        except csv.Error:
            continue
        if lengths and lengths[0] > 1:
            even = lengths.count(lengths[0]) / len(lengths)
            if even * lengths[0] > most:
                best, most = sign, even * lengths[0]
    return best


def _number_signs(columns: Sequence[Sequence[str]]) -> tuple[str, str | None]:
    """(decimal sign, sign between thousands) of the file's numbers. A point and nothing, unless whole columns say else."""
    comma = re.compile(r"-?\d{1,3}(\.\d{3})+,\d+|-?\d+,\d+")
    grouped = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
    for cells in columns:
        filled = [c.strip() for c in cells[:2000] if c.strip()]
        if not filled:
            continue
        point = all(re.fullmatch(r"-?\d+(\.\d+)?", c) for c in filled)
        if not point and all(comma.fullmatch(c) or INTEGER.fullmatch(c) for c in filled):
            three = all(re.fullmatch(r"-?\d{1,3}(,\d{3})+|-?\d{1,3}", c) for c in filled)
            if not three:
                return ",", "." if any("." in c for c in filled) else None
        if not point and all(grouped.fullmatch(c) or re.fullmatch(r"-?\d+(\.\d+)?", c) for c in filled):
            return ".", ","
    return ".", None


def _nulls(columns: Sequence[Sequence[str]], decimal: str, thousands: str | None) -> tuple[str, ...]:
    """Words for "no value" that stand in columns which are numbers or times otherwise."""
    found: set[str] = set()
    for cells in columns:
        words = {c.strip() for c in cells} & set(NULLS)
        if words:
            rest = [c.strip() for c in cells if c.strip() and c.strip() not in words]
            if rest and _kind(rest, decimal, thousands)[0] != "text":
                found |= words
    return tuple(word for word in NULLS if word in found)


# -- columns ---------------------------------------------------------------------------------------------------


def _column(written: str, name: str, filled: list[str], decimal: str, thousands: str | None) -> Column:
    if not filled:
        return Column(written, name, "empty", 0, 0)
    kind, pattern, ambiguous = _kind(filled, decimal, thousands)
    counted = Counter(filled)
    return Column(
        written,
        name,
        kind,
        len(filled),
        len(counted),
        Counter(dict(counted.most_common(MOST_VALUES))),
        pattern,
        ambiguous,
    )


def _kind(filled: Sequence[str], decimal: str, thousands: str | None) -> tuple[Kind, str | None, bool]:
    different = list(dict.fromkeys(filled))
    if all(ISO.fullmatch(text) for text in different):
        return ("time", None, False) if all(_is_iso(text) for text in different) else ("text", None, False)
    pattern, ambiguous = _format(different)
    if pattern is not None:
        return "time", pattern, ambiguous
    plain = [t.replace(thousands, "") if thousands else t for t in different]
    if all(INTEGER.fullmatch(text) for text in plain):
        return "integer", None, False
    number = re.compile(rf"-?(0|[1-9]\d*)({re.escape(decimal)}\d+)?([eE][-+]?\d+)?")
    return ("number" if all(number.fullmatch(text) for text in plain) else "text"), None, False


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text.replace(" Z", "Z"))
    except ValueError:
        return False
    return True


def _format(different: Sequence[str]) -> tuple[str | None, bool]:
    """The first known way of writing times that fits all values, and whether day and month could change places."""
    fitting = [pattern for pattern in FORMATS if _fits(pattern, different[:50])]
    fitting = [pattern for pattern in fitting if _fits(pattern, different)]
    if not fitting or (fitting[0] == "%Y%m%d" and not all(re.fullmatch(r"(19|20)\d{6}", t) for t in different)):
        return None, False
    return fitting[0], len(fitting) > 1


def _fits(pattern: str, texts: Sequence[str]) -> bool:
    try:
        for text in texts:
            _parsed(text, pattern)
    except ValueError:
        return False
    return True


def _parsed(text: str, pattern: str) -> datetime:
    return datetime.strptime(text, pattern).replace(tzinfo=UTC)
