"""The injectable clock: nothing else in the product asks the machine what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

from scorecard.ground.values import dataclass


class Clock(Protocol):
    """Says the time. ``now`` is aware and in UTC; ``steady`` is monotonic seconds, for watchdogs and deadlines."""

    def now(self) -> datetime: ...

    def steady(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def steady(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still (``--now``): the same inputs then give the same numbers."""

    at: datetime

    def now(self) -> datetime:
        return self.at.astimezone(UTC)

    def steady(self) -> float:
        return time.monotonic()


def utc_text(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with a Z and whole seconds, as the interfaces write moments."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def span_text(seconds: float) -> str:
    """A stretch of time as people say it: ``7 s``, ``12 min``, ``1 h 5 min``, ``3 days``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h" + (f" {rest} min" if rest and hours < 12 else "")
    return f"{round(hours / 24)} days"
