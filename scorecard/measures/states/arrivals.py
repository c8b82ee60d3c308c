"""Rows that have come at the end of a source since it was last measured: read once, for all that a tick counts of them.

Nearly all loads of what goes on and on only add rows that are newer than all before. Then what the touched days come to is what
they came to and these rows; nothing of a day has to be read again. Which rows are new is never guessed: they are those from the
newest known row on, of exactly the generation that is measured, and together with those that were there before they must be
all rows that it has. Where they are not, days are counted in the usual way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from scorecard.ground.errors import Refused
from scorecard.measures.place import Here
from scorecard.measures.plan import Atom, Plan, Scan, state_id
from scorecard.measures.ranges import column, day_of, moment_literal, utc_naive
from scorecard.measures.sql import ROWS, column_kind
from scorecard.measures.states.additive import Amount, Part, each_sql, each_summed, raw_value
from scorecard.warehouse.engine import Engine

MOST_ROWS = 200_000
"""Of more rows at once the engine adds up itself: it need not hand them out."""
MOST_AT_EDGE = 1000
"""Where more rows than this have the newest time of all, it says little of which are new."""
LONGEST_WAIT = 64
"""Ticks before it is tried again, where rows have not come at the end: twice as many each time."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read of a source's rows. ``names``: SQL of a column → its name. ``own``: the time whose newest row is the last one.
    ``scans``: those whose states are added up, with the places of their atoms in ``atoms``. ``times``: of all axes."""

    own: str
    times: tuple[str, ...]
    names: Mapping[str, str]
    atoms: tuple[Atom, ...]
    scans: Mapping[Scan, tuple[int, ...]]

    def sql(self, here: Here, since: datetime, most: int) -> str:
        """Rows from a moment on, also those that lie ahead of the clock."""
        rows = f"FROM {here.table} AS {ROWS} WHERE {column(self.own)} >= {moment_literal(since)}"
        return f"{each_sql(self.atoms, list(self.names), rows)} LIMIT {most}"


@dataclass(frozen=True, slots=True)
class Arrived:
    """The new rows of a source, each once, as its ``layout`` says."""

    layout: Layout
    rows: pl.DataFrame

    def tallies(self, scan: Scan, atoms: Sequence[Atom]) -> dict[date, dict[Part, Amount]] | None:
        """Day → what has come to its states; None where that cannot be said."""
        numbers = self.layout.scans[scan]
        sums = each_summed(self.layout.atoms, numbers, self.rows)
        if sums is None:
            return None
        days = [pl.col(self.layout.names[day_of(time)]) for time in scan.columns]
        known = pl.all_horizontal(day.is_not_null() for day in days)
        raw = pl.col(self.layout.names[raw_value(scan.split)])
        keys = pl.max_horizontal(days).alias("day"), raw.alias("raw")
        found: dict[date, dict[Part, Amount]] = {}
        (added,) = pl.collect_all(
            [self.rows.lazy().filter(known).group_by(keys).agg(sums)]
        )  # in steps it would cost more
        known_columns, nothing = set(added.columns), [0] * len(added)
        ends: dict[str, list[Any]] = {"low": [None] * len(added), "high": [None] * len(added)}

        def column_of(key: str, i: int) -> list[Any]:
            name = f"{key}_{i}"
            return added[name].to_list() if name in known_columns else ends.get(key, nothing)

        places = list(zip(added["day"].to_list(), added["raw"].to_list(), strict=True))
        for i, atom in zip(numbers, atoms, strict=True):
            state = state_id(scan, atom)
            amounts = map(Amount._make, zip(*(column_of(key, i) for key in Amount._fields), strict=True))
            for (day, raw), amount in zip(places, amounts, strict=True):
                if amount.n or amount.bad:
                    found.setdefault(day, {})[state, raw] = amount
        return found


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a generation's rows are known: ``rows`` in all, those from ``since`` on one by one (``edge``)."""

    generation: int
    layout: Layout
    rows: int
    since: datetime
    edge: pl.DataFrame


