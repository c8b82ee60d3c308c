"""How long a value may be believed: the moment after which it is stale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from math import ceil

from scorecard.ground.periods.calendar import Calendar
from scorecard.ground.periods.cron import cron_runs

LEAST_FRESH_FOR = 600
"""Seconds: no default is shorter than ten minutes."""
DAILY = 86_400


def default_fresh_for(
    schedule_seconds: float | None,
    cron: str | None = None,
    loaded_at: datetime | None = None,
    calendar: Calendar | None = None,
) -> int:
    """Seconds a load stays good where nothing is said: two missed runs of its schedule, at least ten minutes.

    ``schedule_seconds`` is the time between two runs. For a ``cron`` line it is the time from the load to the second
    run after it (so a load on Friday outlives a weekend without runs). With neither, a run a day is assumed.
    """
    if cron is not None and loaded_at is not None and calendar is not None:
        return max(LEAST_FRESH_FOR, _to_second_run(cron, loaded_at, calendar))
    return max(LEAST_FRESH_FOR, ceil(2 * (DAILY if schedule_seconds is None else schedule_seconds)))


@lru_cache(maxsize=256)
def _to_second_run(cron: str, loaded_at: datetime, calendar: Calendar) -> int:
    """Seconds from a load to the second run after it; remembered, because every reading of a source asks for it."""
    second = next(islice(cron_runs(cron, loaded_at, calendar), 1, None), None)
    return 0 if second is None else ceil((second - loaded_at).total_seconds())


def quiet_until(
    end: datetime, data_until: datetime | None, quiet_for_seconds: float | None, calendar: Calendar | None
) -> datetime | None:
    """The moment after which a source has been quiet for too long to believe a period that ends after its newest row.

    None where that never happens: no ``quiet_for``, no row yet, or the period ended before the newest row.
    """
    if quiet_for_seconds is None or data_until is None or end <= data_until:
        return None
    if calendar is None:
        return data_until.astimezone(UTC) + timedelta(seconds=quiet_for_seconds)
    return calendar.after_working(data_until, quiet_for_seconds)


def fresh_until(
    end: datetime,
    final_after_seconds: float,
    loaded_at: datetime | None,
    data_until: datetime | None,
    fresh_for_seconds: float,
    quiet_for_seconds: float | None = None,
    calendar: Calendar | None = None,
) -> datetime | None:
    """The last moment at which a value of the period that ends at ``end`` is fresh; None: it stays fresh.

    A period is fresh if a good load came after its end (plus ``final_after``), or within ``fresh_for``; with
    ``quiet_for`` a period that ends after ``data_until`` only while no more working time than that has passed since.
    Never loaded gives None too: that is no data, and not an age.
    """
    if loaded_at is None:
        return None
    loaded = loaded_at.astimezone(UTC)  # so that adding seconds adds real ones, in every zone
    settled = loaded >= end.astimezone(UTC) + timedelta(seconds=final_after_seconds)
    moments = [
        None if settled else loaded + timedelta(seconds=fresh_for_seconds),
        quiet_until(end, data_until, quiet_for_seconds, calendar),
    ]
    return min((moment for moment in moments if moment is not None), default=None)
