"""States up to a moment inside a period: what a running period is compared with, and a stock at the watermark.

Whole days come from the kept states, the last, cut day from the rows of that day alone. Quantiles and distinct values are read
from the rows up to the cut.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple

from scorecard.measures.counting import ROWS_AT_ONCE
from scorecard.measures.cutdays import At, CutDays, Line, Reached, add
from scorecard.measures.grid import Grid
from scorecard.measures.place import Here
from scorecard.measures.plan import Ages, Bag, Plan, Scan, state_id
from scorecard.measures.ranges import (
    DAY,
    column,
    moment_literal,
    utc_naive,
)
from scorecard.measures.slices import Slice, Slicing
from scorecard.measures.sql import column_kind, literal
from scorecard.measures.states import settled
from scorecard.measures.states.additive import NOTHING, Amount
from scorecard.measures.states.age import Point, ages_at_points, read_ages, same_items
from scorecard.measures.states.bags import by_split, questions, slices_for, together
from scorecard.measures.states.rows import Piece, Rows
from scorecard.measures.states.settled import Settled, Stretch
from scorecard.measures.store import between
from scorecard.measures.sweep import windows_around
from scorecard.warehouse.engine import Engine

EPOCH = date(1970, 1, 1)
INSTANT = timedelta(microseconds=1)
"""What is dated exactly at the watermark counts as well."""
MOST_KEPT = 20_000
"""Sums of whole days that are remembered: they are the same for all cuts of one day."""


class Cut(NamedTuple):
    """From the beginning of ``first`` (for hours: from ``start``; None: from ever) up to, not including, ``moment``."""

    fine: bool
    first: date | None
    start: datetime | None
    moment: datetime


Bounds = tuple[datetime, datetime]
Numbers = Mapping[Slice | None, Any]
Of = tuple[str, Cut]
"""(state, cut)."""


@dataclass(frozen=True, slots=True)
class UpTo:
    """A scan's states up to a cut: what came on the whole days before it (``kept`` under ``bounds``), and on the cut day."""

    kept: Mapping[tuple[str, Bounds], Line]
    bounds: Bounds | None
    day: Reached | None

    def amount(self, state: str, slice_: Slice | None) -> Amount:
        """The amount of a slice. Raises what the engine raised where the rows do not go with the state's expression."""
        if self.day is not None and state in self.day.lost:
            raise self.day.lost[state]
        whole = None if self.bounds is None else self.kept.get((state, self.bounds), {}).get(slice_)
        part = None if self.day is None else self.day.line(state).get(slice_)
        if whole is None:
            return NOTHING if part is None else part
        found: Amount = whole if part is None else whole.plus(part)
        return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be known up to which cuts, by source."""

    scans: dict[tuple[str, Scan], dict[Cut, None]] = field(default_factory=dict)
    bags: dict[tuple[str, Bag], dict[Cut, None]] = field(default_factory=dict)
    ages: dict[tuple[str, Ages], dict[Cut, None]] = field(default_factory=dict)

    def add(self, other: Wanted) -> None:
        for scan, cuts in other.scans.items():
            self.scans.setdefault(scan, {}).update(cuts)
        for bag, cuts in other.bags.items():
            self.bags.setdefault(bag, {}).update(cuts)
        for ages, cuts in other.ages.items():
            self.ages.setdefault(ages, {}).update(cuts)

    def of(self, source: str) -> Wanted:
        """Only those of one source."""
        return Wanted(
            {key: cuts for key, cuts in self.scans.items() if key[0] == source},
            {key: cuts for key, cuts in self.bags.items() if key[0] == source},
            {key: cuts for key, cuts in self.ages.items() if key[0] == source},
        )

    def cuts(self) -> set[Cut]:
        found = [*self.scans.values(), *self.bags.values(), *self.ages.values()]
        return {cut for cuts in found for cut in cuts}


@dataclass(frozen=True, slots=True)
class Known:
    """Numbers up to cuts, as they were when they were taken out."""

    scans: dict[tuple[Scan, Cut], UpTo] = field(default_factory=dict)
    lines: dict[Of, Numbers] = field(default_factory=dict)

    def take(self, other: Known) -> None:
        self.scans.update(other.scans)
        self.lines.update(other.lines)


@dataclass(slots=True)
class Cuts:
    """Numbers up to a moment, computed together when they are first asked for and remembered while nothing moves."""

    engine: Engine
    plan: Plan
    slicing: Slicing
    grid: Grid
    settled: Settled
    days: CutDays
    _known: dict[Of, Numbers] = field(default_factory=dict)
    _kept: dict[tuple[str, Bounds], Line] = field(default_factory=dict)

    def forget(self, source: str, days: frozenset[date] | None) -> None:
        """A source's rows have changed (``days``: only those of some days)."""
        self.days.forget(source, days)
        names = set(self.plan.states(source))
        self._known = {k: v for k, v in self._known.items() if k[0] not in names}
        moments = None if days is None else [datetime.combine(day, time()) for day in days]
        self._kept = {
            key: found
            for key, found in self._kept.items()
            if key[0] not in names or (moments is not None and not any(_holds(key[1], m) for m in moments))
        }

    def keep_only(self, wanted: Iterable[Cut]) -> None:
        """Forgets cuts at moments that have passed."""
        kept = set(wanted)
        self._known = {k: v for k, v in self._known.items() if k[1] in kept}
        if len(self._kept) > MOST_KEPT:
            self._kept = {}  # what was taken out stays as it is

    def known(self, here: Here, wanted: Wanted) -> Known:
        """All that is wanted of one source; what is not there yet is computed together, in few statements."""
        self.prepare(here, {scan: list(cuts) for (_, scan), cuts in wanted.scans.items()})
        self.prepare_bags(here, {bag: list(cuts) for (_, bag), cuts in wanted.bags.items()})
        self.prepare_ages(here, {ages: list(cuts) for (_, ages), cuts in wanted.ages.items()})
        found = Known()
        for (_, scan), cuts in wanted.scans.items():
            self._take(here, scan, cuts, found)
        for (_, bag), cuts in wanted.bags.items():
            found.lines.update({(bag.id, cut): self._known.get((bag.id, cut), {}) for cut in cuts})
        for (_, ages), cuts in wanted.ages.items():
            found.lines.update({(ages.id, cut): self._known.get((ages.id, cut), {}) for cut in cuts})
        return found

    def amounts(self, here: Here, scan: Scan, cuts: Collection[Cut]) -> Known:
        """The states of a scan up to some cuts."""
        found = Known()
        self.prepare(here, {scan: list(cuts)})
        self._take(here, scan, cuts, found)
        return found

    def _take(self, here: Here, scan: Scan, cuts: Iterable[Cut], found: Known) -> None:
        slices = self._slices(here)
        for cut in cuts:
            day = self.days.day(here, scan, At(cut.moment, cut.start), slices)
            found.scans[scan, cut] = UpTo(self._kept, _whole_days(here, cut), day)

    # -- additive states ---------------------------------------------------------------------------------------

    def prepare(self, here: Here, wanted: Mapping[Scan, Sequence[Cut]]) -> None:
        """All states of some scans up to some cuts: whole days from what is kept, cut days from their rows."""
        missing: dict[Scan, list[Cut]] = {}
        for scan, cuts in wanted.items():
            if found := list(dict.fromkeys(cuts)):
                missing[scan] = found
        if missing:
            self._add_kept_days(here, missing)
            cut_days = {scan: [At(cut.moment, cut.start) for cut in cuts] for scan, cuts in missing.items()}
            self.days.prepare(here, cut_days, self._slices(here))

    def _slices(self, here: Here) -> Callable[[Scan, str | None], Sequence[Slice | None]]:
        """(scan, raw split value) → the whole and the slices in which its rows count."""
        memory: dict[tuple[str | None, str | None], Sequence[Slice | None]] = {}
        kinds: dict[str, set[str]] = {}

        def found(scan: Scan, raw: str | None) -> Sequence[Slice | None]:
            key = (scan.split, raw)
            if key not in memory:
                if not memory:
                    kinds.update(self.grid.kinds(here.source))
                memory[key] = (None, *self.grid.slices_of(scan, raw, kinds))
            return memory[key]

        return found

    def _add_kept_days(self, here: Here, missing: Mapping[Scan, Sequence[Cut]]) -> None:
        """The kept numbers of all whole days (for hours of a stock: hours of all whole days) before the cuts."""
        unknown: dict[Bounds, dict[str, Scan]] = {}
        for scan, cuts in missing.items():
            for bounds in dict.fromkeys(_whole_days(here, cut) for cut in cuts):
                for atom in self.plan.scans[scan] if bounds is not None else ():
                    if bounds is not None and (state_id(scan, atom), bounds) not in self._kept:
                        unknown.setdefault(bounds, {})[state_id(scan, atom)] = scan
        if not unknown:
            return
        numbered, slices = list(unknown), self._slices(here)
        found: dict[tuple[str, Bounds], Line] = {(s, bounds): {} for bounds, states in unknown.items() for s in states}
        for number, state, raw, *given in self.grid.keeping.query(_kept_days(unknown)).rows():
            bounds = numbered[number]
            if state in unknown[bounds]:
                add(found[state, bounds], slices(unknown[bounds][state], raw), given)
        self._kept.update(found)

    # -- quantiles and distinct values -------------------------------------------------------------------------

    def prepare_bags(self, here: Here, wanted: Mapping[Bag, Sequence[Cut]]) -> None:
        """Quantiles and distinct counts up to some cuts, in one statement."""
        groups: dict[tuple[str, tuple[Cut, ...]], list[Bag]] = {}
        read: dict[Of, Line] = {}
        apart = here.standing.rows > ROWS_AT_ONCE
        self._from_settled(here, wanted)
        for bag, cuts in wanted.items():
            missing = [c for c in dict.fromkeys(cuts) if (bag.id, c) not in self._known]
            read.update({(bag.id, cut): {} for cut in missing})
            whole = () if apart else tuple(c for c in missing if not c.fine)
            for some in [whole, *((c,) for c in missing if c not in whole)]:
                if some:
                    groups.setdefault((bag.time, some), []).append(bag)
        raws = {split: raws for (source, split), raws in self.grid.raws.items() if source == here.source}
        asked = [
            (question, cuts)
            for (axis, cuts), bags in groups.items()
            for question in questions(self.slicing, raws, bags, self._rows(here, axis, cuts))
        ]
        if asked:
            answer = self.engine.query(together([question for question, _ in asked]))
            for number, (question, cuts) in enumerate(asked):
                for state, part, _, kind, name, n, bad, x in question.read(answer, number).rows():
                    read[state, cuts[part]][(kind, name) if kind else None] = (n, bad, x)
        self._known.update(read)

    def prepare_ages(self, here: Here, wanted: Mapping[Ages, Sequence[Cut]]) -> None:
        """Ages at some cuts: of the same items in one statement."""
        raws = {split: raws for (source, split), raws in self.grid.raws.items() if source == here.source}
        for some in same_items(list(wanted)):
            missing = [c for one in some for c in wanted[one] if (one.id, c) not in self._known]
            moments = list(dict.fromkeys(c.moment for c in missing))
            if not moments:
                continue
            exact = timedelta(0) if column_kind(here.columns[some[0].opened]) == "date" else INSTANT
            points = [Point(moment, moment - exact) for moment in moments]
            slices = slices_for(self.slicing, raws, some[0].split)
            lines: dict[tuple[str, datetime], Line] = {}
            for state, at, slice_, number in read_ages(
                some, self.engine.query(ages_at_points(some, here, slices, points))
            ):
                lines.setdefault((state, moments[at.second + 60 * at.minute]), {})[slice_] = number
            for one in some:
                self._known.update({(one.id, cut): lines.get((one.id, cut.moment), {}) for cut in missing})

    def _from_settled(self, here: Here, wanted: Mapping[Bag, Sequence[Cut]]) -> None:
        """Long stretches from what is settled of them: the whole days before the cut day."""
        axes: dict[str, list[Bag]] = {}
        stretches: dict[str, list[Stretch]] = {}
        cut_of: dict[tuple[str, Stretch], Cut] = {}
        for bag, cuts in wanted.items():
            for cut in dict.fromkeys(cuts):
                stretch = None if (bag.id, cut) in self._known else stretch_of(here, bag, cut)
                if stretch is not None:
                    stretches.setdefault(bag.id, []).append(stretch)
                    cut_of[bag.id, stretch] = cut
                    axes.setdefault(bag.time, []).append(bag)
        raws = {split: raws for (source, split), raws in self.grid.raws.items() if source == here.source}
        for axis, bags in axes.items():
            dates = column_kind(here.columns[axis]) == "date"
            rows = Rows(here.table, axis, (), "true", here.calendar.timezone, here.whole_hours, dates)
            for alike in by_split(list(dict.fromkeys(bags))):
                slices = slices_for(self.slicing, raws, alike[0].split)
                look = partial(windows_around, self.engine, here, slices)
                for key, line in self.settled.lines(alike, rows, slices, stretches, look).items():
                    self._known[key[0], cut_of[key]] = line

    def _rows(self, here: Here, axis: str, cuts: Sequence[Cut]) -> Rows:
        dates = column_kind(here.columns[axis]) == "date"
        pieces, until = [], "true"
        for cut in cuts:
            day = here.calendar.day_of(cut.moment)
            whole = here.calendar.midnight(day) == cut.moment
            ranges = ((cut.first or day, day if whole else day + DAY),)
            pieces.append(Piece(ranges, "day", EPOCH, day, None if whole else cut.moment))
            if cut.fine and cut.start is not None:
                until = f"{column(axis)} >= {moment_literal(cut.start)}"
        return Rows(here.table, axis, tuple(pieces), until, here.calendar.timezone, here.whole_hours, dates)