@dataclass(slots=True)
class Arrivals:
    """Remembers of each source up to which row it was measured. ``values``: what quantiles and distinct counts read of a source's
    rows, as SQL."""

    engine: Engine
    plan: Plan
    values: Callable[[Here], Sequence[str]]
    _marks: dict[str, _Mark] = field(default_factory=dict)
    _unfit: set[Scan | str] = field(default_factory=set)
    _waits: dict[str, tuple[int, int]] = field(default_factory=dict)

    def forget(self, source: str) -> None:
        """What is known of a source's rows may be another's."""
        self._marks.pop(source, None)

    def come(self, here: Here, before: int, own: str | None, times: Sequence[str]) -> Arrived | None:
        """All rows that have come since the generation ``before``; None where it cannot be said that these are all. ``own``: the
        source's own time, ``times``: all time columns that are measured."""
        mark, layout = self._marks.pop(here.source, None), self._layout(here, own, times)
        if mark is None or layout is None or mark.generation != before or mark.layout != layout:
            return None
        come = here.standing.rows - mark.rows
        if not 0 < come <= MOST_ROWS:
            return None
        frame = self._read(here, layout, mark.since, come + len(mark.edge) + 1)
        rows = None if frame is None or len(frame) != come + len(mark.edge) else _without(frame, mark)
        if frame is None or rows is None or self._ahead(rows, layout, here.now):
            wait = min(LONGEST_WAIT, 2 * self._waits.get(here.source, (1, 0))[0])
            self._waits[here.source] = wait, wait
            return None
        self._waits.pop(here.source, None)
        time = layout.names[column(own or "")]
        newest = frame[time].max()
        edge = frame.filter(pl.col(time) == newest)
        if isinstance(newest, datetime) and len(edge) <= MOST_AT_EDGE:
            mark = _Mark(here.standing.generation, layout, here.standing.rows, newest, edge)
            self._marks[here.source] = mark
        return Arrived(layout, rows)

    def note(self, here: Here, own: str | None, times: Sequence[str]) -> bool:
        """A source was measured just now by all its rows. Whether these were those of the generation, so that what comes to it can
        be told from the next load on."""
        wait, left = self._waits.get(here.source, (1, 0))
        self._waits[here.source] = wait, max(0, left - 1)
        layout, since = self._layout(here, own, times), here.standing.data_until
        if left or layout is None or since is None:
            return False
        edge = self._read(here, layout, since, MOST_AT_EDGE + 1)
        if edge is None or len(edge) > MOST_AT_EDGE or self._ahead(edge, layout, here.now):
            return False
        self._marks[here.source] = _Mark(here.standing.generation, layout, here.standing.rows, since, edge)
        return True

    def leave(self, scan: Scan) -> None:
        """A scan whose values cannot be added up here is counted in the usual way from now on."""
        self._unfit.add(scan)

    def _read(self, here: Here, layout: Layout, since: datetime, most: int) -> pl.DataFrame | None:
        try:
            return self.engine.query_as_of(here.standing, layout.sql(here, since, most))
        except Refused:  # some row does not go with some value, which says so where it is counted by itself
            self._unfit.add(here.source)
            return None

    def _layout(self, here: Here, own: str | None, times: Sequence[str]) -> Layout | None:
        """None where a source's new rows cannot be told by their times."""
        kinds = {column_kind(here.columns.get(time, "")) for time in times}
        if own not in times or kinds != {"instant"} or here.source in self._unfit:
            return None
        scans = [s for s in self.plan.scans if s.source == here.source and self._is_followed(s)]
        atoms = list(dict.fromkeys(atom for scan in scans for atom in self.plan.scans[scan]))
        places = {atom: place for place, atom in enumerate(atoms)}
        shown = [column(time) for time in times] + [day_of(time) for time in times]
        shown += [raw_value(scan.split) for scan in scans] + list(self.values(here))
        return Layout(
            own or "",
            tuple(times),
            {sql: f"c_{number}" for number, sql in enumerate(dict.fromkeys(shown))},
            tuple(atoms),
            {scan: tuple(places[atom] for atom in self.plan.scans[scan]) for scan in scans},
        )

    def _is_followed(self, scan: Scan) -> bool:
        """Whether what a row adds to a scan's days does not depend on other rows. Hours are not followed."""
        return not scan.fine and scan.line is None and scan not in self._unfit

    @staticmethod
    def _ahead(rows: pl.DataFrame, layout: Layout, now: datetime) -> bool:
        """Whether any row lies ahead of the clock: it counts once the clock is there."""
        times = [pl.col(layout.names[column(time)]).max() for time in layout.times]
        newest = rows.select(pl.max_horizontal(times)).item()
        return newest is not None and newest > utc_naive(now)


def _without(frame: pl.DataFrame, mark: _Mark) -> pl.DataFrame | None:
    """The rows but for those that were there before; None where these are not among them any more."""
    time = pl.col(mark.layout.names[column(mark.layout.own)])
    last = mark.edge.select(time.max()).item()
    if last is None:
        return frame
    near, there = frame.filter(time <= last), Counter(mark.edge.rows())
    kept = []
    for place, row in enumerate(near.rows()):
        if there[row] > 0:
            there[row] -= 1
        else:
            kept.append(place)
    if any(there.values()):
        return None
    return pl.concat([frame.filter(time > last), near[kept]])
