"""Metrics that run up: the value of another one over a window that ends with a period's last day.

What adds up is added day by day from the kept states; distinct values and quantiles are read from the rows of the window; a
formula is computed from its parts' numbers over the window. A running period ends with the day of the newest data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from scorecard.book.calendars import Calendars
from scorecard.book.model.metric import Cumulative, Formula
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.counting import ROWS_AT_ONCE
from scorecard.measures.cuts import Cuts
from scorecard.measures.derive import bag_cell, base_cell, formula_cell, open_names
from scorecard.measures.grid import Grid
from scorecard.measures.needs import Needs
from scorecard.measures.place import NOT_YET, Here, Key, Moved, uncovered
from scorecard.measures.plan import Bag, Lowered, Plan
from scorecard.measures.ranges import DAY, until_moment
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span, Spans, days_up_to, last_day, reach, window_first
from scorecard.measures.states.additive import NOTHING, Amount
from scorecard.measures.states.bags import questions, together
from scorecard.measures.states.rows import Piece, Rows
from scorecard.measures.states.settled import Line
from scorecard.measures.values import Cell, SeriesKey

WINDOWS_AT_ONCE = 400
"""So many windows are asked for in one statement at most."""
Look = Callable[[str, str], float | None]


class Window(NamedTuple):
    """Days from ``first`` to before ``until``."""

    first: date
    until: date


@dataclass(slots=True)
class Windows:
    """Computes cumulative metrics. ``here``: each loaded source as it is now, set before anything is asked."""

    plan: Plan
    grid: Grid
    cuts: Cuts
    spans: Spans
    needs: Needs
    calendars: Calendars
    here: Mapping[str, Here] = field(default_factory=dict)
    moved: Mapping[str, Moved] = field(default_factory=dict)
    now: datetime = datetime.max  # noqa: DTZ901 - set with here
    _firsts: dict[SeriesKey, tuple[date | None, ...]] = field(default_factory=dict)
    _lines: dict[tuple[str, Window], Line] = field(default_factory=dict)

    def look_at(self, here: Mapping[str, Here], moved: Mapping[str, Moved], now: datetime) -> None:
        """Everything from here on is as of ``now``."""
        self.here, self.moved, self.now = here, moved, now
        self._lines.clear()

    def stirred(self) -> bool:
        """Rows are all that it rests on."""
        return False

    # -- which there are ---------------------------------------------------------------------------------------

    def grains(self, one: Lowered) -> Sequence[Grain]:
        """All from its own on, whatever those of the metric that runs up: it is made of days."""
        return one.grains

    def span(self, one: Lowered, grain: Grain) -> Span:
        """The periods of a cumulative metric: from its youngest source's first row."""
        found = []
        for base in self.needs.bases(one):
            here = self.here.get(base.metric.source or "")
            if here is None or base.scan is None:
                return EMPTY
            found.append(self.spans.span(grain, here.first_day(base.scan.time), self.now))
        return min(found, key=len) if found else EMPTY

    def slices(self, one: Lowered, grain: Grain) -> tuple[Slice, ...]:  # noqa: ARG002 - at every grain the same
        """The slices that all it rests on have."""
        lines = []
        for base in self.needs.bases(one):
            split = base.metric.split
            known = {} if base.scan is None else self.grid.first_days.get(base.scan, {})
            lines.append({s for s in known if split is not None and s[0] == split.kind})
        return tuple(sorted(set.intersection(*lines))) if lines else ()

    def first_day(self, base: Lowered, slice_: Slice | None) -> date | None:
        here = self.here.get(base.metric.source or "")
        if here is None or base.scan is None:
            return None
        if slice_ is None:
            return here.first_day(base.scan.time)
        return self.grid.first_days.get(base.scan, {}).get(slice_)

    def _dirty(self, one: Lowered, key: SeriesKey, span: Span, known: int) -> Sequence[int]:
        """The places to compute again: windows with touched days, what was running or not covered, and all that is new."""
        measure = _measure(one)
        firsts = tuple(self.first_day(base, key[2]) for base in self.needs.bases(one))
        same = self._firsts.get(key) == firsts
        self._firsts[key] = firsts
        found = set(range(max(0, min(known, len(span)) - 1), len(span)))
        begins = [p.first for p in span.periods]
        for base in self.needs.bases(one):
            moved = self.moved.get(base.metric.source or "")
            if moved is None:
                continue
            if moved.keys is None or not same:
                return range(len(span))
            loaded_before, days = moved.loaded_before, moved.keys.get("day", frozenset())
            for day in days:
                until, index = reach(self.spans.calendar, measure, day), max(0, bisect_right(begins, day) - 1)
                while index < len(span) and span.periods[index].until <= until:
                    found.add(index)
                    index += 1
                if index < len(span) and span.periods[index].first < until:
                    found.add(index)
            for index in range(len(span) - 1, -1, -1):
                if loaded_before is not None and span.periods[index].end <= loaded_before:
                    break
                found.add(index)
        return sorted(found)

    # -- values ------------------------------------------------------------------------------------------------

    def cells(self, one: Lowered, key: SeriesKey, span: Span, before: Sequence[Cell]) -> Sequence[Cell]:
        """Every cell of a cumulative metric's span; those of ``before`` stay where nothing in their window has moved."""
        found = [*before[: len(span)], *[Cell()] * (len(span) - len(before))]
        dirty = self._dirty(one, key, span, len(before))
        for index, cell in self._line(one, self.plan.lowered[one.parts[0]], key[2], span, dirty).items():
            found[index] = cell
        return found

    def _line(
        self, one: Lowered, part: Lowered, slice_: Slice | None, span: Span, dirty: Sequence[int]
    ) -> Mapping[int, Cell]:
        if part.parts:
            lines = {name: self._line(one, self.plan.lowered[name], slice_, span, dirty) for name in part.parts}
            return {
                i: self._formula(one, part, slice_, span.periods[i], {n: c[i] for n, c in lines.items()}) for i in dirty
            }
        here = self.here.get(part.metric.source or "")
        if here is None:
            return dict.fromkeys(dirty, Cell(missing=NOT_YET))
        first = self.first_day(part, slice_)
        missing = {i: uncovered(here, first, span.periods[i]) for i in dirty}
        asked = {i: self._window(one, part, span.periods[i]) for i in dirty if missing[i] is None}
        found: dict[int, Cell] = {i: Cell(missing=why) for i, why in missing.items() if why is not None}
        if part.bag is not None:
            return found | self._from_rows(one, part, here, slice_, span, asked)
        return found | self._added_up(part, slice_, asked)

    def _window(self, one: Lowered, part: Lowered, period: Period) -> Window:
        """Of a period: up to its last day, or the day of the newest data where it runs."""
        last = period.until - DAY
        if period.end > self.now:
            mark = self.needs.mark(part)
            last = period.first if mark is None else last_day(self.spans.calendar, period, mark)
        return Window(window_first(self.spans.calendar, _measure(one), last), period.until)

    def _added_up(self, part: Lowered, slice_: Slice | None, asked: Mapping[int, Window]) -> dict[int, Cell]:
        """From the kept days, each added once as long as the window only grows or moves on."""
        (states,) = [names for _, names in self.needs.states_at(part, "day")]
        lines = [self.grid.of(name, "day").get(slice_, {}) for name in states]
        reversible = all(atom.fold in ("count", "sum") for atom in part.atoms)
        sums, done = [NOTHING] * len(lines), Window(date.min, date.min)
        found = {}
        for index, window in asked.items():
            rolls = reversible and done.first <= window.first <= done.until <= window.until
            if not rolls and not (window.first == done.first and window.until >= done.until):
                sums, done = [NOTHING] * len(lines), Window(window.first, window.first)
            for number, line in enumerate(lines):
                total = sums[number]
                for amount in _days(line, done.first, window.first):
                    total = total.minus(amount)
                for amount in _days(line, done.until, window.until):
                    total = total.plus(amount)
                sums[number] = total
            done = window
            found[index] = base_cell(part, sums)
        return found

    def _from_rows(
        self,
        one: Lowered,
        part: Lowered,
        here: Here,
        slice_: Slice | None,
        span: Span,
        asked: Mapping[int, Window],
    ) -> dict[int, Cell]:
        """Distinct values and quantiles: the running period from what is settled, the others from the rows of their windows."""
        assert part.bag is not None  # noqa: S101 - the caller has looked
        closed = {i: w for i, w in asked.items() if span.periods[i].end <= self.now}
        found: dict[int, Cell] = {}
        lines = self._read(part.bag, here, closed.values())
        found |= {i: bag_cell(part, lines[w].get(slice_)) for i, w in closed.items()}
        for index in asked.keys() - closed.keys():
            cut = self.needs.window_cut(one, part, span.periods[index], span.periods[index])
            line = {} if cut is None else self.cuts.bag(here, part.bag, cut)
            found[index] = bag_cell(part, line.get(slice_))
        return found

    def _read(self, bag: Bag, here: Here, windows: Iterable[Window]) -> dict[Window, Line]:
        """What the rows of windows come to, of the whole and all slices; each is read once, whichever slice asks first."""
        found = {window: self._lines.get((bag.id, window)) for window in windows}
        raws = {split: raws for (source, split), raws in self.grid.raws.items() if source == here.source}
        until = until_moment(bag.time, here.columns[bag.time], here.now, here.today)
        for some in _portions(here, bag.time, [window for window, line in found.items() if line is None]):
            lines: list[Line] = [{} for _ in some]
            pieces = (Piece((), windows=tuple((date.fromordinal(i + 1), *window) for i, window in enumerate(some))),)
            rows = Rows(here.table, bag.time, pieces, until, here.calendar.timezone, here.whole_hours)
            asking = questions(self.grid.slicing, raws, [bag], rows)
            answer = self.grid.engine.query(together(asking))
            for number, question in enumerate(asking):
                for _, _, bucket, kind, name, n, bad, x in question.read(answer, number).rows():
                    lines[bucket.toordinal() - 1][(kind, name) if kind else None] = (n, bad, x)
            for window, line in zip(some, lines, strict=True):
                self._lines[bag.id, window] = found[window] = line
        return {window: line or {} for window, line in found.items()}

    def _formula(
        self,
        one: Lowered,
        part: Lowered,
        slice_: Slice | None,
        period: Period,
        values: Mapping[str, Cell],
        moment: datetime | None = None,
    ) -> Cell:
        measure = part.metric.measure
        assert isinstance(measure, Formula)  # noqa: S101 - the book refuses all other parts

        def look(_: str, name: str) -> float | None:
            if name in ("days", "workdays"):
                return self._elapsed(one, part, name, slice_, period, moment)
            return values[name].value

        def missing() -> str:
            lost = [n for f, n in open_names(measure.expression.tree) if look(f, n) is None]
            return f"there is no value of {', '.join(lost)}" if lost else "it divides by 0"

        return formula_cell(measure.expression.tree, look, missing)

    def _elapsed(
        self, one: Lowered, part: Lowered, word: str, slice_: Slice | None, period: Period, moment: datetime | None
    ) -> float:
        """Days or workdays of the window, in a running period (or one cut like it) those up to the cut."""
        calendar = self.calendars.of(part.metric, slice_)
        if moment is None:
            marks = [m for b in self.needs.bases(part) if (m := self.needs.mark(b)) is not None]
            moment = min([period.end, *(marks if period.end > self.now else ())])
        last = last_day(calendar, period, moment)
        first = window_first(calendar, _measure(one), last)
        before = (last - first).days if word == "days" else calendar.workdays_in(first, last)
        moment = max(moment, calendar.midnight(last))
        return before + days_up_to(calendar, word, calendar.period(last, "day"), moment)

    # -- at a cut ----------------------------------------------------------------------------------------------

    def cut_cell(self, one: Lowered, slice_: Slice | None, running: Period, other: Period) -> Cell | None:
        """The value in ``other``, cut as the running period is; None where that does not cut it."""
        return self._cut(one, self.plan.lowered[one.parts[0]], slice_, running, other)

    def _cut(self, one: Lowered, part: Lowered, slice_: Slice | None, running: Period, other: Period) -> Cell | None:
        if part.parts:
            values = {n: self._cut(one, self.plan.lowered[n], slice_, running, other) for n in part.parts}
            if all(cell is None for cell in values.values()):
                return None
            whole = Span((other,), (other.first,), {})
            for name in [n for n, cell in values.items() if cell is None]:
                values[name] = self._line(one, self.plan.lowered[name], slice_, whole, [0])[0]
            marks = [m for b in self.needs.bases(part) if (m := self.needs.mark(b)) is not None]
            moment = self.spans.calendar.cut(running, other, min(marks)) if marks else other.start
            return self._formula(one, part, slice_, other, {n: c for n, c in values.items() if c is not None}, moment)
        here = self.here.get(part.metric.source or "")
        if here is None:
            return Cell(missing=NOT_YET)
        missing = uncovered(here, self.first_day(part, slice_), other)
        if missing:
            return Cell(missing=missing)
        cut = self.needs.window_cut(one, part, running, other)
        if cut is None:
            return None
        if part.bag is not None:
            return bag_cell(part, self.cuts.bag(here, part.bag, cut).get(slice_))
        ((scan, names),) = self.needs.states_at(part, "day")
        return base_cell(part, [self.cuts.amounts(here, scan, name, cut).get(slice_, NOTHING) for name in names])


def _measure(one: Lowered) -> Cumulative:
    measure = one.metric.measure
    assert isinstance(measure, Cumulative)  # noqa: S101 - nothing else comes here
    return measure


def _days(line: Mapping[Key, Amount], first: date, until: date) -> Iterable[Amount]:
    """The amounts of the days from one to before another, as far as there are any."""
    for ordinal in range(first.toordinal(), until.toordinal()):
        amount = line.get(date.fromordinal(ordinal))
        if amount is not None:
            yield amount


def _portions(here: Here, time: str, asked: Iterable[Window]) -> Iterable[list[Window]]:
    """Windows in groups whose rows together are not too many to be read at once."""
    some: list[Window] = []
    rows = 0.0
    for window in asked:
        more = here.rows_in(time, *window)
        if some and (rows + more > ROWS_AT_ONCE or len(some) >= WINDOWS_AT_ONCE):
            yield some
            some, rows = [], 0.0
        some.append(window)
        rows += more
    if some:
        yield some
