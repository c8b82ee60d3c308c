"""Clock changes of a time zone, and local time to instants in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from scorecard.warehouse.quoting import literal

FIRST_YEAR, LAST_YEAR = 1970, 2038


@dataclass(frozen=True, slots=True)
class Changes:
    """When a zone's clocks change: local hours and months in which a time may be doubled or missing, and by how much.

    ``hours`` and ``months`` are only a cheap first look; ``steps`` are the seconds clocks were set back by. ``least`` and
    ``most``: the seconds by which local time was ahead of UTC.
    """

    hours: frozenset[int]
    months: frozenset[int]
    steps: frozenset[int]
    least: int
    most: int


@lru_cache(maxsize=64)
def changes_of(zone: str) -> Changes:
    """The clock changes between 1970 and 2038; all empty for a zone without any."""
    info = ZoneInfo(zone)
    transitions = _transitions(info)
    hours: set[int] = set()
    months: set[int] = set()
    steps: set[int] = set()
    for moment, before, after in transitions:
        first, last = sorted((moment + before, moment + after))
        here = first.replace(minute=0, second=0, microsecond=0)
        while here <= last:
            hours.add(here.hour)
            months.add(here.month)
            here += timedelta(hours=1)
        if after < before:
            steps.add(int((before - after).total_seconds()))
    offsets = [offset for _, before, after in transitions for offset in (before, after)]
    offsets = offsets or [_offset(info, datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))]
    least, most = (int(offset.total_seconds()) for offset in (min(offsets), max(offsets)))
    return Changes(frozenset(hours), frozenset(months), frozenset(steps), least, most)


def _transitions(info: ZoneInfo) -> list[tuple[datetime, timedelta, timedelta]]:
    """(instant in naive UTC, offset before, offset after), found by halving each week whose ends differ."""
    found = []
    week = timedelta(days=7)
    here = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    end = datetime(LAST_YEAR, 1, 1, tzinfo=UTC)
    while here < end:
        before, after = _offset(info, here), _offset(info, here + week)
        if before != after:
            low, high = here, here + week
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(info, middle) == before else (low, middle)
            moment = high.replace(tzinfo=None, microsecond=0)
            found.append((moment, before, after))
        here += week
    return found


def _offset(info: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(info).utcoffset() or timedelta(0)


def is_utc(zone: str) -> bool:
    return zone in {"UTC", "Etc/UTC", "Etc/GMT", "GMT", "Zulu", "Etc/UCT", "UCT"}


def without_zone(moment: str) -> str:
    """A TIMESTAMPTZ as a UTC TIMESTAMP; by its number, because `timezone('UTC', …)` asks the slow time zone library."""
    return f"make_timestamp(epoch_us({moment}))"


def instant(local: str, zone: str) -> str:
    """A local TIMESTAMP as a UTC TIMESTAMP: a doubled time is the second one, a missing one moves forward."""
    return local if is_utc(zone) else without_zone(f"timezone({literal(zone)}, {local})")


def local_time(moment: str, zone: str) -> str:
    """A UTC TIMESTAMP as the zone's local TIMESTAMP."""
    return moment if is_utc(zone) else f"timezone({literal(zone)}, make_timestamptz(epoch_us({moment})))"


def local_day(moment: str, zone: str) -> str:
    """The zone's local DATE of a UTC TIMESTAMP.

    The time zone library is slow and therefore only asked where the day depends on which of the zone's offsets held.
    """
    whole = f"CAST({local_time(moment, zone)} AS DATE)"
    if is_utc(zone):
        return whole
    changes, day = changes_of(zone), 24 * 3600 * 1_000_000
    least, most = changes.least * 1_000_000, changes.most * 1_000_000
    number = f"epoch_us({moment})"
    # Both offsets give the same day but for so long before midnight; as numbers, which cost half of what moments do.
    sure = f"{number} BETWEEN {day} AND {_number(LAST_YEAR - 1)}"
    if most > least:
        sure += f" AND ({number} % {day} + {most % day}) % {day} >= {most - least}"
    return f"CASE WHEN {sure} THEN CAST(make_timestamp({number} + {least}) AS DATE) ELSE {whole} END"


def _number(year: int) -> int:
    """Microseconds from 1970 to the last day of a year."""
    return int(datetime(year, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000


def moved_count(local: str, moment: str, zone: str) -> str | None:
    """256 for a doubled local time, 1 for a missing one, else 0; None where the zone's clocks never change."""
    changes = changes_of(zone)
    if not changes.hours:
        return None
    hours = ", ".join(str(h) for h in sorted(changes.hours))
    months = ", ".join(str(m) for m in sorted(changes.months))
    twice = " OR ".join(
        f"{local_time(f'{moment} - to_seconds({step})', zone)} = {local}" for step in sorted(changes.steps)
    )
    return (
        f"CASE WHEN month({local}) IN ({months}) AND hour({local}) IN ({hours}) THEN "
        f"CASE WHEN {local_time(moment, zone)} <> {local} THEN 1 WHEN {twice or 'FALSE'} THEN 256 ELSE 0 END ELSE 0 END"
    )
