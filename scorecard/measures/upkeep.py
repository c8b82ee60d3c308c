"""Keeping the states of each source up to date: what is kept, how far it still holds, and what has to be counted again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial

import polars as pl

from scorecard.book.model import Book
from scorecard.ground.errors import Problem
from scorecard.ground.periods import GRAINS, Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.aging import Aging, first_key, since_when
from scorecard.measures.audit import Difference, compared, kept_of
from scorecard.measures.counted import Changes, Come, Counted
from scorecard.measures.counting import Attempt, Counting
from scorecard.measures.cuts import Cuts, Wanted
from scorecard.measures.folding import Answer
from scorecard.measures.grid import Grid
from scorecard.measures.keeping import Keeping
from scorecard.measures.place import Here, Moved, touched_ranges
from scorecard.measures.plan import Plan, Scan, axes
from scorecard.measures.ranges import DAY, Range, utc_naive
from scorecard.measures.sql import column_kind
from scorecard.measures.states.additive import Amount, Part
from scorecard.measures.states.arrivals import Arrivals, Arrived
from scorecard.measures.states.bags import slices_for
from scorecard.measures.states.level import replacing_days
from scorecard.measures.states.settled import Settled
from scorecard.measures.states.stretches import Line
from scorecard.measures.store import Known, Pending, Place, Renewed, open_store
from scorecard.measures.touches import DATED, Days, Rest, keys_of, marks, rest_of, stretches_wanted
from scorecard.warehouse.engine import NOTHING, Engine, Standing, Touched
from scorecard.warehouse.traces import touched_since


@dataclass(slots=True)
class Upkeep:
    """The states of one plan. ``known``: what the warehouse keeps; ``broken``: states that could not be computed, and why."""

    engine: Engine
    book: Book
    calendar: Calendar
    plan: Plan
    grid: Grid
    cuts: Cuts
    settled: Settled
    attempt: Attempt
    known: dict[str, Known]
    keeping: Keeping
    arrivals: Arrivals
    broken: dict[str, Problem] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)
    measured_at: dict[str, datetime] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)

    @classmethod
    def opened(cls, plan: Plan, grid: Grid, cuts: Cuts, settled: Settled, book: Book, attempt: Attempt) -> Upkeep:
        """Takes over what is kept in the warehouse, as far as this plan uses it."""
        keeping = grid.keeping
        known = open_store(keeping.engine, {s for source in book.sources for s in plan.states(source)}, keeping.token)
        arrivals = Arrivals(keeping.engine, plan, settled.tails.read_of)
        return cls(keeping.engine, book, grid.calendar, plan, grid, cuts, settled, attempt, known, keeping, arrivals)

    def holds(self) -> bool:
        """Whether nobody else has written states since; otherwise what is remembered here is worth nothing."""
        return self.keeping.owned()

    def bring_up(self, here: Here, given: Touched | None, coming: Callable[[], Wanted], *, whole: bool) -> Moved | None:
        """Counts again what loads (``given``) and the clock have touched; None where nothing at all has moved.

        ``coming``: what will be asked for up to cuts.
        """
        source = here.source
        before = self.standings.get(source)
        states = self.plan.states(source)
        given = self._given(here, states, given)
        clock = self._clock_days(here, states)
        same = before is not None and before.generation == here.standing.generation  # then its rows are the same
        retried = given is not None or whole or before is None
        skipped = frozenset(s for s in states if s in self.broken and not retried)
        fresh = frozenset(
            s
            for s in states
            if not whole and s not in self.broken and self._is_fresh(s, here, given, seen=before is not None)
        )
        grown = given is not None and given.added_only and len(fresh) == len(states) and not clock
        arrived = self._arrived(here, before.generation) if grown and before is not None else None
        # Rows that have come are neither ahead nor without a time: what is said of the others holds.
        if arrived is None and (whole or not same or source not in self.rests or self.rests[source].ahead):
            self.rests[source] = rest_of(self.engine, here, axes(self.book, source), self.book.sources[source].time)
        days = Days(here, {} if given is None else given.days, clock)
        later = self._later(here, days, known=given is None or given.added_only) if fresh else {}
        touched = days(tuple(days.given)).union(*later.values()) if fresh else frozenset()
        stale = len(fresh) + len(skipped) < len(states)
        since = self._ages_since(here, fresh, days)
        found = _Recounted()
        if stale or touched or since is not None:
            self.settled.forget(set(states) - fresh, None)
            self.settled.forget(fresh, touched)
            known = touched if fresh and not set(states) - fresh - set(self.broken) else None
            self.settled.tails.forget(source, known, grown=given is not None and given.added_only)
            found = self._recount(here, states, fresh, skipped, days, later, since, coming, arrived)
            if arrived is None:
                self._note_rows(here, wanted=grown)
        elif given is not None:
            self._remember(here, states, Pending())
        # What was broken and still is has nothing new to say: it must not cost the others anything.
        renewed = any(s not in fresh and s not in skipped and s not in self.broken for s in states)
        again = renewed or before is None
        if again or touched:
            by_axis = {bag.time: self._ranges(days((bag.time,))) for bag in self.plan.bags if bag.source == source}
            ranges = None if again else self._ranges(touched)
            self.grid.reload(
                source, ranges, by_axis, found.bags, found.lines, found.counted, found.answers, found.changes
            )
            self.cuts.forget(source, None if again else touched)
        if since is not None and not again:
            self.grid.renew_ages(source, {grain: first_key(here, grain, since) for grain in GRAINS}, found.ages)
        self.measured_at[source] = here.now
        self.standings[source] = here.standing
        stands = before is not None and marks(before) == marks(here.standing)
        if stands and not (again or touched):
            return None
        keys = None if again else keys_of(self.calendar, touched)
        stood = None if before is None else here.aware(before.loaded_at)
        # A rollback goes back to an earlier load: what came after that is not covered any more.
        return Moved(keys, None if stood is None or here.loaded_at is None else min(stood, here.loaded_at))

    def _arrived(self, here: Here, before: int) -> tuple[Arrived, Come] | None:
        """The rows that have come since a generation, and what they add to days of which it is known what they came to; None
        where that cannot be said of all of them."""
        if here.source not in self.rests or self.rests[here.source].ahead:
            return None
        answer = self.attempt(partial(self._come, here, before))
        return None if isinstance(answer, Problem) else answer

    def _come(self, here: Here, before: int) -> tuple[Arrived, Come] | None:
        arrived = self.arrivals.come(here, before, *self._times(here))
        if arrived is None:
            return None
        come: dict[Scan, Mapping[date, Mapping[Part, Amount]]] = {}
        for scan in arrived.layout.scans:
            parts = arrived.tallies(scan, self.plan.scans[scan])
            if parts is None:
                self.arrivals.leave(scan)
            elif self.grid.knows(scan, {raw for named in parts.values() for _, raw in named}):
                come[scan] = parts
        if len(come) < len(arrived.layout.scans) or not self.grid.days.knows(come):
            self.arrivals.forget(here.source)
            return None
        return arrived, come

    def _note_rows(self, here: Here, *, wanted: bool) -> None:
        """After days were counted by their rows: which rows these were, where that is ``wanted``."""
        self.arrivals.forget(here.source)  # a load that came in meanwhile may be among them
        if wanted and not self.rests[here.source].ahead and self.arrivals.note(here, *self._times(here)):
            self.settled.tails.vouch(here.source)

    def _times(self, here: Here) -> tuple[str | None, tuple[str, ...]]:
        """The source's own time, and all time columns that are measured; none where others change the rows."""
        source = self.book.sources[here.source]
        used = (time for time in axes(self.book, here.source) if column_kind(here.columns.get(time, "")) in DATED)
        return (None, ()) if source.kind == "external" else (source.time, tuple(used))

    def _given(self, here: Here, states: Iterable[str], given: Touched | None) -> Touched | None:
        """What loads have touched since the kept states were counted: what is said of them, and what the source itself remembers.

        The loads between may have been of another process, or one that was killed before it had written what it counted.
        """
        counted = [known.generation for s in states if (known := self.known.get(s)) is not None]
        oldest = min(counted, default=here.standing.generation)
        if oldest >= here.standing.generation or (given is not None and given.everything):
            return given
        days = self._touched_since(here, oldest)
        if days is None:
            return given
        told = NOTHING if given is None else given
        more = {axis: told.days.get(axis, frozenset()) | found for axis, found in days.items()}
        all_told = all(found <= told.days.get(axis, frozenset()) for axis, found in days.items())
        return Touched({**told.days, **more}, added_only=told.added_only and all_told)

    def _ranges(self, days: frozenset[date]) -> dict[Grain, tuple[Range, ...]]:
        """The periods of every grain that hold one of the days."""
        return {grain: touched_ranges(self.calendar, grain, days) for grain in GRAINS}

    def _is_fresh(self, state: str, here: Here, given: Touched | None, *, seen: bool) -> bool:
        """Whether a kept state is good but for the touched days: nothing was loaded between that is not said to be touched."""
        known = self.known.get(state)
        if known is None or (given is not None and given.everything):
            return False
        generation = here.standing.generation
        if known.generation == generation or (given is not None and (seen or known.generation + 1 == generation)):
            return True
        return self._touched_since(here, known.generation) is not None

    def _touched_since(self, here: Here, generation: int) -> dict[str, frozenset[date]] | None:
        """Per axis the days that loads have touched since a generation; None: that is not known."""
        standing = here.standing
        return touched_since(standing.traces, axes(self.book, here.source), generation, standing.generation)

    def _ages_since(self, here: Here, fresh: frozenset[str], days: Days) -> date | None:
        """From which day on kept ages have to be counted again; None: they hold."""
        ages = [one for one in self.plan.ages if one.source == here.source and one.id in fresh]
        touched = frozenset[date]().union(*(days((one.opened,)) for one in ages))
        counted = min((self.known[one.id].measured_at.replace(tzinfo=UTC) for one in ages), default=None)
        return since_when(here, ages, self.plan.ages, touched, counted)

    def _later(self, here: Here, days: Days, *, known: bool) -> dict[Scan, frozenset[date]]:
        """Days after the touched ones on which levels end that began there.

        ``known``: all touched rows are still there, so that the rows that replace them tell; else any later day may be.
        """
        found: dict[Scan, frozenset[date]] = {}
        backwards = here.now < self.measured_at.get(here.source, here.now)
        for scan in self.plan.scans:
            touched = days(scan.columns)
            if scan.source != here.source or scan.line is None or not scan.line.carry or not touched:
                continue
            if known and not backwards:
                answer = self.attempt(lambda s=scan, t=touched: self.engine.query(replacing_days(here, s, t)))  # type: ignore[misc]
                if not isinstance(answer, Problem):  # what is wrong is said when it is counted
                    found[scan] = frozenset(day for (day,) in answer.rows())
                    continue
            first = min(touched)
            found[scan] = frozenset(first + DAY * n for n in range((here.today - first).days + 1))
        return found

    def _clock_days(self, here: Here, states: Iterable[str]) -> frozenset[date]:
        """Days in which rows were ahead of the clock then and are not now, or the other way round."""
        kept = [k for s in states if (k := self.known.get(s)) is not None]
        last = self.measured_at.get(here.source)
        if last is None and kept:
            last = min(k.measured_at for k in kept).replace(tzinfo=UTC)
        rest = self.rests.get(here.source)
        ahead = any(k.future for k in kept) if rest is None else rest.ahead
        if last is None or (not ahead and here.now >= last):
            return frozenset()
        first, until = sorted((self.calendar.day_of(last), here.today))
        return frozenset(first + DAY * n for n in range((until - first).days + 1))

    def _recount(
        self,
        here: Here,
        states: tuple[str, ...],
        fresh: frozenset[str],
        skipped: frozenset[str],
        days: Days,
        later: Mapping[Scan, frozenset[date]],
        since: date | None,
        coming: Callable[[], Wanted],
        arrived: tuple[Arrived, Come] | None,
    ) -> _Recounted:
        if fresh and here.source not in self.standings:
            self.grid.reload_raws(here.source)
        pending = Pending()
        counting = self._counting(here, self.plan, fresh, skipped, days, pending, later)
        counting.stretches = lambda: stretches_wanted(here, self.plan, coming())
        changes = {} if arrived is None else self._grow(here, *arrived, counting)
        counting.scans(frozenset(changes))
        for scan, seen in counting.seen.items():
            if (
                not scan.fine
                and scan.closed is None
                and scan.line is None
                and seen - set(self.grid.raw_firsts.get(scan, ()))
            ):
                self.grid.unsettled.add(here.source)
        counting.bags()
        bags = len(pending.bags)
        aging = Aging(self.engine, here, self.plan, self.grid.slicing, counting.raws, self.attempt, pending)
        mine = [one for one in self.plan.ages if one.source == here.source and one.id not in skipped]
        aging.count([one for one in mine if one.id not in fresh], None)
        if since is not None:
            aging.count([one for one in mine if one.id in fresh], since)
        for state in states:
            if state not in skipped:
                self.broken.pop(state, None)
        self.broken |= counting.broken | aging.broken
        self._remember(here, states, pending)
        counted = Counted(counting.again, {scan: self.plan.scans[scan] for scan in counting.again}, pending.additive)
        return _Recounted(pending.bags[:bags], pending.bags[bags:], pending.lines, counted, counting.answers, changes)

    def _grow(self, here: Here, arrived: Arrived, come: Come, counting: Counting) -> Changes:
        """Adds what has come to what is known of its days."""
        slicing = self.grid.slicing
        self.settled.tails.grow(here, arrived, lambda split: slices_for(slicing, counting.raws, split))
        changes = self.grid.days.grow(come, self.grid.kinds(here.source), self.grid.slices_of)
        for scan, days in come.items():
            for day in days:
                counting.keep_parts(scan, day, self.grid.days.parts(scan, day))
        return changes

    def _counting(
        self,
        here: Here,
        plan: Plan,
        fresh: frozenset[str],
        skipped: frozenset[str],
        days: Days,
        pending: Pending,
        later: Mapping[Scan, frozenset[date]],
        *,
        plain: bool = False,
    ) -> Counting:
        raws = {split: set(found) for (source, split), found in self.grid.raws.items() if source == here.source}
        return Counting(
            self.engine,
            here,
            plan,
            self.grid.slicing,
            fresh,
            skipped,
            days,
            self.attempt,
            pending,
            raws,
            self.settled,
            plain,
            later,
        )

    # -- auditing ----------------------------------------------------------------------------------------------

    def audit(self, here: Here, part: Plan) -> tuple[int, list[Difference], Problem | None] | None:
        """A part of the plan computed from all rows and compared: (numbers compared, those that differ, why some were not).

        None where what is kept is of other rows: a load came that is not measured yet.
        """
        states = tuple(s for s in part.states(here.source) if s not in self.broken)
        generation = here.standing.generation
        if any(s not in self.known or self.known[s].generation != generation for s in states):
            return None
        pending = Pending()
        skipped = frozenset(self.broken)
        counting = self._counting(
            here, part, frozenset(), skipped, Days(here, {}, frozenset()), pending, {}, plain=True
        )
        counting.scans()
        counting.bags()
        aging = Aging(self.engine, here, part, self.grid.slicing, counting.raws, self.attempt, pending)
        aging.count([one for one in part.ages if one.id not in skipped], None)
        lost = counting.broken | aging.broken
        sound = [s for s in states if s not in lost]
        begins = [aging.first_bucket(one, grain) for one, grains in part.ages.items() for grain in grains]
        kept = kept_of(self.keeping, part, sound, begins[0] if begins else None)
        standing = self.engine.standing(here.source)
        if standing is None or standing.generation != generation:
            return None
        return *compared(part, here, kept, pending, sound), next(iter(lost.values()), None)

    def distrust(self, states: Iterable[str]) -> None:
        """Forgets kept states: the next measuring computes them from the rows and replaces them."""
        for state in states:
            self.known.pop(state, None)

    def _remember(self, here: Here, states: Sequence[str], pending: Pending) -> None:
        """Keeps what was counted together with the generation it is of."""
        at, ahead = utc_naive(here.now), self.rests[here.source].ahead
        good = {s: Known(here.standing.generation, at, ahead) for s in states if s not in self.broken}
        generation = here.standing.generation
        if all(s in self.known for s in states) and len(good) == len(states):
            pending.renewed[tuple(states)] = Renewed(tuple(states), generation, at, ahead)
        else:
            pending.drop("known", states)
            pending.known = [
                {"state": s, "source": here.source, "generation": generation, "measured_at": at, "future": ahead}
                for s in good
            ]
        self.keeping.take(pending)
        for state in states:
            self.known.pop(state, None)
        self.known.update(good)


@dataclass(frozen=True, slots=True)
class _Recounted:
    """What was counted again of quantiles and distinct values, of ages, of bags of running periods, and of additive states; of
    others what has come (``changes``)."""

    bags: Sequence[pl.DataFrame] = ()
    ages: Sequence[pl.DataFrame] = ()
    lines: Mapping[Place, Line] = field(default_factory=dict)
    counted: Counted | None = None
    answers: Sequence[Answer] = ()
    changes: Changes = field(default_factory=dict)
