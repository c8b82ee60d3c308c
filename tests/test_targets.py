"""Which target is in force, and the limits it gives."""

from __future__ import annotations

import math
from datetime import date

import pytest

from scorecard.judgement.targets import (
    FromSource,
    Glide,
    Limit,
    Relative,
    Target,
    Tolerance,
    Versus,
    choose,
    limits,
)

DAY = date(2026, 9, 21)
SUPPORT = ("team", "support")
PP3, SHARE15 = Tolerance(0.03, relative=False), Tolerance(0.15, relative=True)


def in_force(
    *targets: Target,
    day: date = DAY,
    grain: str = "week",
    slice_: tuple[str, str] | None = None,
    inherits: bool = False,
    in_slices: bool | None = None,
) -> object:
    found = choose(targets, day, grain, slice_, "week", inherits, in_slices)
    return None if found is None else found.aim


def test_the_latest_since_that_has_begun() -> None:
    dated = (
        Target(0.85, since=date(2026, 7, 1)),
        Target(0.80),
        Target(0.82, since=date(2026, 1, 1)),
        Target(0.9, since=date(2026, 9, 22)),
    )
    assert in_force(*dated) == 0.85
    assert in_force(*dated, day=date(2026, 6, 30)) == 0.82
    assert in_force(*dated, day=date(2026, 7, 1)) == 0.85
    assert in_force(*dated, day=date(2025, 12, 31)) == 0.80
    assert in_force(*dated[2:], day=date(2025, 12, 31)) is None
    assert in_force() is None


def test_the_most_specific_wins_before_the_latest() -> None:
    entries = (
        Target(1.0, since=date(2026, 9, 1)),
        Target(2.0, grain="month", since=date(2026, 8, 1)),
        Target(3.0, team="support"),
        Target(4.0, team="support", grain="month"),
        Target(5.0, team="sales"),
        Target(6.0, process="support"),
    )
    assert in_force(*entries, inherits=True) == 1.0
    assert in_force(*entries, grain="month", inherits=True) == 2.0
    assert in_force(*entries, slice_=SUPPORT, inherits=True) == 3.0
    assert in_force(*entries, slice_=SUPPORT, grain="month", inherits=True) == 4.0
    assert in_force(*entries, slice_=SUPPORT, grain="year", inherits=True) == 3.0
    assert in_force(*entries[:2], slice_=SUPPORT, grain="month", inherits=True) == 2.0
    assert in_force(*entries[1:3], slice_=SUPPORT, grain="month", inherits=True) == 3.0, (
        "a slice is nearer than a grain"
    )
    assert in_force(*entries, slice_=("process", "support"), inherits=True) == 6.0


def test_what_adds_up_has_its_target_at_its_own_grain_and_level_only() -> None:
    plain, monthly, for_support = Target(1200.0), Target(5000.0, grain="month"), Target(300.0, team="support")
    entries = (plain, monthly, for_support)
    assert in_force(*entries) == 1200.0
    assert in_force(*entries, grain="month") == 5000.0
    assert in_force(*entries, grain="quarter") is None
    assert in_force(*entries, slice_=SUPPORT) == 300.0
    assert in_force(*entries, slice_=SUPPORT, grain="month") is None, "neither names the team and the month"
    assert in_force(*entries, slice_=("team", "sales")) is None


def test_a_stock_keeps_its_target_at_other_grains_and_not_in_slices() -> None:
    assert in_force(Target(400.0), grain="month", inherits=True, in_slices=False) == 400.0
    assert in_force(Target(400.0), slice_=SUPPORT, inherits=True, in_slices=False) is None


def test_targets_from_a_source_with_a_column_of_names_are_those_of_slices_and_of_the_whole() -> None:
    of_teams = FromSource("goals", "goal", team="team_column")
    assert in_force(Target(of_teams), slice_=SUPPORT) == of_teams
    assert in_force(Target(of_teams), slice_=("process", "support")) is None
    assert in_force(Target(of_teams)) == of_teams, "whose row names nobody"
    assert in_force(Target(1.0), Target(of_teams), slice_=SUPPORT, inherits=True) == of_teams
    assert in_force(Target(FromSource("goals", "goal"))) == FromSource("goals", "goal")


def test_a_row_counts_before_the_file_in_whatever_order_they_stand() -> None:
    rows, dated = Target(FromSource("goals", "goal", team="who")), Target(1.0, since=date(2026, 9, 1))
    for entries in ((rows, dated), (dated, rows), (rows, Target(2.0)), (Target(2.0), rows)):
        assert in_force(*entries) == rows.aim
    # What is narrower stays above it: a month's own target, and one for a team where the rows name none.
    monthly, whole = Target(3.0, grain="month"), Target(FromSource("goals", "goal"))
    assert in_force(rows, monthly, grain="month", inherits=True) == 3.0
    assert in_force(whole, Target(4.0, team="support"), slice_=SUPPORT, inherits=True) == 4.0


