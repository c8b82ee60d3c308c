"""States up to a moment inside a period: what a running period is compared with, and a stock at the watermark.

Whole days come from the kept states, the last, cut day from the rows of that day alone. Quantiles and distinct values are read
from the rows up to the cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

import polars as pl

from scorecard.measures.counting import ROWS_AT_ONCE
from scorecard.measures.grid import Grid
from scorecard.measures.place import Here
from scorecard.measures.plan import Bag, Plan, Scan, state_id
from scorecard.measures.ranges import (
    DAY,
    column,
    day_literal,
    event_before,
    event_day,
    event_days_within,
    moment_literal,
    runs,
    utc_naive,
)
from scorecard.measures.slices import Slice, Slicing
from scorecard.measures.sql import ROWS, column_kind, literal
from scorecard.measures.states import settled
from scorecard.measures.states.additive import Amount, as_rows, event_moment, scan_sql
from scorecard.measures.states.bags import by_split, questions, slices_for, together
from scorecard.measures.states.rows import Piece, Rows
from scorecard.measures.states.settled import Settled, Stretch
from scorecard.measures.store import between
from scorecard.warehouse.engine import Engine

EPOCH = date(1970, 1, 1)
MOST_KEPT = 20_000
"""Sums of whole days that are remembered: they are the same for all cuts of one day."""


class Cut(NamedTuple):
    """From the beginning of ``first`` (for hours: from ``start``; None: from ever) up to, not including, ``moment``."""

    fine: bool
    first: date | None
    start: datetime | None
    moment: datetime


Line = dict[Slice | None, Any]
Bounds = tuple[datetime, datetime]


@dataclass(slots=True)
class Cuts:
    """Numbers up to a moment, computed together when they are first asked for and remembered while nothing moves."""

    engine: Engine
    plan: Plan
    slicing: Slicing
    grid: Grid
    settled: Settled
    _known: dict[tuple[str, Cut], Line] = field(default_factory=dict)
    _kept: dict[tuple[str, Bounds], Line] = field(default_factory=dict)

    def forget(self, source: str, days: frozenset[date] | None) -> None:
        """A source's rows have changed (``days``: only those of some days)."""
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
            self._kept.clear()

    def amounts(self, here: Here, scan: Scan, name: str, cut: Cut) -> Line:
        """An additive state up to a cut: slice → Amount."""
        if (name, cut) not in self._known:
            self.prepare(here, {scan: [cut]})
        return self._known.get((name, cut), {})

    def bag(self, here: Here, bag: Bag, cut: Cut) -> Line:
        """A quantile or distinct count up to a cut: slice → (n, bad, number)."""
        if (bag.id, cut) not in self._known:
            self.prepare_bags(here, {bag: [cut]})
        return self._known.get((bag.id, cut), {})

    # -- additive states ---------------------------------------------------------------------------------------

    def prepare(self, here: Here, wanted: Mapping[Scan, Sequence[Cut]]) -> None:
        """All states of some scans up to some cuts: whole days from what is kept, cut days from their rows."""
        missing: dict[Scan, list[Cut]] = {}
        for scan, cuts in wanted.items():
            names = [state_id(scan, atom) for atom in self.plan.scans[scan]]
            found = [c for c in dict.fromkeys(cuts) if any((n, c) not in self._known for n in names)]
            if found:
                missing[scan] = found
                self._known.update({(name, cut): {} for name in names for cut in found})
        if missing:
            self._add_kept_days(here, missing)
            self._add_cut_days(here, missing)

    def _slices(self, here: Here) -> Callable[[Scan, str | None], Sequence[Slice | None]]:
        """(scan, raw split value) → the whole and the slices in which its rows count."""
        kinds = self.grid.kinds(here.source)
        memory: dict[tuple[str | None, str | None], Sequence[Slice | None]] = {}

        def found(scan: Scan, raw: str | None) -> Sequence[Slice | None]:
            key = (scan.split, raw)
            if key not in memory:
                memory[key] = (None, *self.grid.slices_of(scan, raw, kinds))
            return memory[key]

        return found

    def _add_kept_days(self, here: Here, missing: Mapping[Scan, Sequence[Cut]]) -> None:
        """The kept numbers of all whole days (for hours of a stock: hours of all whole days) before the cuts."""
        wanted: dict[tuple[str, Bounds], list[tuple[Scan, Cut]]] = {}
        for scan, cuts in missing.items():
            for cut in cuts:
                day = here.calendar.day_of(cut.moment)
                if cut.first is None or not (cut.fine or cut.first >= day):
                    first = datetime.combine(cut.first or date(1, 1, 1), time())
                    end = utc_naive(here.calendar.midnight(day)) if cut.fine else datetime.combine(day, time())
                    for atom in self.plan.scans[scan]:
                        wanted.setdefault((state_id(scan, atom), (first, end)), []).append((scan, cut))
        unknown: dict[Bounds, list[str]] = {}
        for state, bounds in wanted:
            if (state, bounds) not in self._kept:
                unknown.setdefault(bounds, []).append(state)
                self._kept[state, bounds] = {}
        parts = [_kept_days(number, bounds, states) for number, (bounds, states) in enumerate(unknown.items())]
        if parts:
            numbered, slices = list(unknown), self._slices(here)
            owners = {state: pairs[0][0] for (state, _), pairs in wanted.items()}
            for number, state, raw, *given in self.engine.query(" UNION ALL ".join(parts)).rows():
                _add(self._kept[state, numbered[number]], slices(owners[state], raw), given)
        for key, pairs in wanted.items():
            for _, cut in dict.fromkeys(pairs):
                self._known[key[0], cut] = dict(self._kept[key])

    def _add_cut_days(self, here: Here, missing: Mapping[Scan, Sequence[Cut]]) -> None:
        """The rows of the cut days that lie before the cuts: one statement per scan, unless one day is cut twice."""
        jobs: list[tuple[Scan, list[tuple[datetime, datetime | None, list[Cut]]]]] = []
        for scan, cuts in missing.items():
            batches: list[dict[date, tuple[datetime, datetime | None, list[Cut]]]] = [{}]
            for moment, start, alike in _by_moment(cuts):
                day = here.calendar.day_of(moment)
                if all(day in batch for batch in batches):
                    batches.append({})
                next(batch for batch in batches if day not in batch)[day] = (moment, start, alike)
            jobs += [(scan, list(by_day.values())) for by_day in batches]
        parts = [self._cut_days(here, scan, batch, number) for number, (scan, batch) in enumerate(jobs)]
        frame = self.engine.query(" UNION ALL BY NAME ".join(parts))
        slices = self._slices(here)
        for number, (scan, batch) in enumerate(jobs):
            own = frame.filter(pl.col("job") == number)
            for state, when, raw, *given in as_rows(own, [state_id(scan, a) for a in self.plan.scans[scan]]).rows():
                for cut in batch[when.second + 60 * when.minute][2]:
                    _add(self._known[state, cut], slices(scan, raw), given)

    def _cut_days(
        self, here: Here, scan: Scan, batch: Sequence[tuple[datetime, datetime | None, list[Cut]]], number: int
    ) -> str:
        days, arms = [], []
        for place, (moment, start, _) in enumerate(batch):
            day = here.calendar.day_of(moment)
            at_midnight = here.calendar.midnight(day) == moment
            days.append(day)
            only = f"{event_day(scan)} = {day_literal(day)}"
            only += f" AND {event_before(scan, here.columns, moment, day, at_midnight=at_midnight)}"
            if scan.fine and start is not None:
                only += f" AND {event_moment(scan)} >= {moment_literal(start)}"
            arms.append(f"WHEN {only} THEN {place}")
        # The number of the cut stands as a second of 1970: every scan's buckets are moments.
        bucket = f"make_timestamp(1000000 * CASE {' '.join(arms)} END)"
        rows = f"FROM {here.table} AS {ROWS} WHERE {event_days_within(scan, runs(days))}"
        return f"SELECT * FROM ({scan_sql(scan, self.plan.scans[scan], rows, bucket, number)}) AS c WHERE bucket IS NOT NULL"

    # -- quantiles and distinct values -------------------------------------------------------------------------

    def prepare_bags(self, here: Here, wanted: Mapping[Bag, Sequence[Cut]]) -> None:
        """Quantiles and distinct counts up to some cuts, in one statement."""
        groups: dict[tuple[str, tuple[Cut, ...]], list[Bag]] = {}
        apart = here.standing.rows > ROWS_AT_ONCE
        self._from_settled(here, wanted)
        for bag, cuts in wanted.items():
            missing = [c for c in dict.fromkeys(cuts) if (bag.id, c) not in self._known]
            self._known.update({(bag.id, cut): {} for cut in missing})
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
        if not asked:
            return
        answer = self.engine.query(together([question for question, _ in asked]))
        for number, (question, cuts) in enumerate(asked):
            for state, part, _, kind, name, n, bad, x in question.read(answer, number).rows():
                self._known[state, cuts[part]][(kind, name) if kind else None] = (n, bad, x)

    def _from_settled(self, here: Here, wanted: Mapping[Bag, Sequence[Cut]]) -> None:
        """Long stretches from what is settled of them: the whole days before the cut day."""
        axes: dict[str, list[Bag]] = {}
        stretches: dict[str, list[Stretch]] = {}
        cut_of: dict[tuple[str, Stretch], Cut] = {}
        for bag, cuts in wanted.items():
            for cut in dict.fromkeys(cuts):
                day = here.calendar.day_of(cut.moment)
                if cut.fine or cut.first is None or (bag.id, cut) in self._known or cut.first >= day:
                    continue
                if here.rows_in(bag.time, cut.first, day) >= settled.FROM_ROWS:
                    whole = here.calendar.midnight(day) == cut.moment
                    stretch = Stretch(cut.first, day, day if whole else day + DAY, None if whole else cut.moment)
                    stretches.setdefault(bag.id, []).append(stretch)
                    cut_of[bag.id, stretch] = cut
                    axes.setdefault(bag.time, []).append(bag)
        raws = {split: raws for (source, split), raws in self.grid.raws.items() if source == here.source}
        for axis, bags in axes.items():
            dates = column_kind(here.columns[axis]) == "date"
            rows = Rows(here.table, axis, (), "true", here.calendar.timezone, here.whole_hours, dates)
            for alike in by_split(list(dict.fromkeys(bags))):
                slices = slices_for(self.slicing, raws, alike[0].split)
                for key, line in self.settled.lines(alike, rows, slices, stretches).items():
                    self._known[key[0], cut_of[key]] = dict(line)

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


