"""Keeping the states of each source up to date: what is kept, how far it still holds, and what has to be counted again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import polars as pl

from scorecard.book.model import Book
from scorecard.ground.errors import Problem
from scorecard.ground.periods import GRAINS, Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.aging import Aging, first_key, since_when
from scorecard.measures.audit import Difference, compared, kept_of
from scorecard.measures.counted import Counted
from scorecard.measures.counting import Attempt, Counting
from scorecard.measures.cuts import Cuts, Wanted, stretch_of
from scorecard.measures.folding import Answer
from scorecard.measures.grid import Grid
from scorecard.measures.keeping import Keeping
from scorecard.measures.place import OLDEST, Here, Key, Moved, key_of, touched_ranges
from scorecard.measures.plan import Bag, Plan, Scan, axes
from scorecard.measures.ranges import DAY, Range, moment_literal, utc_naive
from scorecard.measures.sql import ROWS, column_kind, quoted
from scorecard.measures.states import settled
from scorecard.measures.states.level import replacing_days
from scorecard.measures.states.settled import Asked, Most, Settled
from scorecard.measures.states.stretches import Line
from scorecard.measures.store import Known, Pending, Place, Renewed, open_store
from scorecard.warehouse.engine import NOTHING, Engine, Standing, Touched
from scorecard.warehouse.traces import touched_since


@dataclass(frozen=True, slots=True)
class Rest:
    """Rows that are in no period: dated after now, or without a time. ``ahead``: any axis has rows after now."""

    future: int = 0
    undated: int = 0
    ahead: bool = False


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
    broken: dict[str, Problem] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)
    measured_at: dict[str, datetime] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)

    @classmethod
    def opened(cls, plan: Plan, grid: Grid, cuts: Cuts, settled: Settled, book: Book, attempt: Attempt) -> Upkeep:
        """Takes over what is kept in the warehouse, as far as this plan uses it."""
        keeping = grid.keeping
        known = open_store(keeping.engine, {s for source in book.sources for s in plan.states(source)}, keeping.token)
        return cls(keeping.engine, book, grid.calendar, plan, grid, cuts, settled, attempt, known, keeping)

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
        if whole or not same or source not in self.rests or self.rests[source].ahead:
            self.rests[source] = self._rest(here)
        retried = given is not None or whole or before is None
        skipped = frozenset(s for s in states if s in self.broken and not retried)
        fresh = frozenset(
            s
            for s in states
            if not whole and s not in self.broken and self._is_fresh(s, here, given, seen=before is not None)
        )
        days = _Days(here, {} if given is None else given.days, clock)
        later = self._later(here, days, known=given is None or given.added_only) if fresh else {}
        touched = days(tuple(days.given)).union(*later.values()) if fresh else frozenset()
        stale = len(fresh) + len(skipped) < len(states)
        since = self._ages_since(here, fresh, days)
        found = _Recounted()
        if stale or touched or since is not None:
            self.settled.forget(set(states) - fresh, None)
            self.settled.forget(fresh, touched)
            anew = set(states) - fresh - set(self.broken)
            grown = given is not None and given.added_only
            self.settled.tails.forget(source, touched if fresh and not anew else None, grown=grown)
            found = self._recount(here, states, fresh, skipped, days, later, since, coming)
        elif given is not None:
            self._remember(here, states, Pending())
        # What was broken and still is has nothing new to say: it must not cost the others anything.
        renewed = any(s not in fresh and s not in skipped and s not in self.broken for s in states)
        again = renewed or before is None
        if again or touched:
            by_axis = {bag.time: self._ranges(days((bag.time,))) for bag in self.plan.bags if bag.source == source}
            ranges = None if again else self._ranges(touched)
            self.grid.reload(source, ranges, by_axis, found.bags, found.lines, found.counted, found.answers)
            self.cuts.forget(source, None if again else touched)
        if since is not None and not again:
            self.grid.renew_ages(source, {grain: first_key(here, grain, since) for grain in GRAINS}, found.ages)
        self.measured_at[source] = here.now
        self.standings[source] = here.standing
        stands = before is not None and _marks(before) == _marks(here.standing)
        if stands and not (again or touched):
            return None
        keys = None if again else _keys(self.calendar, touched)
        stood = None if before is None else here.aware(before.loaded_at)
        # A rollback goes back to an earlier load: what came after that is not covered any more.
        return Moved(keys, None if stood is None or here.loaded_at is None else min(stood, here.loaded_at))

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

    def _ages_since(self, here: Here, fresh: frozenset[str], days: _Days) -> date | None:
        """From which day on kept ages have to be counted again; None: they hold."""
        ages = [one for one in self.plan.ages if one.source == here.source and one.id in fresh]
        touched = frozenset[date]().union(*(days((one.opened,)) for one in ages))
        counted = min((self.known[one.id].measured_at.replace(tzinfo=UTC) for one in ages), default=None)
        return since_when(here, ages, self.plan.ages, touched, counted)

    def _later(self, here: Here, days: _Days, *, known: bool) -> dict[Scan, frozenset[date]]:
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
        days: _Days,
        later: Mapping[Scan, frozenset[date]],
        since: date | None,
        coming: Callable[[], Wanted],
    ) -> _Recounted:
        if fresh and here.source not in self.standings:
            self.grid.reload_raws(here.source)
        pending = Pending()
        counting = self._counting(here, self.plan, fresh, skipped, days, pending, later)
        counting.stretches = lambda: _stretches(here, self.plan, coming())
        counting.scans()
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
        return _Recounted(pending.bags[:bags], pending.bags[bags:], pending.lines, counted, counting.answers)

    def _counting(
        self,
        here: Here,
        plan: Plan,
        fresh: frozenset[str],
        skipped: frozenset[str],
        days: _Days,
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
            here, part, frozenset(), skipped, _Days(here, {}, frozenset()), pending, {}, plain=True
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

    def _rest(self, here: Here) -> Rest:
        """Counts the rows that are in no period; by source time, or where it has none by the first axis in use."""
        used = [c for c in axes(self.book, here.source) if column_kind(here.columns.get(c, "")) in ("instant", "date")]
        if not used:
            return Rest()
        own = self.book.sources[here.source].time
        place = used.index(own) if own in used else 0
        asked = []
        for column in used:
            limit = f"DATE '{here.today}'" if column_kind(here.columns[column]) == "date" else moment_literal(here.now)
            asked.append(f"> {limit}")
        rows = f"SELECT count(*) FROM {here.table} AS {ROWS} WHERE {ROWS}"
        parts = [f"({rows}.{quoted(column)} {after})" for column, after in zip(used, asked, strict=True)]
        parts.append(f"({rows}.{quoted(used[place])} IS NULL)")  # of the others nobody asks: some have many
        *ahead, undated = self.engine.query("SELECT " + ", ".join(f"{p} AS c_{i}" for i, p in enumerate(parts))).row(0)
        return Rest(ahead[place], undated, any(ahead))


@dataclass(frozen=True, slots=True)
class _Recounted:
    """What was counted again of quantiles and distinct values, of ages, of bags of running periods, and of additive states."""

    bags: Sequence[pl.DataFrame] = ()
    ages: Sequence[pl.DataFrame] = ()
    lines: Mapping[Place, Line] = field(default_factory=dict)
    counted: Counted | None = None
    answers: Sequence[Answer] = ()


@dataclass(frozen=True, slots=True)
class _Days:
    """The touched days of some time columns, as far as they can be in a period: loads' and the clock's."""

    here: Here
    given: Mapping[str, frozenset[date]]
    clock: frozenset[date]

    def __call__(self, columns: Sequence[str]) -> frozenset[date]:
        found = self.clock.union(*(self.given.get(c, frozenset()) for c in columns))
        return frozenset(d for d in found if self.here.today - OLDEST <= d <= self.here.today)


def _stretches(here: Here, plan: Plan, wanted: Wanted) -> Asked:
    """The whole days before cuts of which quantiles will be asked for, and those of running periods before today: ticks mostly
    touch what is today."""
    found: dict[Bag, dict[Range, Most]] = {}
    for bag, grains in plan.bags.items():
        for grain in grains if bag.source == here.source and bag.q is not None else ():
            first = here.today if grain == "hour" else here.calendar.period(here.today, grain).first
            if first < here.today and here.rows_in(bag.time, first, here.today) >= settled.FROM_ROWS:
                found.setdefault(bag, {})[first, here.today] = {}
    for (source, bag), cuts in wanted.bags.items():
        for cut in cuts if source == here.source and bag.q is not None else ():
            stretch = stretch_of(here, bag, cut)
            if stretch is not None:
                found.setdefault(bag, {})[stretch.first, stretch.split] = {}
    return found


def _marks(standing: Standing) -> tuple[object, ...]:
    """What moves values without touching rows."""
    return standing.loaded_at, standing.data_until, standing.generation, dict(standing.first_day)


def _keys(calendar: Calendar, days: Iterable[date]) -> dict[Grain, frozenset[Key]]:
    """The keys of all periods that hold one of the days."""
    found: dict[Grain, frozenset[Key]] = {}
    for grain in GRAINS:
        periods = [p for a, b in touched_ranges(calendar, grain, days) for p in calendar.between(grain, a, b - DAY)]
        found[grain] = frozenset(key_of(p) for p in periods)
    return found
