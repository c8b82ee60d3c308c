"""Which earlier periods a running one compares with, and where they are cut: by hand, and against a calendar that only counts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.ground.periods.alike import alike, cut_alike
from scorecard.ground.periods.calendar import Calendar, Period
from tests.amounts import times
from tests.test_periods_properties import calendars, moments

DAY = timedelta(days=1)
BERLIN = Calendar("Europe/Berlin", holidays=frozenset({date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1)}))


def labels(calendar: Calendar, label: str, most: int = 3) -> list[str]:
    return [p.label for p in islice(alike(calendar, calendar.parse(label)), most)]


def test_which_periods_are_alike() -> None:
    assert labels(BERLIN, "2026-W12") == ["2026-W11", "2026-W10", "2026-W09"]
    assert labels(BERLIN, "2026-W17") == ["2026-W16", "2026-W13", "2026-W12"], "the weeks of Easter have other workdays"
    assert labels(BERLIN, "2026-W18") == ["2026-W14"], "a Friday off: the only one like it within a year"
    assert labels(BERLIN, "2026-04-13") == ["2026-03-30", "2026-03-23", "2026-03-16"], "Easter Monday is no Monday"
    assert labels(BERLIN, "2026-04-11") == ["2026-04-04", "2026-03-28", "2026-03-21"]
    assert labels(BERLIN, "2026-04-07T09") == ["2026-04-02T09", "2026-04-01T09", "2026-03-31T09"]
    assert labels(BERLIN, "2026-04-06T09") == ["2026-04-05T09", "2026-04-04T09", "2026-04-03T09"]
    assert labels(BERLIN, "2026-03-30T02") == ["2026-03-27T02", "2026-03-26T02", "2026-03-25T02"]
    assert labels(BERLIN, "2026-04-05T02", 4)[2:] == ["2026-03-28T02", "2026-03-22T02"], (
        "on March 29 there was no such hour"
    )
    assert labels(BERLIN, "2026-04") == ["2026-03", "2026-02", "2026-01"]
    assert labels(BERLIN, "2026-Q2", 1) == ["2026-Q1"]
    assert labels(BERLIN, "1002", 5) == ["1001", "1000"], "where the calendar begins there is nothing more"


# March 2026 has 22 workdays (1 to 22: 2nd, 3rd, … 31st), April 20 (Good Friday the 3rd and Monday the 6th are off).
@pytest.mark.parametrize(
    ("running", "other", "moment", "cut"),
    [
        ("2026-04", "2026-03", "2026-04-01T12:00", "2026-03-02T12:00"),  # the first workday is the first
        ("2026-04", "2026-03", "2026-04-30T12:00", "2026-03-31T12:00"),  # the last is the last
        ("2026-04", "2026-03", "2026-04-29T08:00", "2026-03-30T08:00"),  # and the last but one
        ("2026-04", "2026-03", "2026-04-02T09:30", "2026-03-03T09:30"),
        ("2026-04", "2026-03", "2026-04-07T09:30", "2026-03-04T09:30"),  # the third, behind Easter
        ("2026-04", "2026-03", "2026-04-16T09:30", "2026-03-16T09:30"),  # the 10th of 20 (9 before it) is the 11th of 22
        ("2026-04", "2026-03", "2026-04-18T09:30", "2026-03-18T00:00"),  # a Saturday after 11: the 12th is followed by a workday
        ("2026-03", "2026-04", "2026-03-31T23:59", "2026-04-30T23:59"),
        ("2026-03", "2026-02", "2026-03-01T10:00", "2026-02-01T10:00"),  # the Sunday before the first workday
        ("2026-04", "2026-02", "2026-04-05T10:00", "2026-02-04T00:00"),  # Easter Sunday: after two workdays, no day off follows
        ("2026-03", "2026-05", "2026-03-08T10:00", "2026-05-10T10:00"),  # a Sunday after 5: the second day off after the 5th
        ("2026-W13", "2026-W12", "2026-03-25T10:00", "2026-03-18T10:00"),
        ("2026-W14", "2026-W13", "2026-03-30T02:30", "2026-03-23T02:30"),
        ("2026-03-30", "2026-03-23", "2026-03-30T02:30", "2026-03-23T02:30"),
        ("2026-03-30T10", "2026-03-27T10", "2026-03-30T10:17", "2026-03-27T10:17"),
    ],
)  # fmt: skip
def test_the_cut_of_the_other_period(running: str, other: str, moment: str, cut: str) -> None:
    at = BERLIN.at(datetime.fromisoformat(moment))
    found = cut_alike(BERLIN, BERLIN.parse(running), BERLIN.parse(other), at)
    assert found == BERLIN.at(datetime.fromisoformat(cut)), found


def counted(calendar: Calendar, period: Period) -> list[date]:
    """The workdays of a period, by looking at each day."""
    days = [period.first + DAY * n for n in range((period.until - period.first).days)]
    return [d for d in days if d.weekday() in calendar.workdays and d not in calendar.holidays]


@settings(deadline=None, max_examples=times(80))
@given(calendars, moments, st.sampled_from(["month", "quarter", "year"]), st.integers(1, 8))
def test_workdays_are_counted_from_both_ends(calendar: Calendar, moment: datetime, grain: str, back: int) -> None:
    running = calendar.period(moment, grain)
    other = calendar.back(running, back)
    mine, theirs = counted(calendar, running), counted(calendar, other)
    found = cut_alike(calendar, running, other, moment)
    assert other.start <= found <= other.end
    assert cut_alike(calendar, running, other, running.start - DAY) == other.start
    assert cut_alike(calendar, running, other, running.end) == other.end
    today = calendar.day_of(moment)
    if not mine or not theirs or today not in mine:
        return
    place = mine.index(today)
    there = theirs.index(calendar.day_of(found)) if calendar.day_of(found) in theirs else None
    clock = calendar.at(moment).time()
    if calendar.at(found).time() == clock:  # else the clocks leave the time out on that day
        assert there is not None
        exact = place * (len(theirs) - 1) / (len(mine) - 1) if len(mine) > 1 else 0
        assert abs(there - exact) <= 0.5 + 1e-9
        if place == 0:
            assert there == 0
        if place == len(mine) - 1 > 0:
            assert there == len(theirs) - 1
        if len(mine) == len(theirs):
            assert there == place


@settings(deadline=None, max_examples=times(60))
@given(calendars, moments, st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]))
def test_alike_periods_are_earlier_and_each_once(calendar: Calendar, moment: datetime, grain: str) -> None:
    running = calendar.period(moment, grain)
    found = list(alike(calendar, running))
    starts = [p.start for p in found]
    assert starts == sorted(set(starts), reverse=True)
    assert all(p.end <= running.start and p.grain == grain for p in found)
    kind = [running.first + DAY * n in counted(calendar, running) for n in range((running.until - running.first).days)]
    for p in found if grain in ("hour", "day", "week") else []:
        works = counted(calendar, p)
        assert [p.first + DAY * n in works for n in range(len(kind))] == kind
        if grain == "day":
            assert p.first.weekday() == running.first.weekday()
        if grain == "hour":
            assert (p.start.hour, p.end - p.start) == (running.start.hour, running.end - running.start)
    assert moment.tzinfo is UTC
