"""When sources are pulled: APScheduler turns, an agenda on the steady clock says whose turn it is, a watchdog looks on."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

from scorecard.book.model.source import Source
from scorecard.ground.clock import Clock, SystemClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.refresh.agenda import Agenda, Entry, Start
from scorecard.refresh.breaker import Patience
from scorecard.refresh.limits import Limits
from scorecard.refresh.pulse import Lateness, Pulse, Turn, Warned
from scorecard.refresh.rhythm import At, Moment
from scorecard.refresh.runs import Runs
from scorecard.refresh.turning import Turning
from scorecard.refresh.watchdog import LOOK_SECONDS, Watchdog, stalled_after
from scorecard.warehouse.engine import Load

log = logging.getLogger("scorecard.refresh")
BEAT_SECONDS = 1.0
LATENESS_OVER_SECONDS = 300.0
PULLING_NICENESS = 3
"""Half of a processor for a pull where a page wants one, too; all of it where nobody does."""


def step_back() -> None:
    """This thread, and those that it starts, let others go first who want a processor as well: a page does not wait for a
    load. Linux alone gives each thread a niceness of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            mine = os.getpriority(os.PRIO_PROCESS, os.getpid())  # whoever started the process may have made it nice
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), mine + PULLING_NICENESS)


class Schedule:
    """Runs ``pull(source, full, cause)`` on each source's rhythm, ``beat()`` every second and ``audit()`` once a night.

    ``audit_at``: its local time, HH:MM; empty: never. ``alarmed()`` is called when an alarm comes or goes, ``stepped()``
    when the wall clock was set, and once every source has been pulled since.

    Runs of one source never overlap, missed ones are made up for once, and a busy pool starves nobody: whose turn it is says
    the Agenda. The watchdog looks by the monotonic clock whether the loop turns, and starts it anew where a clock step has
    stopped it.
    """

    def __init__(
        self,
        pull: Callable[[str, bool, str], None],
        beat: Callable[[], None],
        clock: Clock,
        limits: Limits | None = None,
        patience: Patience | None = None,
        audit: Callable[[], None] = lambda: None,
        audit_at: str = "",
        alarmed: Callable[[], None] = lambda: None,
        stepped: Callable[[], None] = lambda: None,
        runs: Runs | None = None,
    ) -> None:
        limits = limits or Limits()
        self.runs = runs or Runs()
        self._pull, self._beat, self._audit = pull, beat, audit
        self._audit_at = audit_at
        self._alarmed, self._stepped = alarmed, stepped
        self._clock = clock
        self._agenda = Agenda(limits, patience or Patience())
        self._nightly: At | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(limits.workers, "scorecard-pull", step_back)
        self._aside = {name: ThreadPoolExecutor(1, f"scorecard-{name}") for name in ("beat", "audit", "step")}
        self._under_way: dict[str, Future[None]] = {}
        self._turning = Turning(self._tick)
        self._begun = False
        self._ticked = clock.steady()
        self._beat_due = 0.0
        self._lateness = Lateness()
        self._lateness_from = self._ticked
        self._since_step: set[str] = set()
        self._said_running: dict[str, float] = {}
        self._watch = Watchdog(self._moment())
        self._watcher = threading.Thread(target=self._look_again_and_again, name="scorecard-watchdog", daemon=True)

    # -- for the rest of the house ----------------------------------------------------------------------------

    def start(self, sources: dict[str, Source], calendar: Calendar) -> None:
        """Begins; every source is due at once, spread over the first moments."""
        self._set(sources, calendar)
        self._turn_the_loop()
        self._watcher.start()

    def replace(self, sources: dict[str, Source], calendar: Calendar) -> None:
        """Another book: its sources take the place of the old ones; who is pulled as before keeps its turn."""
        self._set(sources, calendar)
        self._turning.wake()

    def stop(self, patience_seconds: float = 5.0) -> None:
        """Starts nothing more, and gives what runs a moment to end."""
        self._stop.set()
        self._turning.end()
        for pool in (self._pool, *self._aside.values()):
            pool.shutdown(wait=False, cancel_futures=True)
        until, pause = self._clock.steady() + patience_seconds, threading.Event()
        while self._agenda.running and self._clock.steady() < until:
            pause.wait(0.01)  # and not a sleep, which some C libraries let depend on the wall clock

    @property
    def ticking(self) -> bool:
        """Whether the loop has turned within the last seconds."""
        return self._begun and self._clock.steady() - self._ticked < self._watch.stalled_after_seconds

    @property
    def stalls(self) -> int:
        """How often the loop had to be started anew."""
        return self._watch.stalls

    def next_run(self, source: str) -> datetime | None:
        """When the source is pulled next (UTC), or None."""
        with self._lock:
            entry = self._agenda.entries.get(source)
            return None if entry is None else _next_run(entry, self._moment())

    def next_audit(self) -> datetime | None:
        """When kept numbers are compared with their rows next (UTC), or None."""
        return None if self._nightly is None else self._nightly.at

    def ask(self, source: str, cause: str, *, full: bool = False) -> None:
        """A pull beside the rhythm, at once, also where the breaker is open; never two of one source at a time."""
        with self._lock:
            self._agenda.ask(source, cause, self._moment(), full=full)
        self._turning.wake()

    def heard(self, load: Load) -> None:
        """How a load ended, whoever wanted it: by it the breaker opens and closes."""
        self.runs.heard(load)
        with self._lock:
            good = load.outcome != "failed"
            self._agenda.heard(load.source, self._moment(), good=good, retry=load.retry, after=load.retry_after_seconds)
            settled = self._since_step == {load.source}
            self._since_step.discard(load.source)
        if settled:
            self._do_aside("step", self._stepped, again=True)
        self._turning.wake()

    def pulse(self) -> Pulse:
        """How everything stands now."""
        recent, counts, seconds = self.runs.seen()
        with self._lock:
            moment = self._moment()
            return Pulse(
                ticking=self.ticking,
                turns={name: _turn(entry, moment) for name, entry in self._agenda.entries.items()},
                alarms=self.warned(),
                running=self._agenda.running,
                waiting=self._agenda.waiting,
                workers=self._agenda.limits.workers,
                stalls=self._watch.stalls,
                steps=self._watch.steps,
                lateness=self._lateness,
                recent=recent,
                counts=counts,
                seconds=seconds,
            )

    def warned(self) -> tuple[Warned, ...]:
        """What the watchdog says is wrong now."""
        moment = self._moment()
        return tuple(Warned(a.kind, moment.wall_at(a.since), a.message, a.hint) for a in self._watch.alarms())

    # -- the loop ----------------------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        # The schedule works on the machine's time even where the product's clock stands still.
        return Moment(self._clock.steady(), SystemClock().now())

    def _set(self, sources: dict[str, Source], calendar: Calendar) -> None:
        with self._lock:
            moment = self._moment()
            self._agenda.replace(sources, calendar, moment)
            entries = self._agenda.entries
            shortest = min((e.source.schedule.every_seconds or 60 for e in entries.values()), default=None)
            self._watch.stalled_after_seconds = stalled_after(shortest)
            self._since_step &= set(entries)
            self.runs.forget_all_but(sources)
            if self._audit_at:
                hour, minute = self._audit_at.split(":")
                self._nightly = At(f"{int(minute)} {int(hour)} * * *", calendar)
                self._nightly.wait_for_line(moment)

    def _turn_the_loop(self) -> None:
        self._begun = True
        self._ticked = self._clock.steady()
        self._turning.begin()

    def _tick(self) -> float:
        """Begins what is due; seconds until the next time."""
        with self._lock:
            moment = self._moment()
            self._ticked = moment.steady
            skipped = list(self._agenda.skips(moment))
            starts = self._agenda.pick(moment)
            wait = self._agenda.wait_seconds(moment, BEAT_SECONDS / 2)
        for name, seconds in skipped:
            self._say_skip(name, seconds)
        for start in starts:
            self._begin(start)
        if moment.steady >= self._beat_due:
            self._beat_due = moment.steady + BEAT_SECONDS
            self._do_aside("beat", self._beat)
        if self._nightly is not None and self._nightly.late(moment) >= 0:
            self._nightly.passed(moment)
            self._do_aside("audit", self._audit)
        return wait

    def _begin(self, start: Start) -> None:
        self._note_lateness(start.late_seconds)
        try:
            future = self._pool.submit(self._pull, start.source, start.full, start.cause)
        except RuntimeError:  # it is being stopped
            return
        future.add_done_callback(lambda ended: self._ended(start.source, ended))

    def _ended(self, name: str, future: Future[None]) -> None:
        with self._lock:
            self._agenda.ended(name, self._moment())
            self._said_running.pop(name, None)
        self._turning.wake()
        if not future.cancelled() and (fault := future.exception()) is not None:
            log.error("pulling '%s' failed by a fault of ours", name, exc_info=fault)

    def _do_aside(self, name: str, work: Callable[[], None], *, again: bool = False) -> None:
        """In a thread of its own, unless it is still at it; ``again``: then once more when it is done."""
        before = self._under_way.get(name)
        if before is not None and not before.done() and not again:
            return
        try:
            future = self._under_way[name] = self._aside[name].submit(work)
        except RuntimeError:  # it is being stopped
            return
        future.add_done_callback(lambda ended: self._say_fault(name, ended))

    def _say_fault(self, name: str, future: Future[None]) -> None:
        if not future.cancelled() and not self._stop.is_set() and (fault := future.exception()) is not None:
            log.error("the %s failed by a fault of ours", name, exc_info=fault)

    def _say_skip(self, name: str, seconds: float) -> None:
        """Once for each run that takes too long, and not every few seconds."""
        if name not in self._said_running:
            self._said_running[name] = seconds
            log.warning(
                "source '%s' is still being pulled after %.0f s: the run that is due now is skipped", name, seconds
            )

    def _note_lateness(self, seconds: float) -> None:
        old, now = self._lateness, self._clock.steady()
        fresh = now - self._lateness_from > LATENESS_OVER_SECONDS
        if fresh:
            self._lateness_from = now
        self._lateness = Lateness(old.runs + 1, old.seconds + seconds, seconds if fresh else max(old.most, seconds))

    # -- the watchdog ------------------------------------------------------------------------------------------

    def _look_again_and_again(self) -> None:
        shown: tuple[str, ...] = ()
        while not self._stop.wait(LOOK_SECONDS):
            moment, alive = self._moment(), self._turning.alive
            said_anew = self._under_way.get("step")
            settled = not self._since_step and (said_anew is None or said_anew.done())
            look = self._watch.look(moment, self._ticked, alive=alive, settled=settled)
            if look.step is not None:
                self._on_step(moment, look.step)
            if look.restart:
                log.warning("the scheduler has not moved for %.1f s: starting it anew", moment.steady - self._ticked)
                self._turn_the_loop()
            said = tuple(alarm.message for alarm in self._watch.alarms())
            if said != shown:
                shown = said
                self._alarmed()

    def _on_step(self, moment: Moment, step: timedelta) -> None:
        log.warning("the wall clock was set by %+.0f s: every source is pulled once", step.total_seconds())
        self._do_aside("step", self._stepped, again=True)
        with self._lock:
            self._agenda.stepped(moment)
            self._since_step = set(self._agenda.entries)
            if self._nightly is not None:
                self._nightly.reset(moment)
        self._turn_the_loop()  # what it waits for is a time by the other clock


def _turn(entry: Entry, moment: Moment) -> Turn:
    def wall(steady: float | None) -> datetime | None:
        return None if steady is None else moment.wall_at(steady)

    breaker = entry.breaker
    return Turn(
        source=entry.source.name,
        host=entry.host,
        next_run=_next_run(entry, moment),
        running_since=wall(entry.running_since),
        late_since=wall(entry.waiting_since),
        breaker=breaker.state,
        breaker_since=wall(breaker.since),
        failures=breaker.failures,
        next_try=wall(breaker.next_try),
        skipped=entry.skipped,
        skipped_at=wall(entry.skipped_at),
        coalesced=entry.coalesced,
    )


def _next_run(entry: Entry, moment: Moment) -> datetime | None:
    if entry.asked is not None:
        return moment.wall
    if entry.breaker.next_try is not None:
        return moment.wall_at(entry.breaker.next_try)
    return entry.rhythm.next_run(moment)
