"""When sources are pulled: APScheduler in UTC, with a monotonic watchdog beside it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from scorecard.book.model.source import Schedule as Rhythm
from scorecard.book.model.source import Source
from scorecard.ground.clock import Clock, SystemClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.ground.periods.cron import cron_runs

log = logging.getLogger("scorecard.refresh")
BEAT_SECONDS = 1.0
STALLED_AFTER_SECONDS = 5.0
# A source that takes longer than its rhythm is skipped, as it should be; that is no news every few seconds.
logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


class Schedule:
    """Runs ``pull(source, full)`` on each source's rhythm, ``beat()`` every second and ``audit()`` once a night.

    ``audit_at``: its local time, HH:MM; empty: never.

    Runs of one source never overlap, missed ones are made up for once, and a busy pool starves nobody. The watchdog
    looks at the monotonic clock: APScheduler waits for wall time and would sleep through a clock set back.
    """

    def __init__(
        self,
        pull: Callable[[str, bool], None],
        beat: Callable[[], None],
        clock: Clock,
        workers: int = 8,
        audit: Callable[[], None] = lambda: None,
        audit_at: str = "",
    ) -> None:
        self._audit = audit
        self._audit_at = audit_at
        self._pull = pull
        self._beat = beat
        self._clock = clock
        self._workers = workers
        self._scheduler: BackgroundScheduler | None = None
        self._sources: dict[str, Source] = {}
        self._calendar = Calendar("UTC")
        self._last_beat = clock.steady()
        self._stop = threading.Event()
        self._running = 0
        self._count = threading.Lock()
        self._watchdog = threading.Thread(target=self._watch, name="scorecard-watchdog", daemon=True)
        self.stalls = 0

    def start(self, sources: dict[str, Source], calendar: Calendar) -> None:
        """Begins; every source is due at once, spread over the first moments."""
        self._sources, self._calendar = sources, calendar
        self._begin()
        self._watchdog.start()

    def replace(self, sources: dict[str, Source], calendar: Calendar) -> None:
        """Another book: its sources take the place of the old ones."""
        self._sources, self._calendar = sources, calendar
        self._end()
        self._begin()

    def stop(self, patience_seconds: float = 5.0) -> None:
        """Starts nothing more, and gives what runs a moment to end."""
        self._stop.set()
        self._end()
        until = self._clock.steady() + patience_seconds
        while self._running and self._clock.steady() < until:
            time.sleep(0.01)

    @property
    def ticking(self) -> bool:
        """Whether the scheduler has moved within the last seconds."""
        return self._clock.steady() - self._last_beat < STALLED_AFTER_SECONDS

    def next_run(self, source: str) -> datetime | None:
        """When the source is pulled next (UTC), or None."""
        job = None if self._scheduler is None else self._scheduler.get_job(f"pull:{source}")
        moment: datetime | None = None if job is None else job.next_run_time
        return moment

    def pull_now(self, source: str) -> None:
        """Moves the source's next run to this moment."""
        if self._scheduler is not None:
            self._scheduler.modify_job(f"pull:{source}", next_run_time=self._now())

    def _now(self) -> datetime:
        # The scheduler works on the machine's time even where the product's clock stands still.
        return SystemClock().now()

    def _begin(self) -> None:
        scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={
                "default": ThreadPoolExecutor(self._workers),
                "beat": ThreadPoolExecutor(1),
                "audit": ThreadPoolExecutor(1),
            },
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        now = self._now()
        scheduler.add_job(self._on_beat, IntervalTrigger(seconds=int(BEAT_SECONDS)), id="beat", executor="beat")
        for index, source in enumerate(self._sources.values()):
            first = now + timedelta(milliseconds=20 * index)
            scheduler.add_job(
                self._run,
                self._trigger(source.schedule),
                args=[source.name, False],
                id=f"pull:{source.name}",
                next_run_time=first,
            )
            if source.full_schedule is not None:
                scheduler.add_job(
                    self._run, self._trigger(source.full_schedule), args=[source.name, True], id=f"full:{source.name}"
                )
        if self._audit_at:
            hour, minute = self._audit_at.split(":")
            nightly = LocalCron(f"{int(minute)} {int(hour)} * * *", self._calendar)
            scheduler.add_job(self._on_night, nightly, id="audit", executor="audit")
        scheduler.start()
        self._scheduler = scheduler

    def _end(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    def _trigger(self, rhythm: Rhythm) -> BaseTrigger:
        if rhythm.cron is not None:
            return LocalCron(rhythm.cron, self._calendar)
        return IntervalTrigger(seconds=rhythm.every_seconds or 60, timezone="UTC")

    def _run(self, name: str, full: bool) -> None:
        source = self._sources.get(name)
        if source is None:
            return
        with self._count:
            self._running += 1
        try:
            if not self._stop.is_set():
                self._pull(name, full)
        finally:
            with self._count:
                self._running -= 1

    def next_audit(self) -> datetime | None:
        """When kept numbers are compared with their rows next (UTC), or None."""
        job = None if self._scheduler is None else self._scheduler.get_job("audit")
        moment: datetime | None = None if job is None else job.next_run_time
        return moment

    def _on_night(self) -> None:
        if not self._stop.is_set():
            self._audit()

    def _on_beat(self) -> None:
        self._last_beat = self._clock.steady()
        self._beat()

    def _watch(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            if self.ticking or self._scheduler is None:
                continue
            self.stalls += 1
            log.warning(
                "the scheduler has not moved for %.0f s (a clock step?): starting it anew", STALLED_AFTER_SECONDS
            )
            self._last_beat = self._clock.steady()
            self._end()
            self._begin()


class LocalCron(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """A cron line in the organisation's time: each local time once, also where the clocks change."""

    def __init__(self, line: str, calendar: Calendar) -> None:
        self._line = line
        self._calendar = calendar

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's question; after a clock step back the run before is what counts."""
        after = now if previous_fire_time is None else max(previous_fire_time, now - timedelta(seconds=1))
        return next(cron_runs(self._line, after, self._calendar), None)
