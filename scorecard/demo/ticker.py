"""The clockwork: adds to the demo's files what has happened since, every few seconds."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from scorecard.demo.files import ensure
from scorecard.ground.clock import Clock
from scorecard.ground.errors import Unavailable

log = logging.getLogger(__name__)


class Ticker:
    """A thread that extends the files of ``folder`` up to the clock. Under a fixed clock nothing moves."""

    def __init__(self, folder: Path, clock: Clock, seed: int = 7, every_seconds: float = 10.0) -> None:
        self._folder = folder
        self._clock = clock
        self._seed = seed
        self._every_seconds = every_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-ticker", daemon=True)

    def start(self) -> Ticker:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends within the write that is under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_seconds):
            try:
                ensure(self._folder, self._clock.now(), self._seed)
            except Unavailable as error:
                # A full disk or a locked file: said, and tried again at the next tick; the rows are written then.
                log.warning("%s", error)