@pytest.mark.parametrize(
    ("entry", "better", "expected"),
    [
        (Target(30, amber=36), "lower", (30, 36)),
        (Target(0.95, tolerance=PP3), "higher", (0.95, 0.92)),
        (Target(0.05, tolerance=PP3), "lower", (0.05, 0.08)),
        (Target(1200, tolerance=SHARE15), "lower", (1200, 1380)),
        (Target(1200, tolerance=SHARE15), "higher", (1200, 1020)),
        (Target(-200, tolerance=SHARE15), "higher", (-200, -230)),
        (Target(30), "lower", (30, None)),
        (Target((0.7, 0.85), amber=(0.65, 0.9)), "within", ((0.7, 0.85), (0.65, 0.9))),
        (Target((0.7, 0.85), tolerance=PP3), "within", ((0.7, 0.85), (0.67, 0.88))),
        (Target((100, 200), tolerance=Tolerance(0.1, relative=True)), "within", ((100, 200), (90, 220))),
        (Target(50, tolerance=Tolerance(5, relative=False)), "within", ((50, 50), (45, 55))),
        (Target(math.inf, tolerance=PP3), "higher", (None, None)),
        (Target(0.95, tolerance=PP3), None, (0.95, None)),
    ],
)
def test_limits_of_numbers_and_bands(
    entry: Target, better: object, expected: tuple[Limit | None, Limit | None]
) -> None:
    target, amber = limits(entry, better)  # type: ignore[arg-type]
    assert target == expected[0]
    assert amber == (None if expected[1] is None else pytest.approx(expected[1]))


@pytest.mark.parametrize(
    ("last_day", "value"),
    [
        ("2025-06-01", 0.60),
        ("2026-01-01", 0.60),
        ("2026-07-02", 0.60 + 0.15 * 182 / 364),
        ("2026-12-31", 0.75),
        ("2027-06-01", 0.75),
    ],
)
def test_a_glide_path_is_linear_in_days_and_level_outside(last_day: str, value: float) -> None:
    path = Target(Glide(0.60, date(2026, 1, 1), 0.75, date(2026, 12, 31)), tolerance=PP3)
    target, amber = limits(path, "higher", last_day=date.fromisoformat(last_day))
    assert target == pytest.approx(value, rel=1e-12)
    assert amber == pytest.approx(value - 0.03)


def test_a_glide_path_of_one_day_steps() -> None:
    path = Target(Glide(10, date(2026, 1, 1), 20, date(2026, 1, 1)))
    assert limits(path, "higher", last_day=date(2026, 1, 1)) == (20, None)
    assert limits(path, "higher") == (None, None)


@pytest.mark.parametrize(
    ("change", "points", "compared", "target"),
    [
        (0.10, False, 200.0, 220.0),
        (-0.05, False, 200.0, 190.0),
        (0.10, False, -200.0, -180.0),
        (0.02, True, 0.80, 0.82),
        (0.10, False, 0.0, 0.0),
        (0.10, False, None, None),
        (0.10, False, math.nan, None),
    ],
)
def test_relative_to_history(change: float, points: bool, compared: float | None, target: float | None) -> None:
    entry = Target(Relative(Versus("year_ago"), change, points), tolerance=Tolerance(0.05, relative=True))
    found, amber = limits(entry, "higher", compared=compared)
    assert found == (None if target is None else pytest.approx(target))
    assert amber == (None if target is None else pytest.approx(target - abs(target) * 0.05))


def test_limits_are_those_of_paper() -> None:
    """A value that is exactly at a limit stands on it: what floats make of 33.3 + 15 % (38.294999999999995) is not it."""
    fifteen = Tolerance(0.15, relative=True)
    assert limits(Target(33.3, tolerance=fifteen), "lower") == (33.3, 38.295)
    assert limits(Target(0.07, tolerance=Tolerance(0.1, relative=True)), "lower") == (0.07, 0.077)
    assert limits(Target(0.57, tolerance=Tolerance(0.07, relative=False)), "higher") == (0.57, 0.5)
    assert limits(Target((0.7, 2.3), tolerance=Tolerance(0.1, relative=True)), "within") == ((0.7, 2.3), (0.63, 2.53))
    tenth_more = Target(Relative(Versus("previous"), 0.1))
    assert [limits(tenth_more, "higher", compared=v)[0] for v in (70, 3, -0.3)] == [77, 3.3, -0.27]
    path = Target(Glide(0, date(2026, 1, 1), 100, date(2026, 4, 11)))
    assert limits(path, "higher", last_day=date(2026, 1, 8)) == (7, None)
    assert limits(path, "higher", last_day=date(2026, 1, 30)) == (29, None)


def test_from_a_source() -> None:
    entry = Target(FromSource("goals", "goal", amber="floor"), tolerance=SHARE15)
    assert limits(entry, "higher", looked_up=(100, 80)) == (100, 80)
    assert limits(entry, "higher", looked_up=(100, None)) == (100, 85)
    assert limits(entry, "higher", looked_up=(None, 80)) == (None, None)
    assert limits(entry, "higher", looked_up=None) == (None, None)
