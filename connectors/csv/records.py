"""The careful reader: any encoding, any line ends, every record with its true line, every broken one put aside with the reason.

Strict about quotes, because that is what finds a quote that is never closed: after a closing quote only a delimiter or a
line end may follow. Where it does not, only the line on which the value opened is put aside, and reading goes on behind it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.csv.dialect import Dialect, spoken

CELL_LIMIT = 10_000_000
"""Characters a record may hold."""
TEXT_LIMIT = 500
"""Characters of a broken line that are kept."""
CARRIAGE = "a carriage return in the middle of a line"
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that could not be read."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the line on which it starts, and its values as text."""

    line: int
    values: list[str]


@dataclass(slots=True)
class RecordReader:
    """Splits lines (with their line ends) into records. ``width`` None: the first record sets it.

    ``encoding`` only names itself in reasons. ``line`` is the number of the last line read.
    ``header``: values that may not stand in a row.
    """

    lines: Iterator[str]
    dialect: Dialect
    delimiter: str
    encoding: str
    width: int | None = None
    line: int = 0
    header: list[str] | None = None

    def __iter__(self) -> Iterator[Record | Broken]:
        splitter = _Splitter(self.dialect, self.delimiter) if self.dialect.quote else None
        pending: deque[str] = deque()
        quote, comment, delimiter = self.dialect.quote, self.dialect.comment, self.delimiter
        while (text := self._next(pending)) is not None:
            start = self.line
            if not text.strip() and (self.width != 1 or not text.strip("\r\n")):
                continue
            if comment and text.startswith(comment):
                continue
            if splitter is not None and quote in text:
                taken = [text]
                found = splitter.split(text)
                while found is None and self._take_more(taken, pending):
                    found = splitter.split("".join(taken))
                if found is None or isinstance(found, str) or self._swallowed_rows(taken):
                    pending.extendleft(reversed(taken[1:]))
                    self.line = start
                    reason = (
                        found
                        if isinstance(found, str) and len(taken) == 1
                        else "a quote that opens here is never closed"
                    )
                    yield Broken(start, reason, _shown(taken[0]))
                    continue
                values, whole = found, "".join(taken)
            else:
                values, whole = text.rstrip("\r\n").split(delimiter), text
                if "\r" in text and "\r" in text.rstrip("\r\n"):
                    yield Broken(start, CARRIAGE, _shown(text))
                    continue
            objection = self._objection(values, whole)
            yield Record(start, values) if objection is None else Broken(start, objection, _shown(whole))

    def _next(self, pending: deque[str]) -> str | None:
        text = pending.popleft() if pending else next(self.lines, None)
        if text is not None:
            self.line += 1
        return text

    def _take_more(self, taken: list[str], pending: deque[str]) -> bool:
        """Adds lines to an open quoted value up to the next that may close it; False at the end or past the limit."""
        size = sum(map(len, taken))
        quote, doubled = self.dialect.quote, self.dialect.escape == self.dialect.quote
        while size <= CELL_LIMIT and (text := self._next(pending)) is not None:
            taken.append(text)
            size += len(text)
            if text.count(quote) % 2 if doubled else quote in text:
                return True
        return False

    def _swallowed_rows(self, taken: list[str]) -> bool:
        """Whether a value over several lines looks like rows behind a quote that was never closed."""
        inner = taken[1:-1]
        marks = (self.width or 0) - 1
        return len(inner) > 2 and marks > 1 and all(line.count(self.delimiter) == marks for line in inner)

    def _objection(self, values: list[str], whole: str) -> str | None:
        """Why a record cannot be taken, None where it can. A delimiter too many at the end of a line is let go."""
        if self.width is None:
            self.width = len(values)
        if len(values) == self.width + 1 and not values[-1]:
            values.pop()
        if len(values) != self.width:
            return f"{len(values)} values where the header has {self.width} (delimiter {spoken(self.delimiter)})"
        if not whole.isascii() and SURROGATE.search(whole):
            return f"bytes that are not {self.encoding}"
        if values == self.header:
            return "the header once more"
        if "\0" in whole:
            return "a NUL character"
        if len(whole) > CELL_LIMIT:
            return f"longer than {CELL_LIMIT:,} characters"
        return None


def _shown(text: str) -> str:
    """A broken line as it is kept: bad bytes and NULs made visible, cut."""
    clean = SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text[:TEXT_LIMIT]).replace("\0", "\\0")
    return clean.rstrip("\r\n")


class _Splitter:
    """Splits one record's text that holds quotes."""

    def __init__(self, dialect: Dialect, delimiter: str) -> None:
        quote, escape = re.escape(dialect.quote), re.escape(dialect.escape)
        self._delimiter = delimiter
        if not dialect.escape:
            body = f"[^{quote}]*+"
        elif dialect.escape == dialect.quote:
            body = f"(?:[^{quote}]++|{quote}{quote})*+"
        else:
            body = f"(?:[^{quote}{escape}]++|{escape}.)*+"
        self._quoted = re.compile(f" *{quote}({body})({quote}?)", re.DOTALL)
        self._opening = re.compile(f" *{quote}")
        self._unescape = re.compile(f"{escape}(.)", re.DOTALL) if dialect.escape else None

    def split(self, text: str) -> list[str] | str | None:
        """The values; or the reason why it is broken; or None where a quoted value is still open at the end."""
        values: list[str] = []
        whole = text.rstrip("\r\n")
        position = 0
        while True:
            if self._opening.match(whole, position):
                match = self._quoted.match(text, position)
                if match is None or not match.group(2):
                    return None
                end = match.end()
                while whole.startswith(" ", end):
                    end += 1
                if end < len(whole) and not whole.startswith(self._delimiter, end):
                    return f"text behind a closing quote: {whole[max(0, end - 10) : end + 10]!r}"
                values.append(self._unescape.sub(r"\1", match.group(1)) if self._unescape else match.group(1))
            else:
                end = whole.find(self._delimiter, position)
                end = len(whole) if end < 0 else end
                values.append(whole[position:end])
                if "\r" in values[-1]:
                    return CARRIAGE
            if end >= len(whole):
                return values
            position = end + 1


def first_records(lines: Iterable[str], dialect: Dialect, delimiter: str, encoding: str) -> RecordReader:
    """A reader over the lines behind those to skip."""
    iterator = iter(lines)
    skipped = sum(1 for _ in zip(range(dialect.skip), iterator, strict=False))
    return RecordReader(iterator, dialect, delimiter, encoding, line=skipped)
