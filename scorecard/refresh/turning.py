"""What turns the schedule's loop: APScheduler, in UTC, with one job that comes again and again, sooner where something is due."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from scorecard.ground.clock import SystemClock

TURN = "turn"
AT_LEAST_EVERY_SECONDS = 0.5
ANOTHER_TRY_SECONDS = 0.01
# A turn that was asked for while one was under way comes right after it; that is no news.
logging.getLogger("apscheduler").setLevel(logging.ERROR)


class Turning:
    """Calls ``turn()`` every half second, after as many seconds as it answers if that is sooner, and at once when woken.

    Turns never overlap. APScheduler waits for wall time: after the clock was set back it would sleep through what was gained,
    so whoever sees that (the watchdog) calls ``begin`` again, which puts a new scheduler in the place of the old one.
    """

    def __init__(self, turn: Callable[[], float]) -> None:
        self._turn = turn
        self._scheduler: Any = None
        self._lock = threading.Lock()
        self._woken = threading.Event()

    def begin(self) -> None:
        """Starts, or starts anew: what the old one had under way ends by itself and begins nothing more."""
        scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        trigger = IntervalTrigger(seconds=AT_LEAST_EVERY_SECONDS, timezone="UTC")
        scheduler.add_job(self._run, trigger, args=[scheduler], id=TURN, next_run_time=SystemClock().now())
        scheduler.add_listener(lambda _: _next(scheduler, ANOTHER_TRY_SECONDS), EVENT_JOB_MAX_INSTANCES)
        with self._lock:
            old, self._scheduler = self._scheduler, scheduler
            scheduler.start()
        _end(old)

    def end(self) -> None:
        """No more turns."""
        with self._lock:
            old, self._scheduler = self._scheduler, None
        _end(old)

    def wake(self) -> None:
        """A turn at once."""
        self._woken.set()
        if (scheduler := self._scheduler) is not None:
            _next(scheduler, 0.0)

    @property
    def alive(self) -> bool:
        """Whether the scheduler's thread is there."""
        scheduler = self._scheduler
        return scheduler is not None and scheduler.running and scheduler._thread.is_alive()  # noqa: SLF001 - no other way

    def _run(self, scheduler: Any) -> None:
        again = True
        while again and scheduler is self._scheduler:  # an old one may come back from a long sleep
            self._woken.clear()
            seconds = self._turn()
            again = self._woken.is_set()
            if seconds < AT_LEAST_EVERY_SECONDS:
                _next(scheduler, seconds)


def _next(scheduler: Any, seconds: float) -> None:
    """Moves the next turn to so many seconds from now."""
    try:
        scheduler.modify_job(TURN, next_run_time=SystemClock().now() + timedelta(seconds=seconds))
    except (JobLookupError, SchedulerNotRunningError):  # it has been stopped meanwhile
        return


def _end(scheduler: Any) -> None:
    if scheduler is not None and scheduler.running:
        scheduler.shutdown(wait=False)
