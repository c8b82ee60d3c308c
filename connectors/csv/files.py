"""The files of a CSV source: which they are, whether they may be read, and what their bytes say before anyone parses them."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from connectors.contract import Pull, SourceFailed
from connectors.paths import may_read

CHUNK = 1 << 20
PIECE = 1 << 16
"""Bytes that are decoded at a time: the text of more takes two thirds longer, for it needs new memory each time."""
GZIP = b"\x1f\x8b"
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
OTHER_FORMATS = (
    (b"PK\x03\x04", "a zip file or Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV"),
    (b"PAR1", "a Parquet file", "export it as CSV"),
    (b"SQLite format 3", "an SQLite database", "use kind: sql with url: sqlite:///..."),
    (b"%PDF", "a PDF", "export the table as CSV"),
)
JSON = re.compile(rb'\s*(\{\s*"|\[\s*[\[{])')
PAGE = re.compile(rb"\s*<(!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Facts:
    """What one pass over a file's bytes says. ``digest`` is of the bytes as they lie on disk.

    ``carriage``: lines end with a carriage return alone. ``plain``: UTF-8, one kind of line end, no NUL, no blank line at
    the start; ``lines`` then counts the lines.
    ``size``: bytes on disk.
    """

    digest: str
    gzipped: bool
    encoding: str
    carriage: bool
    plain: bool
    lines: int
    size: int


def find_files(request: Pull) -> list[Path]:
    """The files of ``path``, sorted by name. Raises SourceFailed: nothing there, or not allowed."""
    written = str(request.options.get("path") or "")
    if not written or "\0" in written:
        raise SourceFailed("path: missing", hint="a file or a glob such as data/*.csv")
    whole, parts = request.folder / written, Path(written).parts
    magic = next((n for n, part in enumerate(parts) if any(mark in part for mark in "*?[")), None)
    if magic is None or whole.is_file():
        found = [whole] if whole.exists() or whole.is_symlink() else []
    else:
        base, pattern = request.folder.joinpath(*parts[:magic]), str(Path(*parts[magic:]))
        found = sorted(path for path in base.glob(pattern) if not path.is_dir() and not path.name.startswith("."))
    if not found:
        hint = f"paths are relative to {request.folder.resolve()}"
        raise SourceFailed(f"no file at {written}", hint=hint)
    return [may_read(path, request) for path in found]


def shown_name(path: Path, request: Pull) -> str:
    """How a file is named to people: relative to the folder where it lies there."""
    return str(path.relative_to(request.folder)) if path.is_relative_to(request.folder) else str(path)


def open_bytes(path: Path, gzipped: bool) -> BinaryIO:
    """A file's content, unzipped where it is zipped."""
    return cast(BinaryIO, gzip.open(path, "rb") if gzipped else path.open("rb"))


def digest(path: Path) -> str:
    """The content hash of a file as it lies on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inspect(path: Path, declared: str | None, name: str, max_bytes: int) -> Facts:
    """One pass over a file. Raises SourceFailed: empty, another format, cut-off gzip, UTF-16 that nobody declared, too big."""
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == GZIP
        hashed = hashlib.sha256()
        with open_bytes(path, gzipped) as content:
            start = content.read(CHUNK)
            encoding = _encoding(start, declared, name)
            carriage, plain, lines = _look(start, content, encoding, max_bytes, name, None if gzipped else hashed)
        digested = digest(path) if gzipped else hashed.hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        hint = "the file was not copied whole; copy it again"
        raise SourceFailed(f"the gzip file is cut off or damaged ({problem})", hint=hint, place=name) from None
    except OSError as problem:
        raise SourceFailed(f"cannot read the file: {problem.strerror or problem}", place=name) from None
    return Facts(digested, gzipped, encoding, carriage, plain, lines, path.stat().st_size)


def _encoding(start: bytes, declared: str | None, name: str) -> str:
    """The encoding to read with; refuses what is no CSV at all."""
    if not start.strip(b"\r\n\t \x00\xef\xbb\xbf"):
        raise SourceFailed("the file is empty", hint="it should hold at least a header line", place=name)
    for magic, what, hint in OTHER_FORMATS:
        if start.startswith(magic):
            raise SourceFailed(f"this is {what}, not a CSV file", hint=hint, place=name)
    if PAGE.match(start.removeprefix(b"\xef\xbb\xbf")):
        hint = "the export may have answered with an error or a login page; look at the file"
        raise SourceFailed("this is a web page (HTML or XML), not a CSV file", hint=hint, place=name)
    if JSON.match(start.removeprefix(b"\xef\xbb\xbf")):
        raise SourceFailed(
            "this is JSON, not a CSV file",
            hint="export it as CSV, or pull it from its address with kind: http",
            place=name,
        )
    marked = next((encoding for mark, encoding in MARKS if start.startswith(mark)), None)
    if declared is not None:
        return _agreed(start, declared, marked, name)
    if marked is None and _wide(start) is not None:
        hint = "set csv: {encoding: utf-16} (or utf-16-le, utf-16-be)"
        raise SourceFailed("the file looks like UTF-16 text, which nobody declared", hint=hint, place=name)
    return marked or "utf-8"


def _agreed(start: bytes, declared: str, marked: str | None, name: str) -> str:
    """The declared encoding, if the file's byte order mark does not say another; UTF-16 without a mark by where its zeros are."""
    family = marked if marked is not None and declared.startswith(marked) else None
    if marked is not None and family is None and not declared.startswith("utf-32"):
        hint = f"set csv: {{encoding: {marked}}}, or leave it out: the mark says it"
        raise SourceFailed(
            f"the file begins with the mark of {marked}, and csv.encoding says {declared}", hint=hint, place=name
        )
    if declared == "utf-16" and marked is None:
        found = _wide(start)
        if found is None:
            hint = "set csv: {encoding: utf-16-le} or utf-16-be"
            raise SourceFailed(
                "the file has no byte order mark that would say which UTF-16 it is", hint=hint, place=name
            )
        return found
    return declared


