"""What the rows of a cut day come to before the cut: read once for a while ahead, so that a cut that moves on costs nothing.

Every cut of a running period moves with the newest row, in all the periods it is compared with. So with the rows before a cut
come, one by one, those of the next hour at most; later cuts within that hour add them up from memory. Sums are exact, so it
makes no difference where the rows come from.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

import polars as pl

from scorecard.ground.errors import Refused
from scorecard.measures.place import Here
from scorecard.measures.plan import Atom, Plan, Scan, state_id
from scorecard.measures.ranges import (
    DAY,
    column,
    day_literal,
    event_day,
    event_days_within,
    moment_literal,
    runs,
    utc_naive,
)
from scorecard.measures.slices import Slice
from scorecard.measures.sql import ROWS, column_kind
from scorecard.measures.states.additive import Amount, as_rows, event_moment, scan_sql, small
from scorecard.measures.states.level import table_of
from scorecard.warehouse.engine import Engine

Line = dict[Slice | None, Any]
SlicesOf = Callable[[Scan, str | None], Sequence[Slice | None]]
"""(scan, raw split value) → the whole and the slices in which its rows count."""
ROWS_AHEAD = 2_000
"""About so many rows of a day are read ahead."""
LONGEST_AHEAD = 3600.0
"""Seconds."""
NOTHING: Line = {}
UNUSED = 4
"""Days that nothing has asked for during so many changes of their source are forgotten."""


class At(NamedTuple):
    """Before a moment; ``start``: for hours, from there on (else from the beginning of the moment's day)."""

    moment: datetime
    start: datetime | None


_Row = tuple[Any, ...]
_Batch = dict[date, At]
"""Cuts of different days: they fit into one statement."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What a day's rows come to before a moment (in UTC, without offset), each state added up when it is asked for: ``base``, and
    those of ``ahead`` (state → rows in order of time) that are earlier. ``lost``: states that the rows do not go with, and why.

    ``made``: state → (so many of its rows are in it, what they come to); later moments of the day go on from there.
    """

    scan: Scan
    slices: SlicesOf
    base: Mapping[str, Line]
    ahead: Mapping[str, Sequence[_Row]]
    moment: datetime
    lost: Mapping[str, Refused]
    made: dict[str, tuple[int, Line]]

    def line(self, state: str) -> Line:
        """A state's numbers by slice."""
        rows = self.ahead.get(state, ())
        until = bisect_left(rows, self.moment, key=itemgetter(0))
        first, line = self.made.get(state, (0, NOTHING))
        if not first or first > until:  # an earlier moment may be asked for later
            first, line = 0, self.base.get(state, NOTHING)
        if until > first:
            line = dict(line)
            for _, _, raw, *given in rows[first:until]:
                add(line, self.slices(self.scan, raw), given)
            self.made[state] = until, line
        return line


@dataclass(slots=True)
class _Day:
    """One scan's rows of one day: before ``reached``, and ahead of it up to ``end``."""

    reached: datetime
    end: datetime
    last: Reached
    used: int

    def covers(self, moment: datetime) -> bool:
        return self.reached <= moment <= self.end

    def advance(self, moment: datetime) -> None:
        """Up to a later moment. What was handed out stays as it is."""
        self.last = replace(self.last, moment=utc_naive(moment))
        self.reached = moment


@dataclass(slots=True)
class CutDays:
    """Remembers days of scans up to the last cut, and some way further."""

    engine: Engine
    plan: Plan
    _days: dict[tuple[Scan, date, datetime | None], _Day] = field(default_factory=dict)
    _rounds: dict[str, int] = field(default_factory=dict)

    def forget(self, source: str, days: frozenset[date] | None) -> None:
        """A source's rows have changed (``days``: only those of some days)."""
        now = self._rounds[source] = self._rounds.get(source, 0) + 1
        self._days = {
            key: day
            for key, day in self._days.items()
            if key[0].source != source or (days is not None and key[1] not in days and day.used > now - UNUSED)
        }

    def day(self, here: Here, scan: Scan, at: At, slices: SlicesOf) -> Reached | None:
        """What the rows of the day come to before the moment; it is read now where it was not prepared. None: it is midnight."""
        day = here.calendar.day_of(at.moment)
        if here.calendar.midnight(day) == at.moment:
            return None
        key = (scan, day, at.start)
        if key not in self._days or not self._days[key].covers(at.moment):
            self.prepare(here, {scan: [at]}, slices)
        found = self._days[key]
        found.used = self._rounds.get(scan.source, 0)
        if found.reached < at.moment:
            found.advance(at.moment)
        return found.last

    def prepare(self, here: Here, wanted: Mapping[Scan, Iterable[At]], slices: SlicesOf) -> None:
        """Reads what is not there yet: one statement, with a part for each scan, or more where one day is cut twice."""
        jobs: list[tuple[Scan, _Batch]] = []
        for scan, cuts in wanted.items():
            batches: list[_Batch] = []
            for at in dict.fromkeys(cuts):
                day = here.calendar.day_of(at.moment)
                known = self._days.get((scan, day, at.start))
                if here.calendar.midnight(day) == at.moment or (known is not None and known.covers(at.moment)):
                    continue
                free = next((batch for batch in batches if day not in batch), None)
                if free is None:
                    free = {}
                    batches.append(free)
                free[day] = at
            jobs += [(scan, batch) for batch in batches]
        if not jobs:
            return
        ends = [[self._end(here, scan, day, at.moment) for day, at in batch.items()] for scan, batch in jobs]
        atoms = [self.plan.scans[scan] for scan, _ in jobs]
        parts = [self._sql(here, *job, atoms[n], ends[n], n) for n, job in enumerate(jobs)]
        try:
            frame = self.engine.query(" UNION ALL BY NAME ".join(parts))
        except Refused:
            # Some row does not go with some atom. The others must not suffer, so each is asked for by itself.
            for job, found, until in zip(jobs, atoms, ends, strict=True):
                self._one_by_one(here, *job, found, until, slices)
            return
        for number, (scan, batch) in enumerate(jobs):
            states = [state_id(scan, atom) for atom in atoms[number]]
            rows = small(as_rows(frame.filter(pl.col("job") == number), states))
            self._keep(here, scan, batch, ends[number], rows.rows(), slices, {})

    def _one_by_one(
        self, here: Here, scan: Scan, batch: _Batch, atoms: Sequence[Atom], ends: Sequence[datetime], slices: SlicesOf
    ) -> None:
        rows: list[_Row] = []
        lost: dict[str, Refused] = {}
        for atom in atoms:
            state = state_id(scan, atom)
            try:
                answer = self.engine.query(self._sql(here, scan, batch, (atom,), ends, 0))
                rows += small(as_rows(answer, [state])).rows()
            except Refused as error:
                lost[state] = error
        self._keep(here, scan, batch, ends, rows, slices, lost)

    def _keep(
        self,
        here: Here,
        scan: Scan,
        batch: _Batch,
        ends: Sequence[datetime],
        rows: Iterable[_Row],
        slices: SlicesOf,
        lost: Mapping[str, Refused],
    ) -> None:
        """Puts rows (state, bucket, raw split value, amount …) where they belong: before the cuts, or ahead of them."""
        before: list[list[_Row]] = [[] for _ in batch]
        ahead: dict[date, list[_Row]] = {day: [] for day in batch}
        days = sorted(batch)
        begins = [utc_naive(here.calendar.midnight(day)) for day in days]
        for state, bucket, *rest in rows:
            if bucket.year == 1970:
                before[bucket.second + 60 * bucket.minute].append((bucket, state, *rest))
            else:
                ahead[days[bisect_right(begins, bucket) - 1]].append((bucket, state, *rest))
        for place, (day, at) in enumerate(batch.items()):
            later: dict[str, list[_Row]] = {}
            for row in sorted(ahead[day], key=itemgetter(0)):
                later.setdefault(row[1], []).append(row)
            used = self._rounds.get(scan.source, 0)
            lines = _added(before[place], scan, slices)
            reached = Reached(scan, slices, lines, later, utc_naive(at.moment), lost, {})
            self._days[scan, day, at.start] = _Day(at.moment, ends[place], reached, used)

    def _end(self, here: Here, scan: Scan, day: date, moment: datetime) -> datetime:
        """How far ahead rows are read. All rows of a day of dates lie before every moment in it."""
        kinds = {column_kind(here.columns[name]) for name in scan.columns}
        midnight = here.calendar.midnight(day + DAY)
        if kinds == {"date"}:
            return midnight - timedelta(microseconds=1)
        if "date" in kinds:
            return moment
        first = here.first_day(scan.time) or here.today
        each = here.standing.rows / ((here.today - first).days + 1) / DAY.total_seconds()
        ahead = min(LONGEST_AHEAD, ROWS_AHEAD / each) if each else LONGEST_AHEAD
        return min(moment + timedelta(seconds=ahead), midnight - timedelta(microseconds=1))

    def _sql(
        self, here: Here, scan: Scan, batch: _Batch, atoms: Sequence[Atom], ends: Sequence[datetime], number: int
    ) -> str:
        """Rows before the cuts are summed under the number of the cut, as a second of 1970; later ones stand under their moment."""
        dates = [column_kind(here.columns[name]) == "date" for name in scan.columns]
        cuts = []
        for place, (day, at) in enumerate(batch.items()):
            start = at.start if scan.fine else None
            until = ends[place] if ends[place] > at.moment and not any(dates) else None
            moments = ", ".join("NULL" if m is None else moment_literal(m) for m in (start, at.moment, until))
            cuts.append(f"({day_literal(day)}, make_timestamp({1_000_000 * place}), {moments})")
        known = f"(VALUES {', '.join(cuts)}) AS cut(day, place, start, before, until)"
        before = " AND ".join(
            f"{column(name)} <= cut.day" if is_date else f"{column(name)} < CAST(cut.before AS TIMESTAMP)"
            for name, is_date in zip(scan.columns, dates, strict=True)
        )
        later = (
            "" if any(dates) else f" WHEN {event_moment(scan)} < CAST(cut.until AS TIMESTAMP) THEN {event_moment(scan)}"
        )
        since = f" AND coalesce({event_moment(scan)} >= CAST(cut.start AS TIMESTAMP), true)" if scan.fine else ""
        days = runs(batch)
        rows = (
            f"FROM {table_of(here, scan, days)} AS {ROWS} JOIN {known} ON {event_day(scan)} = cut.day "
            f"WHERE {event_days_within(scan, days)}{since}"
        )
        summed = scan_sql(scan, atoms, rows, f"CASE WHEN {before} THEN cut.place{later} END", number)
        return f"SELECT * FROM ({summed}) AS c WHERE bucket IS NOT NULL"


def _added(rows: Iterable[_Row], scan: Scan, slices: SlicesOf) -> dict[str, Line]:
    """What some rows come to, by state."""
    found: dict[str, Line] = {}
    for _, state, raw, *given in rows:
        add(found.setdefault(state, {}), slices(scan, raw), given)
    return found


def add(line: Line, slices: Sequence[Slice | None], given: Sequence[Any]) -> None:
    """Adds one row of a state to a line, in all its slices."""
    a, b, n, bad, low, high = given
    amount = Amount(int(a), int(b), n, bad, low, high)
    for slice_ in slices:
        before = line.get(slice_)
        line[slice_] = amount if before is None else before.plus(amount)
