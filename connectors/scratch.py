"""A temporary file, in memory while it is small, that is dropped when whoever uses it is done."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self


class Scratch:
    """Use as a context manager: leaving it drops the file. ``most``: bytes up to which it stays in memory."""

    def __init__(self, most: int) -> None:
        self._file = SpooledTemporaryFile(max_size=most)  # noqa: SIM115 (closed by close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
