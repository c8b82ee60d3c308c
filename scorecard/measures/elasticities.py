"""Elasticities: at each quarter's end, over the closed and final quarters up to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from scorecard.book.model.metric import Metric, Scaling
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.scaling import MOST_QUARTERS, Elasticity, elasticity
from scorecard.measures.derive import made_of
from scorecard.measures.place import Key
from scorecard.measures.plan import Lowered, Plan
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span
from scorecard.measures.values import Cell, SeriesKey

if TYPE_CHECKING:
    from scorecard.measures.scene import Scene


@dataclass(slots=True)
class Elasticities:
    """Makes scaling metrics, from the series of their parts."""

    plan: Plan

    def stirred(self) -> bool:
        """Its parts are all that it rests on."""
        return False

    def grains(self, one: Lowered) -> Sequence[Grain]:
        return one.grains

    def span(self, scene: Scene, one: Lowered, grain: Grain) -> Span:
        """The quarters that all parts have."""
        return min((scene.span.get((part, grain), EMPTY) for part in one.parts), key=len)

    def slices(self, scene: Scene, one: Lowered, grain: Grain) -> tuple[Slice, ...]:
        lines = [set(scene.slices.get((part, grain), ())) for part in one.parts]
        return tuple(sorted(set.intersection(*lines)))

    def cells(
        self,
        scene: Scene,
        one: Lowered,
        key: SeriesKey,
        span: Span,
        before: Sequence[Cell],  # noqa: ARG002
    ) -> Sequence[Cell]:
        """All of them: what was estimated from the same numbers is remembered."""
        measure = one.metric.measure
        assert isinstance(measure, Scaling)  # noqa: S101 - nothing else comes here
        output, given = (self._values(scene, name, key[2]) for name in (measure.output, measure.input))
        quality = {} if measure.quality is None else self._values(scene, measure.quality, key[2])
        better = None if measure.quality is None else self.plan.lowered[measure.quality].metric.better
        wait = timedelta(seconds=max((m.final_after_seconds for p in one.parts for m in self._below(p)), default=0))
        final = [k for k, p in zip(span.keys, span.periods, strict=True) if p.end + wait <= scene.needs.now]
        parts = [(name, self._by_key(scene, name, key[2])) for name in one.parts]
        found = []
        for index in range(len(span)):
            known = final[: index + 1][-MOST_QUARTERS:]
            pairs = tuple(_pair(output.get(k), given.get(k)) for k in known)
            cell = _cell(elasticity(pairs, tuple(quality.get(k) for k in known) if quality else (), better))
            found.append(
                made_of(
                    self.plan,
                    cell,
                    [(name, cells[span.keys[index]]) for name, cells in parts if span.keys[index] in cells],
                )
            )
        return found

    def cut_cell(
        self,
        scene: Scene,  # noqa: ARG002
        one: Lowered,  # noqa: ARG002
        slice_: Slice | None,  # noqa: ARG002
        running: Period,  # noqa: ARG002
        other: Period,  # noqa: ARG002
    ) -> Cell | None:
        return None

    def _values(self, scene: Scene, name: str, slice_: Slice | None) -> dict[Key, float | None]:
        return {k: c.value for k, c in self._by_key(scene, name, slice_).items()}

    def _by_key(self, scene: Scene, name: str, slice_: Slice | None) -> dict[Key, Cell]:
        cells = scene.cells(self.plan.lowered[name], "quarter", slice_)
        return dict(zip(scene.span[name, "quarter"].keys, cells, strict=True))

    def _below(self, name: str) -> Iterator[Metric]:
        one = self.plan.lowered[name]
        yield one.metric
        for part in one.parts:
            yield from self._below(part)


def _pair(output: float | None, given: float | None) -> tuple[float, float] | None:
    return None if output is None or given is None else (output, given)


def _cell(found: Elasticity) -> Cell:
    return Cell(found.value, n=found.quarters, missing=found.because if found.value is None else None, elasticity=found)