def stretch_of(here: Here, bag: Bag, cut: Cut) -> Stretch | None:
    """The days up to a cut, where they are so many that they are better settled; None: they are read whole."""
    day = here.calendar.day_of(cut.moment)
    if cut.fine or cut.first is None or cut.first >= day or here.rows_in(bag.time, cut.first, day) < settled.FROM_ROWS:
        return None
    whole = here.calendar.midnight(day) == cut.moment
    return Stretch(cut.first, day, day if whole else day + DAY, None if whole else cut.moment)


def _whole_days(here: Here, cut: Cut) -> Bounds | None:
    """The kept buckets of the whole days before a cut; None where there are none."""
    day = here.calendar.day_of(cut.moment)
    if cut.first is not None and (cut.fine or cut.first >= day):
        return None
    first = datetime.combine(cut.first or date(1, 1, 1), time())
    end = utc_naive(here.calendar.midnight(day)) if cut.fine else datetime.combine(day, time())
    return first, end


def _holds(bounds: Bounds, midnight: datetime) -> bool:
    """Whether a local day may lie in kept buckets; those of hours are in UTC, so that a day more on either side counts."""
    slack = timedelta(0) if bounds[1].time() == time() else timedelta(days=1)
    return bounds[0] <= midnight + slack and midnight - slack < bounds[1]


