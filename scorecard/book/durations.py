"""Durations as the file writes them: `30s 5m 1h 2d 4w`."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_SECONDS = 100 * 366 * 86400


def seconds(text: str) -> int | None:
    """The length in seconds, or None where the text is no duration (or longer than a century)."""
    found = re.fullmatch(r"([0-9]{1,10})([smhdw])", text)
    if found is None:
        return None
    length = int(found[1]) * _UNITS[found[2]]
    return length if length <= _LONGEST_SECONDS else None


def months(text: str) -> int | None:
    """`12 months`, `1 year` → months; None where it is neither."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})\s*(months?|years?)", text)
    if found is None:
        return None
    return int(found[1]) * (12 if found[2].startswith("year") else 1)
