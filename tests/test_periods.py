"""Known answers of the calendar: weeks, fiscal and pattern years, the 53rd week, changes of the clocks, comparisons."""

from __future__ import annotations

import dataclasses
import pickle
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from scorecard.ground.errors import Refused
from scorecard.ground.periods import GRAINS
from scorecard.ground.periods.calendar import Calendar, Period

BERLIN = Calendar("Europe/Berlin")
APRIL = Calendar("Europe/London", fiscal_year_starts=4)
NRF = Calendar("America/New_York", week_starts=6, fiscal_year_starts=2, fiscal_year_named="start", pattern="4-5-4")
"""The calendar of the National Retail Federation: 4-5-4, from the Sunday nearest the first of February."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(period: Period) -> tuple[str, str]:
    return period.first.isoformat(), period.until.isoformat()


def seconds(period: Period) -> float:
    return (period.end - period.start).total_seconds()


# -- weeks ---------------------------------------------------------------------------------------------------------


def test_monday_weeks_are_iso_weeks() -> None:
    for ordinal in range(date(1999, 12, 1).toordinal(), date(2040, 2, 1).toordinal()):
        day = date.fromordinal(ordinal)
        year, week, _ = day.isocalendar()
        assert BERLIN.period(day, "week").label == f"{year:04d}-W{week:02d}"


@pytest.mark.parametrize(
    ("starts", "day", "label", "first"),
    [
        (0, "2027-01-01", "2026-W53", "2026-12-28"),
        (6, "2027-01-01", "2026-W52", "2026-12-27"),
        (6, "2027-01-03", "2027-W01", "2027-01-03"),
        (5, "2026-01-02", "2025-W52", "2025-12-27"),
        (5, "2026-01-03", "2026-W01", "2026-01-03"),
        (6, "2026-01-01", "2025-W53", "2025-12-28"),
    ],
)
def test_a_week_belongs_to_the_year_of_its_fourth_day(starts: int, day: str, label: str, first: str) -> None:
    week = Calendar("UTC", week_starts=starts).period(date.fromisoformat(day), "week")
    assert (week.label, week.first.isoformat()) == (label, first)


# -- fiscal and pattern years --------------------------------------------------------------------------------------


def test_a_fiscal_year_is_named_after_its_end_or_its_start() -> None:
    quarter = APRIL.period(date(2026, 9, 28), "quarter")
    assert (quarter.label, *days(quarter)) == ("FY2027-Q2", "2026-07-01", "2026-10-01")
    year = APRIL.period(date(2026, 3, 31), "year")
    assert (year.label, *days(year)) == ("FY2026", "2025-04-01", "2026-04-01")
    by_start = dataclasses.replace(APRIL, fiscal_year_named="start")
    assert by_start.period(date(2026, 9, 28), "year").label == "FY2026"
    assert APRIL.period(date(2026, 9, 28), "month").label == "2026-09"
    assert [BERLIN.period(date(2026, 9, 28), grain).label for grain in ("quarter", "year")] == ["2026-Q3", "2026"]


@pytest.mark.parametrize(
    ("year", "first", "weeks"),
    [
        (2012, "2012-01-29", 53), (2016, "2016-01-31", 52), (2017, "2017-01-29", 53), (2018, "2018-02-04", 52),
        (2022, "2022-01-30", 52), (2023, "2023-01-29", 53), (2024, "2024-02-04", 52), (2025, "2025-02-02", 52),
    ],
)  # fmt: skip
def test_a_pattern_year_is_the_retail_calendar(year: int, first: str, weeks: int) -> None:
    found = NRF.parse(f"FY{year}")
    assert found.first.isoformat() == first
    assert (found.until - found.first).days == weeks * 7


def test_the_53rd_week_joins_the_last_period() -> None:
    lengths = [(p.until - p.first).days // 7 for p in NRF.between("month", date(2023, 1, 29), date(2024, 2, 3))]
    assert lengths == [4, 5, 4, 4, 5, 4, 4, 5, 4, 4, 5, 5]
    quarters = NRF.between("quarter", date(2023, 1, 29), date(2024, 2, 3))
    assert [(p.label, (p.until - p.first).days // 7) for p in quarters] == [
        ("FY2023-Q1", 13),
        ("FY2023-Q2", 13),
        ("FY2023-Q3", 13),
        ("FY2023-Q4", 14),
    ]
    month = NRF.period(date(2024, 2, 3), "month")
    assert (month.label, *days(month)) == ("FY2023-P12", "2023-12-31", "2024-02-04")


@pytest.mark.parametrize(("pattern", "weeks"), [("4-4-5", [4, 4, 5]), ("4-5-4", [4, 5, 4]), ("5-4-4", [5, 4, 4])])
def test_patterns_from_january_have_fiscal_labels(pattern: str, weeks: list[int]) -> None:
    calendar = Calendar("UTC", pattern=pattern)
    year = calendar.parse("FY2026")
    assert days(year) == ("2025-12-29", "2027-01-04")
    months = calendar.between("month", year.first, year.until - timedelta(days=1))
    assert [m.label for m in months] == [f"FY2026-P{n:02d}" for n in range(1, 13)]
    assert [(m.until - m.first).days // 7 for m in months] == [*weeks * 3, *weeks[:2], weeks[2] + 1]


# -- the clocks change ---------------------------------------------------------------------------------------------


def test_days_and_weeks_through_changes_of_the_clocks() -> None:
    spring, autumn = BERLIN.parse("2026-03-29"), BERLIN.parse("2026-10-25")
    assert (seconds(spring), seconds(autumn)) == (23 * 3600, 25 * 3600)
    assert autumn.start.isoformat() == "2026-10-25T00:00:00+02:00"
    assert autumn.end.isoformat() == "2026-10-26T00:00:00+01:00"
    assert (seconds(BERLIN.parse("2026-W13")), seconds(BERLIN.parse("2026-W43"))) == (167 * 3600, 169 * 3600)
    new_york = Calendar("America/New_York").parse("2026-W10")
    assert new_york.start == utc("2026-03-02T05:00:00")
    assert new_york.end == utc("2026-03-09T04:00:00")


def test_the_repeated_hour_is_two_hours_and_the_missing_one_none() -> None:
    labels = [hour.label for hour in BERLIN.between("hour", date(2026, 10, 25), date(2026, 10, 25))]
    assert labels[1:5] == ["2026-10-25T01", "2026-10-25T02+02:00", "2026-10-25T02+01:00", "2026-10-25T03"]
    assert len(labels) == 25
    first, second = (BERLIN.period(utc(f"2026-10-25T0{n}:30:00"), "hour") for n in (0, 1))
    assert (first.label, second.label) == (labels[2], labels[3])
    assert first.end == second.start == utc("2026-10-25T01:00:00")
    assert seconds(first) == seconds(second) == 3600
    assert first.start < first.end
    assert BERLIN.shift(first, 1) == second
    assert BERLIN.shift(second, -1) == first
    labels = [hour.label for hour in BERLIN.between("hour", date(2026, 3, 29), date(2026, 3, 29))]
    assert labels[1:3] == ["2026-03-29T01", "2026-03-29T03"]
    assert len(labels) == 23


def test_half_an_hour_of_change_makes_short_hours() -> None:
    """Lord Howe Island moves its clocks by 30 minutes, at 02:00."""
    calendar = Calendar("Australia/Lord_Howe")
    hours = calendar.between("hour", date(2026, 4, 5), date(2026, 4, 5))
    assert [(h.label[11:], seconds(h) / 60) for h in hours[:4]] == [
        ("00", 60), ("01+11:00", 60), ("01+10:30", 30), ("02", 60),
    ]  # fmt: skip
    hours = calendar.between("hour", date(2026, 10, 4), date(2026, 10, 4))
    assert [(h.label[11:], seconds(h) / 60) for h in hours[:4]] == [("00", 60), ("01", 60), ("02", 30), ("03", 60)]


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00", 23),  # midnight is jumped over
        ("America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00", 25),  # midnight comes twice
        ("America/Scoresbysund", "2024-10-26", "2024-10-26T00:00:00-01:00", 25),  # 23:00 comes twice
        ("Pacific/Apia", "2011-12-31", "2011-12-31T00:00:00+14:00", 24),
        ("Asia/Kathmandu", "2026-06-01", "2026-06-01T00:00:00+05:45", 24),
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30:00-04:00", 23.5),  # 23:30 jumped to 00:30
    ],
)
def test_a_day_begins_at_its_first_moment(zone: str, day: str, start: str, hours: float) -> None:
    calendar = Calendar(zone)
    period = calendar.parse(day)
    assert period.start.isoformat() == start
    assert seconds(period) == hours * 3600
    assert calendar.day_of(period.start) == period.first
    assert calendar.day_of(period.start - timedelta(seconds=1)) < period.first


def test_a_day_that_was_left_out_is_empty() -> None:
    apia = Calendar("Pacific/Apia")
    missing = apia.parse("2011-12-30")
    assert missing.start == missing.end
    assert apia.between("hour", missing.first, missing.first) == ()
    assert seconds(apia.parse("2011-W52")) == 6 * 86_400
    assert apia.working_seconds(apia.parse("2011-12-29").start, apia.parse("2011-12-31").end) == 86_400


def test_local_times_without_offset_are_the_second_or_move_forward() -> None:
    assert BERLIN.at(datetime(2026, 10, 25, 2, 30)) == utc("2026-10-25T01:30:00")  # noqa: DTZ001 - a wall clock time
    assert BERLIN.at(datetime(2026, 3, 29, 2, 30)) == utc("2026-03-29T01:30:00")  # noqa: DTZ001
    assert BERLIN.at(datetime(2026, 7, 1, 2, 30)) == utc("2026-07-01T00:30:00")  # noqa: DTZ001


def test_moments_of_periods_compare_and_subtract_as_moments() -> None:
    """Two datetimes of one ZoneInfo would compare by the wall clock."""
    first, second = (BERLIN.parse(f"2026-10-25T02+0{n}:00") for n in (2, 1))
    assert first.start < second.start
    assert second.start - first.start == timedelta(hours=1)
    assert BERLIN.parse("2026-10-25").end - BERLIN.parse("2026-10-25").start == timedelta(hours=25)


# -- labels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "means"),
    [
        ("2026-09-28T14", "2026-09-28T14"),
        ("2026-09-28t14", "2026-09-28T14"),
        ("2026-09-28T14+02:00", "2026-09-28T14"),
        ("2026-10-25t02+01:00", "2026-10-25T02+01:00"),
        ("2026-10-25T02 02:00", "2026-10-25T02+02:00"),
        ("2026-09-28", "2026-09-28"),
        (" 2026-w39 ", "2026-W39"),
        ("2026-W53", "2026-W53"),
        ("2026-09", "2026-09"),
        ("2026-q3", "2026-Q3"),
        ("fy2026-Q3", "2026-Q3"),
        ("2026", "2026"),
    ],
)
def test_labels_are_read_in_all_their_forms(label: str, means: str) -> None:
    assert BERLIN.parse(label).label == means


@pytest.mark.parametrize(
    ("calendar", "label", "why"),
    [
        (BERLIN, "yesterday", "'yesterday' is no period"),
        (BERLIN, "", "'' is no period"),
        (BERLIN, "2026-9", "is no period"),
        (BERLIN, "2026-W5", "is no period"),
        (BERLIN, "２０２６", "is no period"),
        (BERLIN, "2026-02-30", "is no day of the calendar"),
        (BERLIN, "2026-02-30T04", "is no day of the calendar"),
        (BERLIN, "2026-13", "13 is not 1 to 12"),
        (BERLIN, "2026-00", "0 is not 1 to 12"),
        (BERLIN, "2026-Q5", "5 is not 1 to 4"),
        (BERLIN, "2026-W54", "54 is not 1 to 53"),
        (BERLIN, "2025-W53", "2025 has 52 of them"),
        (BERLIN, "2026-09-28T24", "24 is not 0 to 23"),
        (BERLIN, "2026-03-29T02", "the clocks go forward over it"),
        (BERLIN, "2026-10-25T02", "comes twice: write 2026-10-25T02+02:00 or 2026-10-25T02+01:00"),
        (BERLIN, "2026-09-28T14+01:00", "its offset is +02:00"),
        (BERLIN, "FY2026-P03", "is no month here"),
        (BERLIN, "0001-01-01", "outside the years 1000 to 9000"),
        (BERLIN, "9999", "outside the years 1000 to 9000"),
        (APRIL, "2026", "the fiscal year starts in month 4"),
        (APRIL, "2026-Q3", "the fiscal year starts in month 4"),
        (NRF, "2026-09", "they follow the pattern 4-5-4"),
    ],
)
def test_a_label_that_means_nothing_is_refused_with_the_forms(calendar: Calendar, label: str, why: str) -> None:
    with pytest.raises(Refused) as caught:
        calendar.parse(label)
    problem = caught.value.problems[0]
    assert why in problem.message
    assert problem.hint is not None
    assert "week 2026-W39" in problem.hint
    assert ("year FY2026" if calendar is not BERLIN else "year 2026") in problem.hint


def test_an_unknown_grain_is_refused_with_a_suggestion() -> None:
    with pytest.raises(Refused, match="did you mean 'month'"):
        BERLIN.period(date(2026, 1, 1), "moth")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"timezone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"timezone": "../etc/passwd"}, "no time zone"),
        ({"week_starts": 7}, "Monday is 0"),
        ({"fiscal_year_starts": 0}, "1 to 12"),
        ({"fiscal_year_named": "middle"}, "'start' or 'end'"),
        ({"pattern": "4-4-4"}, "4-4-5"),
        ({"workdays": frozenset({9})}, "Monday is 0"),
    ],
)
def test_values_that_make_no_calendar_are_refused(change: dict[str, object], why: str) -> None:
    with pytest.raises(Refused, match=why):
        Calendar(**{"timezone": "UTC", **change})  # type: ignore[arg-type]


# -- moving about --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "kind", "count", "other"),
    [
        ("2026-W39", "previous", 1, "2026-W38"),
        ("2026-W01", "previous", 1, "2025-W52"),
        ("2026-01", "previous", 2, "2025-11"),
        ("2026-W39", "year_ago", 1, "2025-W39"),
        ("2026-W53", "year_ago", 1, None),
        ("2026-W53", "year_ago", 6, "2020-W53"),
        ("2026-W39", "364d", 1, "2025-W39"),
        ("2027-W10", "364d", 1, "2026-W11"),  # 2026 has 53 weeks
        ("2026-09-28", "year_ago", 1, "2025-09-29"),
        ("2026-09-28", "364d", 2, "2024-09-30"),
        ("2026-09-28T14", "year_ago", 1, "2025-09-29T14"),
        ("2026-10-25T02+01:00", "year_ago", 1, "2025-10-26T02+01:00"),
        ("2027-10-24T02", "year_ago", 1, "2026-10-25T02+02:00"),  # the one of the same offset
        ("2030-03-24T02", "year_ago", 1, None),  # 2029-03-25T02 is jumped over
        ("2024-02-29", "year_ago", 1, "2023-03-02"),
        ("2026-09", "year_ago", 1, "2025-09"),
        ("2026-Q1", "year_ago", 1, "2025-Q1"),
        ("2026", "year_ago", 3, "2023"),
        ("2026-09", "364d", 1, None),
    ],
)
def test_comparisons(label: str, kind: str, count: int, other: str | None) -> None:
    found = BERLIN.compare(BERLIN.parse(label), kind, count)
    assert (None if found is None else found.label) == other


def test_comparisons_of_pattern_months() -> None:
    assert NRF.compare(NRF.parse("FY2024-P01"), "year_ago") == NRF.parse("FY2023-P01")
    assert NRF.compare(NRF.parse("FY2026-P03"), "364d") == NRF.parse("FY2025-P03")
    assert NRF.compare(NRF.parse("FY2024-P01"), "364d") is None, "2023 has 53 weeks"


def test_the_latest_closed_period_and_the_running_one() -> None:
    end = BERLIN.parse("2026-W39").end
    assert BERLIN.latest_closed(end, "week").label == "2026-W39"
    assert BERLIN.running(end, "week").label == "2026-W40"
    before = end - timedelta(microseconds=1)
    assert BERLIN.latest_closed(before, "week").label == "2026-W38"
    assert BERLIN.running(before, "week").label == "2026-W39"
    assert BERLIN.latest_closed(utc("2026-10-25T01:00:00"), "hour").label == "2026-10-25T02+02:00"


@pytest.mark.parametrize("grain", GRAINS)
def test_moving_out_of_the_calendar_is_refused(grain: str) -> None:
    period = BERLIN.period(date(2026, 9, 28), grain)
    if grain != "hour":
        with pytest.raises(Refused, match="outside the years"):
            BERLIN.shift(period, -5_000_000)
        with pytest.raises(Refused, match="outside the years"):
            BERLIN.shift(period, 5_000_000)
    with pytest.raises(Refused, match="outside the years"):
        BERLIN.period(date(999, 12, 31), grain)


@pytest.mark.parametrize(
    ("period", "other", "moment", "cut"),
    [
        ("2026-W39", "2026-W38", "2026-09-23T10:30:00+02:00", "2026-09-16T10:30:00+02:00"),
        ("2026-W39", "2026-W38", "2026-09-20T10:30:00+02:00", "2026-09-14T00:00:00+02:00"),
        ("2026-W39", "2026-W38", "2026-09-28T00:00:00+02:00", "2026-09-21T00:00:00+02:00"),
        ("2026-03", "2026-02", "2026-03-30T10:00:00+02:00", "2026-03-01T00:00:00+01:00"),
        ("2024", "2023", "2024-09-25T12:00:00+02:00", "2023-09-25T12:00:00+02:00"),
        ("2024", "2023", "2024-02-29T12:00:00+01:00", "2023-03-01T00:00:00+01:00"),
        ("2025", "2024", "2025-03-02T00:00:00+01:00", "2024-03-02T00:00:00+01:00"),
        ("2026-Q1", "2025-Q4", "2026-02-10T09:00:00+01:00", "2025-11-10T09:00:00+01:00"),
        ("2026-Q2", "2026-Q1", "2026-05-30T09:00:00+02:00", "2026-03-01T00:00:00+01:00"),
        ("2026-W44", "2026-W43", "2026-10-26T12:00:00+01:00", "2026-10-19T12:00:00+02:00"),
        ("2026-04-05", "2026-03-29", "2026-04-05T02:30:00+02:00", "2026-03-29T03:30:00+02:00"),
        ("2026-09-28T14", "2026-09-28T13", "2026-09-28T14:20:00+02:00", "2026-09-28T13:20:00+02:00"),
    ],
)
def test_the_same_cut_of_another_period(period: str, other: str, moment: str, cut: str) -> None:
    found = BERLIN.cut(BERLIN.parse(period), BERLIN.parse(other), datetime.fromisoformat(moment))
    assert found.isoformat() == cut


def test_coarser_grains() -> None:
    assert BERLIN.coarser("week") == ("week", "month", "quarter", "year")
    assert BERLIN.coarser("year") == ("year",)


def test_day_rows_for_joins() -> None:
    assert APRIL.day_rows(date(2026, 5, 31), date(2026, 6, 1)) == [
        (date(2026, 5, 31), date(2026, 5, 25), date(2026, 5, 1), date(2026, 4, 1), date(2026, 4, 1)),
        (date(2026, 6, 1), date(2026, 6, 1), date(2026, 6, 1), date(2026, 4, 1), date(2026, 4, 1)),
    ]


# -- working time --------------------------------------------------------------------------------------------------

HOLIDAYS = Calendar("Europe/Berlin", holidays=frozenset({date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1)}))


def test_workdays_leave_out_weekends_and_holidays() -> None:
    assert HOLIDAYS.workdays_in(date(2026, 12, 21), date(2027, 1, 4)) == 8
    assert HOLIDAYS.workdays_in(date(2027, 1, 4), date(2026, 12, 21)) == 0
    assert not HOLIDAYS.is_workday(date(2026, 12, 25))
    around = [date(2026, 12, 20) + timedelta(days=n) for n in range(16)]
    for place, first in enumerate(around):
        for until_place, until in enumerate(around[place:], place):
            assert HOLIDAYS.workdays_in(first, until) == sum(map(HOLIDAYS.is_workday, around[place:until_place]))


def test_working_seconds_are_real_seconds_of_workdays() -> None:
    every_day = Calendar("Europe/Berlin", workdays=frozenset(range(7)))
    week = every_day.parse("2026-W43")
    assert every_day.working_seconds(week.start, week.end) == 169 * 3600
    assert BERLIN.working_seconds(week.start, week.end) == 120 * 3600
    friday, monday = (
        datetime.fromisoformat("2026-09-25T18:00:00+02:00"),
        datetime.fromisoformat("2026-09-28T09:00+02:00"),
    )
    assert BERLIN.working_seconds(friday, monday) == 15 * 3600
    assert BERLIN.working_seconds(monday, friday) == 0
    year = BERLIN.parse("2026")
    assert BERLIN.working_seconds(year.start, year.end) == BERLIN.workdays_in(year.first, year.until) * 86_400


@pytest.mark.parametrize(
    ("start", "hours", "until"),
    [
        ("2026-09-25T18:00:00+02:00", 15, "2026-09-28T09:00:00+02:00"),
        ("2026-09-25T18:00:00+02:00", 6, "2026-09-28T00:00:00+02:00"),  # until work goes on
        ("2026-09-26T18:00:00+02:00", 0, "2026-09-28T00:00:00+02:00"),
        ("2026-12-24T12:00:00+01:00", 24, "2026-12-28T12:00:00+01:00"),
    ],
)
def test_the_moment_after_so_much_working_time(start: str, hours: int, until: str) -> None:
    found = HOLIDAYS.after_working(datetime.fromisoformat(start), hours * 3600)
    assert found is not None
    assert found.isoformat() == until


def test_nobody_works_and_time_never_passes() -> None:
    idle = Calendar("UTC", workdays=frozenset())
    assert idle.after_working(utc("2026-09-25T18:00:00"), 1) is None
    assert idle.working_seconds(utc("2026-01-01T00:00:00"), utc("2027-01-01T00:00:00")) == 0


# -- a value that can be shared ------------------------------------------------------------------------------------


def test_a_calendar_is_a_value() -> None:
    again = Calendar("Europe/Berlin")
    BERLIN.parse("2026-W39")
    assert again == BERLIN
    assert hash(again) == hash(BERLIN)
    assert pickle.loads(pickle.dumps(BERLIN)).parse("2026-W39") == BERLIN.parse("2026-W39")  # noqa: S301
    assert dataclasses.replace(BERLIN, holidays=frozenset({date(2026, 9, 28)})).workdays_in(
        date(2026, 9, 28), date(2026, 10, 5)
    ) == 4  # fmt: skip


def test_a_hundred_thousand_days_take_well_under_a_second() -> None:
    calendar = Calendar("Europe/Berlin", fiscal_year_starts=4, pattern="4-4-5")
    asked = [date.fromordinal(date(2020, 1, 1).toordinal() + n % 2500) for n in range(100_000)]
    began = time.process_time()
    for day in asked:
        calendar.period(day, "month")
    assert time.process_time() - began < 1.0
