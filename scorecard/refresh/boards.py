"""Who asks for a board does not wait for it: boards are made in a thread of their own, one after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from scorecard.ground.clock import Clock
from scorecard.warehouse.engine import Load

log = logging.getLogger("scorecard.refresh")
LONGEST_PAUSE_SECONDS = 10.0
"""More would only be seen as a product that has stopped."""


class Boards:
    """Calls ``publish(load)`` for loads that want a board. All that come while one is made share the next one.

    After a board that took long the next one waits for as long again, ``LONGEST_PAUSE_SECONDS`` at most: where hundreds of
    sources are loaded for the first time, the loads get half of a processor, and not the boards all of it.
    """

    def __init__(self, publish: Callable[[Load], None], clock: Clock, began: Callable[[], None]) -> None:
        self._publish = publish
        self._clock = clock
        self._lock = threading.RLock()
        self._asked: dict[str, Load] = {}
        self._round: Future[None] | None = None
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "scorecard-board", began)

    def ask(self, load: Load) -> None:
        """A board soon in which this load is seen. Of a source the newest load counts."""
        with self._lock:
            self._asked[load.source] = load
            self._begin()

    def stop(self, patience_seconds: float = 5.0) -> None:
        """Makes no more; waits for the one that is being made."""
        self._stop.set()
        with self._lock:
            under_way = self._round
        self._pool.shutdown(wait=False, cancel_futures=True)
        if under_way is not None:
            wait([under_way], patience_seconds)

    def _begin(self) -> None:
        if self._round is None and self._asked and not self._stop.is_set():
            self._round = self._pool.submit(self._make)
            self._round.add_done_callback(self._made)

    def _make(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, {}
        began = self._clock.steady()
        for load in asked.values():
            if self._stop.is_set():
                return
            self._publish(load)
        self._stop.wait(min(self._clock.steady() - began, LONGEST_PAUSE_SECONDS))

    def _made(self, ended: Future[None]) -> None:
        if not ended.cancelled() and not self._stop.is_set() and (fault := ended.exception()) is not None:
            log.error("publishing failed by a fault of ours", exc_info=fault)
        with self._lock:
            self._round = None
            self._begin()
