"""Elasticities: at each quarter's end, over the closed and final quarters up to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scorecard.book.model.metric import Metric, Scaling
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.scaling import MOST_QUARTERS, Elasticity, elasticity
from scorecard.measures.place import Here, Key, Moved, key_of
from scorecard.measures.plan import Lowered, Plan
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span
from scorecard.measures.values import Cell, Series, SeriesKey


@dataclass(slots=True)
class Elasticities:
    """Makes scaling metrics. ``series``: those of all metrics, parts before what is made of them."""

    plan: Plan
    series: Mapping[SeriesKey, Series]
    now: datetime = datetime.max  # noqa: DTZ901 - set by look_at before anything is asked

    def look_at(self, here: Mapping[str, Here], moved: Mapping[str, Moved], now: datetime) -> None:  # noqa: ARG002
        self.now = now

    def stirred(self) -> bool:
        """Its parts are all that it rests on."""
        return False

    def grains(self, one: Lowered) -> Sequence[Grain]:
        return one.grains

    def span(self, one: Lowered, grain: Grain) -> Span:
        """The quarters that all parts have."""
        found = [self.series.get((part, grain, None)) for part in one.parts]
        if any(series is None for series in found):
            return EMPTY
        periods = min((series.periods for series in found if series is not None), key=len)
        keys = tuple(key_of(p) for p in periods)
        return Span(periods, keys, {key: i for i, key in enumerate(keys)})

    def slices(self, one: Lowered, grain: Grain) -> tuple[Slice, ...]:
        lines = [
            {s for name, g, s in self.series if (name, g) == (part, grain) and s is not None} for part in one.parts
        ]
        return tuple(sorted(set.intersection(*lines)))

    def cells(self, one: Lowered, key: SeriesKey, span: Span, before: Sequence[Cell]) -> Sequence[Cell]:  # noqa: ARG002
        """All of them: what was estimated from the same numbers is remembered."""
        measure = one.metric.measure
        assert isinstance(measure, Scaling)  # noqa: S101 - nothing else comes here
        output, given = (self._values(name, key[2]) for name in (measure.output, measure.input))
        quality = {} if measure.quality is None else self._values(measure.quality, key[2])
        better = None if measure.quality is None else self.plan.lowered[measure.quality].metric.better
        wait = timedelta(seconds=max((m.final_after_seconds for p in one.parts for m in self._below(p)), default=0))
        final = [k for k, p in zip(span.keys, span.periods, strict=True) if p.end + wait <= self.now]
        found = []
        for index in range(len(span)):
            known = final[: index + 1][-MOST_QUARTERS:]
            pairs = tuple(_pair(output.get(k), given.get(k)) for k in known)
            found.append(_cell(elasticity(pairs, tuple(quality.get(k) for k in known) if quality else (), better)))
        return found

    def cut_cell(self, one: Lowered, slice_: Slice | None, running: Period, other: Period) -> Cell | None:  # noqa: ARG002
        return None

    def _values(self, name: str, slice_: Slice | None) -> dict[Key, float | None]:
        series = self.series.get((name, "quarter", slice_))
        pairs = () if series is None else zip(series.periods, series.cells, strict=True)
        return {key_of(p): c.value for p, c in pairs}

    def _below(self, name: str) -> Iterator[Metric]:
        one = self.plan.lowered[name]
        yield one.metric
        for part in one.parts:
            yield from self._below(part)


def _pair(output: float | None, given: float | None) -> tuple[float, float] | None:
    return None if output is None or given is None else (output, given)


def _cell(found: Elasticity) -> Cell:
    return Cell(found.value, n=found.quarters, missing=found.because if found.value is None else None, elasticity=found)
