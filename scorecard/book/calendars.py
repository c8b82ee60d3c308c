"""Whose working time counts: teams may have their own holidays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.ground.periods.calendar import Calendar


@dataclass(slots=True)
class Calendars:
    """The organisation's calendar, and the same one with a team's own holidays instead of the organisation's."""

    book: Book
    calendar: Calendar
    _made: dict[frozenset[date], Calendar] = field(default_factory=dict)

    def of(self, metric: Metric, slice_: tuple[str, str] | None) -> Calendar:
        """The calendar of the team that a metric (or its slice) belongs to; periods are the same in all of them."""
        if slice_ is None:
            team = self.book.team_of(metric)
        else:
            team = slice_[1] if slice_[0] == "team" else self.book.processes[slice_[1]].team
        return self.of_team(team)

    def of_team(self, team: str | None) -> Calendar:
        """The calendar of a team: the holidays are those of the nearest team above it that has some, itself first."""
        seen: set[str] = set()
        while team is not None and team not in seen and team in self.book.teams:
            seen.add(team)
            found = self.book.teams[team]
            if found.holidays is not None:
                return self._with(found.holidays)
            team = found.parent
        return self.calendar

    def _with(self, holidays: frozenset[date]) -> Calendar:
        if holidays == self.calendar.holidays:
            return self.calendar
        if holidays not in self._made:
            self._made[holidays] = replace(self.calendar, holidays=holidays)
        return self._made[holidays]