def _add(line: Line, slices: Sequence[Slice | None], given: Sequence[Any]) -> None:
    a, b, n, bad, low, high = given
    amount = Amount(int(a), int(b), n, bad, low, high)
    for slice_ in slices:
        before = line.get(slice_)
        line[slice_] = amount if before is None else before.plus(amount)


def _holds(bounds: Bounds, midnight: datetime) -> bool:
    """Whether a local day may lie in kept buckets; those of hours are in UTC, so that a day more on either side counts."""
    slack = timedelta(0) if bounds[1].time() == time() else timedelta(days=1)
    return bounds[0] <= midnight + slack and midnight - slack < bounds[1]


def _kept_days(number: int, bounds: Bounds, states: Iterable[str]) -> str:
    names = ", ".join(literal(name) for name in sorted(states))
    return (
        f"SELECT {number} AS span, state, slice, CAST(sum(a) AS HUGEINT) AS a, CAST(sum(b) AS HUGEINT) AS b, "
        "CAST(sum(n) AS BIGINT) AS n, CAST(sum(bad) AS BIGINT) AS bad, min(low) AS low, max(high) AS high "
        f"FROM meter.additive WHERE state IN ({names}) AND {between([bounds])} GROUP BY state, slice"
    )


def _by_moment(cuts: Iterable[Cut]) -> list[tuple[datetime, datetime | None, list[Cut]]]:
    """Cuts that end alike need the same rows of their last day (for hours also the same beginning)."""
    found: dict[tuple[datetime, datetime | None], list[Cut]] = {}
    for cut in cuts:
        found.setdefault((cut.moment, cut.start), []).append(cut)
    return [(moment, start, alike) for (moment, start), alike in found.items()]
