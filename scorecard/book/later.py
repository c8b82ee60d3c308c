"""Keys of the format that are read and checked, and not computed yet: each gives a warning where it stands."""

from __future__ import annotations

from dataclasses import replace

from scorecard.book.model.metric import Age, Level, Measure, Metric
from scorecard.book.model.source import Source
from scorecard.book.notes import Notes
from scorecard.ground.errors import Place

MEASURES: dict[type, tuple[str, str]] = {
    Level: ("stock", "stock: {level}"), Age: ("age", "age"),
}  # fmt: skip
"""Measures that are not computed yet: (key, name)."""
METRIC_KEYS = {"leads": "leading indicators", "counter": "counter metrics"}


def later_measure(measure: Measure) -> str | None:
    """The name of a measure that is not computed yet; None for those that are."""
    return MEASURES[type(measure)][1] if type(measure) in MEASURES else None


def mark_later(metric: Metric, notes: Notes) -> Metric:
    """The metric with ``later`` filled in; each key is warned of at its place."""
    found: list[tuple[str, Place | None, str]] = []
    if type(metric.measure) in MEASURES:
        key, name = MEASURES[type(metric.measure)]
        found.append((key, metric.places.get(key), f"{name} metrics"))
    found += [(key, metric.places[key], what) for key, what in METRIC_KEYS.items() if key in metric.places]
    for key, place, what in found:
        notes.warn(place, f"not computed yet: {what} ('{key}' of metric '{metric.name}')")
    return replace(metric, later=tuple(dict.fromkeys(key for key, _, _ in found))) if found else metric


def warn_source(source: Source, notes: Notes) -> None:
    """What of a source is not done yet."""
    if source.kind == "external":
        notes.warn(source.places.get("kind"), f"not computed yet: external tables (source '{source.name}')")
