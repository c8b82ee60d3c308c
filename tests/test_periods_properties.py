"""The calendar against a slow one that only counts: every moment lies in exactly one period of each grain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.ground.periods import GRAINS
from scorecard.ground.periods.calendar import Calendar, Period
from tests.amounts import times

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Africa/Casablanca", "Africa/Cairo", "Asia/Kathmandu", "Asia/Beirut", "America/Havana", "America/Scoresbysund",
    "Pacific/Apia", "Pacific/Chatham", "America/Santiago", "Atlantic/Azores",
)  # fmt: skip
DAY, QUARTER_HOUR = timedelta(days=1), timedelta(minutes=15)
WEEKS = {"4-4-5": (4, 4, 5), "4-5-4": (4, 5, 4), "5-4-4": (5, 4, 4)}

days = st.dates(date(2012, 1, 1), date(2040, 12, 31))
moments = st.datetimes(datetime(2012, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
calendars = st.builds(
    Calendar,
    timezone=st.sampled_from(ZONES),
    week_starts=st.integers(0, 6),
    fiscal_year_starts=st.integers(1, 12),
    fiscal_year_named=st.sampled_from(["start", "end"]),
    pattern=st.sampled_from(["months", *WEEKS]),
    workdays=st.frozensets(st.integers(0, 6), min_size=1),
    holidays=st.frozensets(st.dates(date(2024, 1, 1), date(2027, 12, 31)), max_size=40),
)


# -- the slow calendar: it knows only how to count days and quarters of an hour --------------------------------------


def slow_week(calendar: Calendar, day: date) -> tuple[str, date]:
    first = day
    while first.weekday() != calendar.week_starts:
        first -= DAY
    year = first.year if sum((first + DAY * n).year == first.year for n in range(7)) >= 4 else first.year + 1
    number, earlier = 0, first
    while sum((earlier + DAY * n).year == year for n in range(7)) >= 4:
        number, earlier = number + 1, earlier - 7 * DAY
    return f"{year}-W{number:02d}", first


@lru_cache(maxsize=4096)
def slow_year_first(year: int, month: int, pattern: str, week_starts: int) -> date:
    nominal = date(year, month, 1)
    if pattern == "months":
        return nominal
    near = [nominal + DAY * n for n in range(-6, 7)]
    return min((d for d in near if d.weekday() == week_starts), key=lambda d: abs(d - nominal))


def slow_months(calendar: Calendar, year: int) -> list[date]:
    """First days of the twelve months of the fiscal year that begins in a calendar year."""
    first = slow_year_first(year, calendar.fiscal_year_starts, calendar.pattern, calendar.week_starts)
    if calendar.pattern != "months":
        firsts = [first]
        for weeks in (WEEKS[calendar.pattern] * 4)[:11]:
            firsts.append(firsts[-1] + weeks * 7 * DAY)
        return firsts
    return [d for d in (first + DAY * n for n in range(366)) if d.day == 1][:12]


def slow_place(calendar: Calendar, day: date) -> dict[str, tuple[str, date]]:
    """(label, first day) of the month, quarter and year that hold a day."""
    months = [
        (year, n, d) for year in range(day.year - 2, day.year + 2) for n, d in enumerate(slow_months(calendar, year))
    ]
    year, number, first = [m for m in months if m[2] <= day][-1]
    shifted = calendar.fiscal_year_starts != 1
    name = f"{year + (shifted and calendar.fiscal_year_named == 'end')}"
    prefix = f"FY{name}" if shifted or calendar.pattern != "months" else name
    month = first.isoformat()[:7] if calendar.pattern == "months" else f"{prefix}-P{number + 1:02d}"
    firsts = slow_months(calendar, year)
    quarter = number // 3
    return {
        "month": (month, first),
        "quarter": (f"{prefix}-Q{quarter + 1}", firsts[quarter * 3]),
        "year": (prefix, firsts[0]),
    }


def slow_quarter_hours(calendar: Calendar, day: date) -> Iterator[datetime]:
    """The moments (UTC), every 15 minutes, of a local day."""
    zone = ZoneInfo(calendar.timezone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=30)
    for _ in range(4 * 60):
        if moment.astimezone(zone).date() == day:
            yield moment
        moment += QUARTER_HOUR


# -- properties ----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=times(60))
@given(calendars, days)
def test_spans_and_labels_are_those_of_counting(calendar: Calendar, day: date) -> None:
    slow = slow_place(calendar, day)
    expected = {"day": (day.isoformat(), day), "week": slow_week(calendar, day), **slow}
    found = {grain: calendar.period(day, grain) for grain in expected}
    assert {grain: (p.label, p.first) for grain, p in found.items()} == expected
    for grain, period in found.items():
        assert calendar.period(period.until, grain).first == period.until
        assert calendar.period(period.until - DAY, grain) == period
        assert period.start == calendar.midnight(period.first)
        assert period.end == calendar.midnight(period.until)
    assert calendar.day_rows(day, day) == [(day, *(found[g].first for g in ("week", "month", "quarter", "year")))]


@settings(deadline=None, max_examples=times(25))
@given(calendars, days)
def test_days_and_hours_are_those_of_counting(calendar: Calendar, day: date) -> None:
    zone = ZoneInfo(calendar.timezone)
    quarters = list(slow_quarter_hours(calendar, day))
    period = calendar.period(day, "day")
    assert (period.end - period.start) == QUARTER_HOUR * len(quarters)
    if quarters:
        assert period.start == quarters[0]
    segments: dict[tuple[int, timedelta | None], list[datetime]] = {}
    for moment in quarters:
        local = moment.astimezone(zone)
        segments.setdefault((local.hour, local.utcoffset()), []).append(moment)
    hours = calendar.between("hour", day, day)
    assert [(h.start.hour, h.start, h.end) for h in hours] == [
        (number, found[0], found[-1] + QUARTER_HOUR) for (number, _), found in segments.items()
    ]
    numbers = [number for number, _ in segments]
    assert [len(h.label) > 13 for h in hours] == [numbers.count(number) > 1 for number in numbers]


@settings(deadline=None, max_examples=times(60))
@given(calendars, moments, st.sampled_from(GRAINS))
def test_every_moment_lies_in_one_period(calendar: Calendar, moment: datetime, grain: str) -> None:
    period = calendar.running(moment, grain)
    assert period.start <= moment < period.end
    assert calendar.latest_closed(moment, grain).end == period.start
    assert calendar.latest_closed(period.end, grain) == period
    assert calendar.period(period.start, grain) == period
    assert calendar.parse(period.label) == calendar.parse(period.label.lower()) == period


@settings(deadline=None, max_examples=times(40))
@given(calendars, days, st.integers(0, 400), st.sampled_from(GRAINS))
def test_periods_tile_time_without_gap_or_overlap(calendar: Calendar, first: date, more: int, grain: str) -> None:
    last = first + DAY * (more // 20 if grain == "hour" else more)
    periods = calendar.between(grain, first, last)
    if periods:  # Apia left a day out
        assert periods[0].first <= first
        assert periods[-1].until > last
    for one, next_one in pairwise(periods):
        assert one.end == next_one.start
        if grain != "hour":
            assert one.until == next_one.first
        assert calendar.shift(one, 1) == next_one
        assert calendar.back(next_one, 1) == one
    assert len({p.label for p in periods}) == len(periods)


@settings(deadline=None, max_examples=times(60))
@given(calendars, moments, st.sampled_from(GRAINS), st.integers(-60, 60), st.integers(-60, 60))
def test_shifting_adds_up(calendar: Calendar, moment: datetime, grain: str, one: int, other: int) -> None:
    period = calendar.period(moment, grain)
    assert calendar.shift(calendar.shift(period, one), other) == calendar.shift(period, one + other)
    assert calendar.compare(period, "previous", 3) == calendar.shift(period, -3)


@settings(deadline=None, max_examples=times(80))
@given(calendars, moments, st.sampled_from(GRAINS))
def test_a_year_ago_is_what_the_label_says(calendar: Calendar, moment: datetime, grain: str) -> None:
    period = calendar.period(moment, grain)
    found = calendar.compare(period, "year_ago")
    if grain in ("hour", "day"):
        assert found is None or (period.first - found.first, found.start.hour) in {(364 * DAY, period.start.hour)} | (
            {(364 * DAY, found.start.hour)} if grain == "day" else set()
        )
        return
    name = period.label.removeprefix("FY")
    label = period.label.replace(name[:4], f"{int(name[:4]) - 1:04d}", 1)
    if found is None:
        assert label.endswith("-W53")
    else:
        assert found.label == label


@settings(deadline=None, max_examples=times(40))
@given(calendars, moments, st.integers(0, 40 * 96))
def test_working_time_is_that_of_counting(calendar: Calendar, moment: datetime, quarters: int) -> None:
    start = moment.replace(minute=0, second=0, microsecond=0)
    zone = ZoneInfo(calendar.timezone)
    ticks = [start + QUARTER_HOUR * n for n in range(quarters)]
    local_days = [tick.astimezone(zone).date() for tick in ticks]
    worked = [day.weekday() in calendar.workdays and day not in calendar.holidays for day in local_days]
    end = start + QUARTER_HOUR * quarters
    seconds = calendar.working_seconds(start, end)
    assert seconds == sum(worked) * 900
    first, until = calendar.day_of(start), calendar.day_of(end)
    by_hand = [first + DAY * n for n in range((until - first).days)]
    assert calendar.workdays_in(first, until) == sum(calendar.is_workday(day) for day in by_hand)


@settings(deadline=None, max_examples=times(40))
@given(calendars, moments, st.floats(0, 40 * 86_400))
def test_after_working_is_the_last_moment_with_so_much(calendar: Calendar, start: datetime, seconds: float) -> None:
    until = calendar.after_working(start, seconds)
    assert until is not None
    assert calendar.working_seconds(start, until) <= seconds + 1e-4
    assert calendar.working_seconds(start, until + timedelta(seconds=1)) > seconds


@settings(deadline=None, max_examples=times(60))
@given(calendars, moments, st.sampled_from(GRAINS), st.integers(1, 60), st.integers(0, 10**6), st.integers(0, 10**6))
def test_cuts_stay_inside_and_in_order(
    calendar: Calendar, moment: datetime, grain: str, back: int, one: int, other: int
) -> None:
    period = calendar.period(moment, grain)
    earlier = calendar.back(period, back)
    length = period.end - period.start
    asked = [period.start + length * (n / 10**6) for n in sorted((one, other))]
    cuts = [calendar.cut(period, earlier, at) for at in asked]
    assert all(earlier.start <= cut <= earlier.end for cut in cuts)
    assert calendar.cut(period, earlier, period.start - DAY) == earlier.start
    assert calendar.cut(period, earlier, period.end) == earlier.end
    if not _clocks_change(period) and not _clocks_change(earlier):
        assert cuts[0] <= cuts[1]
        assert all(
            cut - earlier.start == min(at - period.start, earlier.end - earlier.start)
            for cut, at in zip(cuts, asked, strict=True)
        )


def _clocks_change(period: Period) -> bool:
    """Within the period, or at its very midnight: then its first day begins at one o'clock, and so does a cut by the clock."""
    return (
        period.start.hour != 0
        or period.end.hour != 0
        or period.start.utcoffset() != period.end.utcoffset()
        or (period.until - period.first).days > 31
    )


def test_a_day_that_begins_at_one_is_compared_by_the_clock() -> None:
    calendar = Calendar("Asia/Beirut")
    late = calendar.period(datetime(2028, 3, 26, 12, tzinfo=UTC), "day")
    assert late.start.isoformat() == "2028-03-26T01:00:00+03:00"
    earlier = calendar.back(late, 2)
    assert calendar.cut(late, earlier, late.start + timedelta(hours=2)) == earlier.start + timedelta(hours=3)
