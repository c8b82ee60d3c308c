"""Which readings of a series have to be judged again, when most of it stands as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from scorecard.board.reading import Reading
from scorecard.book.model.metric import Metric
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.targets import Relative

MOVING = frozenset({"stale", "no_data", "not_started", "held", "too_young", "error"})
"""Reasons that go away without the value moving."""


def unsettled(reading: Reading) -> bool:
    """Whether the clock or a load alone may turn a reading."""
    return reading.running or reading.provisional or reading.fresh_until is not None or reading.reason in MOVING


@dataclass(slots=True)
class Affected:
    """Follows comparisons backwards: from a value that moved to the readings that are compared with it.

    Series of one grain mostly have the very same periods, so that what follows from them is worked out once.
    """

    calendar: Calendar
    now: datetime
    _partners: dict[int, tuple[tuple[Period, ...], dict[int, list[int]]]] = field(default_factory=dict)
    _reach: dict[str, tuple[int, bool]] = field(default_factory=dict)
    _found: dict[tuple[int, frozenset[int], int, bool], frozenset[int]] = field(default_factory=dict)
    _held: list[tuple[Period, ...]] = field(default_factory=list)

    def of(self, metric: Metric, periods: tuple[Period, ...], touched: frozenset[int]) -> frozenset[int]:
        """``touched``: places whose value moved. What is running is judged again in any case."""
        reach, by_days = self._reach_of(metric)
        place = (id(periods), touched, reach, by_days)
        found = self._found.get(place)
        if found is None:
            found = frozenset(self._follow(periods, touched, reach, by_days=by_days))
            self._found[place] = found
            self._held.append(periods)
        return found

    def _follow(
        self, periods: tuple[Period, ...], touched: frozenset[int], reach: int, *, by_days: bool
    ) -> Iterable[int]:
        again = set(touched)
        for index in range(len(periods) - 1, -1, -1):
            if periods[index].end <= self.now:
                break
            again.add(index)
        if not touched:
            return again
        if by_days:
            return range(len(periods))
        later = self._year_later(periods)
        for index in touched:
            again.update(range(index + 1, min(index + reach + 1, len(periods))))
            again.update(later.get(index, ()))
        return again

    def _reach_of(self, metric: Metric) -> tuple[int, bool]:
        """How many periods on a value is compared with, and whether also by the span 364 days on."""
        found = self._reach.get(metric.name)
        if found is None:
            versus = [t.aim.versus for t in metric.targets if isinstance(t.aim, Relative)]
            found = max([1, *(v.count for v in versus)]), any(v.kind == "364d" for v in versus)
            self._reach[metric.name] = found
        return found

    def _year_later(self, periods: tuple[Period, ...]) -> dict[int, list[int]]:
        """Place → the places of the periods whose partner a year ago it is."""
        known = self._partners.get(id(periods))
        if known is None:
            places = {p.label: i for i, p in enumerate(periods)}
            later: dict[int, list[int]] = {}
            for index, period in enumerate(periods):
                partner = self.calendar.compare(period, "year_ago")
                if partner is not None and partner.label in places:
                    later.setdefault(places[partner.label], []).append(index)
            known = self._partners[id(periods)] = periods, later  # held, so that the id stays theirs
        return known[1]


def kept_from(old: Sequence[Period], periods: Sequence[Period]) -> int | None:
    """By how many places the periods of old readings have moved in a series; None where they are others."""
    if not old:
        return None
    if old is periods or (periods and old[0] == periods[0]):
        return 0
    return next((i for i, p in enumerate(periods) if p == old[0]), None)
