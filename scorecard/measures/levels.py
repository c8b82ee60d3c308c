"""Stocks whose rows state the level: the levels of each day, and what a period makes of them.

A period's last, mean or largest level is of its days: of daily snapshots the days on which there was one, of a change log
all days, each as it ends. The days before a slice's first row are none of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import reduce

from scorecard.book.model.metric import Level
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.cuts import INSTANT
from scorecard.measures.derive import NOT_FINITE, finite
from scorecard.measures.grid import Grid
from scorecard.measures.needs import Needs
from scorecard.measures.place import Key
from scorecard.measures.plan import Lowered
from scorecard.measures.ranges import DAY
from scorecard.measures.slices import Slice
from scorecard.measures.spans import Span
from scorecard.measures.states.additive import NOTHING, Amount, number
from scorecard.measures.states.stock import open_at_ends
from scorecard.measures.values import Cell

NO_SNAPSHOT = "there is no snapshot in this period"
Line = Mapping[Key, Amount]


def is_carried(one: Lowered) -> bool:
    """Whether a metric is the level of a change log."""
    return one.line is not None and one.line.carry


def level_cell(one: Lowered, levels: Sequence[Amount]) -> Cell:
    """What a period makes of the levels of its days (at least one)."""
    measure = one.metric.measure
    assert isinstance(measure, Level)  # noqa: S101 - only asked of levels
    chosen = levels[-1:] if measure.fold == "last" else levels
    if any(level.bad for level in chosen):
        return Cell(missing=NOT_FINITE)
    if measure.fold == "max":
        return Cell(finite(max(_number(one, level) for level in chosen)))
    return Cell(finite(_number(one, reduce(Amount.plus, chosen, NOTHING)) / len(chosen)))


def _number(one: Lowered, amount: Amount) -> float:
    return number(one.atoms[0], amount) or 0


@dataclass(slots=True)
class Levels:
    """The levels of each day. Those of a change log are remembered up to the first day that moves."""

    grid: Grid
    needs: Needs
    _carried: dict[tuple[str, Slice | None], tuple[date, list[Amount]]] = field(default_factory=dict)
    _snapshots: dict[str, list[date]] = field(default_factory=dict)

    def forget(self, names: Sequence[str], since: date | None) -> None:
        """Some metrics' rows have moved from a day on (None: any)."""
        for name in names:
            self._snapshots.pop(name, None)
        for key in [k for k in self._carried if k[0] in names]:
            first, levels = self._carried[key]
            if since is None or since <= first:
                del self._carried[key]
            else:
                del levels[(since - first).days :]

    def of_days(self, one: Lowered, slice_: Slice | None, first: date, until: date) -> list[Amount]:
        """The levels of the days from ``first`` (none before the slice's first row) to before ``until``, oldest first."""
        if is_carried(one):
            begin, levels = self._carried_until(one, slice_, until)
            without = [NOTHING] * (min(begin, until) - first).days  # rows that state nothing yet
            return [*without, *levels[max(0, (first - begin).days) : max(0, (until - begin).days)]]
        days = self._snapshot_days(one)
        line = self._lines(one, "day", slice_)[1]
        return [line.get(day, NOTHING) for day in days[bisect_left(days, first) : bisect_left(days, until)]]

    def ended(self, one: Lowered, slice_: Slice | None, first: date | None, span: Span) -> Callable[[int], Cell]:
        """A function from a place in the span to the cell of that whole period. ``first``: the day of its first row."""
        if span.periods[-1].grain == "hour":
            at_ends = open_at_ends(*self._lines(one, "hour", slice_), span.keys)
            return lambda index: level_cell(one, [at_ends[index]])

        def closed(index: int) -> Cell:
            period = span.periods[index]
            levels = self.of_days(one, slice_, max(first or period.first, period.first), period.until)
            return level_cell(one, levels) if levels else Cell(missing=NO_SNAPSHOT)

        return closed

    def up_to(
        self,
        one: Lowered,
        slice_: Slice | None,
        first: date,
        period: Period,
        moment: datetime,
        level_at: Callable[[], Amount],
    ) -> Cell:
        """The cell of a period up to a moment. ``level_at``: what a change log's level is at that moment.

        A snapshot belongs to its day as a whole: it counts where its day has begun before the moment.
        """
        if period.grain == "hour":
            return level_cell(one, [level_at()])
        last = self.grid.calendar.day_of(moment - INSTANT)
        if is_carried(one):
            levels = self.of_days(one, slice_, max(first, period.first), min(last, period.until))
            return level_cell(one, [*levels, level_at()])
        levels = self.of_days(one, slice_, max(first, period.first), min(last + DAY, period.until))
        return level_cell(one, levels) if levels else Cell(missing=NO_SNAPSHOT)

    def _lines(self, one: Lowered, grain: Grain, slice_: Slice | None) -> tuple[Line, Line]:
        """What comes and what goes on each day; of snapshots the rows of each day, and what they state."""
        (_, (come,)), (_, (go,)) = self.needs.states_at(one, grain)
        return self.grid.line(come, grain, slice_), self.grid.line(go, grain, slice_)

    def _snapshot_days(self, one: Lowered) -> list[date]:
        """The days with any row of the source: what is in none of a day's rows is gone."""
        name = one.metric.name
        if name not in self._snapshots:
            self._snapshots[name] = sorted(self._lines(one, "day", None)[0])
        return self._snapshots[name]

    def _carried_until(self, one: Lowered, slice_: Slice | None, until: date) -> tuple[date, list[Amount]]:
        """The first day and the levels at the end of each from it on, at least to before ``until``."""
        come, go = self._lines(one, "day", slice_)
        found = self._carried.get((one.metric.name, slice_))
        if found is None:
            if not come:
                return until, []
            found = self._carried[one.metric.name, slice_] = (min(come), [])
        first, levels = found
        level = levels[-1] if levels else NOTHING
        for day in (first + DAY * n for n in range(len(levels), (until - first).days)):
            level = level.plus(come.get(day, NOTHING)).minus(go.get(day, NOTHING))
            levels.append(level)
        return first, levels
