"""Periods as the organisation's calendar cuts them: clocks that change, week starts, fiscal years, hours, dates."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorecard.book.model.metric import Change, Stock
from scorecard.book.model.organization import Organization
from scorecard.judgement.targets import Relative, Target, Versus
from tests.measuring import (
    ANA,
    World,
    average,
    count,
    distinct,
    formula,
    metric,
    moment,
    of,
    quantile,
    ratio,
    total,
    values,
)

TYPES = {"id": "integer", "created_at": "timestamp", "closed_at": "timestamp", "day": "date", "amount": "decimal"}


def world_in(folder: Path, zone: str, now: str = "2026-04-15 12:00", **calendar: object) -> World:
    made = World(folder, Organization("Test", ANA, zone, **calendar))  # type: ignore[arg-type]
    made.now = moment(now)  # when the rows are loaded
    made.source("tickets", TYPES)
    return made


def rows(*times: str) -> list[dict[str, object]]:
    return [{"id": i, "created_at": f"{t}Z", "amount": "1.5"} for i, t in enumerate(times)]


def test_the_week_in_which_the_clocks_change(tmp_path: Path) -> None:
    """In Berlin the week of 23 March 2026 has 167 hours: it begins on Sunday 23:00 UTC and ends on Sunday 22:00 UTC."""
    world = world_in(tmp_path, "Europe/Berlin").open(metric("n", count()), metric("d", count(), grain="day"))
    world.load(
        "tickets", rows("2026-03-22T22:59:59", "2026-03-22T23:00:00", "2026-03-29T21:59:59", "2026-03-29T22:00:00")
    )
    measured = world.measure("2026-04-01 12:00")
    assert values(measured, "n") == {"2026-W12": 1, "2026-W13": 2, "2026-W14": 1}
    assert {k: v for k, v in values(measured, "d", "day").items() if v} == {
        "2026-03-22": 1, "2026-03-23": 1, "2026-03-29": 1, "2026-03-30": 1,
    }  # fmt: skip
    world.close()


def test_the_repeated_hour_counts_twice_and_the_missing_one_never(tmp_path: Path) -> None:
    world = world_in(tmp_path, "Europe/Berlin").open(
        metric("n", count(), grain="hour"),
        metric("m", quantile("amount"), grain="hour"),
        metric("a", total("amount"), grain="hour"),
    )
    world.load(
        "tickets", rows("2025-10-25T23:30:00", "2025-10-26T00:10:00", "2025-10-26T01:20:00", "2025-10-26T01:40:00")
    )
    measured = world.measure("2025-10-26 03:30")
    shown = {k: v for k, v in values(measured, "n", "hour").items() if k >= "2025-10-26T01"}
    assert shown == {
        "2025-10-26T01": 1, "2025-10-26T02+02:00": 1, "2025-10-26T02+01:00": 2, "2025-10-26T03": 0, "2025-10-26T04": 0,
    }  # fmt: skip
    assert values(measured, "m", "hour")["2025-10-26T02+01:00"] == 1.5
    assert values(measured, "a", "hour")["2025-10-26T02+01:00"] == 3.0
    assert values(measured, "a", "day") == {"2025-10-26": 6.0}
    assert of(measured, "n", "hour").cuts["previous"].value == 0
    world.close()


@pytest.mark.parametrize(("zone", "label"), [("Asia/Kolkata", "2026-03-02T10"), ("Asia/Kathmandu", "2026-03-02T10")])
def test_hours_where_the_zone_is_no_whole_hour_away(tmp_path: Path, zone: str, label: str) -> None:
    world = world_in(tmp_path, zone).open(
        metric("n", count(), grain="hour"),
        metric("d", distinct("amount"), grain="hour"),
        metric("open", Stock("created_at", "closed_at"), grain="hour"),
    )
    # 04:35 UTC is 10:05 in Kolkata and 10:20 in Kathmandu; 05:10 UTC is 10:40 and 10:55.
    world.load("tickets", rows("2026-03-02T04:35:00", "2026-03-02T05:10:00"))
    measured = world.measure("2026-03-02 12:00")
    for name, expected in (("n", 2), ("d", 1), ("open", 2)):
        assert values(measured, name, "hour")[label] == expected
    assert sum(v or 0 for v in values(measured, "n", "hour").values()) == 2
    world.close()


def test_weeks_that_begin_on_sunday(tmp_path: Path) -> None:
    world = world_in(tmp_path, "America/New_York", week_starts=6).open(
        metric("n", count()), metric("d", distinct("id"))
    )
    # Sunday 1 March 2026 begins a week; 04:59 UTC on that day is still Saturday in New York.
    world.load("tickets", rows("2026-03-01T04:59:00", "2026-03-01T05:00:00", "2026-03-08T03:00:00"))
    measured = world.measure("2026-03-09 12:00")
    assert list(values(measured, "n").values()) == [1, 2, 0]
    assert list(values(measured, "d").values()) == [1, 2, 0]
    assert of(measured, "n").periods[1].first.isoformat() == "2026-03-01"
    world.close()


def test_fiscal_years_and_quarters(tmp_path: Path) -> None:
    world = world_in(tmp_path, "Europe/London", fiscal_year_starts=4).open(
        metric("n", total("amount"), grain="month"), metric("m", quantile("id"), grain="month")
    )
    world.load(
        "tickets", rows("2025-03-31T22:59:59", "2025-03-31T23:00:00", "2025-07-01T12:00:00", "2026-03-31T22:00:00")
    )
    measured = world.measure("2026-04-15 12:00")
    assert values(measured, "n", "year") == {"FY2025": 1.5, "FY2026": 4.5, "FY2027": 0}
    quarters = values(measured, "n", "quarter")
    assert (quarters["FY2025-Q4"], quarters["FY2026-Q1"], quarters["FY2026-Q2"], quarters["FY2026-Q3"]) == (
        1.5,
        1.5,
        1.5,
        0,
    )
    assert values(measured, "m", "year") == {"FY2025": 0, "FY2026": 2, "FY2027": None}
    world.close()


def test_a_pattern_of_weeks(tmp_path: Path) -> None:
    world = world_in(tmp_path, "UTC", pattern="4-4-5").open(metric("n", count(), grain="month"))
    # The pattern year 2026 starts on Monday 29 December 2025; its first period has four weeks.
    world.load("tickets", rows("2025-12-29T00:00:00", "2026-01-25T23:59:00", "2026-01-26T00:00:00"))
    measured = world.measure("2026-02-10 12:00")
    assert values(measured, "n", "month") == {"FY2026-P01": 2, "FY2026-P02": 1}
    world.close()


def test_coarser_grains_are_recomputed_never_averaged(tmp_path: Path) -> None:
    world = world_in(tmp_path, "UTC").open(
        metric("mean", average("amount"), grain="day"),
        metric("median", quantile("amount"), grain="day"),
        metric("d", distinct("amount"), grain="day"),
        metric("share", ratio("count_if(amount > 5)", "rows"), grain="day"),
    )
    days = {"2026-03-02": [1, 1, 1, 9], "2026-03-03": [9], "2026-03-09": [9, 9]}
    given = [
        {"id": f"{i}", "created_at": f"{day}T12:00:00Z", "amount": a}
        for i, (day, a) in enumerate((day, a) for day, amounts in days.items() for a in amounts)
    ]
    world.load("tickets", given)
    measured = world.measure("2026-03-12 12:00")
    assert [v for v in values(measured, "mean", "day").values() if v is not None] == [3, 9, 9]
    assert list(values(measured, "mean", "week").values()) == [4.2, 9]
    assert values(measured, "mean", "month") == {"2026-03": pytest.approx(39 / 7)}
    assert list(values(measured, "median", "week").values()) == [1, 9]
    assert values(measured, "median", "month") == {"2026-03": 9}
    assert list(values(measured, "d", "week").values()) == [2, 1]
    assert values(measured, "share", "year") == {"2026": pytest.approx(4 / 7)}
    world.close()


def test_dates_are_local_days_as_they_stand(tmp_path: Path) -> None:
    world = world_in(tmp_path, "Pacific/Auckland").open(
        metric("n", count(), time="day", grain="day"),
        metric("sum", total("amount"), time="day"),
        metric("hour", count(), time="day", grain="hour"),
    )
    dated = [{"id": i, "day": f"2026-03-{d:02d}", "amount": "2"} for i, d in enumerate((2, 3, 3, 9, 10))]
    world.load("tickets", dated)
    # In Auckland it is already Tuesday 10 March; the last row's day has begun there.
    measured = world.measure("2026-03-09 20:00")
    assert values(measured, "n", "day")["2026-03-03"] == 2
    assert values(measured, "n", "day")["2026-03-10"] == 1
    assert list(values(measured, "sum").values()) == [6, 4]
    assert "no hours" in measured.problems["hour"].message
    world.close()


def test_rows_ahead_of_the_clock_and_without_a_time_are_numbers(tmp_path: Path) -> None:
    world = world_in(tmp_path, "UTC", "2026-03-02 12:00").open(metric("n", count(), grain="day"))
    world.load("tickets", [*rows("2026-03-02T10:00:00", "2026-03-02T12:00:01", "2026-03-04T00:00:00"), {"id": 9}])
    measured = world.measure("2026-03-02 12:00")
    assert values(measured, "n", "day") == {"2026-03-02": 1}
    assert (measured.future_rows, measured.undated_rows) == ({"tickets": 2}, {"tickets": 1})
    later = world.measure("2026-03-04 12:00", {})
    assert list(values(later, "n", "day").values()) == [2, None, None]
    assert (later.future_rows, later.undated_rows) == ({"tickets": 0}, {"tickets": 1})
    world.close()


def test_the_clock_alone_makes_a_new_period(tmp_path: Path) -> None:
    world = world_in(tmp_path, "UTC").open(
        metric("n", count(), grain="day"), metric("open", Stock("created_at", "closed_at"), grain="day")
    )
    world.load("tickets", rows("2026-03-02T10:00:00", "2026-03-02T11:00:00"), at=moment("2026-03-02 12:00"))
    assert values(world.measure("2026-03-02 13:00"), "n", "day") == {"2026-03-02": 2}
    later = world.measure("2026-03-03 00:00", {})
    assert values(later, "n", "day") == {"2026-03-02": 2, "2026-03-03": None}
    assert values(later, "open", "day") == {"2026-03-02": 2, "2026-03-03": None}
    assert later.changed is not None
    assert later.changed["n", "day", None] == {0, 1}
    assert world.measure("2026-03-03 00:00", {}).changed == {}
    world.close()


def test_week_53_has_no_partner_a_year_ago(tmp_path: Path) -> None:
    world = world_in(tmp_path, "UTC", "2027-01-20 12:00").open(
        metric("n", count()), metric("c", Change("n", Versus("year_ago"), "points"))
    )
    world.load("tickets", rows("2025-12-29T12:00:00", "2026-12-29T12:00:00", "2027-01-05T12:00:00"))
    measured = world.measure("2027-01-20 12:00")
    changes = values(measured, "c")
    assert (changes["2026-W53"], changes["2027-W01"]) == (None, 0)
    world.close()


def test_days_and_workdays_of_a_period(tmp_path: Path) -> None:
    world = world_in(tmp_path, "Europe/Berlin", "2026-04-04 15:00").open(
        metric("n", count()), metric("per_day", formula("n / days")), metric("per_workday", formula("n / workdays"))
    )
    # The newest row is of Saturday 4 April, noon in Berlin: 5.5 days and all five workdays of week 14 have passed.
    world.load(
        "tickets", rows("2026-03-23T10:00:00", "2026-03-24T10:00:00", "2026-03-30T10:00:00", "2026-04-04T10:00:00")
    )
    measured = world.measure("2026-04-04 15:00")
    assert values(measured, "per_day") == {"2026-W13": pytest.approx(2 / 7), "2026-W14": pytest.approx(2 / 5.5)}
    assert values(measured, "per_workday") == {"2026-W13": pytest.approx(2 / 5), "2026-W14": pytest.approx(2 / 5)}
    assert values(measured, "per_day", "month") == {"2026-03": pytest.approx(3 / 31), "2026-04": pytest.approx(1 / 3.5)}
    assert of(measured, "per_day").cuts["previous"].value == pytest.approx(2 / 5.5)
    world.close()


def test_comparisons_named_by_targets_have_their_cut(tmp_path: Path) -> None:
    target = Target(Relative(Versus("mean_of", 2), 0.1))
    world = world_in(tmp_path, "UTC").open(metric("n", count(), targets=(target,)))
    world.load(
        "tickets", rows("2026-03-02T10:00:00", "2026-03-04T10:00:00", "2026-03-09T10:00:00", "2026-03-17T10:00:00")
    )
    measured = world.measure("2026-03-18 12:00")
    # Up to Tuesday 10:00 each of the two weeks before had one row.
    assert of(measured, "n").cuts["mean_of:2"].value == 1
    assert of(measured, "n").cuts["mean_of"].value == 1
    world.close()


def test_one_mistyped_year_makes_no_million_periods(tmp_path: Path) -> None:
    world = world_in(tmp_path, "UTC").open(
        metric("n", count(), grain="hour"), metric("open", Stock("created_at", "closed_at"))
    )
    world.load("tickets", rows("1026-03-02T10:00:00", "2026-03-02T10:00:00"))
    measured = world.measure("2026-03-04 12:00")
    assert measured.problems == {}
    assert len(of(measured, "n", "hour").periods) <= 24 * 802
    assert of(measured, "n", "hour").cells[-1].value == 0
    assert of(measured, "open").cells[-1].value == 2
    world.close()


def test_a_shorter_month_that_the_cut_takes_whole_is_compared_whole(tmp_path: Path) -> None:
    """The 30th of March has no 30th of February: all of February counts, also when everything is computed for the first time."""
    world = world_in(tmp_path, "UTC", "2026-03-30 12:00").open(metric("n", count()))
    world.load("tickets", rows("2026-02-10T10:00:00", "2026-02-28T10:00:00", "2026-03-30T10:00:00"))
    assert of(world.measure(), "n", "month").cuts["previous"].value == 2
    world.close()
