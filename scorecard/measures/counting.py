"""Recomputing the states of one source: all of those that are new, of the others the touched days and periods.

What is small is asked for in one statement; where that fails, one by one, so that a fault stays with its own state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time

import polars as pl

from scorecard.ground.errors import Problem
from scorecard.ground.periods import Grain
from scorecard.measures.place import Here, touched_ranges
from scorecard.measures.plan import Atom, Bag, Plan, Scan, state_id
from scorecard.measures.ranges import (
    Range,
    covering,
    event_days_within,
    event_until,
    runs,
    until_moment,
    utc_naive,
)
from scorecard.measures.slices import Slicing
from scorecard.measures.states.additive import bucket_of, scan_sql
from scorecard.measures.states.distinct import distinct_sql
from scorecard.measures.states.quantile import quantile_sql
from scorecard.measures.states.rows import Rows
from scorecard.measures.store import Pending
from scorecard.warehouse.engine import Engine

ROWS_AT_ONCE = 3_000_000
"""Distinct values and quantiles of more rows than about this are computed in several statements, to bound memory."""
Attempt = Callable[[Callable[[], pl.DataFrame]], "pl.DataFrame | Problem"]
Bounds = list[tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True)
class Job:
    """Some states over some days. ``write``: their names → the statement. ``drop``: which kept rows the answer replaces."""

    states: tuple[str, ...]
    write: Callable[[Sequence[str]], str]
    drop: Callable[[Sequence[str]], None]


@dataclass(slots=True)
class Counting:
    """One source's recount. ``fresh`` names the states whose kept numbers are good but for the touched days; ``skipped``
    those not to be tried. ``days`` gives the touched days of some time columns. What fails is in ``broken``: state → problem.
    """

    engine: Engine
    here: Here
    plan: Plan
    slicing: Slicing
    fresh: frozenset[str]
    skipped: frozenset[str]
    days: Callable[[Sequence[str]], frozenset[date]]
    attempt: Attempt
    pending: Pending
    raws: dict[str, set[str]]
    broken: dict[str, Problem] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> list[pl.DataFrame]:
        """Their answers, in as few statements as work."""
        if not jobs:
            return []
        text = " UNION ALL ".join(job.write(job.states) for job in jobs)
        answer = self.attempt(lambda: self.engine.query(text))
        if not isinstance(answer, Problem):
            for job in jobs:
                job.drop(job.states)
            return [answer]
        if len(jobs) > 1:
            return [frame for job in jobs for frame in self.run([job])]
        job = jobs[0]
        if len(job.states) > 1:
            return [frame for state in job.states for frame in self.run([replace(job, states=(state,))])]
        self.broken[job.states[0]] = answer
        return []

    # -- additive states ---------------------------------------------------------------------------------------

    def scans(self) -> None:
        """All additive states."""
        small: list[Job] = []
        for scan, atoms in self.plan.scans.items():
            if scan.source != self.here.source:
                continue
            named = {state_id(scan, atom): atom for atom in atoms}
            anew = {name: atom for name, atom in named.items() if name not in self.fresh | self.skipped}
            again = {name: atom for name, atom in named.items() if name in self.fresh}
            days = self.days(scan.columns)
            if anew:
                self._keep(self.run([self._scan_job(scan, anew, None)]))
            if again and days:
                small.append(self._scan_job(scan, again, covering(runs(days))))
        self._keep(self.run(small))

    def _scan_job(self, scan: Scan, atoms: Mapping[str, Atom], ranges: tuple[Range, ...] | None) -> Job:
        here = self.here
        bucket = bucket_of(scan, here.calendar.timezone, whole_hours=here.whole_hours)
        rows = f"{event_days_within(scan, ranges)} AND {event_until(scan, here.columns, here.now, here.today)}"
        bounds = None if ranges is None else self._bounds(scan.fine, ranges)

        def write(states: Sequence[str]) -> str:
            return scan_sql(scan, {s: atoms[s] for s in states}, here.table, rows, bucket)

        return Job(tuple(atoms), write, lambda states: self.pending.drop("additive", states, bounds))

    def _keep(self, frames: Iterable[pl.DataFrame]) -> None:
        """Remembers answers to be written, and the split values seen in them."""
        splits = {state_id(scan, atom): scan.split for scan, atoms in self.plan.scans.items() for atom in atoms}
        for frame in frames:
            self.pending.additive.append(frame)
            for state, raw in frame.select("state", "slice").drop_nulls().unique().rows():
                split = splits.get(state)
                if split is not None:
                    self.raws.setdefault(split, set()).add(raw)

    def _bounds(self, fine: bool, ranges: tuple[Range, ...]) -> Bounds:
        """Days as bounds of buckets: hours are kept as moments in UTC, all else by local day."""
        if fine:
            midnight = self.here.calendar.midnight
            return [(utc_naive(midnight(a)), utc_naive(midnight(b))) for a, b in ranges]
        return [(datetime.combine(a, time()), datetime.combine(b, time())) for a, b in ranges]

    # -- quantiles and distinct values -------------------------------------------------------------------------

    def bags(self) -> None:
        """All quantiles and distinct counts."""
        stale = [b.id for b in self.plan.bags if b.source == self.here.source and b.id not in self.fresh | self.skipped]
        self.pending.drop("bags", stale)
        small: list[Job] = []
        for (axis, grain), bags in self._grouped().items():
            anew = [b for b in bags if b.id not in self.fresh]
            again = [b for b in bags if b.id in self.fresh]
            days = self.days((axis,))
            for ranges in self._portions(axis, grain) if anew else ():
                for job in self._bag_jobs(
                    [b for b in anew if b.id not in self.broken], axis, grain, ranges, drop=False
                ):
                    self.pending.bags += self.run([job])
            if again and days:
                small += self._bag_jobs(again, axis, grain, covering(touched_ranges(self.here.calendar, grain, days)))
        self.pending.bags += self.run(small)

    def _grouped(self) -> dict[tuple[str, Grain], list[Bag]]:
        groups: dict[tuple[str, Grain], list[Bag]] = {}
        for bag, grains in self.plan.bags.items():
            if bag.source == self.here.source and bag.id not in self.skipped:
                for grain in grains:
                    groups.setdefault((bag.time, grain), []).append(bag)
        return groups

    def _portions(self, axis: str, grain: Grain) -> Iterable[tuple[Range, ...] | None]:
        """All rows, in portions of whole periods where they are many."""
        first = self.here.first_day(axis)
        if first is None:
            return ()
        portions = -(-self.here.standing.rows // ROWS_AT_ONCE)
        if portions <= 1:
            return (None,)
        periods = self.here.calendar.between("day" if grain == "hour" else grain, first, self.here.today)
        size = max(1, -(-len(periods) // portions))
        return tuple(
            ((p[0].first, p[-1].until),) for p in (periods[i : i + size] for i in range(0, len(periods), size))
        )

    def _bag_jobs(
        self, bags: Sequence[Bag], axis: str, grain: Grain, ranges: tuple[Range, ...] | None, *, drop: bool = True
    ) -> list[Job]:
        here = self.here
        until = until_moment(axis, here.columns[axis], here.now, here.today)
        bucket = _one_bucket(here, grain, ranges)
        rows = Rows(here.table, axis, grain, ranges, until, here.calendar.timezone, here.whole_hours, bucket)
        bounds = None if ranges is None else self._bounds(grain == "hour", ranges)
        only = f" AND grain = '{grain}'"

        def dropped(states: Sequence[str]) -> None:
            if drop:
                self.pending.drop("bags", states, bounds, only)

        return [Job(states, write, dropped) for states, write in bag_statements(self.slicing, self.raws, bags, rows)]


def bag_statements(
    slicing: Slicing, raws: Mapping[str, set[str]], bags: Sequence[Bag], rows: Rows
) -> list[tuple[tuple[str, ...], Callable[[Sequence[str]], str]]]:
    """Statements for quantiles and distinct counts: those of the whole, and those of the slices of what is split."""
    reads: list[tuple[Rows, list[Bag]]] = [(rows, list(bags))]
    for split in dict.fromkeys(b.split for b in bags if b.split is not None):
        slices = {raw: named for raw in raws.get(split.column, ()) if (named := slicing.slices_of(split.kind, raw))}
        if slices:
            reads.append((replace(rows, split=split.column, slices=slices), [b for b in bags if b.split == split]))
    found: list[tuple[tuple[str, ...], Callable[[Sequence[str]], str]]] = []
    for some, wanted in reads:
        groups: dict[str, list[Bag]] = {}
        for bag in wanted:  # all quantiles together; of distinct values those of the same value
            groups.setdefault("" if bag.q is not None else bag.value, []).append(bag)
        for alike in groups.values():
            write = quantile_sql if alike[0].q is not None else distinct_sql
            by_id = {bag.id: bag for bag in alike}
            found.append((tuple(by_id), lambda s, w=write, b=by_id, r=some: w([b[i] for i in s], r)))  # type: ignore[misc]
    return found


def _one_bucket(here: Here, grain: Grain, ranges: tuple[Range, ...] | None) -> str | None:
    """The literal period, where there is only one: no join is needed then."""
    if ranges is None or len(ranges) != 1 or grain == "hour":
        return None
    first, until = ranges[0]
    period = here.calendar.period(first, grain)
    return f"DATE '{first.isoformat()}'" if (period.first, period.until) == (first, until) else None
