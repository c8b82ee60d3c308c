"""What a safe copy of a data folder consists of, and the list by which it is known to be whole."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scorecard.ground.clock import utc_text
from scorecard.ground.disk import sync
from scorecard.ground.errors import Place, Problem, Refused

LIST = "backup.json"
FORMAT = 1
FILES = ("warehouse.duckdb", "warehouse.newest", "journal.sqlite", "board.json", "book.json", "token.secret")
RAW = "raw"
ENDINGS = (UNFINISHED := ".unfinished", BEFORE := ".before")
"""Of the folders beside a backup while it is written, and while it takes the place of the one before."""
LOGS = ("warehouse.duckdb.wal", "warehouse.duckdb.wal.checkpoint", "warehouse.damaged", "journal.sqlite-journal")
"""Files that belong to those that are replaced, and go with them."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a copy. ``name``: its path in the folder, with ``/``; ``digest``: sha256 of its bytes."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A whole copy: when it was taken, of which board, by which version of the product, and its files."""

    folder: Path
    taken_at: datetime
    version: int
    product: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def as_json(self) -> dict[str, object]:
        return {
            "folder": str(self.folder),
            "taken_at": utc_text(self.taken_at),
            "version": self.version,
            "files": len(self.files),
            "bytes": self.size,
        }


def write_list(copy: Copy) -> None:
    """The list, last of all: without it a folder is no copy."""
    told = {
        "format": FORMAT,
        "taken_at": copy.taken_at.isoformat(),
        "version": copy.version,
        "product": copy.product,
        "files": [asdict(file) for file in copy.files],
    }
    path = copy.folder / LIST
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(told, indent=1), encoding="utf-8")
    sync(aside)
    aside.replace(path)
    sync(copy.folder)


def read_list(folder: Path) -> Copy:
    """The copy in a folder, its files not looked at yet. Refused where there is none."""
    path = folder / LIST
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            hint = "restore it with the version of the product that made it"
            raise Refused(
                Problem(f"this backup is of format {told['format']}, expected {FORMAT}", Place(str(path)), hint)
            )
        files = tuple(File(str(f["name"]), int(f["size"]), str(f["digest"])) for f in told["files"])
        taken = datetime.fromisoformat(told["taken_at"])
        return Copy(folder, taken, int(told["version"]), str(told["product"]), files)
    except FileNotFoundError:
        left = [path for path in beside(folder) if (path / LIST).is_file()]
        if left:  # killed between two renames: both are whole
            said = f"{folder} is not there: a backup was cut off while it took its place"
            raise Refused(Problem(said, hint=f"whole backups are in {', '.join(map(str, left))}")) from None
        hint = "name the folder that `scorecard backup` wrote; without backup.json a backup was never finished"
        raise Refused(Problem(f"there is no backup in {folder}", hint=hint)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            Problem(f"the list of this backup cannot be read: {error}", Place(str(path)), "take another one")
        ) from None


def beside(folder: Path) -> list[Path]:
    """What backups into this folder have left beside it, when they were killed; newest first."""
    found = [path for ending in ENDINGS for path in folder.parent.glob(f".{glob.escape(folder.name)}.*{ending}")]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def listed(folder: Path) -> tuple[File, ...]:
    """Every file below a folder but the list, hashed and on the disk."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != LIST):
        path.chmod(0o600)  # rows, notes and the secret that signs links are in it
        sync(path)
        found.append(File(path.relative_to(folder).as_posix(), path.stat().st_size, digest_of(path)))
    return tuple(found)


def damaged(copy: Copy) -> Iterator[Problem]:
    """Files that are not what was written, or lie where none of a copy's would."""
    for file in copy.files:
        path = copy.folder / file.name
        name = Path(file.name)
        if name.is_absolute() or ".." in name.parts or (name.parts[0] != RAW and file.name not in FILES):
            yield Problem(f"the backup names a file that no backup has: {file.name}", Place(str(copy.folder / LIST)))
        elif not path.is_file():
            yield Problem("this file of the backup is missing", Place(str(path)), "take the backup from another place")
        elif path.stat().st_size != file.size or digest_of(path) != file.digest:
            yield Problem("this file of the backup is not what was written", Place(str(path)), "use another backup")


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        sync(folder)


def said(error: OSError) -> str:
    """What a disk said, and of which file: of a copy the one that was written."""
    name = error.filename2 or error.filename
    return f"{error.strerror or error}" + (f": {name}" if name else "")
