"""Which days and periods of a source have been touched, what of them will be asked for, and which rows are in none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from scorecard.ground.periods import GRAINS, Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.cuts import Wanted, stretch_of
from scorecard.measures.place import OLDEST, Here, Key, key_of, touched_ranges
from scorecard.measures.plan import Bag, Plan
from scorecard.measures.ranges import DAY, Range, moment_literal
from scorecard.measures.sql import ROWS, column_kind, quoted
from scorecard.measures.states import settled
from scorecard.measures.states.settled import Asked, Most
from scorecard.warehouse.engine import Engine, Standing

DATED = ("instant", "date")
"""Kinds of columns by which rows lie in periods."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Rows that are in no period: dated after now, or without a time. ``ahead``: any axis has rows after now."""

    future: int = 0
    undated: int = 0
    ahead: bool = False


def rest_of(engine: Engine, here: Here, times: Iterable[str], own: str | None) -> Rest:
    """Counts the rows that are in no period; by source time (``own``), or where it has none by the first axis in use."""
    used = [time for time in times if column_kind(here.columns.get(time, "")) in DATED]
    if not used:
        return Rest()
    place = used.index(own) if own in used else 0
    asked = []
    for column in used:
        limit = f"DATE '{here.today}'" if column_kind(here.columns[column]) == "date" else moment_literal(here.now)
        asked.append(f"> {limit}")
    rows = f"SELECT count(*) FROM {here.table} AS {ROWS} WHERE {ROWS}"
    parts = [f"({rows}.{quoted(column)} {after})" for column, after in zip(used, asked, strict=True)]
    parts.append(f"({rows}.{quoted(used[place])} IS NULL)")  # of the others nobody asks: some have many
    *ahead, undated = engine.query("SELECT " + ", ".join(f"{p} AS c_{i}" for i, p in enumerate(parts))).row(0)
    return Rest(ahead[place], undated, any(ahead))


@dataclass(frozen=True, slots=True)
class Days:
    """The touched days of some time columns, as far as they can be in a period: loads' and the clock's."""

    here: Here
    given: Mapping[str, frozenset[date]]
    clock: frozenset[date]

    def __call__(self, columns: Sequence[str]) -> frozenset[date]:
        found = self.clock.union(*(self.given.get(c, frozenset()) for c in columns))
        return frozenset(d for d in found if self.here.today - OLDEST <= d <= self.here.today)


def stretches_wanted(here: Here, plan: Plan, wanted: Wanted) -> Asked:
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


def marks(standing: Standing) -> tuple[object, ...]:
    """What moves values without touching rows."""
    return standing.loaded_at, standing.data_until, standing.generation, dict(standing.first_day)


def keys_of(calendar: Calendar, days: Iterable[date]) -> dict[Grain, frozenset[Key]]:
    """The keys of all periods that hold one of the days."""
    found: dict[Grain, frozenset[Key]] = {}
    for grain in GRAINS:
        periods = [p for a, b in touched_ranges(calendar, grain, days) for p in calendar.between(grain, a, b - DAY)]
        found[grain] = frozenset(key_of(p) for p in periods)
    return found
