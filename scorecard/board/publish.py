"""The publisher: holds the current board and wakes whoever waits for the next one."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from scorecard.board.board import Board
from scorecard.book.model import Book
from scorecard.ground.clock import utc_text
from scorecard.ground.errors import Unavailable

FILE = "board.json"
BOOK_FILE = "book.json"


class Publisher:
    """One board at a time, replaced whole. The version grows by one with every board, across restarts too."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._book_file = folder / BOOK_FILE
        self._digest: str | None = None
        self._turned = threading.Condition()
        self._board: Board | None = None
        self._last = self._remembered()
        self._closed = False

    def _remembered(self) -> int:
        try:
            return int(json.loads(self._file.read_text())["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0  # a first start, or a file that says nothing: versions begin anew

    @property
    def next_version(self) -> int:
        """The version that the next board must carry."""
        return self._last + 1

    def publish(self, board: Board) -> None:
        """Makes it the current board for everyone at once."""
        self._show(board)
        # A full disk must not keep a computed board from the walls; what it said is kept with the next one.
        with contextlib.suppress(OSError):
            self._keep_book(board.book)

    def nudge(self) -> None:
        """The current board once more under the next version: whoever shows it asks again, for what stands beside the board."""
        if self._board is not None:
            self._show(self._board)

    def _show(self, board: Board) -> None:
        with self._turned:
            if board.version <= self._last:  # a nudge came in between
                board = replace(board, version=self._last + 1)
            with contextlib.suppress(OSError):  # a full disk: the version is remembered with the next one
                aside = self._file.with_suffix(".new")
                aside.write_text(json.dumps({"version": board.version, "as_of": utc_text(board.as_of)}))
                aside.replace(self._file)
            self._board, self._last = board, board.version
            self._turned.notify_all()

    def _keep_book(self, book: Book) -> None:
        """The texts that are published, kept for whoever asks what a later change of them would do."""
        if book.digest == self._digest or not book.texts:
            return
        aside = self._book_file.with_suffix(".new")
        aside.write_text(json.dumps(dict(book.texts), ensure_ascii=False), encoding="utf-8")
        aside.replace(self._book_file)
        self._digest = book.digest

    def last_texts(self) -> Mapping[str, str]:
        """The files of the book that was published last, by anybody: absolute path → text, the main file first."""
        try:
            told = json.loads(self._book_file.read_text(encoding="utf-8"))
            return {str(path): str(text) for path, text in told.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def current(self) -> Board:
        """The current board; Unavailable while none has been published yet."""
        board = self._board
        if board is None:
            raise Unavailable("no board is published yet: the first load is still running")
        return board

    @property
    def published(self) -> bool:
        return self._board is not None

    def wait(self, version: int, timeout: float) -> int:
        """Blocks until a version other than ``version`` is current (or the time is over, or it closes); the current version."""
        with self._turned:
            self._turned.wait_for(lambda: self._closed or self._last != version, timeout)
            return self._last

    def close(self) -> None:
        """Wakes everyone who waits."""
        with self._turned:
            self._closed = True
            self._turned.notify_all()
