"""When cron lines run: against a search of every minute, and through changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from scorecard.ground.errors import Refused
from scorecard.ground.periods.calendar import Calendar
from scorecard.ground.periods.cron import cron_runs, read_cron

BERLIN = Calendar("Europe/Berlin")


def runs(line: str, after: str, count: int, calendar: Calendar = BERLIN) -> list[str]:
    found = islice(cron_runs(line, datetime.fromisoformat(after), calendar), count)
    return [run.isoformat(timespec="minutes") for run in found]


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        ("*/5 * * * *", "2026-09-28T08:03:00+02:00", ["2026-09-28T08:05+02:00", "2026-09-28T08:10+02:00"]),
        ("0 6 * * *", "2026-09-28T06:00:00+02:00", ["2026-09-29T06:00+02:00", "2026-09-30T06:00+02:00"]),
        ("0 6 * * 1-5", "2026-09-25T06:00:00+02:00", ["2026-09-28T06:00+02:00", "2026-09-29T06:00+02:00"]),
        ("0 6 * * mon,Sun", "2026-09-25T06:00:00+02:00", ["2026-09-27T06:00+02:00", "2026-09-28T06:00+02:00"]),
        ("0 6 * * 7", "2026-09-25T06:00:00+02:00", ["2026-09-27T06:00+02:00", "2026-10-04T06:00+02:00"]),
        ("0 6 1 * 1", "2026-09-25T06:00:00+02:00", ["2026-09-28T06:00+02:00", "2026-10-01T06:00+02:00"]),
        ("15 9-17/4 1 jan *", "2026-09-25T06:00:00+02:00", ["2027-01-01T09:15+01:00", "2027-01-01T13:15+01:00"]),
        ("0 0 29 2 *", "2024-03-01T00:00:00+01:00", ["2028-02-29T00:00+01:00"]),
        ("30 2 * * *", "2026-03-28T12:00:00+01:00", ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]),
        ("30 2 * * *", "2026-10-24T12:00:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("30 2 * * *", "2026-10-25T02:30:00+02:00", ["2026-10-26T02:30+01:00"]),
        (
            "40 * * * *",
            "2026-10-25T01:45:00+02:00",
            ["2026-10-25T02:40+02:00", "2026-10-25T02:40+01:00", "2026-10-25T03:40+01:00"],
        ),
        ("40 * * * *", "2026-03-29T01:45:00+01:00", ["2026-03-29T03:40+02:00", "2026-03-29T04:40+02:00"]),
        ("40 2,3 * * *", "2026-03-29T01:45:00+01:00", ["2026-03-29T03:40+02:00", "2026-03-30T02:40+02:00"]),
    ],
)
def test_runs(line: str, after: str, expected: list[str]) -> None:
    assert runs(line, after, len(expected)) == expected


def test_a_day_that_never_comes_has_no_runs() -> None:
    assert runs("0 0 30 2 *", "2026-01-01T00:00:00+01:00", 1) == []


@pytest.mark.parametrize(
    "line", ["* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "x * * * *"]
)
def test_a_wrong_line_is_refused(line: str) -> None:
    with pytest.raises(Refused, match="cron line"):
        read_cron(line)


@pytest.mark.parametrize("line", ["*/7 3,5 * * *", "10-20/5 */6 * * 2", "0 12 13 * 5", "59 23 31 12 0"])
def test_runs_are_those_of_a_search_of_every_minute(line: str) -> None:
    cron, utc = read_cron(line), Calendar("UTC")
    start = datetime(2026, 12, 5, tzinfo=UTC)
    minutes = [start + timedelta(minutes=n) for n in range(1, 40 * 1440)]
    searched = [m for m in minutes if cron.runs_on(m.date()) and m.time() in cron.times]
    assert list(islice(cron_runs(line, start, utc), len(searched))) == searched
    assert searched


def test_half_an_hour_of_change_loses_no_run() -> None:
    """Lord Howe Island: 02:00 becomes 02:30 on 4 October, and 02:00 becomes 01:30 on 5 April."""
    island = Calendar("Australia/Lord_Howe")
    spring = runs("0,15,40 2 * * *", "2026-10-03T23:00:00+10:30", 4, island)
    assert [run[8:16] for run in spring] == ["04T02:30", "04T02:40", "04T02:45", "05T02:00"]
    autumn = runs("*/20 * * * *", "2026-04-05T01:10:00+11:00", 5, island)
    assert [run[11:] for run in autumn] == ["01:20+11:00", "01:40+11:00", "01:40+10:30", "02:00+10:30", "02:20+10:30"]
