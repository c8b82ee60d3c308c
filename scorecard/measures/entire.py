"""All cells of a series at once: for whoever reads a line from end to end, at a fraction of what its cells cost one by one.

What is read is the same as in ``scene``, and so are the cells.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from scorecard.book.model.metric import Change, Formula
from scorecard.ground.periods import Grain
from scorecard.measures.compare import mean
from scorecard.measures.derive import (
    arithmetic,
    bag_cell,
    base_maker,
    change_cell,
    formula_cell,
    lost_in,
    made_of,
    open_names,
)
from scorecard.measures.place import BEFORE_FIRST, NOT_YET, Key, key_of
from scorecard.measures.plan import Lowered
from scorecard.measures.slices import Slice
from scorecard.measures.spans import Span
from scorecard.measures.states.additive import Amount, Totals
from scorecard.measures.values import Cell, SeriesKey

if TYPE_CHECKING:
    from scorecard.measures.grid import Cells as Numbers
    from scorecard.measures.scene import Scene

NONE: Mapping[Any, Any] = {}
Column = list[Any]


class Sums(NamedTuple):
    """Totals of so many consecutive days from ``begin`` (an ordinal) on."""

    begin: int
    size: int
    totals: Totals

    def between(self, first: date, until: date) -> Amount:
        """The days from one to before another."""
        begin, end = first.toordinal() - self.begin, until.toordinal() - self.begin
        return self.totals.between(min(max(begin, 0), self.size), min(max(end, 0), self.size))


NO_SUMS = Sums(0, 0, Totals(()))


class Entire:
    """Remembers what one scene has read: the numbers of a state by slice, and the lines that others are made of."""

    __slots__ = ("_columns", "_lines", "_sums")

    def __init__(self) -> None:
        self._sums: dict[str, dict[Slice | None, Sums]] = {}
        self._columns: dict[tuple[str, Grain, int], dict[Slice | None, Column]] = {}
        self._lines: dict[SeriesKey, Sequence[Cell]] = {}

    def line(self, scene: Scene, one: Lowered, grain: Grain, slice_: Slice | None) -> Sequence[Cell] | None:
        """The cells of a series; None where they can only be made one by one."""
        key = (one.metric.name, grain, slice_)
        found = self._lines.get(key)
        if found is None:
            span, kept = scene.span[one.metric.name, grain], scene.kept.get(key)
            made = kept.cells if kept is not None else self._made(scene, one, grain, slice_, span)
            if made is None:
                return None
            found = self._lines.setdefault(key, made)
        return found

    def _made(
        self, scene: Scene, one: Lowered, grain: Grain, slice_: Slice | None, span: Span
    ) -> Sequence[Cell] | None:
        if scene.maker(one) is not None or not scene.is_lazy(one) or not len(span):
            return None
        if isinstance(one.metric.measure, Formula):
            return self._formula(scene, one, grain, slice_, span)
        if isinstance(one.metric.measure, Change):
            return self._change(scene, one, one.metric.measure, grain, slice_, span)
        here, first = scene.here[one.metric.source or ""], scene.first_day(one, slice_)
        periods = span.periods
        until = 0 if here.loaded_at is None else bisect_right(periods, here.loaded_at, key=lambda p: p.start)
        begin = until if first is None else min(until, bisect_right(periods, first, key=lambda p: p.until))
        if one.bag is not None:
            numbers = self._column(scene.bags, one.bag.id, grain, slice_, span)[begin:until]
            made = [bag_cell(one, number) for number in numbers]
        else:
            ((_, names),) = scene.needs.states_at(one, grain)
            cell = base_maker(one)
            columns = [self._column(scene.amounts, name, grain, slice_, span)[begin:until] for name in names]
            made = [cell(amounts) for amounts in zip(*columns, strict=True)]
        return [Cell(missing=BEFORE_FIRST)] * begin + made + [Cell(missing=NOT_YET)] * (len(periods) - until)

    def _column(
        self, numbers: Mapping[tuple[str, Grain], Numbers], state: str, grain: Grain, slice_: Slice | None, span: Span
    ) -> Column:
        """A state's numbers in the periods of a span, of one slice; those of all slices are laid out together."""
        key = (state, grain, id(span))
        found = self._columns.get(key)
        if found is None:
            found = {}
            cells, size = numbers.get((state, grain), NONE), len(span)
            for place, period in enumerate(span.keys):
                for name, number in cells.get(period, NONE).items():
                    column = found.get(name)
                    if column is None:
                        column = found[name] = [None] * size
                    column[place] = number
            found = self._columns.setdefault(key, found)
        return found[slice_] if slice_ in found else [None] * len(span)

    def sums(self, scene: Scene, state: str, slice_: Slice | None) -> Sums:
        """What the days of an additive state come to, over any stretch of them."""
        found = self._sums.get(state)
        if found is None:
            cells = scene.amounts.get((state, "day"), NONE)
            begin, until = (min(cells).toordinal(), max(cells).toordinal() + 1) if cells else (0, 0)
            columns: dict[Slice | None, Column] = {}
            for day, line in cells.items():
                place = day.toordinal() - begin
                for name, amount in line.items():
                    column = columns.get(name)
                    if column is None:
                        column = columns[name] = [None] * (until - begin)
                    column[place] = amount
            made = {name: Sums(begin, until - begin, Totals(column)) for name, column in columns.items()}
            found = self._sums.setdefault(state, made)
        return found.get(slice_, NO_SUMS)

    def _formula(
        self, scene: Scene, one: Lowered, grain: Grain, slice_: Slice | None, span: Span
    ) -> Sequence[Cell] | None:
        """Of plain names of metrics; what looks back or counts days is worked out one by one."""
        measure = one.metric.measure
        assert isinstance(measure, Formula)  # noqa: S101 - the caller has looked
        tree = measure.expression.tree
        names = open_names(tree)
        if any(function or name not in one.parts for function, name in names):
            return None
        lines = {}
        for _, name in names:
            line = self.line(scene, scene.plan.lowered[name], grain, slice_)
            if line is None:
                return None
            lines[name] = line[len(line) - len(span) :]  # they all end with the same period
        formula, made = arithmetic(tree), []
        known: Mapping[str, Cell] = {}
        parts: list[tuple[str, Cell]] = []

        def look(_: str, name: str) -> float | None:
            parts.append((name, known[name]))
            return known[name].value

        missing = partial(lost_in, names, look)
        for cells in zip(*lines.values(), strict=True):
            known, parts = dict(zip(lines, cells, strict=True)), []
            made.append(made_of(scene.plan, formula_cell(formula, look, missing), parts))
        return made

    def _change(
        self, scene: Scene, one: Lowered, measure: Change, grain: Grain, slice_: Slice | None, span: Span
    ) -> Sequence[Cell] | None:
        """All but the running period, which is compared up to its cut."""
        line, periods = self.line(scene, scene.plan.lowered[measure.of], grain, slice_), span.periods
        if line is None:
            return None
        places = scene.span[measure.of, grain].index

        def part(key: Key) -> Cell:
            place = places.get(key)
            return Cell(missing=BEFORE_FIRST) if place is None else line[place]

        found = []
        for key, period in zip(span.keys[:-1], periods[:-1], strict=True):
            own, *others = (part(k) for k in (key, *map(key_of, scene.spans.others(period, measure.versus) or ())))
            cell = change_cell(measure, own.value, mean(other.value for other in others))
            found.append(made_of(scene.plan, cell, [(measure.of, c) for c in (own, *others)]))
        return [*found, scene.derived_cell(one, grain, slice_, periods[-1], periods[-1])]
