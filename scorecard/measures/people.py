"""Metrics whose values people give: the newest counts, and longer periods are folded from the shorter ones that end in them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from scorecard.book.model.metric import Manual
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.place import Key, key_of
from scorecard.measures.plan import Lowered
from scorecard.measures.ranges import DAY
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span, Spans
from scorecard.measures.values import Cell, Given, SeriesKey

if TYPE_CHECKING:
    from scorecard.measures.scene import Scene

NOBODY = "nobody has given a value"
Values = dict[tuple[Grain, Key], Given]


@dataclass(slots=True)
class People:
    """Makes manual metrics from what people gave."""

    spans: Spans
    _given: tuple[Given, ...] = ()
    _values: dict[tuple[str, Slice | None], Values] = field(default_factory=dict)
    _stirred: bool = False

    def take(self, given: tuple[Given, ...]) -> None:
        """All values that people have given, each reading's once."""
        self._stirred = given != self._given
        if self._stirred:
            self._given, self._values = given, {}
            for one in given:
                known = self._values.setdefault((one.metric, one.slice), {})
                known[one.period.grain, key_of(one.period)] = one

    def stamps(self) -> dict[str, tuple[datetime, datetime]]:
        """Metric → (when a value was last given, the end of the newest period that has one)."""
        found: dict[str, tuple[datetime, datetime]] = {}
        for one in self._given:
            at, end = found.get(one.metric, (one.at, one.period.end))
            found[one.metric] = (max(at, one.at), max(end, one.period.end))
        return found

    def stirred(self) -> bool:
        return self._stirred

    def grains(self, one: Lowered) -> Sequence[Grain]:
        return one.grains

    def span(self, scene: Scene, one: Lowered, grain: Grain) -> Span:
        """From the first period that anybody gave a value for."""
        now = scene.needs.now
        firsts = [g.period.first for g in self._given if g.metric == one.metric.name and g.period.start <= now]
        return self.spans.span(grain, min(firsts), now) if firsts else EMPTY

    def slices(self, scene: Scene, one: Lowered, grain: Grain) -> tuple[Slice, ...]:  # noqa: ARG002 - at every grain the same
        return tuple(sorted(s for name, s in self._values if name == one.metric.name and s is not None))

    def cells(
        self,
        scene: Scene,
        one: Lowered,
        key: SeriesKey,
        span: Span,
        before: Sequence[Cell],  # noqa: ARG002
    ) -> Sequence[Cell]:
        """They are few: all are made anew."""
        values = self._values.get((key[0], key[2]), {})
        inside = _inside(values, one.metric.grain, span)
        return [
            self._cell(one, period, values, inside.get(i, []), scene.needs.now) for i, period in enumerate(span.periods)
        ]

    def cut_cell(
        self,
        scene: Scene,  # noqa: ARG002
        one: Lowered,
        slice_: Slice | None,
        running: Period,
        other: Period,
    ) -> Cell | None:
        """A longer period is compared up to as many of its shorter ones as the running one has reached."""
        if running.grain == one.metric.grain or other == running:
            return None
        values = self._values.get((one.metric.name, slice_), {})
        if (running.grain, key_of(running)) in values:
            return None
        own = self._shorter(one, running)
        reached = [i for i, p in enumerate(own) if _valued(values.get((p.grain, key_of(p))))]
        until = self._shorter(one, other)[: reached[-1] + 1 if reached else 0]
        return _folded(
            one, [g for p in until if _valued(g := values.get((p.grain, key_of(p)))) and g is not None], None
        )

    def _cell(self, one: Lowered, period: Period, values: Values, inside: Sequence[Given], now: datetime) -> Cell:
        direct = values.get((period.grain, key_of(period)))
        if direct is not None:
            if direct.value is None:
                return Cell(missing=direct.waiting, told=direct.waiting)
            told = direct.told if direct.waiting is None else f"{direct.told}; {direct.waiting}"
            return Cell(direct.value, n=1, told=told)
        if period.grain == one.metric.grain or not inside:
            return Cell(missing=NOBODY)
        closed = period.end <= now
        return _folded(one, inside, len(self._shorter(one, period)) if closed else None)

    def _shorter(self, one: Lowered, period: Period) -> list[Period]:
        """The periods of the metric's own grain that end in a longer one."""
        found = self.spans.calendar.between(one.metric.grain, period.first, period.until - DAY)
        return [p for p in found if period.first <= _last_day(p) < period.until]


def _folded(one: Lowered, inside: Sequence[Given], needed: int | None) -> Cell:
    """One value of several periods, oldest first; a sum of closed ones needs all of them (``needed``: how many there are)."""
    measure = one.metric.measure
    assert isinstance(measure, Manual)  # noqa: S101 - nothing else comes here
    known = [(g, g.value) for g in inside if g.value is not None]
    if not known:
        return Cell(missing=next((g.waiting for g in inside if g.waiting is not None), NOBODY))
    last, numbers = known[-1][0], [value for _, value in known]
    grain = one.metric.grain
    if measure.fold == "sum" and needed is not None and len(numbers) < needed:
        return Cell(n=len(numbers), missing=f"only {len(numbers)} of its {needed} {grain}s have a value")
    value = {"last": numbers[-1], "sum": sum(numbers), "mean": sum(numbers) / len(numbers)}[measure.fold]
    word = {"last": "the last", "sum": "the sum", "mean": "the mean"}[measure.fold]
    many = f"{word} of {len(numbers)} {grain}s" if len(numbers) > 1 else f"of {last.period.label}"
    return Cell(float(value), n=len(numbers), told=f"{many}, {last.told}")


def _inside(values: Values, grain: Grain, span: Span) -> dict[int, list[Given]]:
    """Place in the span → the values of its shorter periods, oldest first."""
    begins = [p.first for p in span.periods]
    found: dict[int, list[Given]] = {}
    for (of, _), given in sorted(values.items(), key=lambda item: item[1].period.start):
        if of == grain:
            index = bisect_right(begins, _last_day(given.period)) - 1
            if index >= 0 and _last_day(given.period) < span.periods[index].until:
                found.setdefault(index, []).append(given)
    return found


def _valued(given: Given | None) -> bool:
    return given is not None and given.value is not None


def _last_day(period: Period) -> date:
    return period.until - DAY
