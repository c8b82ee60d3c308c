"""A line of small bars: the shape of a series in as many characters as it has values."""

from __future__ import annotations

import math
from collections.abc import Iterable

BARS = "▁▂▃▄▅▆▇█"
GAP = "·"


def spark(values: Iterable[float | None]) -> str:
    """The lowest value is the lowest bar and the highest the highest; a gap where there is no number."""
    listed = [v if v is not None and math.isfinite(v) else None for v in values]
    found = [v for v in listed if v is not None]
    if not found:
        return GAP * len(listed)
    low, high = min(found), max(found)
    return "".join(GAP if v is None else BARS[_step(v, low, high)] for v in listed)


def _step(value: float, low: float, high: float) -> int:
    if low == high:
        return len(BARS) // 2
    # Halved first: the distance of two very large numbers is more than a float holds.
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return min(len(BARS) - 1, int(share * len(BARS)))
