"""Local days and hours of one time zone: where they begin, through missing and doubled times."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from scorecard.ground.errors import Problem, Refused, did_you_mean

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone; Refused with a suggestion for any other name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or "write an IANA name such as Europe/Berlin"
        raise Refused(Problem(f"'{name}' is no time zone", hint=hint)) from None


def fixed(moment: datetime, zone: ZoneInfo) -> datetime:
    """A moment in the zone, with its offset fixed: two of these compare, subtract and add as moments do.

    (Python compares two datetimes of one ZoneInfo by the wall clock, which is wrong across a change of the clocks.)
    """
    local = moment.astimezone(zone)
    return local.replace(tzinfo=timezone(local.utcoffset() or timedelta()), fold=0)


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) of a local day: midnight, or where the clocks land when they jump over it."""
    wall = datetime.combine(day, time())
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return moment
    # Midnight is missing. The jump lies between midnight by the clock of afterwards and by the clock of before.
    return jump(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), moment, zone)


def jump(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The moment (whole seconds) between two moments of different offsets at which the later offset begins."""
    before = early.astimezone(zone).utcoffset()
    while late - early > SECOND:
        middle = early + (late - early) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if middle <= early:
            break
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def at_wall(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment (UTC) of a local time without offset: a doubled one is the second, a missing one moves forward."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None, fold=0) != wall.replace(fold=0):
        return first
    return wall.replace(tzinfo=zone, fold=1).astimezone(UTC)


def offset_text(moment: datetime) -> str:
    """The offset from UTC as labels write it: ``+02:00``."""
    seconds = round((moment.utcoffset() or timedelta()).total_seconds())
    sign, rest = ("-" if seconds < 0 else "+"), abs(seconds)
    text = f"{sign}{rest // 3600:02d}:{rest // 60 % 60:02d}"
    return text if rest % 60 == 0 else f"{text}:{rest % 60:02d}"


def hours_of(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[tuple[datetime, datetime], ...]:
    """(start, end) of the hours between two local midnights: each a wall clock hour at one offset.

    So there are 23 or 25 where clocks change. Where they change by less than an hour, the hour that is cut is as short
    as it is in reality.
    """
    found: list[tuple[datetime, datetime]] = []
    here, until = start.astimezone(UTC), end.astimezone(UTC)
    while here < until:
        wall = here.astimezone(zone)
        later = here + HOUR - timedelta(minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)
        if later.astimezone(zone).utcoffset() != wall.utcoffset():
            later = jump(here, later, zone)
        later = min(later, until)
        found.append((fixed(here, zone), fixed(later, zone)))
        here = later
    return tuple(found)
