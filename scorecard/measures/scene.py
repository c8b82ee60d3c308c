"""What every cell rests on, as of one measuring: it does not change afterwards, so that cells may be made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from scorecard.book.calendars import Calendars
from scorecard.book.model.metric import Age, Change, Cumulative, Formula, Level, Manual, Scaling, Stock
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.targets import Versus
from scorecard.measures.compare import PREVIOUS, YEAR_AGO, mean
from scorecard.measures.cuts import INSTANT, Cut, Known
from scorecard.measures.derive import (
    arithmetic,
    bag_cell,
    base_cell,
    base_maker,
    change_cell,
    formula_cell,
    lost_in,
    made_of,
    open_names,
)
from scorecard.measures.elapsed import elapsed
from scorecard.measures.entire import Entire, Sums
from scorecard.measures.grid import Cells as Numbers
from scorecard.measures.levels import Levels
from scorecard.measures.makers import Maker
from scorecard.measures.needs import Needs
from scorecard.measures.place import BEFORE_FIRST, Here, key_of, uncovered
from scorecard.measures.plan import Lowered, Plan, Scan
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span, Spans
from scorecard.measures.states.additive import NOTHING, Amount
from scorecard.measures.states.stock import open_at_ends
from scorecard.measures.table import Cells, Compared
from scorecard.measures.values import Cell, Series, SeriesKey
from scorecard.measures.windows import Windows

Read = Callable[[int], Cell]
NONE: Mapping[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class Scene:
    """The states, cuts and spans of one measuring, and what they make of a metric in a period.

    ``amounts``, ``bags``: (state, grain) → key → slice → number. ``known``: what is known up to cuts. ``kept``: the series
    whose cells are made at once, and ``kept_cuts`` their values in other periods, cut as the running one is; a metric's parts
    are there before it. Any thread may ask at any time for what ``is_lazy``; all else is asked while measuring.
    """

    plan: Plan
    needs: Needs
    spans: Spans
    calendars: Calendars
    levels: Levels
    first_days: Mapping[Scan, Mapping[Slice, date]]
    amounts: Mapping[tuple[str, Grain], Numbers]
    bags: Mapping[tuple[str, Grain], Numbers]
    known: Known
    makers: Mapping[type, Maker]
    span: dict[tuple[str, Grain], Span] = field(default_factory=dict)
    slices: dict[tuple[str, Grain], tuple[Slice, ...]] = field(default_factory=dict)
    kept: dict[SeriesKey, Series] = field(default_factory=dict)
    _reads: dict[SeriesKey, Read] = field(default_factory=dict)
    kept_cuts: dict[SeriesKey, Mapping[Period, Cell]] = field(default_factory=dict)
    _entire: Entire = field(default_factory=Entire)

    @property
    def here(self) -> Mapping[str, Here]:
        return self.needs.here

    def maker(self, one: Lowered) -> Maker | None:
        return self.makers.get(type(one.metric.measure))

    def is_lazy(self, one: Lowered) -> bool:
        """Whether its cells can be made from what a scene holds, at any time: not so those that remember what was before."""
        measure = one.metric.measure
        if isinstance(measure, Cumulative):
            return all(base.bag is None for base in self.needs.bases(one))
        return not isinstance(measure, Stock | Level | Age | Manual | Scaling)

    def first_day(self, one: Lowered, slice_: Slice | None) -> date | None:
        """The first day with a row of a metric, or of its slice."""
        here = self.here.get(one.metric.source or "")
        if here is None or one.scan is None:
            return None
        if slice_ is None:
            return here.first_day(one.scan.time)
        return self.first_days.get(one.scan, NONE).get(slice_)

    # -- cells -------------------------------------------------------------------------------------------------

    def series(self, one: Lowered, grain: Grain, slice_: Slice | None) -> Series:
        """A lazy metric's series at a grain; nothing of it is worked out yet."""
        span = self.span[one.metric.name, grain]
        return Series(span.periods, self.cells(one, grain, slice_), self.compared(one, grain, slice_, span))

    def cells(self, one: Lowered, grain: Grain, slice_: Slice | None) -> Sequence[Cell]:
        """The cells of any series."""
        span, maker = self.span[one.metric.name, grain], self.maker(one)
        kept = self.kept.get((one.metric.name, grain, slice_))
        if kept is not None:
            return kept.cells
        if isinstance(maker, Windows):
            return maker.whole(self, one, slice_, span)
        return Cells(
            len(span),
            self._read_any(one, grain, slice_, span),
            lambda: self._entire.line(self, one, grain, slice_),
        )

    def sums(self, state: str, slice_: Slice | None) -> Sums:
        """What the days of an additive state come to, over any stretch of them."""
        return self._entire.sums(self, state, slice_)

    def _read_any(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Read:
        if not one.parts:
            return self.reader(one, grain, slice_, span)
        last = len(span) - 1
        return lambda index: self.derived_cell(
            one, grain, slice_, span.periods[index], span.periods[index] if index == last else None
        )

    def reader(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Read:
        """A function from a place in the span to the cell of a metric that reads rows."""
        here, first = self.here[one.metric.source or ""], self.first_day(one, slice_)
        read = self._reader(one, grain, slice_, span)

        def cell(index: int) -> Cell:
            missing = uncovered(here, first, span.periods[index])
            return Cell(missing=missing) if missing else read(index)

        return cell

    def _reader(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Read:
        special, keys = one.bag or one.ages, span.keys
        if special is not None or one.line is not None:
            ended: Read
            if special is not None:
                values = self.bags.get((special.id, grain), NONE)
                ended = lambda index: bag_cell(one, values.get(keys[index], NONE).get(slice_))  # noqa: E731
            else:
                ended = self.levels.ended(one, slice_, self.first_day(one, slice_), span)
            if one.bag is not None:
                return ended
            last = len(span) - 1
            return lambda index: ended(index) if index < last else self._running(one, grain, slice_, span.periods[-1])
        states = self.needs.states_at(one, grain)
        if isinstance(one.metric.measure, Stock):
            return self._stocked(one, grain, slice_, span)
        ((_, names),) = states
        lines = [self.amounts.get((name, grain), NONE) for name in names]
        made = base_maker(one)
        return lambda index: made([line.get(keys[index], NONE).get(slice_) for line in lines])

    def _stocked(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Read:
        come, go = (self.levels.grid.line(names[0], grain, slice_) for _, names in self.needs.states_at(one, grain))
        levels, running = open_at_ends(come, go, span.keys), len(span) - 1
        last = self._stock_now(one, grain, slice_, span)
        return lambda index: base_cell(one, [last if index == running else levels[index]])

    def _stock_now(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Amount:
        """A stock in the running period: what is open at the watermark."""
        here = self.here[one.metric.source or ""]
        if here.watermark is None:
            return NOTHING
        moment = min(here.watermark + INSTANT, span.periods[-1].end)
        return self.amounts_at(one, grain, slice_, Cut(grain == "hour", None, None, moment))[0]

    def _running(self, one: Lowered, grain: Grain, slice_: Slice | None, period: Period) -> Cell:
        """A stated level or an age in the running period: up to the watermark."""
        mark = self.needs.mark(one)
        return Cell() if mark is None else self._at(one, grain, slice_, period, min(mark, period.end))

    def _at(self, one: Lowered, grain: Grain, slice_: Slice | None, period: Period, moment: datetime) -> Cell:
        """A stated level or an age of a period, up to a moment."""
        first = self.first_day(one, slice_) or period.first
        cut = Cut(grain == "hour", None, None, moment)
        if one.ages is not None:
            return bag_cell(one, self.known.lines[one.ages.id, cut].get(slice_))
        return self.levels.up_to(
            one, slice_, first, period, moment, lambda: self.amounts_at(one, grain, slice_, cut)[0]
        )

    def amounts_at(self, one: Lowered, grain: Grain, slice_: Slice | None, cut: Cut) -> list[Amount]:
        """A metric's atoms up to a cut. Raises what the engine raised where its rows do not go with it."""
        found = [self.up_to(scan, names, slice_, cut) for scan, names in self.needs.states_at(one, grain)]
        return [found[0][0].minus(found[1][0])] if len(found) == 2 else found[0]

    def up_to(self, scan: Scan, names: Iterable[str], slice_: Slice | None, cut: Cut) -> list[Amount]:
        """Some states of a scan up to a cut."""
        reached = self.known.scans[scan, cut]
        return [reached.amount(name, slice_) for name in names]

    # -- cuts --------------------------------------------------------------------------------------------------

    def compared(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Compared:
        """The compared values of the running period, at its cut."""
        versus = self.needs.compared(one)
        return Compared(versus, lambda name: self._versus_cell(one, grain, slice_, span.periods[-1], versus[name]))

    def _versus_cell(self, one: Lowered, grain: Grain, slice_: Slice | None, running: Period, versus: Versus) -> Cell:
        others = self.spans.others(running, versus)
        cells = [self.cut_cell(one, grain, slice_, running, other) for other in others or ()]
        if versus.kind == "mean_of":
            return Cell(mean(c.value for c in cells))
        return cells[0] if cells else Cell(missing="this period has no partner to compare with")

    def cut_cell(self, one: Lowered, grain: Grain, slice_: Slice | None, running: Period, other: Period) -> Cell:
        """A metric's value in ``other``, cut as the running period is."""
        name = one.metric.name
        kept = self.kept_cuts.get((name, grain, slice_))
        if kept is not None:
            return kept[other]
        span = self.span[name, grain]
        if not len(span) or other.until <= span.periods[0].first:
            return Cell(missing=BEFORE_FIRST)
        maker = self.maker(one)
        if maker is not None:
            cell = maker.cut_cell(self, one, slice_, running, other)
            return self.closed(name, grain, slice_, other) if cell is None else cell
        if one.parts:
            return self.derived_cell(one, grain, slice_, other, running)
        here = self.here[one.metric.source or ""]
        cut = self.needs.cut_at(one, grain, running, other)
        if cut is None:
            return self.closed(name, grain, slice_, other)
        missing = uncovered(here, self.first_day(one, slice_), other)
        if missing:
            return Cell(missing=missing)
        if one.line is not None or one.ages is not None:
            return self._at(one, grain, slice_, other, cut.moment)
        if one.bag is not None:
            return bag_cell(one, self.known.lines[one.bag.id, cut].get(slice_))
        return base_cell(one, self.amounts_at(one, grain, slice_, cut))

    # -- metrics made of metrics -------------------------------------------------------------------------------

    def derived_cell(
        self, one: Lowered, grain: Grain, slice_: Slice | None, period: Period, running: Period | None
    ) -> Cell:
        """The value in a period; with ``running``, cut as that one is (or of that one itself)."""
        measure = one.metric.measure
        if isinstance(measure, Change):
            others = self.spans.others(period, measure.versus) or ()
            own, *found = [self._part(measure.of, grain, slice_, p, running) for p in (period, *others)]
            cell = change_cell(measure, own.value, mean(c.value for c in found))
            return made_of(self.plan, cell, [(measure.of, c) for c in (own, *found)])
        assert isinstance(measure, Formula)  # noqa: S101 - the only other one with parts that is lowered
        tree = measure.expression.tree
        parts: list[tuple[str, Cell]] = []

        def read(name: str, where: Period) -> float | None:
            parts.append((name, self._part(name, grain, slice_, where, running)))
            return parts[-1][1].value

        def look(function: str, name: str) -> float | None:
            if function == "" and name in ("days", "workdays"):
                return elapsed(self.needs, self.calendars.of(one.metric, slice_), one, name, period, running)
            if function == "":
                return read(name, period)
            others = self.spans.others(period, PREVIOUS if function == "previous" else YEAR_AGO)
            return read(name, others[0]) if others else None

        return made_of(self.plan, formula_cell(arithmetic(tree), look, lambda: lost_in(open_names(tree), look)), parts)

    def _part(self, name: str, grain: Grain, slice_: Slice | None, period: Period, running: Period | None) -> Cell:
        if running is None or period is running or period == running:
            return self.closed(name, grain, slice_, period)
        return self.cut_cell(self.plan.lowered[name], grain, slice_, running, period)

    def closed(self, name: str, grain: Grain, slice_: Slice | None, period: Period) -> Cell:
        """The cell of a period in a series."""
        span = self.span.get((name, grain), EMPTY)
        index = span.index.get(key_of(period))
        if index is None or (slice_ is not None and slice_ not in self.slices.get((name, grain), ())):
            return Cell(missing=BEFORE_FIRST)
        one = self.plan.lowered[name]
        kept, maker = self.kept.get((name, grain, slice_)), self.maker(one)
        if kept is not None:
            return kept.cells[index]
        if isinstance(maker, Windows):
            return maker.one(self, one, slice_, span, index)
        read = self._reads.get((name, grain, slice_))
        if read is None:
            read = self._reads.setdefault((name, grain, slice_), self._read_any(one, grain, slice_, span))
        return read(index)
