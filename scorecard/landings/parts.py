"""Parts on the disk: packed, under the name of their content, written under another name first."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from scorecard.ground.disk import sync

CHUNK = 1 << 20
PACKED, PLAIN, ROWS = ".zst", ".as-it-is", ".parquet"
UNFINISHED = ".unfinished"
OURS = re.compile(r"[0-9a-f]{64}\.(zst|as-it-is|parquet)|\d+-\d+\.unfinished")
"""Names that are given here; whatever else lies in the folder is somebody else's, and is left alone."""
ALREADY_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06", b"\x28\xb5\x2f\xfd")
LEFT_SHARE, LEFT_BYTES = 0.1, 256 * 1024**2


class NoRoomError(OSError):
    """Nothing more is written: the rest of the disk, or of what may be kept, is for something else."""


class Parts:
    """The folder of one source's parts. Everything raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, digest: str) -> Path | None:
        """Where a content lies, None where it does not."""
        for ending in (PACKED, PLAIN, ROWS):
            path = self.folder / f"{digest}{ending}"
            if path.exists():
                return path
        return None

    def unfinished(self, number: int) -> Path:
        """A name to write under, which nobody reads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{os.getpid()}-{number}{UNFINISHED}"

    def store(self, chunks: Iterable[bytes], number: int, most: int) -> tuple[str, int]:
        """(digest, bytes on the disk) of a content, which then lies there for good. NoRoomError beyond ``most`` bytes."""
        path, hashed = self.unfinished(number), hashlib.sha256()
        try:
            pieces = iter(chunks)
            first = next(pieces, b"")
            ending = PLAIN if first.startswith(ALREADY_PACKED) else PACKED
            with path.open("wb") as file:
                path.chmod(0o600)  # what is in it is nobody else's
                if ending == PACKED:
                    with pa.CompressedOutputStream(file, "zstd") as packing:
                        self._pass_on(first, pieces, hashed, packing, file, most)
                else:
                    self._pass_on(first, pieces, hashed, file, file, most)
            sync(path)
            return self._keep(path, hashed.hexdigest(), ending)
        finally:
            path.unlink(missing_ok=True)

    def _pass_on(
        self, first: bytes, pieces: Iterator[bytes], hashed: hashlib._Hash, to: BinaryIO, file: BinaryIO, most: int
    ) -> None:
        piece = first
        while piece:
            self.check_room(file.tell(), most)
            hashed.update(piece)
            to.write(piece)
            piece = next(pieces, b"")

    def keep_rows(self, path: Path) -> tuple[str, int]:
        """A Parquet file that was written under an unfinished name, for good."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        sync(path)
        return self._keep(path, digest, ROWS)

    def _keep(self, path: Path, digest: str, ending: str) -> tuple[str, int]:
        size, name = path.stat().st_size, self.folder / f"{digest}{ending}"
        path.rename(name)
        sync(self.folder)
        return digest, size

    def check_room(self, written: int, most: int) -> None:
        """NoRoomError where more than may be kept is written, or the disk is needed for the warehouse."""
        if written > most:
            raise NoRoomError(f"it is more than may be kept (at_most: {most:,} bytes)")
        disk = shutil.disk_usage(self.folder)
        if disk.free < min(LEFT_BYTES, LEFT_SHARE * disk.total):
            raise NoRoomError(f"the disk is nearly full ({disk.free:,} bytes are left)")

    def clear(self, used: Iterable[str]) -> None:
        """Removes what no landing needs, and what was never finished."""
        needed = set(used)
        for path in self.files():
            if path.name.split(".")[0] not in needed:
                path.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """Everything that was written here."""
        return [path for path in self.folder.iterdir() if OURS.fullmatch(path.name)] if self.folder.is_dir() else []

    def unpack(self, digest: str, target: Path) -> None:
        """The content as it came. Raises OSError where it is gone or damaged."""
        path = self.path_of(digest)
        if path is None:
            raise FileNotFoundError(f"{digest[:12]} is gone")
        hashed = hashlib.sha256()
        with self._content(path) as file, target.open("wb") as out:
            while piece := file.read(CHUNK):
                hashed.update(piece)
                out.write(piece)
        if hashed.hexdigest() != digest:
            raise OSError(f"{path.name} is not what was written")

    def _content(self, path: Path) -> BinaryIO:
        if path.name.endswith(PACKED):
            unpacking: BinaryIO = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
            return unpacking
        return path.open("rb")


def chunks_of(path: Path, hidden: tuple[bytes, ...], found: list[int]) -> Iterator[bytes]:
    """A file's bytes without what is hidden; ``found`` is given how often that was met."""
    keep = max(map(len, hidden), default=1) - 1  # a secret may lie across two pieces
    left = b""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            text = without(left + piece, hidden, found)
            cut = max(0, len(text) - keep)
            left = text[cut:]
            if cut:
                yield text[:cut]
    if left:
        yield left


def without(text: bytes, hidden: tuple[bytes, ...], found: list[int]) -> bytes:
    for secret in hidden:
        if times := text.count(secret):
            found.append(times)
            text = text.replace(secret, b"***")
    return text
