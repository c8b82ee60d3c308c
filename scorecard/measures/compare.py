"""What a value is compared with: by the calendar, and in a running period at the same cut of the other one."""

from __future__ import annotations

from collections.abc import Iterable

from scorecard.book.model import Book
from scorecard.book.model.metric import Change, Metric
from scorecard.ground.errors import Refused
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.targets import Relative, Versus

PREVIOUS, YEAR_AGO = Versus("previous"), Versus("year_ago")
USUAL = (PREVIOUS, YEAR_AGO)
"""Every reading shows these two."""


def versus_name(versus: Versus) -> str:
    """The name under which ``Series.cuts`` holds a comparison: ``previous``, ``year_ago``, ``364d``, ``back:4``, ``mean_of:4``."""
    return f"{versus.kind}:{versus.count}" if versus.kind in ("back", "mean_of") else versus.kind


def compared(calendar: Calendar, period: Period, versus: Versus) -> tuple[Period, ...] | None:
    """The periods a period is compared with (several for ``mean_of``); None where it has no partner."""
    try:
        if versus.kind == "mean_of":
            return tuple(calendar.shift(period, -n) for n in range(1, versus.count + 1))
        if versus.kind == "back":
            return (calendar.shift(period, -versus.count),)
        other = calendar.compare(period, versus.kind)
    except Refused:  # beyond the calendar's years
        return None
    return None if other is None else (other,)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of all the values; None if one is missing or there are none."""
    found = list(values)
    kept = [v for v in found if v is not None]
    return sum(kept) / len(kept) if kept and len(kept) == len(found) else None


def comparisons_of(metric: Metric, book: Book) -> tuple[Versus, ...]:
    """All comparisons whose cut a metric's running period needs: the usual ones, its targets' and those of changes in it."""
    found = [*USUAL, *(t.aim.versus for t in metric.targets if isinstance(t.aim, Relative))]
    changes = [m.measure for m in book.metrics.values() if isinstance(m.measure, Change)]
    found += [change.versus for change in changes if change.of == metric.name]
    if isinstance(metric.measure, Change):
        found.append(metric.measure.versus)
    return tuple(dict.fromkeys(found))
