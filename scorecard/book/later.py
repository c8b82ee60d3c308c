"""Keys of the format that are read and checked, and not computed yet: each gives a warning where it stands."""

from __future__ import annotations

from dataclasses import replace

from scorecard.book.model.metric import Metric
from scorecard.book.notes import Notes
from scorecard.ground.errors import Place

METRIC_KEYS = {"leads": "leading indicators", "counter": "counter metrics"}


def mark_later(metric: Metric, notes: Notes) -> Metric:
    """The metric with ``later`` filled in; each key is warned of at its place."""
    found: list[tuple[str, Place | None, str]] = []
    found += [(key, metric.places[key], what) for key, what in METRIC_KEYS.items() if key in metric.places]
    for key, place, what in found:
        notes.warn(place, f"not computed yet: {what} ('{key}' of metric '{metric.name}')")
    return replace(metric, later=tuple(dict.fromkeys(key for key, _, _ in found))) if found else metric
