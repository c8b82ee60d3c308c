"""How each metric is computed, for whoever asks a board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scorecard.measures.run import Meter


class Explanations(Mapping[str, Mapping[str, object]]):
    """metric → how it is computed, compiled when somebody asks."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __getitem__(self, name: str) -> Mapping[str, object]:
        return self._meter.explain(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._meter.book.metrics)

    def __len__(self) -> int:
        return len(self._meter.book.metrics)
