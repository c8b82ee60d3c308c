"""Zip files: the CSV files within, one after the other, unpacked into a temporary file under a cap that holds."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from connectors.contract import SourceFailed
from connectors.csv.files import CHUNK, GZIP
from connectors.temporary import temporary_folder

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
ENDINGS = (".csv", ".tsv", ".txt")
"""What counts as a CSV file where no pattern is given."""
MEMBERS = 10_000
ENCRYPTED = 0x1


def is_zip(path: Path) -> bool:
    """By its first bytes, whatever its name. False where it cannot be read: whoever reads it says why."""
    try:
        with path.open("rb") as file:
            return file.read(4) in MAGIC
    except OSError:
        return False


class Archive:
    """One zip file. ``name`` is what people call it; ``max_bytes`` is for all members together, unpacked."""

    def __init__(self, path: Path, name: str, max_bytes: int) -> None:
        self._path = path
        self._name = name
        self._max_bytes = max_bytes
        self._left = max_bytes

    def members(self, pattern: str | None) -> list[zipfile.ZipInfo]:
        """The members to read, by name. Raises SourceFailed: broken, a workbook, encrypted, twice the same name, none."""
        with self._open() as archive:
            every = archive.infolist()
        if any(info.filename == "[Content_Types].xml" for info in every):
            raise self._failed("this is an Excel workbook, not a CSV file", "save the sheet as CSV")
        if len(every) > MEMBERS:
            raise self._failed(f"the zip file holds {len(every):,} files; at most {MEMBERS:,} are looked at")
        files = [info for info in every if not info.is_dir() and not _is_hidden(info.filename)]
        found = sorted((i for i in files if _is_wanted(i.filename, pattern)), key=lambda info: info.filename)
        if not found:
            listed = ", ".join(self.said(info) for info in files[:5]) or "nothing"
            wanted = "ends in .csv, .tsv or .txt" if pattern is None else f"is called {pattern}"
            hint = 'name them: csv: {members: "*.dat"}'
            raise self._failed(f"nothing in the zip file {wanted}; it holds {listed}", hint)
        names = [info.filename for info in found]
        double = next((name for name, following in pairwise(names) if name == following), None)
        if double is not None:
            raise self._failed(f"the zip file holds two files called {double}")
        for info in found:
            if info.flag_bits & ENCRYPTED:
                hint = "pack it without a password; the connection and the folder protect it"
                raise self._failed(f"{self.said(info)} is encrypted", hint)
        if sum(info.file_size for info in found) > self._max_bytes:
            raise self._too_much()
        return found

    def said(self, info: zipfile.ZipInfo) -> str:
        """A member's name as it may be shown: without what would move a terminal's cursor."""
        return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in info.filename)

    @contextmanager
    def unpacked(self, info: zipfile.ZipInfo) -> Iterator[Path]:
        """A member as a file of its own, gone when left. Raises SourceFailed: damaged, an archive again, over the cap."""
        with temporary_folder() as folder:
            path = Path(folder) / "member.csv"
            try:
                with self._open() as archive, archive.open(info) as packed, path.open("wb") as file:
                    chunk = packed.read(CHUNK)
                    if chunk.startswith((*MAGIC, GZIP)):
                        hint = "put the CSV files themselves into the zip file"
                        raise self._failed(f"{self.said(info)} is packed once more", hint)
                    while chunk:
                        self._left -= len(chunk)
                        if self._left < 0:
                            raise self._too_much()
                        file.write(chunk)
                        chunk = packed.read(CHUNK)
            except NotImplementedError as problem:
                raise self._failed(f"{self.said(info)} cannot be unpacked: {problem}", "pack it with deflate") from None
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as problem:
                raise self._damaged(f"{self.said(info)}: {problem}") from None
            except OSError as problem:
                raise self._failed(f"{self.said(info)} cannot be unpacked: {problem.strerror or problem}") from None
            yield path

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as problem:
            raise self._damaged(str(problem)) from None

    def _damaged(self, reason: str) -> SourceFailed:
        return self._failed(f"the zip file is cut off or damaged ({reason})", "it was not copied whole; copy it again")

    def _too_much(self) -> SourceFailed:
        return self._failed(f"the zip file holds more than {self._max_bytes:,} bytes unpacked", "split it")

    def _failed(self, message: str, hint: str | None = None) -> SourceFailed:
        return SourceFailed(message, hint=hint, place=self._name)


def _is_hidden(name: str) -> bool:
    """What systems put beside the files: resource forks and dot files."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _is_wanted(name: str, pattern: str | None) -> bool:
    if pattern is None:
        return name.lower().endswith(ENDINGS)
    return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern)
