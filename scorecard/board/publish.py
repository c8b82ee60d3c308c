"""The publisher: holds the current board and wakes whoever waits for the next one."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

from scorecard.board.board import Board
from scorecard.ground.clock import utc_text
from scorecard.ground.errors import Unavailable

FILE = "board.json"


class Publisher:
    """One board at a time, replaced whole. The version grows by one with every board, across restarts too."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
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
        # A full disk must not keep a computed board from the walls; the version is then remembered with the next one.
        with contextlib.suppress(OSError):
            aside = self._file.with_suffix(".new")
            aside.write_text(json.dumps({"version": board.version, "as_of": utc_text(board.as_of)}))
            aside.replace(self._file)
        with self._turned:
            self._board, self._last = board, board.version
            self._turned.notify_all()

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
