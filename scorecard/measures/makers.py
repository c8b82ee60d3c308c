"""What a measure must say whose series is made neither of rows alone nor of its parts' cells period by period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.plan import Lowered
from scorecard.measures.slices import Slice
from scorecard.measures.spans import Span
from scorecard.measures.values import Cell, SeriesKey

if TYPE_CHECKING:
    from scorecard.measures.scene import Scene


class Maker(Protocol):
    """Makes the series of one kind of measure, from what a scene holds."""

    def stirred(self) -> bool:
        """Whether anything besides the sources has moved."""
        ...

    def grains(self, one: Lowered) -> Sequence[Grain]: ...

    def span(self, scene: Scene, one: Lowered, grain: Grain) -> Span: ...

    def slices(self, scene: Scene, one: Lowered, grain: Grain) -> tuple[Slice, ...]: ...

    def cells(self, scene: Scene, one: Lowered, key: SeriesKey, span: Span, before: Sequence[Cell]) -> Sequence[Cell]:
        """A cell for each period of the span. ``before``: those of the last time, from the same first period on."""
        ...

    def cut_cell(self, scene: Scene, one: Lowered, slice_: Slice | None, running: Period, other: Period) -> Cell | None:
        """The value in ``other``, cut as the running period is; None where that does not cut it."""
        ...
