"""How long a value stays fresh: the rule, case by case."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.freshness import default_fresh_for, fresh_until, quiet_until

CALENDAR = Calendar("Europe/Berlin")
WEEK = CALENDAR.parse("2026-W39")  # ends on Monday 28 September, 00:00
HOUR, DAY = 3600, 86_400


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+02:00")


def until(
    loaded: str | None,
    data: str | None = None,
    final_after: float = 0,
    quiet: float | None = None,
    fresh_for: float = 2 * HOUR,
) -> str | None:
    found = fresh_until(
        end=WEEK.end,
        final_after_seconds=final_after,
        loaded_at=None if loaded is None else at(loaded),
        data_until=None if data is None else at(data),
        fresh_for_seconds=fresh_for,
        quiet_for_seconds=quiet,
        calendar=CALENDAR,
    )
    return (
        None
        if found is None
        else found.astimezone(WEEK.end.tzinfo).isoformat(timespec="minutes").removesuffix("+02:00")
    )


def test_a_load_after_the_end_settles_a_period_for_good() -> None:
    assert until("2026-09-28T00:00:00") is None
    assert until("2026-09-28T06:00:00") is None


def test_before_the_end_a_load_is_good_for_so_long() -> None:
    assert until("2026-09-27T23:59:59") == "2026-09-28T01:59"
    assert until("2026-09-24T10:00:00") == "2026-09-24T12:00"


def test_final_after_asks_for_a_later_load() -> None:
    assert until("2026-09-28T06:00:00", final_after=DAY) == "2026-09-28T08:00"
    assert until("2026-09-29T00:00:00", final_after=DAY) is None


def test_never_loaded_is_no_age() -> None:
    assert until(None) is None


def test_a_quiet_source_makes_a_period_after_its_newest_row_stale() -> None:
    """Newest row on Friday at 18:00; a day of working time later is Monday at 18:00."""
    assert until("2026-09-28T06:00:00", data="2026-09-25T18:00:00", quiet=DAY) == "2026-09-28T18:00"
    assert until("2026-09-27T06:00:00", data="2026-09-25T18:00:00", quiet=DAY) == "2026-09-27T08:00", (
        "the earlier counts"
    )
    assert until("2026-09-28T06:00:00", data="2026-09-28T05:00:00", quiet=60) is None, "a period before it stays fresh"
    assert until("2026-09-28T06:00:00", data="2026-09-28T00:00:00", quiet=60) is None, "also one that ends with it"
    assert until("2026-09-28T06:00:00", data=None, quiet=60) is None, "no row at all is no data, not quiet"


def test_quiet_for_without_working_days_is_never_over() -> None:
    idle = Calendar("Europe/Berlin", workdays=frozenset())
    assert quiet_until(WEEK.end, at("2026-09-25T18:00:00"), DAY, idle) is None
    assert quiet_until(WEEK.end, at("2026-09-25T18:00:00"), DAY, None) == at("2026-09-26T18:00:00")


def test_a_day_of_25_hours_is_not_shortened() -> None:
    day = CALENDAR.parse("2026-10-25")
    loaded = day.end - timedelta(minutes=1)
    found = fresh_until(day.end, 0, loaded, None, HOUR)
    assert found is not None
    assert (found - loaded).total_seconds() == HOUR


@pytest.mark.parametrize(
    ("every", "seconds"), [(30, 600), (300, 600), (301, 602), (3600, 7200), (0.5, 600), (None, 2 * DAY)]
)
def test_the_default_is_two_missed_runs_and_at_least_ten_minutes(every: float | None, seconds: int) -> None:
    assert default_fresh_for(every) == seconds


@pytest.mark.parametrize(
    ("cron", "loaded", "second_run"),
    [
        ("*/5 * * * *", "2026-09-25T10:00:00", "2026-09-25T10:10:00"),
        ("0 6 * * 1-5", "2026-09-25T06:00:00", "2026-09-29T06:00:00"),
        ("0 6 * * 1-5", "2026-09-23T06:00:10", "2026-09-25T06:00:00"),
        ("* * * * *", "2026-09-25T10:00:00", "2026-09-25T10:10:00"),
    ],
)
def test_the_default_of_a_cron_line_ends_with_its_second_run(cron: str, loaded: str, second_run: str) -> None:
    seconds = default_fresh_for(None, cron, at(loaded), CALENDAR)
    assert at(loaded) + timedelta(seconds=seconds) == at(second_run)
