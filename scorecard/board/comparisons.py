"""The values a reading is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.targets import Versus
from scorecard.measures.compare import compared as periods_compared
from scorecard.measures.compare import versus_name
from scorecard.measures.values import Series


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The values a reading is compared with: by the calendar, and at the same cut where the period is running."""

    calendar: Calendar
    series: Series
    known: Mapping[str, int]
    period: Period
    running: bool

    def value(self, versus: Versus, whole: bool = False) -> float | None:
        """The compared value; in a running period that of the same cut, unless the ``whole`` period's is asked for."""
        name = versus_name(versus)
        if self.running and not whole and name in self.series.cuts:
            return self.series.cuts[name].value
        others = periods_compared(self.calendar, self.period, versus)
        values = [self._at(other) for other in others or ()]
        found = [v for v in values if v is not None]
        return sum(found) / len(found) if found and len(found) == len(values) else None

    def _at(self, period: Period) -> float | None:
        index = self.known.get(period.label)
        return None if index is None else self.series.cells[index].value