def _wide(start: bytes) -> str | None:
    """Which UTF-16 the bytes look like: western text has a zero in every other place. None: neither."""
    even, odd = (start[first:4000:2].count(0) for first in (0, 1))
    if min(even, odd) == 0 and max(even, odd) > len(start[:4000]) // 4:
        return "utf-16-be" if even else "utf-16-le"
    return None


def _look(
    start: bytes, content: BinaryIO, encoding: str, max_bytes: int, name: str, hashed: Any
) -> tuple[bool, bool, int]:
    """``carriage``, ``plain`` and ``lines`` of the Facts; every byte goes into ``hashed``, where there is one."""
    plain = encoding in {"utf-8", "ascii"} and not start.startswith((b"\n", b"\r"))
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = returns = pairs = size = 0
    chunk, tail, feeds = start, b"", False
    while chunk:
        size += len(chunk)
        if hashed is not None:
            hashed.update(chunk)
        if size > max_bytes:
            raise SourceFailed(f"the file holds more than {max_bytes:,} bytes", hint="split it", place=name)
        feeds = feeds or b"\n" in chunk
        if plain:
            lines += chunk.count(b"\n")
            if b"\r" in chunk or tail.endswith(b"\r"):
                returns += chunk.count(b"\r")
                pairs += chunk.count(b"\r\n") + (tail.endswith(b"\r") and chunk.startswith(b"\n"))
            plain = b"\0" not in chunk and _decodes(decoder, chunk)
            tail = chunk[-1:]
        chunk = content.read(CHUNK)
    if plain:
        plain = (not returns or returns == pairs == lines) and _decodes(decoder, b"", final=True)
    return not feeds, plain, lines + (not tail.endswith(b"\n"))


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    """Whether the next bytes go on being UTF-8."""
    if chunk.isascii() and not final and not decoder.getstate()[0]:
        return True
    try:
        for at in range(0, len(chunk), PIECE):
            decoder.decode(chunk[at : at + PIECE])
        decoder.decode(b"", final)
    except UnicodeDecodeError:
        return False
    return True


def text_lines(path: Path, facts: Facts) -> Iterator[str]:
    """The lines of a file as text with their line ends; bytes that do not fit stand as lone surrogates. Closes the file."""
    encoding = "utf-8-sig" if facts.encoding == "utf-8" else facts.encoding
    careful = "strict" if facts.encoding.startswith(("utf-16", "utf-32", "utf-7")) else "surrogateescape"
    # A carriage return within a file of line feeds ends no line; the careful reader puts such a line aside.
    ends = "" if facts.carriage or careful == "strict" else "\n"
    with open_bytes(path, facts.gzipped) as content, io.TextIOWrapper(content, encoding, careful, newline=ends) as text:
        for line in text:
            yield line.removeprefix("\ufeff")  # utf-16-le keeps the mark
            break
        yield from text
