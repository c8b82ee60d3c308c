"""How a CSV file is written: the options under ``csv:``, checked, and the delimiter found from the header where none is given."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.contract import SourceFailed

CANDIDATES = (",", ";", "\t", "|")
KNOWN = (
    "delimiter", "encoding", "header", "skip", "nulls", "decimal", "thousands", "quote", "escape", "comment", "members",
)  # fmt: skip
SPOKEN = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'", " ": "a space"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """``delimiter`` None: found from each file's header. ``encoding`` None: UTF-8, or what a byte order mark says.

    ``quote`` and ``escape`` are one character or empty (none). ``nulls`` always holds the empty text.
    ``thousands`` is None where numbers are not grouped. ``members``: which files of a zip file; None: all that look right.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    skip: int = 0
    nulls: tuple[str, ...] = ("",)
    decimal: str = "."
    thousands: str | None = None
    quote: str = '"'
    escape: str = '"'
    comment: str | None = None
    members: str | None = None


def spoken(delimiter: str) -> str:
    """A delimiter as people name it."""
    return SPOKEN.get(delimiter, repr(delimiter))


def read_dialect(options: Mapping[str, Any]) -> Dialect:
    """The ``csv:`` options of a source. Raises SourceFailed naming the option."""
    for key in options:
        if key not in KNOWN:
            raise SourceFailed(f"csv: unknown option '{key}'", hint=f"known: {', '.join(KNOWN)}")
    quote = _character(options, "quote", '"', empty=True)
    dialect = Dialect(
        delimiter=_character(options, "delimiter", "", empty=True) or None,
        encoding=_encoding(options.get("encoding")),
        header=_flag(options, "header", True),
        skip=_count(options, "skip"),
        nulls=_nulls(options.get("nulls")),
        decimal=_character(options, "decimal", "."),
        thousands=_character(options, "thousands", "", empty=True) or None,
        quote=quote,
        escape=_character(options, "escape", quote, empty=True),
        comment=_character(options, "comment", "", empty=True) or None,
        members=_pattern(options.get("members")),
    )
    _must_differ(dialect)
    return dialect


def _must_differ(dialect: Dialect) -> None:
    if dialect.decimal not in {".", ","}:
        raise SourceFailed(f"csv: decimal must be '.' or ',', not {dialect.decimal!r}")
    if dialect.thousands is not None and (dialect.thousands == dialect.decimal or dialect.thousands in "0123456789+-"):
        raise SourceFailed(f"csv: thousands {dialect.thousands!r} cannot go with decimal {dialect.decimal!r}")
    special = [mark for mark in (dialect.delimiter, dialect.quote or None, dialect.comment) if mark is not None]
    if len(set(special)) < len(special) or any(mark in "\r\n" for mark in special):
        raise SourceFailed("csv: delimiter, quote and comment must be different characters, and no line ends")


def _character(options: Mapping[str, Any], key: str, default: str, *, empty: bool = False) -> str:
    value = options.get(key, default)
    if value is None and empty:
        return ""
    if value in {"\\t", "tab"}:
        return "\t"
    if not isinstance(value, str) or len(value) > 1 or (not value and not empty):
        raise SourceFailed(f"csv: {key} must be one character, not {value!r}")
    return value


def _encoding(value: Any) -> str | None:
    if value is None:
        return None
    try:
        name = codecs.lookup(str(value)).name
        "".encode(name)
    except LookupError:
        hint = "utf-8, utf-16, cp1252 (Windows, western Europe) and latin-1 are the usual ones"
        raise SourceFailed(f"csv: unknown encoding {value!r}", hint=hint) from None
    return name


def _flag(options: Mapping[str, Any], key: str, default: bool) -> bool:
    value = options.get(key, default)
    if not isinstance(value, bool):
        raise SourceFailed(f"csv: {key} must be true or false, not {value!r}")
    return value


def _count(options: Mapping[str, Any], key: str) -> int:
    value = options.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SourceFailed(f"csv: {key} must be a number of lines (0 or more), not {value!r}")
    return value


def _pattern(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise SourceFailed(f"csv: members must be a name or a pattern, not {value!r}", hint='for example "calls-*.csv"')
    return value


def _nulls(value: Any) -> tuple[str, ...]:
    if value is None:
        return ("",)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not all(isinstance(item, str) for item in listed):
        raise SourceFailed(f"csv: nulls must be a list of texts, not {value!r}", hint='for example ["", NA, "-"]')
    return tuple(dict.fromkeys(["", *listed]))


def find_delimiter(dialect: Dialect, lines: Sequence[str], file: str) -> str:
    """The delimiter of a file from its header line and the few lines after it. Raises SourceFailed where it is not clear."""
    header = lines[0]
    counts = {mark: outside_quotes(header, mark, dialect.quote) for mark in CANDIDATES}
    present = [mark for mark in CANDIDATES if counts[mark]]
    if dialect.delimiter is not None:
        others = [mark for mark in present if mark != dialect.delimiter]
        if (
            len(others) == 1
            and not outside_quotes(header, dialect.delimiter, dialect.quote)
            and _agree(others[0], counts[others[0]], lines, dialect)
        ):
            message = f"the header has no {spoken(dialect.delimiter)} but {counts[others[0]]} times {spoken(others[0])}"
            raise SourceFailed(message, hint="set csv: {delimiter: ...} to what the file uses", place=file)
        return dialect.delimiter
    fitting = [
        mark
        for mark in present
        if all(outside_quotes(line, mark, dialect.quote) == counts[mark] for line in lines[1:] if line.strip())
    ]
    if len(present) == 1:
        return present[0]
    if len(fitting) == 1:
        return fitting[0]
    if not present:
        return next((mark for mark in CANDIDATES if mark not in {dialect.quote, dialect.comment, dialect.decimal}), ",")
    seen = " or ".join(spoken(mark) for mark in (fitting or present))
    raise SourceFailed(f"cannot tell the delimiter: {seen}?", hint="set csv: {delimiter: ...}", place=file)


def _agree(mark: str, count: int, lines: Sequence[str], dialect: Dialect) -> bool:
    """Whether a mark separates the values after all: often in the header, or in all lines as often as there."""
    below = [outside_quotes(line, mark, dialect.quote) for line in lines[1:]]
    return count > 1 or (len(below) > 1 and set(below) == {count})


def outside_quotes(line: str, mark: str, quote: str) -> int:
    """How often a mark stands in a line outside quoted values."""
    if not quote or quote not in line:
        return line.count(mark)
    return sum(piece.count(mark) for piece in line.split(quote)[::2])
