"""Who is pulled next. Values and two clocks in, names out: no thread, no lock, no I/O, so that tests can run a week in a second."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from scorecard.book.model.source import Source
from scorecard.ground.periods.calendar import Calendar
from scorecard.refresh.breaker import Breaker, Patience
from scorecard.refresh.limits import Limits, host_of
from scorecard.refresh.rhythm import At, Every, Moment, Rhythm, rhythm_of

FIRST_RUNS_APART_SECONDS = 0.02
ASKED_INTERVALS_AHEAD = 10.0
"""Whoever asked goes before what is late by fewer intervals; after all else he would wait, before all else he would starve it."""
SETTLED_AFTER_STEP_SECONDS = 10.0
"""After a step of the wall clock every source is pulled once within so many seconds: its age was measured by the other time."""


@dataclass(frozen=True, slots=True)
class Start:
    """A run that begins now. ``late_seconds``: since it was due."""

    source: str
    full: bool
    cause: str
    late_seconds: float


@dataclass(slots=True)
class Entry:
    """One source on the agenda. Moments are steady seconds.

    ``waiting_since``: due, and no worker or no room at its host yet. ``running_since``: a run is under way. ``asked``: why
    a run beside the rhythm is wanted. ``skipped``: runs that fell due while one was under way. ``coalesced``: runs that
    fell due while an earlier one was waiting, and were done with it.
    """

    source: Source
    host: str | None
    rhythm: Rhythm
    full: Rhythm | None
    breaker: Breaker = field(default_factory=Breaker)
    waiting_since: float | None = None
    running_since: float | None = None
    asked: str | None = None
    asked_full: bool = False
    early: bool = False
    skipped: int = 0
    skipped_at: float | None = None
    coalesced: int = 0
    ticket: int = -1

    def measure_seconds(self) -> float:
        """What its lateness is compared with: its interval, or half the time that a load is good for if that is less."""
        fresh_for, gap = self.source.fresh_for_seconds, self.rhythm.gap()
        return max(0.5, gap if fresh_for is None else min(gap, fresh_for / 2))

    def wait_seconds(self, moment: Moment) -> float:
        """Seconds after which it must be looked at again; 0 or less: it is due."""
        if self.asked is not None:
            return 0.0
        if self.breaker.next_try is not None:
            return self.breaker.next_try - moment.steady
        wait = self.rhythm.wait(moment)
        return wait if self.full is None else min(wait, self.full.wait(moment))

    def urgency(self, moment: Moment) -> float:
        """Intervals that it has waited for: it grows as long as it waits, so that nobody waits for ever."""
        since = moment.steady if self.waiting_since is None else self.waiting_since
        ahead = ASKED_INTERVALS_AHEAD if self.asked is not None else 0.0
        return (moment.steady - since) / self.measure_seconds() + ahead


class Agenda:
    """All sources that are pulled by schedule, and whose turn it is. Not for several threads at once."""

    def __init__(self, limits: Limits, patience: Patience) -> None:
        self.limits = limits
        self.patience = patience
        self.entries: dict[str, Entry] = {}
        self._orphans: dict[str, Entry] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._tickets = count()
        self._ready: dict[str, Entry] = {}
        self._running: dict[str, Entry] = {}

    # -- what is on it -----------------------------------------------------------------------------------------

    def replace(self, sources: Mapping[str, Source], calendar: Calendar, moment: Moment) -> None:
        """Another book. A source that is pulled as before keeps its turn; every other one is due at once."""
        before, self.entries = self.entries, {}
        for index, source in enumerate(sources.values()):
            old = before.pop(source.name, None)
            self.entries[source.name] = self._entry(source, calendar, moment, old, index * FIRST_RUNS_APART_SECONDS)
        for name, gone in before.items():
            if gone.running_since is not None:  # its run goes on and holds its place until it ends
                self._orphans[name] = gone
                del self._running[name]
        self._heap.clear()
        self._ready.clear()
        for entry in self.entries.values():
            self._plan(entry, moment)

    def _entry(self, source: Source, calendar: Calendar, moment: Moment, old: Entry | None, delay: float) -> Entry:
        rhythm = rhythm_of(source.schedule, source.name, calendar)
        full = None if source.full_schedule is None else rhythm_of(source.full_schedule, source.name, calendar)
        if isinstance(full, At):
            full.wait_for_line(moment)
        elif full is not None:
            full.begin(moment, full.seconds)
        rhythm.begin(moment, delay)
        entry = Entry(source, host_of(source), rhythm, full)
        old = old or self._orphans.pop(source.name, None)
        if old is None:
            return entry
        entry.running_since, entry.skipped, entry.coalesced = old.running_since, old.skipped, old.coalesced
        entry.skipped_at = old.skipped_at
        if entry.running_since is not None:
            self._running[source.name] = entry
        if old.source == source and _same_rhythm(old.rhythm, rhythm) and _same_rhythm(old.full, full):
            entry.rhythm, entry.full, entry.breaker = old.rhythm, old.full, old.breaker
            entry.asked, entry.asked_full = old.asked, old.asked_full
        return entry

    def stepped(self, moment: Moment) -> None:
        """The wall clock was set: cron lines look up their next run anew, and every source is pulled once soon, but never
        for each of the times that were jumped over."""
        for index, entry in enumerate(self.entries.values()):
            for rhythm in (entry.rhythm, entry.full):
                if rhythm is not None:
                    rhythm.reset(moment)
            entry.early = entry.running_since is None and entry.breaker.next_try is None and entry.asked is None
            delay = SETTLED_AFTER_STEP_SECONDS * index / max(1, len(self.entries))
            entry.early = entry.early and entry.wait_seconds(moment) > delay
            if entry.early:
                self._push(entry, moment.steady + delay)
            else:
                self._plan(entry, moment)

    # -- whose turn it is --------------------------------------------------------------------------------------

    def pick(self, moment: Moment) -> list[Start]:
        """The runs that begin now: the most urgent first, within the limits, never two of one source."""
        self._see_what_is_due(moment)
        found = []
        while self._ready and self.room > 0:
            here = [e for e in self._ready.values() if self._host_has_room(e.host)]
            if not here:
                break
            entry = max(here, key=lambda e: (e.urgency(moment), -e.ticket))
            found.append(self._begin(entry, moment))
        return found

    @property
    def running(self) -> int:
        return len(self._running) + len(self._orphans)

    @property
    def waiting(self) -> int:
        """How many are due and have no worker yet."""
        return len(self._ready)

    @property
    def room(self) -> int:
        return self.limits.workers - self.running

    def wait_seconds(self, moment: Moment, most: float) -> float:
        """How long nothing can become due, ``most`` at most."""
        return max(0.0, min(most, self._heap[0][0] - moment.steady)) if self._heap else most

    def skips(self, moment: Moment) -> Iterator[tuple[str, float]]:
        """Runs that fall due while the one before is still under way: they are left out. (source, seconds it has run)."""
        for name, entry in self._running.items():
            if entry.running_since is not None and _skipped(entry, moment):
                yield name, moment.steady - entry.running_since

    # -- what happens to it ------------------------------------------------------------------------------------

    def ask(self, name: str, cause: str, moment: Moment, *, full: bool = False) -> bool:
        """A run beside the rhythm, at once, whatever the breaker says; False where the source is not on the agenda.

        Asked again while it waits, it is still one run; asked while one is under way, there is one more after it, since the
        rows may be newer than what that one has read.
        """
        entry = self.entries.get(name)
        if entry is None:
            return False
        entry.asked, entry.asked_full = cause, entry.asked_full or full
        self._plan(entry, moment)
        return True

    def heard(self, name: str, moment: Moment, *, good: bool, retry: bool, after: float | None = None) -> None:
        """How a run ended, whoever wanted it. Only what a network or a lock did is waited out."""
        entry = self.entries.get(name)
        if entry is None:
            return
        if retry and not good:
            entry.breaker = entry.breaker.failed(moment.steady, name, self.patience, after)
        else:
            entry.breaker = entry.breaker.worked(moment.steady)
        self._plan(entry, moment)

    def ended(self, name: str, moment: Moment) -> None:
        """The run is over, and its worker free."""
        self._running.pop(name, None)
        self._orphans.pop(name, None)
        entry = self.entries.get(name)
        if entry is not None:
            _skipped(entry, moment)
            entry.running_since = None
            self._plan(entry, moment)

    # -- inside ------------------------------------------------------------------------------------------------

    def _see_what_is_due(self, moment: Moment) -> None:
        while self._heap and self._heap[0][0] <= moment.steady:
            _, ticket, name = heapq.heappop(self._heap)
            entry = self.entries.get(name)
            if entry is None or entry.ticket != ticket or entry.running_since is not None:
                continue
            if entry.early or entry.wait_seconds(moment) <= 0:
                entry.waiting_since = moment.steady + min(0.0, entry.wait_seconds(moment))
                self._ready[name] = entry
            else:
                self._plan(entry, moment)

    def _begin(self, entry: Entry, moment: Moment) -> Start:
        name = entry.source.name
        since = moment.steady if entry.waiting_since is None else entry.waiting_since
        full = entry.asked_full or (entry.full is not None and entry.full.late(moment) >= 0)
        if full and entry.full is not None:
            entry.full.passed(moment)
        over = entry.rhythm.passed(moment)
        entry.coalesced += 0 if entry.breaker.next_try is not None else over
        start = Start(name, full, entry.asked or "schedule", moment.steady - since)
        entry.asked, entry.asked_full, entry.early = None, False, False
        entry.waiting_since, entry.running_since = None, moment.steady
        entry.breaker = entry.breaker.trying(moment.steady)
        del self._ready[name]
        self._running[name] = entry
        return start

    def _plan(self, entry: Entry, moment: Moment) -> None:
        """Notes when it must be looked at next; nothing while it runs, or while it waits and is still due."""
        wait = entry.wait_seconds(moment)
        if entry.running_since is not None or (entry.source.name in self._ready and wait <= 0):
            return
        self._ready.pop(entry.source.name, None)
        entry.waiting_since = None
        self._push(entry, moment.steady + wait)

    def _push(self, entry: Entry, steady: float) -> None:
        entry.ticket = next(self._tickets)
        heapq.heappush(self._heap, (steady, entry.ticket, entry.source.name))

    def _host_has_room(self, host: str | None) -> bool:
        if host is None:
            return True
        busy = (*self._running.values(), *self._orphans.values())
        return sum(1 for entry in busy if entry.host == host) < self.limits.per_host


def _skipped(entry: Entry, moment: Moment) -> bool:
    """Whether a run fell due while one that takes too long was under way: it is left out and counted. One that only began
    late is done with the next."""
    if entry.rhythm.late(moment) < 0:
        return False
    since, gap = entry.running_since, entry.rhythm.gap()
    number = 1 + entry.rhythm.passed(moment)
    if since is None or moment.steady - since < gap:
        entry.coalesced += number
        return False
    entry.skipped += number
    entry.skipped_at = moment.steady
    return True


def _same_rhythm(one: Rhythm | None, other: Rhythm | None) -> bool:
    match one, other:
        case Every(), Every():
            return (one.seconds, one.share) == (other.seconds, other.share)
        case At(), At():
            return (one.line, one.calendar) == (other.line, other.calendar)
        case _:
            return one is None and other is None
