"""Metrics that run up: the value of another one over a window that ends with a period's last day.

What adds up is added day by day from the kept states; distinct values and quantiles are read from the rows of the window; a
formula is computed from its parts' numbers over the window. A running period ends with the day of the newest data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from scorecard.book.calendars import Calendars
from scorecard.book.model.metric import Cumulative, Formula
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.counting import ROWS_AT_ONCE
from scorecard.measures.derive import arithmetic, bag_cell, base_cell, base_maker, formula_cell, made_of, open_names
from scorecard.measures.grid import Cells as Numbers
from scorecard.measures.grid import Grid
from scorecard.measures.place import NOT_YET, Here, Moved, uncovered
from scorecard.measures.plan import Bag, Lowered, Plan
from scorecard.measures.ranges import DAY, until_moment
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span, Spans, days_up_to, last_day, reach, window_first
from scorecard.measures.states.additive import NOTHING, Amount
from scorecard.measures.states.bags import questions, together
from scorecard.measures.states.rows import Piece, Rows
from scorecard.measures.states.stretches import Line
from scorecard.measures.table import Cells, Moves
from scorecard.measures.values import Cell, SeriesKey

if TYPE_CHECKING:
    from scorecard.measures.scene import Scene

WINDOWS_AT_ONCE = 400
"""So many windows are asked for in one statement at most."""
Look = Callable[[str, str], float | None]


class Window(NamedTuple):
    """Days from ``first`` to before ``until``."""

    first: date
    until: date


@dataclass(slots=True)
class Windows:
    """Computes cumulative metrics. ``look_at`` says what has moved in this measuring; who asks later needs none of it."""

    plan: Plan
    grid: Grid
    spans: Spans
    calendars: Calendars
    moved: Mapping[str, Moved] = field(default_factory=dict)
    _firsts: dict[tuple[str, Grain], Mapping[Slice | None, tuple[date | None, ...]]] = field(default_factory=dict)
    _moves: dict[tuple[str, str], Moves] = field(default_factory=dict)
    _lines: dict[tuple[str, Window], Line] = field(default_factory=dict)

    def look_at(self, moved: Mapping[str, Moved]) -> None:
        """What has moved since the last measuring."""
        self.moved, self._moves, self._lines = moved, {}, {}

    def stirred(self) -> bool:
        """Rows are all that it rests on."""
        return False

    # -- which there are ---------------------------------------------------------------------------------------

    def grains(self, one: Lowered) -> Sequence[Grain]:
        """All from its own on, whatever those of the metric that runs up: it is made of days."""
        return one.grains

    def span(self, scene: Scene, one: Lowered, grain: Grain) -> Span:
        """The periods of a cumulative metric: from its youngest source's first row."""
        found = []
        for base in scene.needs.bases(one):
            here = scene.here.get(base.metric.source or "")
            if here is None or base.scan is None:
                return EMPTY
            found.append(self.spans.span(grain, here.first_day(base.scan.time), scene.needs.now))
        return min(found, key=len) if found else EMPTY

    def slices(self, scene: Scene, one: Lowered, grain: Grain) -> tuple[Slice, ...]:  # noqa: ARG002 - at every grain the same
        """The slices that all it rests on have."""
        lines = []
        for base in scene.needs.bases(one):
            split = base.metric.split
            known = {} if base.scan is None else scene.first_days.get(base.scan, {})
            lines.append({s for s in known if split is not None and s[0] == split.kind})
        return tuple(sorted(set.intersection(*lines))) if lines else ()

    def moves(
        self, scene: Scene, one: Lowered, grain: Grain, span: Span, slices: Iterable[Slice | None], known: int
    ) -> Moves:
        """Where the series of a metric may differ: windows with touched days, what was running or not covered, and all that
        is new; everywhere in a slice that begins elsewhere. ``known``: so many places there were."""
        bases = scene.needs.bases(one)
        firsts = {slice_: tuple(scene.first_day(base, slice_) for base in bases) for slice_ in slices}
        before = self._firsts.get((one.metric.name, grain), {})
        self._firsts[one.metric.name, grain] = firsts
        whole = frozenset(range(len(span)))
        own = {slice_: whole for slice_, first in firsts.items() if before.get(slice_) != first}
        found = self._moves[one.metric.name, grain] = Moves(self._dirty(scene, one, span, known), own)
        return found

    def _dirty(self, scene: Scene, one: Lowered, span: Span, known: int) -> frozenset[int]:
        measure = _measure(one)
        found = set(range(max(0, min(known, len(span)) - 1), len(span)))
        begins = [p.first for p in span.periods]
        for base in scene.needs.bases(one):
            moved = self.moved.get(base.metric.source or "")
            if moved is None:
                continue
            if moved.keys is None:
                return frozenset(range(len(span)))
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
        return frozenset(found)

    # -- values ------------------------------------------------------------------------------------------------

    def cells(self, scene: Scene, one: Lowered, key: SeriesKey, span: Span, before: Sequence[Cell]) -> Sequence[Cell]:
        """Every cell of a cumulative metric's span; those of ``before`` stay where nothing in their window has moved."""
        found = [*before[: len(span)], *[Cell()] * (len(span) - len(before))]
        moves = self._moves.get((key[0], key[1]))
        dirty = range(len(span)) if moves is None or not before else sorted(moves.of(key[2]))
        for index, cell in self._line(scene, one, self.plan.lowered[one.parts[0]], key[2], span, dirty).items():
            found[index] = cell
        return found

    def whole(self, scene: Scene, one: Lowered, slice_: Slice | None, span: Span) -> Cells:
        """The same, all of it worked out when the first cell is asked for: one window follows from the other."""
        made: list[Mapping[int, Cell]] = []

        def cell(index: int) -> Cell:
            if not made:
                made.append(self._line(scene, one, self.plan.lowered[one.parts[0]], slice_, span, range(len(span))))
            return made[0][index]

        return Cells(len(span), cell)

    def one(self, scene: Scene, one: Lowered, slice_: Slice | None, span: Span, index: int) -> Cell:
        """The cell of a single period."""
        return self._line(scene, one, self.plan.lowered[one.parts[0]], slice_, span, [index])[index]

    def _line(
        self, scene: Scene, one: Lowered, part: Lowered, slice_: Slice | None, span: Span, dirty: Sequence[int]
    ) -> Mapping[int, Cell]:
        if part.parts:
            lines = {name: self._line(scene, one, self.plan.lowered[name], slice_, span, dirty) for name in part.parts}
            return {
                i: self._formula(scene, one, part, slice_, span.periods[i], {n: c[i] for n, c in lines.items()})
                for i in dirty
            }
        here = scene.here.get(part.metric.source or "")
        if here is None:
            return dict.fromkeys(dirty, Cell(missing=NOT_YET))
        first = scene.first_day(part, slice_)
        missing = {i: uncovered(here, first, span.periods[i]) for i in dirty}
        asked = {i: self._window(scene, one, part, span.periods[i]) for i in dirty if missing[i] is None}
        found: dict[int, Cell] = {i: Cell(missing=why) for i, why in missing.items() if why is not None}
        if part.bag is not None:
            return found | self._from_rows(scene, one, part, here, slice_, span, asked)
        return found | self._added_up(scene, part, slice_, asked)

    def _window(self, scene: Scene, one: Lowered, part: Lowered, period: Period) -> Window:
        """Of a period: up to its last day, or the day of the newest data where it runs."""
        last = period.until - DAY
        if period.end > scene.needs.now:
            mark = scene.needs.mark(part)
            last = period.first if mark is None else last_day(self.spans.calendar, period, mark)
        return Window(window_first(self.spans.calendar, _measure(one), last), period.until)

    def _added_up(
        self, scene: Scene, part: Lowered, slice_: Slice | None, asked: Mapping[int, Window]
    ) -> dict[int, Cell]:
        """From the kept days, each added once as long as the window only grows or moves on; windows that together are longer
        than all days are differences of sums from the first day on."""
        (states,) = [names for _, names in scene.needs.states_at(part, "day")]
        lines = [scene.amounts.get((name, "day"), {}) for name in states]
        reversible = all(atom.fold in ("count", "sum") for atom in part.atoms)
        made = base_maker(part)
        long = sum((window.until - window.first).days for window in asked.values())
        if reversible and len(asked) > 1 and long > min(map(len, lines)):
            totals = [scene.sums(name, slice_) for name in states]
            return {
                index: made([total.between(window.first, window.until) for total in totals])
                for index, window in asked.items()
            }
        found: dict[int, Cell] = {}
        sums, done = [NOTHING] * len(lines), Window(date.min, date.min)
        for index, window in asked.items():
            rolls = reversible and done.first <= window.first <= done.until <= window.until
            if not rolls and not (window.first == done.first and window.until >= done.until):
                sums, done = [NOTHING] * len(lines), Window(window.first, window.first)
            for number, line in enumerate(lines):
                total = sums[number]
                for amount in _days(line, slice_, done.first, window.first):
                    total = total.minus(amount)
                for amount in _days(line, slice_, done.until, window.until):
                    total = total.plus(amount)
                sums[number] = total
            done = window
            found[index] = made(sums)
        return found

    def _from_rows(
        self,
        scene: Scene,
        one: Lowered,
        part: Lowered,
        here: Here,
        slice_: Slice | None,
        span: Span,
        asked: Mapping[int, Window],
    ) -> dict[int, Cell]:
        """Distinct values and quantiles: the running period from what is settled, the others from the rows of their windows."""
        assert part.bag is not None  # noqa: S101 - the caller has looked
        closed = {i: w for i, w in asked.items() if span.periods[i].end <= scene.needs.now}
        found: dict[int, Cell] = {}
        lines = self._read(part.bag, here, closed.values())
        found |= {i: bag_cell(part, lines[w].get(slice_)) for i, w in closed.items()}
        for index in asked.keys() - closed.keys():
            cut = scene.needs.window_cut(one, part, span.periods[index], span.periods[index])
            line = {} if cut is None else scene.known.lines[part.bag.id, cut]
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
            answer = self.grid.keeping.engine.query(together(asking))
            for number, question in enumerate(asking):
                for _, _, bucket, kind, name, n, bad, x in question.read(answer, number).rows():
                    lines[bucket.toordinal() - 1][(kind, name) if kind else None] = (n, bad, x)
            for window, line in zip(some, lines, strict=True):
                self._lines[bag.id, window] = found[window] = line
        return {window: line or {} for window, line in found.items()}

    def _formula(
        self,
        scene: Scene,
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
                return self._elapsed(scene, one, part, name, slice_, period, moment)
            return values[name].value

        def missing() -> str:
            lost = [n for f, n in open_names(measure.expression.tree) if look(f, n) is None]
            return f"there is no value of {', '.join(lost)}" if lost else "it divides by 0"

        parts = [(name, values[name]) for _, name in open_names(measure.expression.tree) if name in values]
        return made_of(self.plan, formula_cell(arithmetic(measure.expression.tree), look, missing), parts)

    def _elapsed(
        self,
        scene: Scene,
        one: Lowered,
        part: Lowered,
        word: str,
        slice_: Slice | None,
        period: Period,
        moment: datetime | None,
    ) -> float:
        """Days or workdays of the window, in a running period (or one cut like it) those up to the cut."""
        calendar = self.calendars.of(part.metric, slice_)
        if moment is None:
            marks = [m for b in scene.needs.bases(part) if (m := scene.needs.mark(b)) is not None]
            moment = min([period.end, *(marks if period.end > scene.needs.now else ())])
        last = last_day(calendar, period, moment)
        first = window_first(calendar, _measure(one), last)
        before = (last - first).days if word == "days" else calendar.workdays_in(first, last)
        moment = max(moment, calendar.midnight(last))
        return before + days_up_to(calendar, word, calendar.period(last, "day"), moment)

    # -- at a cut ----------------------------------------------------------------------------------------------

    def cut_cell(self, scene: Scene, one: Lowered, slice_: Slice | None, running: Period, other: Period) -> Cell | None:
        """The value in ``other``, cut as the running period is; None where that does not cut it."""
        return self._cut(scene, one, self.plan.lowered[one.parts[0]], slice_, running, other)

    def _cut(
        self, scene: Scene, one: Lowered, part: Lowered, slice_: Slice | None, running: Period, other: Period
    ) -> Cell | None:
        if part.parts:
            values = {n: self._cut(scene, one, self.plan.lowered[n], slice_, running, other) for n in part.parts}
            if all(cell is None for cell in values.values()):
                return None
            whole = Span((other,), (other.first,), {})
            for name in [n for n, cell in values.items() if cell is None]:
                values[name] = self._line(scene, one, self.plan.lowered[name], slice_, whole, [0])[0]
            marks = [m for b in scene.needs.bases(part) if (m := scene.needs.mark(b)) is not None]
            moment = self.spans.calendar.cut(running, other, min(marks)) if marks else other.start
            return self._formula(
                scene, one, part, slice_, other, {n: c for n, c in values.items() if c is not None}, moment
            )
        here = scene.here.get(part.metric.source or "")
        if here is None:
            return Cell(missing=NOT_YET)
        missing = uncovered(here, scene.first_day(part, slice_), other)
        if missing:
            return Cell(missing=missing)
        cut = scene.needs.window_cut(one, part, running, other)
        if cut is None:
            return None
        if part.bag is not None:
            return bag_cell(part, scene.known.lines[part.bag.id, cut].get(slice_))
        ((scan, names),) = scene.needs.states_at(part, "day")
        return base_cell(part, scene.up_to(scan, names, slice_, cut))


def _measure(one: Lowered) -> Cumulative:
    measure = one.metric.measure
    assert isinstance(measure, Cumulative)  # noqa: S101 - nothing else comes here
    return measure


def _days(numbers: Numbers, slice_: Slice | None, first: date, until: date) -> Iterable[Amount]:
    """The amounts of a slice on the days from one to before another, as far as there are any."""
    for ordinal in range(first.toordinal(), until.toordinal()):
        line = numbers.get(date.fromordinal(ordinal))
        amount = None if line is None else line.get(slice_)
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
