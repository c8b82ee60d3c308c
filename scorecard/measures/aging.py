"""Counting ages: at the ends of closed periods, kept once they are counted; anew from the first touched opening on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import polars as pl

from scorecard.ground.errors import Problem
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.counting import Attempt
from scorecard.measures.place import Here
from scorecard.measures.plan import Ages, Plan
from scorecard.measures.ranges import day_literal, day_of, utc_naive
from scorecard.measures.slices import Slicing
from scorecard.measures.spans import MOST_DAYS
from scorecard.measures.sql import ROWS
from scorecard.measures.states.age import ages_at_ends, even_runs, read_ages, same_items
from scorecard.measures.states.bags import slices_for
from scorecard.measures.store import BAGS, Pending
from scorecard.warehouse.engine import Engine

MOST_PERIODS = 1000
"""In one statement."""
MET_AT_ONCE = 5_000_000
"""About how many times an item may meet a period's end in one statement, to bound memory."""


@dataclass(slots=True)
class Aging:
    """The ages of one source. What fails is in ``broken``: state → problem."""

    engine: Engine
    here: Here
    plan: Plan
    slicing: Slicing
    raws: Mapping[str, set[str]]
    attempt: Attempt
    pending: Pending
    broken: dict[str, Problem] = field(default_factory=dict)

    def count(self, wanted: Sequence[Ages], since: date | None) -> None:
        """Ages at the ends of all closed periods that end after a day (None: of all)."""
        for ages in same_items(wanted):
            for one in ages:
                for grain in self.plan.ages[one]:
                    self._drop(one.id, grain, since)
            answer = self.attempt(lambda a=ages: self._of_items(a, since))  # type: ignore[misc]
            if isinstance(answer, Problem):
                self.broken.update({one.id: answer for one in ages})
            else:
                self.pending.bags += answer

    def first_bucket(self, one: Ages, grain: Grain) -> datetime | None:
        """The first of the closed periods at whose ends it would be counted, as it is kept; None: there are none."""
        closed = self._closed(one, grain, None)
        return _bucket(first_key(self.here, grain, closed[0].first)) if closed else None

    def _drop(self, name: str, grain: Grain, since: date | None) -> None:
        if since is None:
            self.pending.drop("bags", [name])
            return
        begin = _bucket(first_key(self.here, grain, since))
        self.pending.drop("bags", [name], [(begin, datetime.combine(date.max, time()))], grain)

    def _of_items(self, ages: Sequence[Ages], since: date | None) -> list[pl.DataFrame]:
        """What is kept of some ages of the same items, split same_items."""
        slices = slices_for(self.slicing, self.raws, ages[0].split)
        by_grain: dict[Grain, list[Ages]] = {}
        for one in ages:
            for grain in self.plan.ages[one]:
                by_grain.setdefault(grain, []).append(one)
        found = []
        for grain, some in by_grain.items():
            for periods in self._portions(some[0], self._closed(some[0], grain, since)):
                answer = read_ages(some, self.engine.query(ages_at_ends(some, self.here, slices, periods)))
                rows = [(s, grain, bucket, *(slice_ or ("", "")), *number) for s, bucket, slice_, number in answer]
                found.append(pl.DataFrame(rows, schema=BAGS, orient="row"))
        return found

    def _closed(self, one: Ages, grain: Grain, since: date | None) -> list[Period]:
        here = self.here
        begin = here.first_day(one.opened)
        if begin is None:
            return []
        first = max(begin, begin if since is None else since)
        if grain in MOST_DAYS:
            first = max(first, here.today - timedelta(days=MOST_DAYS[grain] + 31))
        return [p for p in here.calendar.between(grain, first, here.today) if p.end <= here.now]

    def _portions(self, one: Ages, periods: Sequence[Period]) -> Iterator[Sequence[Period]]:
        """The periods in portions that each meet a bounded number of items."""
        if not periods:
            return
        last = day_literal(periods[-1].until)
        opened, closed = day_of(one.opened), day_of(one.closed)
        still_open = self.here.standing.rows
        if still_open * MOST_PERIODS > MET_AT_ONCE:
            still_open = self.engine.query(
                f"SELECT count(*) FROM {self.here.table} AS {ROWS} "
                f"WHERE {opened} < {last} AND ({closed} IS NULL OR {closed} >= {last})"
            ).item()
        most = max(1, min(MET_AT_ONCE // (still_open + 1), MOST_PERIODS))
        for run in even_runs(periods) if periods[0].grain == "hour" else [list(periods)]:
            yield from (run[at : at + most] for at in range(0, len(run), most))


def _bucket(key: date) -> datetime:
    return key if isinstance(key, datetime) else datetime.combine(key, time())


def first_key(here: Here, grain: Grain, since: date) -> date:
    """The key of the first period that ends after a day has begun."""
    return utc_naive(here.calendar.midnight(since)) if grain == "hour" else here.calendar.period(since, grain).first


def since_when(
    here: Here,
    ages: Sequence[Ages],
    grains: Mapping[Ages, Sequence[Grain]],
    touched: frozenset[date],
    counted_at: datetime | None,
) -> date | None:
    """From which day on kept ages do not hold any more: touched openings, and periods that have ended since; None: they hold.

    ``counted_at``: when they were counted last (None: never).
    """
    found = set(touched)
    if counted_at is not None and ages:
        day = here.calendar.day_of(counted_at)
        hourly = any("hour" in grains[one] for one in ages)
        hour = here.calendar.period(counted_at, "hour") if hourly else None
        if day < here.today or (hour is not None and hour.end <= here.now):
            found.add(day)
    return min(found, default=None) if ages else None
