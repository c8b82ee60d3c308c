"""Recomputing the states of one source: all of those that are new, of the others the touched days and periods.

What is small is asked for in one statement; where that fails, in halves, so that a fault stays with its own state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from functools import partial
from typing import Protocol, TypeVar

import polars as pl

from scorecard.book.model.metric import Split
from scorecard.ground.errors import Problem
from scorecard.ground.periods import Grain
from scorecard.measures.folding import Answer
from scorecard.measures.place import Here, touched_ranges
from scorecard.measures.plan import ALL_ROWS, Atom, Bag, Plan, Scan, state_id
from scorecard.measures.ranges import (
    DAY,
    Range,
    covering,
    event_days_within,
    event_until,
    runs,
    until_moment,
    utc_naive,
)
from scorecard.measures.slices import Slicing
from scorecard.measures.sql import ROWS, column_kind
from scorecard.measures.states import settled
from scorecard.measures.states.additive import Amount, Part, as_rows, bucket_of, scan_sql
from scorecard.measures.states.bags import Question, by_split, questions, slices_for, together
from scorecard.measures.states.keys import Decimals, decimals_of
from scorecard.measures.states.level import table_of
from scorecard.measures.states.reading import Columns
from scorecard.measures.states.rows import Piece, Rows
from scorecard.measures.states.settled import Asked, Settled, Stretch
from scorecard.measures.states.stretches import Line
from scorecard.measures.states.tame import tame_among
from scorecard.measures.store import BAGS, Pending
from scorecard.measures.sweep import Sweep, apart, windows_around
from scorecard.warehouse.engine import Engine

ROWS_AT_ONCE = 3_000_000
"""Distinct values and quantiles of more rows than about this are computed in several statements, to bound memory."""
ROWS_TO_SHARE = 200_000
"""So many rows and more are worth a second thread."""
T = TypeVar("T")
Bounds = list[tuple[datetime, datetime]]


class Attempt(Protocol):
    """Does a metric's own work; what goes wrong in it is given back as its problem."""

    def __call__(self, work: Callable[[], T]) -> T | Problem: ...


@dataclass(frozen=True, slots=True)
class ScanJob:
    """Some atoms (state name → atom) of a scan over some days (None: all)."""

    scan: Scan
    atoms: Mapping[str, Atom]
    ranges: tuple[Range, ...] | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.atoms)

    def only(self, names: Sequence[str]) -> ScanJob:
        return replace(self, atoms={name: self.atoms[name] for name in names})


@dataclass(frozen=True, slots=True)
class BagJob:
    """A question; its pieces are whole periods of ``grains``, one each. ``again``: it replaces what is kept of them."""

    question: Question
    grains: tuple[Grain, ...]
    again: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(bag.id for bag in self.question.bags)

    def only(self, names: Sequence[str]) -> BagJob:
        return replace(
            self, question=replace(self.question, bags=tuple(b for b in self.question.bags if b.id in names))
        )


J = TypeVar("J", ScanJob, BagJob)


