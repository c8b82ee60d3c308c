"""Series from the grid: dense periods, every value recomputed where something it rests on has moved, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from scorecard.book.calendars import Calendars
from scorecard.book.model.metric import Age, Change, Formula, Stock
from scorecard.ground.errors import Problem
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.compare import PREVIOUS, YEAR_AGO, mean, versus_name
from scorecard.measures.cuts import INSTANT, Cut, Cuts
from scorecard.measures.derive import bag_cell, base_cell, change_cell, formula_cell, lost_in
from scorecard.measures.elapsed import elapsed
from scorecard.measures.grid import Grid
from scorecard.measures.levels import Levels, is_carried
from scorecard.measures.makers import Maker
from scorecard.measures.needs import Needs
from scorecard.measures.place import BEFORE_FIRST, Here, Moved, key_of, uncovered
from scorecard.measures.plan import Lowered, Plan
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span, Spans
from scorecard.measures.states.additive import NOTHING, Amount
from scorecard.measures.states.stock import open_at_ends
from scorecard.measures.values import Cell, Series, SeriesKey

EVER = datetime(1970, 1, 1, tzinfo=UTC)
Attempt = Callable[[Callable[[], None]], "Problem | None"]


@dataclass(slots=True)
class Weaver:
    """Makes and keeps all series. ``here``: each loaded source as it is now; ``moved``: what is to be looked at again."""

    plan: Plan
    grid: Grid
    cuts: Cuts
    spans: Spans
    needs: Needs
    makers: Mapping[type, Maker]
    calendars: Calendars
    levels: Levels
    here: Mapping[str, Here] = field(default_factory=dict)
    moved: Mapping[str, Moved] = field(default_factory=dict)
    series: dict[SeriesKey, Series] = field(default_factory=dict)
    changed: dict[SeriesKey, frozenset[int]] = field(default_factory=dict)
    now: datetime = EVER
    _span: dict[tuple[str, Grain], Span] = field(default_factory=dict)
    _slices: dict[tuple[str, Grain], tuple[Slice, ...]] = field(default_factory=dict)
    _firsts: dict[SeriesKey, date | None] = field(default_factory=dict)
    _wanted: set[Cut] = field(default_factory=set)

    def weave(
        self,
        here: Mapping[str, Here],
        moved: Mapping[str, Moved],
        now: datetime,
        broken: Iterable[str],
        attempt: Attempt,
    ) -> dict[str, Problem]:
        """Brings all series up to date; ``changed`` then holds the places whose cell differs. Gives what went wrong."""
        self.here, self.moved, self.now = here, moved, now
        self.changed, self._wanted = {}, set()
        self.needs.look_at(here, now)
        for maker in self.makers.values():
            maker.look_at(here, moved, now)
        gone = set(broken)
        for key in [k for k in self.series if k[0] in gone or k[0] not in self.plan.lowered]:
            del self.series[key]
        problems: dict[str, Problem] = {}
        for source in moved:
            self._forget_levels(source)
            attempt(lambda s=source: self.needs.prepare(s))  # type: ignore[misc]
        for name, one in self.plan.lowered.items():
            if name not in gone and not any(p in problems for p in one.parts):
                found = attempt(lambda o=one: self._line_up_all(o))  # type: ignore[misc]
                if isinstance(found, Problem):
                    problems[name] = Problem(f"metric '{name}': {found.message}", one.metric.place, found.hint)
        self.cuts.keep_only(self._wanted)
        return problems

    def _forget_levels(self, source: str) -> None:
        keys = self.moved[source].keys
        since = None if keys is None else min(keys.get("day", ()), default=date.max)
        self.levels.forget([n for n, one in self.plan.lowered.items() if one.metric.source == source], since)

    def _line_up_all(self, one: Lowered) -> None:
        for grain in self._grains(one):
            self._line_up(one, grain)

    # -- which series there are --------------------------------------------------------------------------------

    def _maker(self, one: Lowered) -> Maker | None:
        return self.makers.get(type(one.metric.measure))

    def _grains(self, one: Lowered) -> list[Grain]:
        maker = self._maker(one)
        if maker is not None:
            return list(maker.grains(one))
        if not one.parts:
            return list(one.grains)
        return [g for g in one.grains if all(g in self._grains(self.plan.lowered[p]) for p in one.parts)]

    def _line_up(self, one: Lowered, grain: Grain) -> None:
        """One metric at one grain: its periods, its slices, and each series."""
        name, maker = one.metric.name, self._maker(one)
        span = self._span_of(one, grain)
        before = self._span.get((name, grain), EMPTY)
        self._span[name, grain] = span
        slices = self._slices_of(one, grain)
        for lost in set(self._slices.get((name, grain), ())) - set(slices):
            self.series.pop((name, grain, lost), None)
        known = (name, grain, None) in self.series
        self._slices[name, grain] = slices
        if not len(span):
            self._keep((name, grain, None), Series((), ()))
            return
        if known and span is before and not self._stirred(one):
            self._wanted.update(self.needs.cuts_of(one, grain, span))
            return
        for slice_ in (None, *slices):
            if maker is not None:
                self._made(maker, one, grain, slice_, span)
            elif one.parts:
                self._derived(one, grain, slice_, span)
            else:
                self._based(one, grain, slice_, span)

    def _stirred(self, one: Lowered) -> bool:
        """Whether anything that a metric rests on has moved at all."""
        maker = self._maker(one)
        if maker is not None and maker.stirred():
            return True
        if one.parts:
            return any(self._stirred(self.plan.lowered[p]) for p in one.parts)
        return one.metric.source in self.moved

    def _span_of(self, one: Lowered, grain: Grain) -> Span:
        maker = self._maker(one)
        if maker is not None:
            return maker.span(one, grain)
        if one.parts:
            return min((self._span[p, grain] for p in one.parts), key=len)
        here = self.here.get(one.metric.source or "")
        if here is None or one.scan is None:
            return EMPTY
        return self.spans.span(grain, here.first_day(one.scan.time), self.now)

    def _slices_of(self, one: Lowered, grain: Grain) -> tuple[Slice, ...]:
        maker = self._maker(one)
        if maker is not None:
            return maker.slices(one, grain)
        if one.parts:
            lines = [self._slices[p, grain] for p in one.parts]
            return tuple(s for s in lines[0] if all(s in line for line in lines))
        split = one.metric.split
        if split is None or one.scan is None or one.metric.source not in self.here:
            return ()
        return tuple(sorted(s for s in self.grid.first_days.get(one.scan, {}) if s[0] == split.kind))

    def _finish(self, one: Lowered, key: SeriesKey, span: Span, cells: tuple[Cell, ...]) -> None:
        """Adds the cuts; where they take a compared period whole, they read it from these very cells."""
        before = self.series.get(key)
        self.series[key] = Series(span.periods, cells)
        made = Series(span.periods, cells, self._cuts(one, span.periods[-1].grain, key[2], span))
        if before is None:
            del self.series[key]
        else:
            self.series[key] = before
        self._keep(key, made)

    def _keep(self, key: SeriesKey, made: Series) -> None:
        """Stores a series and notes where it differs from what it was."""
        before = self.series.get(key)
        if before is made:
            return
        self.series[key] = made
        if before is None or before.periods[:1] != made.periods[:1]:
            self.changed[key] = frozenset(range(len(made.cells)))
            return
        old = before.cells
        found = {i for i, cell in enumerate(made.cells) if i >= len(old) or (cell is not old[i] and cell != old[i])}
        if len(old) < len(made.cells) and old:
            found.add(len(old) - 1)  # it is not running any more
        if before.cuts != made.cuts:
            found.add(len(made.cells) - 1)
        if found:
            self.changed[key] = frozenset(found)

    # -- metrics that read rows --------------------------------------------------------------------------------

    def _based(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> None:
        key = (one.metric.name, grain, slice_)
        here = self.here[one.metric.source or ""]
        first = self._first_day(one, slice_)
        before = self.series.get(key)
        if before is None or before.periods[:1] != span.periods[:1] or self._firsts.get(key) != first:
            dirty: Iterable[int] = range(len(span))
        else:
            dirty = self._dirty(one, grain, span, len(before.cells))
        self._firsts[key] = first
        cells = [] if before is None or not isinstance(dirty, list) else list(before.cells[: len(span)])
        read = self._reader(one, grain, slice_, span)
        cells += [Cell()] * (len(span) - len(cells))
        for index in dirty:
            period = span.periods[index]
            missing = uncovered(here, first, period)
            cells[index] = Cell(missing=missing) if missing else read(index)
        self._finish(one, key, span, tuple(cells))

    def _first_day(self, one: Lowered, slice_: Slice | None) -> date | None:
        assert one.scan is not None  # noqa: S101 - it reads rows
        if slice_ is None:
            return self.here[one.scan.source].first_day(one.scan.time)
        return self.grid.first_days.get(one.scan, {}).get(slice_)

    def _dirty(self, one: Lowered, grain: Grain, span: Span, known: int) -> list[int] | range:
        """The places to compute again: touched periods, what was running or not covered, and all that is new."""
        moved = self.moved.get(one.metric.source or "")
        if moved is not None and moved.keys is None:
            return range(len(span))
        found = set(range(max(0, min(known, len(span)) - 1), len(span)))
        if moved is not None and moved.keys is not None:
            found |= {i for k in moved.keys.get(grain, ()) if (i := span.index.get(k)) is not None}
            for index in range(len(span) - 1, -1, -1):
                if moved.loaded_before is not None and span.periods[index].end <= moved.loaded_before:
                    break
                found.add(index)
            if isinstance(one.metric.measure, Stock | Age) or is_carried(one):
                earlier = any(k < span.keys[0] for k in moved.keys.get(grain, ()))
                found = set(range(0 if earlier else min(found), len(span)))
        return sorted(found)

    def _reader(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Any:
        """A function from a place in the span to its cell."""
        special, running = one.bag or one.ages, len(span) - 1
        if special is not None or one.line is not None:
            if special is not None:
                values = self.grid.bags.get((special.id, grain), {}).get(slice_, {})
                ended: Callable[[int], Cell] = lambda index: bag_cell(one, values.get(span.keys[index]))  # noqa: E731
            else:
                ended = self.levels.ended(one, slice_, self._first_day(one, slice_), span)
            return lambda index: (
                ended(index) if index < running or one.bag else self._running(one, grain, slice_, span.periods[-1])
            )
        lines = [
            [self.grid.of(name, grain).get(slice_, {}) for name in names]
            for _, names in self.needs.states_at(one, grain)
        ]
        if isinstance(one.metric.measure, Stock):
            levels = open_at_ends(lines[0][0], lines[1][0], span.keys)
            last = self._stock_now(one, grain, slice_, span)
            return lambda index: base_cell(one, [last if index == len(span) - 1 else levels[index]])
        return lambda index: base_cell(one, [line.get(span.keys[index]) for line in lines[0]])

    def _stock_now(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> Amount:
        """A stock in the running period: what is open at the watermark."""
        here = self.here[one.metric.source or ""]
        if here.watermark is None:
            return NOTHING
        moment = min(here.watermark + INSTANT, span.periods[-1].end)
        return self._amounts(one, grain, slice_, Cut(grain == "hour", None, None, moment))[0]

    def _running(self, one: Lowered, grain: Grain, slice_: Slice | None, period: Period) -> Cell:
        """A stated level or an age in the running period: up to the watermark."""
        mark = self.needs.mark(one)
        return Cell() if mark is None else self._at(one, grain, slice_, period, min(mark, period.end))

    def _at(self, one: Lowered, grain: Grain, slice_: Slice | None, period: Period, moment: datetime) -> Cell:
        """A stated level or an age of a period, up to a moment."""
        first = self._first_day(one, slice_) or period.first
        cut = Cut(grain == "hour", None, None, moment)
        if one.ages is not None:
            self._wanted.add(cut)
            return bag_cell(one, self.cuts.ages(self.here[one.metric.source or ""], one.ages, cut).get(slice_))
        return self.levels.up_to(one, slice_, first, period, moment, lambda: self._amounts(one, grain, slice_, cut)[0])

    # -- cuts --------------------------------------------------------------------------------------------------

    def _amounts(self, one: Lowered, grain: Grain, slice_: Slice | None, cut: Cut) -> list[Amount]:
        here = self.here[one.metric.source or ""]
        self._wanted.add(cut)
        found = []
        for real, names in self.needs.states_at(one, grain):
            lines = [self.cuts.amounts(here, real, name, cut) for name in names]
            found.append([line.get(slice_, NOTHING) for line in lines])
        return [found[0][0].minus(found[1][0])] if len(found) == 2 else found[0]

    def _cuts(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> dict[str, Cell]:
        """The compared values of the running period, at its cut."""
        running, found = span.periods[-1], {}
        for versus in self.needs.versus_of(one):
            others = self.spans.others(running, versus)
            cells = [self._cut_cell(one, grain, slice_, running, other) for other in others or ()]
            if versus.kind == "mean_of":
                found[versus_name(versus)] = Cell(mean(c.value for c in cells))
            elif cells:
                found[versus_name(versus)] = cells[0]
            else:
                found[versus_name(versus)] = Cell(missing="this period has no partner to compare with")
        for kind in ("back", "mean_of"):
            named = [n for n in found if n.startswith(kind + ":")]
            if len(named) == 1:
                found[kind] = found[named[0]]
        return found

    def _cut_cell(self, one: Lowered, grain: Grain, slice_: Slice | None, running: Period, other: Period) -> Cell:
        """A metric's value in ``other``, cut as the running period is."""
        name = one.metric.name
        span = self._span[name, grain]
        if not len(span) or other.until <= span.periods[0].first:
            return Cell(missing=BEFORE_FIRST)
        maker = self._maker(one)
        if maker is not None:
            cell = maker.cut_cell(one, slice_, running, other)
            return self._closed(name, grain, slice_, other) if cell is None else cell
        if one.parts:
            return self._derived_cell(one, grain, slice_, other, running)
        here = self.here[one.metric.source or ""]
        cut = self.needs.cut_at(one, grain, running, other)
        if cut is None:
            return self._closed(name, grain, slice_, other)
        missing = uncovered(here, self._first_day(one, slice_), other)
        if missing:
            return Cell(missing=missing)
        if one.line is not None or one.ages is not None:
            return self._at(one, grain, slice_, other, cut.moment)
        if one.bag is not None:
            self._wanted.add(cut)
            return bag_cell(one, self.cuts.bag(here, one.bag, cut).get(slice_))
        return base_cell(one, self._amounts(one, grain, slice_, cut))

    # -- metrics made of metrics -------------------------------------------------------------------------------

    def _made(self, maker: Maker, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> None:
        key = (one.metric.name, grain, slice_)
        before = self.series.get(key)
        known = () if before is None or before.periods[:1] != span.periods[:1] else before.cells
        cells = tuple(maker.cells(one, key, span, known))
        self._wanted.update(self.needs.cuts_of(one, grain, span))
        self._finish(one, key, span, cells)

    def _derived(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span) -> None:
        key = (one.metric.name, grain, slice_)
        before = self.series.get(key)
        begin = 0
        if before is not None and before.periods[:1] == span.periods[:1] and before.cells:
            begin = min(len(before.cells), len(span)) - 1
            for part in one.parts:
                offset = len(span) - len(self._span[part, grain])
                touched = self.changed.get((part, grain, slice_), ())
                begin = max(0, min([begin, *(i + offset for i in touched)]))
        cells = list(before.cells[:begin]) if before is not None else []
        last = len(span) - 1
        for index in range(begin, len(span)):
            running = span.periods[index] if index == last else None
            cells.append(self._derived_cell(one, grain, slice_, span.periods[index], running))
        self._finish(one, key, span, tuple(cells))

    def _derived_cell(
        self, one: Lowered, grain: Grain, slice_: Slice | None, period: Period, running: Period | None
    ) -> Cell:
        """The value in a period; with ``running``, cut as that one is (or of that one itself)."""
        measure = one.metric.measure
        if isinstance(measure, Change):
            value = self._value(measure.of, grain, slice_, period, running)
            others = self.spans.others(period, measure.versus) or ()
            found = [self._value(measure.of, grain, slice_, other, running) for other in others]
            return change_cell(measure, value, mean(found))
        assert isinstance(measure, Formula)  # noqa: S101 - the only other one with parts that is lowered
        tree = measure.expression.tree

        def look(function: str, name: str) -> float | None:
            if function == "" and name in ("days", "workdays"):
                return elapsed(self.needs, self.calendars.of(one.metric, slice_), one, name, period, running)
            if function == "":
                return self._value(name, grain, slice_, period, running)
            others = self.spans.others(period, PREVIOUS if function == "previous" else YEAR_AGO)
            return self._value(name, grain, slice_, others[0], running) if others else None

        return formula_cell(tree, look, lambda: lost_in(tree, look))

    def _value(
        self, name: str, grain: Grain, slice_: Slice | None, period: Period, running: Period | None
    ) -> float | None:
        if running is None or period is running or period == running:
            return self._closed(name, grain, slice_, period).value
        return self._cut_cell(self.plan.lowered[name], grain, slice_, running, period).value

    def _closed(self, name: str, grain: Grain, slice_: Slice | None, period: Period) -> Cell:
        """A cell that is already made."""
        span, series = self._span[name, grain], self.series.get((name, grain, slice_))
        index = span.index.get(key_of(period))
        if series is None or index is None:
            return Cell(missing=BEFORE_FIRST)
        return series.cells[index]
