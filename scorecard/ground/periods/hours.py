"""Local time: where days begin in one zone, and the hours of a day as periods."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from scorecard.ground.periods.labels import Parts
from scorecard.ground.periods.span import FIRST_YEAR, LAST_YEAR, Period, beyond
from scorecard.ground.periods.zone import DAY, at_wall, first_moment, fixed, hours_of, offset_text

KEPT_DAYS = 50_000
"""Days remembered before the memory starts anew."""


class LocalTime:
    """The days and hours of a time zone. It only remembers what it has worked out, so threads may share it."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._begins: dict[date, datetime] = {}
        self._hours: dict[date, tuple[Period, ...]] = {}

    def begins(self, day: date) -> datetime:
        """The first moment of a local day, in UTC."""
        found = self._begins.get(day)
        if found is None:
            if len(self._begins) >= KEPT_DAYS:
                self._begins.clear()
            found = self._begins[day] = first_moment(day, self.zone)
        return found

    def midnight(self, day: date) -> datetime:
        """The first moment of a local day, in the zone, with its offset fixed."""
        return fixed(self.begins(day), self.zone)

    def at(self, moment: datetime) -> datetime:
        """A moment in the zone, with its offset fixed. One without offset is local time."""
        return fixed(at_wall(moment, self.zone) if moment.tzinfo is None else moment, self.zone)

    def hour_periods(self, day: date) -> tuple[Period, ...]:
        """The hours of a local day in order: 24, or 23 or 25 where clocks change; none of a day that was left out."""
        found = self._hours.get(day)
        if found is None:
            if not FIRST_YEAR <= day.year <= LAST_YEAR:
                raise beyond(str(day))
            if len(self._hours) >= KEPT_DAYS // 10:
                self._hours.clear()
            cut = hours_of(self.begins(day), self.begins(day + DAY), self.zone)
            walls = [start.hour for start, _ in cut]
            found = self._hours[day] = tuple(_period(day, s, e, walls.count(s.hour) > 1) for s, e in cut)
        return found

    def hours_at(self, day: date, number: int) -> list[Period]:
        """The hours of a day that the wall clock shows with that number: one, none or two."""
        return [hour for hour in self.hour_periods(day) if hour.start.hour == number]

    def hour_holding(self, moment: datetime) -> Period:
        """The hour a moment lies in."""
        local = self.at(moment)
        hours = self.hour_periods(local.date())
        for hour in (*hours[local.hour : local.hour + 1], *hours):
            if hour.start <= local < hour.end:
                return hour
        raise AssertionError(f"no hour of {local.date()} in {self.zone.key} holds {local}")

    def hour_shifted(self, period: Period, count: int) -> Period:
        """The hour so many real hours later (negative: earlier)."""
        day = period.first
        index = self.hour_periods(day).index(period) + count
        while index < 0:
            day -= DAY
            index += len(self.hour_periods(day))
        while index >= len(self.hour_periods(day)):
            index -= len(self.hour_periods(day))
            day += DAY
        return self.hour_periods(day)[index]

    def hour_named(self, day: date, parts: Parts) -> Period | None:
        """The one hour a label means; None where it is missing, doubled and without offset, or of another offset."""
        hours = [h for h in self.hours_at(day, parts.number) if parts.offset in (None, offset_text(h.start))]
        return hours[0] if len(hours) == 1 else None

    def why_no_hour(self, parts: Parts) -> str:
        """In words, why a label means no hour."""
        try:
            day = date(parts.year, parts.month, parts.day)
        except ValueError:
            return "is no day of the calendar"
        hours = self.hours_at(day, parts.number)
        if not hours:
            return f"does not exist in {self.zone.key}: the clocks go forward over it"
        if len(hours) > 1 and parts.offset is None:
            return "comes twice: write " + " or ".join(hour.label for hour in hours)
        offsets = " or ".join(offset_text(hour.start) for hour in hours)
        return f"does not exist in {self.zone.key}: its offset is {offsets}"


def _period(day: date, start: datetime, end: datetime, doubled: bool) -> Period:
    label = f"{day.isoformat()}T{start.hour:02d}{offset_text(start) if doubled else ''}"
    return Period("hour", label, day, day + DAY, start, end)