def _kept_days(wanted: Mapping[Bounds, Iterable[str]]) -> str:
    """Kept numbers of some stretches of buckets, by their place (``span``): first of what lies between any two of their ends, as
    they overlap; then those are added up."""
    marks = sorted({moment for bounds in wanted for moment in bounds})
    names = ", ".join(literal(name) for name in sorted({name for names in wanted.values() for name in names}))
    spans = ", ".join(
        f"({number}, {bisect_left(marks, first)}, {bisect_left(marks, end)})"
        for number, (first, end) in enumerate(wanted)
    )
    sums = (
        "CAST(sum(a) AS HUGEINT) AS a, CAST(sum(b) AS HUGEINT) AS b, CAST(sum(n) AS BIGINT) AS n, "
        "CAST(sum(bad) AS BIGINT) AS bad, min(low) AS low, max(high) AS high"
    )
    parts = (
        f"SELECT state, slice, {_between_marks(marks, 0, len(marks) - 1)} AS part, {sums} FROM meter.additive "
        f"WHERE state IN ({names}) AND {between([(marks[0], marks[-1])])} GROUP BY state, slice, part"
    )
    return (
        f"SELECT span, state, slice, {sums} FROM ({parts}) AS p JOIN (VALUES {spans}) AS w(span, first, until) "
        "ON part >= first AND part < until GROUP BY span, state, slice"
    )


def _between_marks(marks: Sequence[datetime], first: int, last: int) -> str:
    """SQL for the place of the mark that a bucket follows, of those from one place to before another."""
    if last - first <= 1:
        return str(first)
    middle = (first + last) // 2
    left, right = _between_marks(marks, first, middle), _between_marks(marks, middle, last)
    return f"CASE WHEN bucket < {moment_literal(marks[middle])} THEN {left} ELSE {right} END"
