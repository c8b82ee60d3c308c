"""What waits for a person, as a board shows it: held loads, the readings they touch, and generations that can be put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from scorecard.book.model.metric import Cohort, Count, Distinct, Mean, Metric, Quantile, Ratio, Sum
from scorecard.ground.errors import Problem
from scorecard.ground.periods.calendar import Period
from scorecard.landings.landing import Stock
from scorecard.warehouse.engine import Decision, Kept, Waiting

OF_ITS_DAYS = (Count, Sum, Mean, Quantile, Distinct, Ratio, Cohort)
"""Measures of which a period's value rests on the rows of its own days."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Earlier generations of a source: the newest of them, how many there are, and the bytes they take."""

    newest: tuple[Kept, ...] = ()
    count: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """``waiting``: source → its load that waits. ``pinned``: source → the rollback after which its loads wait. ``raw``: what
    is kept of what the sources gave."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    shelves: Mapping[str, Shelf] = field(default_factory=dict)
    pinned: Mapping[str, Decision] = field(default_factory=dict)
    raw: Mapping[str, Stock] = field(default_factory=dict)

    def notices(self) -> tuple[Problem, ...]:
        """A line for every page: what waits, and where to decide on it."""
        return tuple(
            Problem(
                f"load {one.load.id} of {name} waits for a person: {why(one)}",
                hint=f"decide on /data, or with `scorecard approve {one.load.id}` or `scorecard reject {one.load.id}`",
                severity="warning",
            )
            for name, one in self.waiting.items()
        )

    def touching(self, source: str, metric: Metric, period: Period) -> str | None:
        """A sentence on the load that waits and touches a period of a metric that reads this source; None: none does."""
        one = self.waiting.get(source)
        if one is None or not _touches(one, metric, period):
            return None
        return f"load {one.load.id} of {source}: {why(one)}"


def why(one: Waiting) -> str:
    """What holds it: ``the table would drop from 100 to 3 rows …``"""
    load = one.load
    said = [p.message.removeprefix(f"{load.source}: ") for p in load.problems if p.severity == "error"]
    more = "" if len(said) < 2 else f" (and {len(said) - 1} more reason{'' if len(said) == 2 else 's'})"
    return f"{said[0] if said else 'it is held'}{more}"


def _touches(one: Waiting, metric: Metric, period: Period) -> bool:
    touched = one.touched
    if touched.everything:
        return True
    last = period.until - timedelta(days=1)
    if isinstance(metric.measure, OF_ITS_DAYS) and metric.time is not None:
        return any(period.first <= day <= last for day in touched.days.get(metric.time, ()))
    # What is open, or the last of its kind, at a period's end also rests on every day before.
    return any(day <= last for days in touched.days.values() for day in days)