@dataclass(slots=True)
class Counting:
    """One source's recount. ``fresh`` names the states whose kept numbers are good but for the touched days; ``skipped``
    those not to be tried. ``plain``: what does not add up is asked of the engine, each grain by itself. ``days`` gives the
    touched days of some time columns, ``later`` more days of a scan. What fails is in ``broken``: state → problem. ``again``:
    the days in which a scan was counted again. ``by_day``: time column → rows of each day, if counted. ``answers``: additive
    states counted from all rows. ``stretches``: those of
    which quantiles will be asked for next.
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
    settled: Settled
    plain: bool = False
    later: Mapping[Scan, frozenset[date]] = field(default_factory=dict)
    broken: dict[str, Problem] = field(default_factory=dict)
    seen: dict[Scan, set[str | None]] = field(default_factory=dict)
    again: dict[Scan, frozenset[date]] = field(default_factory=dict)
    by_day: dict[str, Mapping[date, int]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    stretches: Callable[[], Asked] = dict

    def _run(
        self, jobs: Sequence[J], ask: Callable[[Sequence[J]], pl.DataFrame]
    ) -> list[tuple[Sequence[J], pl.DataFrame]]:
        """The jobs' answers, in as few statements as work; what fails alone is broken."""
        if not jobs:
            return []
        answer = self.attempt(lambda: ask(jobs))
        if not isinstance(answer, Problem):
            return [(jobs, answer)]
        # In halves: the one that fails among many is found with few statements more.
        if len(jobs) > 1:
            middle = len(jobs) // 2
            return self._run(jobs[:middle], ask) + self._run(jobs[middle:], ask)
        job, names = jobs[0], jobs[0].names
        if len(names) > 1:
            middle = len(names) // 2
            return self._run([job.only(names[:middle])], ask) + self._run([job.only(names[middle:])], ask)
        self.broken[job.names[0]] = answer
        return []

    # -- additive states ---------------------------------------------------------------------------------------

    def scans(self, known: Collection[Scan] = ()) -> None:
        """All additive states, but for those of scans of which they are ``known``."""
        small: list[ScanJob] = []
        for scan, atoms in self.plan.scans.items():
            if scan.source != self.here.source or scan in known:
                continue
            named = {state_id(scan, atom): atom for atom in atoms}
            anew = {name: atom for name, atom in named.items() if name not in self.fresh | self.skipped}
            again = {name: atom for name, atom in named.items() if name in self.fresh}
            days = self.days(scan.columns) | self.later.get(scan, frozenset())
            if anew:
                self._keep_scans(self._run([ScanJob(scan, anew, None)], self._scanned))
            if again:
                self.again[scan] = days
            if again and days:
                small.append(ScanJob(scan, again, covering(runs(days))))
        self._keep_scans(self._run(small, self._scanned))

    def _scanned(self, jobs: Sequence[ScanJob]) -> pl.DataFrame:
        here, parts = self.here, []
        # A row that comes in between and is too large is an error, and all is tried again in halves.
        whole = [job for job in jobs if job.ranges is None and job.scan.line is None]
        tame = tame_among(self.engine, here.table, (atom for job in whole for atom in job.atoms.values()))
        for number, job in enumerate(jobs):
            bucket = bucket_of(job.scan, here.calendar.timezone, whole_hours=here.whole_hours)
            until = event_until(job.scan, here.columns, here.now, here.today)
            table = table_of(here, job.scan, job.ranges)
            rows = f"FROM {table} AS {ROWS} WHERE {event_days_within(job.scan, job.ranges)} AND {until}"
            small = tame if job in whole else ()
            parts.append(scan_sql(job.scan, tuple(job.atoms.values()), rows, bucket, number, small))
        return self.engine.query(" UNION ALL BY NAME ".join(parts))

    def _keep_scans(self, answers: Iterable[tuple[Sequence[ScanJob], pl.DataFrame]]) -> None:
        """Notes what is to be written, and the split values seen."""
        for jobs, answer in answers:
            for number, job in enumerate(jobs):
                own = answer.filter(pl.col("job") == number)
                bounds = None if job.ranges is None else self._bounds(job.scan.fine, job.ranges)
                self.pending.drop("additive", job.names, bounds)
                self.pending.additive.append(as_rows(own, job.names))
                if job.ranges is None:
                    self.answers.append(Answer(job.names, own))
                self._note_days(job, own)
                if job.scan.split is not None:
                    seen = set(own["slice"].unique().to_list())
                    self.seen.setdefault(job.scan, set()).update(seen)
                    self.raws.setdefault(job.scan.split, set()).update(raw for raw in seen if raw is not None)

    def keep_parts(self, scan: Scan, day: date, parts: Mapping[Part, Amount]) -> None:
        """Notes what is to be written of a day of which it is known what it comes to."""
        names = [state_id(scan, atom) for atom in self.plan.scans[scan]]
        self.pending.drop("additive", names, self._bounds(scan.fine, ((day, day + DAY),)))
        self.pending.parts[names[0], datetime.combine(day, time())] = parts

    def _note_days(self, job: ScanJob, answer: pl.DataFrame) -> None:
        """Remembers how many rows there are on each day, where all of them were counted."""
        scan, atoms = job.scan, tuple(job.atoms.values())
        if job.ranges is None and ALL_ROWS in atoms and not scan.fine and scan.closed is None and scan.line is None:
            rows = answer.group_by("bucket").agg(pl.col(f"n_{atoms.index(ALL_ROWS)}").sum())
            self.by_day[scan.time] = {bucket.date(): n for bucket, n in rows.rows()}

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
        small: list[BagJob] = []
        swept = frozenset[str]() if self.plain else self._swept()
        for (axis, grains), bags in self._grouped().items():
            again = [b for b in bags if b.id in self.fresh]
            days = self.days((axis,))
            for grain in grains:
                for ranges in self._portions(axis, grain):
                    anew = [
                        b
                        for b in bags
                        if b.id not in self.fresh | self.broken.keys() and (grain == "hour" or b.id not in swept)
                    ]
                    for job in self._bag_jobs(anew, axis, {grain: ranges}, again=False) if anew else ():
                        self._keep_bags(self._run([job], self._bagged))
            if again and days:
                touched = {g: covering(touched_ranges(self.here.calendar, g, days)) for g in grains}
                self._from_settled(again, axis, touched, days)
                # Few rows: one statement for all grains is quicker to plan. Many: literals alone are quicker to run.
                apart = self.here.standing.rows > ROWS_AT_ONCE or "hour" in grains
                for some in [{g: r} for g, r in touched.items()] if apart else [touched] if touched else []:
                    small += self._bag_jobs(again, axis, some, again=True)
        self._keep_bags(self._run(small, self._bagged))

    def _swept(self) -> frozenset[str]:
        """Counts all that is new in one pass for each time column and split, at all grains but hours; gives the names of what
        could be counted so. What fails, or does not go with it, is left to be asked for by itself."""
        fused, swept = self.settled.fused(), set[str]()
        groups: dict[tuple[str, Split | None], dict[Bag, tuple[Grain, ...]]] = {}
        for bag, grains in self.plan.bags.items():
            some = tuple(grain for grain in grains if grain != "hour")
            if bag.source == self.here.source and bag.id not in self.fresh | self.skipped and some:
                groups.setdefault((bag.time, bag.split), {})[bag] = some
        stretches = self.stretches() if groups else {}
        sweeps: list[Sweep] = []
        known: dict[str, Decimals | None] = {}
        for (axis, split), bags in groups.items() if fused is not None else ():
            slices = slices_for(self.slicing, self.raws, split)
            for few in apart(bags, len(slices) + 1):
                wanted = {bag: stretches.get(bag, {}) for bag in few}
                by_day = self.by_day.get(axis)
                sweeps.append(
                    Sweep(self.engine, self.here, axis, few, slices, bool(fused), wanted, by_day, decimals=known)
                )
        if len(sweeps) > 1:  # what several ask for is looked at once; what fails is asked for by each
            doubles = {sql for sweep in sweeps for sql in Columns.of(list(sweep.bags)).doubles().values()}
            rows = f"FROM {self.here.table} AS {ROWS}"
            found = self.attempt(lambda: decimals_of(self.engine, rows, sorted(doubles)))
            known.update({} if isinstance(found, Problem) else found)
        for sweep, answer in self._side_by_side(sweeps):
            if not isinstance(answer, Problem):
                self.pending.bags.append(answer[0])
                self.settled.take(sweep.windows)
                swept.update(bag.id for bag in sweep.bags if bag not in answer[1])
        return frozenset(swept)

    def _side_by_side(
        self, sweeps: Sequence[Sweep]
    ) -> Iterator[tuple[Sweep, tuple[pl.DataFrame, frozenset[Bag]] | Problem]]:
        """What some passes came to, in their order. Of many rows two go on at once: what one sorts takes one thread."""
        if len(sweeps) < 2 or self.here.standing.rows < ROWS_TO_SHARE:
            yield from ((sweep, self.attempt(sweep.numbers)) for sweep in sweeps)
            return
        with ThreadPoolExecutor(2, "scorecard-sweep") as pool:
            yield from zip(sweeps, pool.map(lambda sweep: self.attempt(sweep.numbers), sweeps), strict=True)

    def _from_settled(
        self, bags: Sequence[Bag], axis: str, touched: dict[Grain, tuple[Range, ...]], days: frozenset[date]
    ) -> None:
        """Answers long running periods from what is settled of them, and takes them out of ``touched``."""
        here = self.here
        large: dict[Grain, date] = {}
        for grain, ranges in touched.items():
            if grain != "hour" and len(ranges) == 1:
                period = here.calendar.period(here.today, grain)
                many = here.rows_in(axis, period.first, period.until) >= settled.FROM_ROWS
                if many and ranges[0] == (period.first, period.until):
                    large[grain] = period.first
        lines = self._settled_lines(bags, axis, large, days)
        for grain, first in large.items():
            if all((bag.id, grain) in lines for bag in bags):
                bounds = self._bounds(False, touched[grain])
                self.pending.drop("bags", [b.id for b in bags], bounds, grain)
                bucket = datetime.combine(first, time())
                own = {(state, of, bucket): line for (state, of), line in lines.items() if of == grain}
                self.pending.lines.update(own)
                del touched[grain]

    def _settled_lines(
        self, bags: Sequence[Bag], axis: str, firsts: Mapping[Grain, date], days: frozenset[date]
    ) -> dict[tuple[str, Grain], Line]:
        """(state, grain) → its numbers in the running period, as far as they can be said without all rows."""
        here = self.here
        stretches: dict[str, list[Stretch]] = {}
        grains: dict[tuple[str, Stretch], list[Grain]] = {}
        for grain, first in firsts.items():
            touched = min(d for d in days if d >= first)
            for bag in bags:
                split = self.settled.split_for(bag, first, touched, here.today)
                if split is not None:
                    stretch = Stretch(first, split, here.today + DAY)
                    stretches.setdefault(bag.id, []).append(stretch)
                    grains.setdefault((bag.id, stretch), []).append(grain)
        if not stretches:
            return {}
        until = until_moment(axis, here.columns[axis], here.now, here.today)
        dates = column_kind(here.columns[axis]) == "date"
        rows = Rows(here.table, axis, (), until, here.calendar.timezone, here.whole_hours, dates)
        found: dict[tuple[str, Grain], Line] = {}
        for alike in by_split(bags):
            slices = slices_for(self.slicing, self.raws, alike[0].split)
            look = partial(windows_around, self.engine, here, slices)
            answer = self.attempt(partial(self.settled.lines, alike, rows, slices, stretches, look))
            if not isinstance(answer, Problem):
                found |= {(key[0], grain): line for key, line in answer.items() for grain in grains[key]}
        return found

    def _bagged(self, jobs: Sequence[BagJob]) -> pl.DataFrame:
        return self.engine.query(together([job.question for job in jobs]))

    def _keep_bags(self, answers: Iterable[tuple[Sequence[BagJob], pl.DataFrame]]) -> None:
        for jobs, answer in answers:
            for number, job in enumerate(jobs):
                for grain, piece in zip(job.grains, job.question.rows.pieces, strict=True):
                    if job.again and piece.ranges is not None:
                        bounds = self._bounds(grain == "hour", piece.ranges)
                        self.pending.drop("bags", job.names, bounds, grain)
                read = job.question.read(answer, number)
                named = pl.col("part").replace_strict(dict(enumerate(job.grains)), return_dtype=pl.String)
                self.pending.bags.append(read.with_columns(named.alias("grain")).select(list(BAGS)))

    def _grouped(self) -> dict[tuple[str, tuple[Grain, ...]], list[Bag]]:
        groups: dict[tuple[str, tuple[Grain, ...]], list[Bag]] = {}
        for bag, grains in self.plan.bags.items():
            if bag.source == self.here.source and bag.id not in self.skipped:
                groups.setdefault((bag.time, grains), []).append(bag)
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
        self, bags: Sequence[Bag], axis: str, touched: Mapping[Grain, tuple[Range, ...] | None], *, again: bool
    ) -> list[BagJob]:
        here = self.here
        until = until_moment(axis, here.columns[axis], here.now, here.today)
        pieces = tuple(Piece(ranges, grain, _one_bucket(here, grain, ranges)) for grain, ranges in touched.items())
        rows = Rows(here.table, axis, pieces, until, here.calendar.timezone, here.whole_hours)
        return [BagJob(question, tuple(touched), again) for question in questions(self.slicing, self.raws, bags, rows)]


def _one_bucket(here: Here, grain: Grain, ranges: tuple[Range, ...] | None) -> date | None:
    """The first day of the period, where there is only one."""
    if ranges is None or len(ranges) != 1 or grain == "hour":
        return None
    first, until = ranges[0]
    period = here.calendar.period(first, grain)
    return first if (period.first, period.until) == (first, until) else None
