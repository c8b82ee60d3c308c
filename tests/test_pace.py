"""Where a running period is heading: working time, and the profile of earlier periods."""

from __future__ import annotations

import math
import random
from datetime import datetime
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.pace import outside, simulate
from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.pace import Projection, profile, projected, workdays
from scorecard.judgement.student import chance_below, quantile

DAY = 86_400.0


def test_working_day_pace() -> None:
    assert workdays(260, 2 * DAY, 5 * DAY) == Projection(650)
    assert workdays(0, DAY, 5 * DAY) == Projection(0)
    assert workdays(-10, DAY, 5 * DAY) == Projection(-50)
    assert workdays(7, 5 * DAY, 5 * DAY) == Projection(7), "with all working time gone nothing more is expected"


def test_nothing_worked_is_no_projection() -> None:
    assert workdays(260, 0, 5 * DAY) is None
    assert workdays(260, 0, 0) is None
    assert workdays(1e308, 1, 5 * DAY) is None, "nothing infinite is projected"


# Student's t: published quantiles of the tables every textbook carries.
@pytest.mark.parametrize(
    ("chance", "freedom", "t"),
    [
        (0.95, 1, 6.313752), (0.975, 1, 12.706205), (0.95, 2, 2.919986), (0.95, 5, 2.015048), (0.975, 5, 2.570582),
        (0.95, 12, 1.782288), (0.975, 12, 2.178813), (0.99, 12, 2.680998), (0.9, 30, 1.310415), (0.95, 120, 1.657651),
    ],
)  # fmt: skip
def test_quantiles_are_those_of_the_tables(chance: float, freedom: int, t: float) -> None:
    assert quantile(chance, freedom) == pytest.approx(t, abs=5e-6)
    assert quantile(1 - chance, freedom) == pytest.approx(-t, abs=5e-6)
    assert chance_below(t, freedom) == pytest.approx(chance, abs=1e-6)


def test_the_distribution_in_closed_form_and_in_the_limit() -> None:
    for t in (-30.0, -2.0, -0.3, 0.0, 0.7, 1.0, 4.0, 1e6):
        assert chance_below(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-12)
        assert chance_below(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), abs=1e-12)
        assert chance_below(t, 100_000) == pytest.approx(NormalDist().cdf(t), abs=1e-5)
    assert chance_below(math.inf, 3) == 1
    assert chance_below(-math.inf, 3) == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(1.0, 5)


@settings(deadline=None)
@given(st.floats(0.001, 0.999), st.integers(1, 200))
def test_quantile_and_distribution_are_inverse(chance: float, freedom: int) -> None:
    assert chance_below(quantile(chance, freedom), freedom) == pytest.approx(chance, abs=1e-9)


SHARES = [0.26, 0.25, 0.28, 0.24, 0.27, 0.25, 0.26]


def test_the_profile_by_hand() -> None:
    """K = 7: m = mean(-ln s), sd = stdev(-ln s) * sqrt(8/7), t(0.95; 6) = 1.943180."""
    logs = [-math.log(s) for s in SHARES]
    mean = sum(logs) / 7
    spread = math.sqrt(sum((x - mean) ** 2 for x in logs) / 6) * math.sqrt(8 / 7)
    found = profile(130, SHARES, 500, 450, "higher")
    assert found is not None
    assert found.value == pytest.approx(130 * math.exp(mean))
    assert found.low == pytest.approx(130 * math.exp(mean - 1.943180 * spread), rel=1e-6)
    assert found.high == pytest.approx(130 * math.exp(mean + 1.943180 * spread), rel=1e-6)
    above = 1 - chance_below((math.log(500 / 130) - mean) / spread, 6)
    assert found.chance == pytest.approx(above)
    assert found.amber_chance is not None
    assert found.amber_chance > above


def test_directions_of_chances() -> None:
    higher, lower = profile(130, SHARES, 505, None, "higher"), profile(130, SHARES, 505, None, "lower")
    band = profile(130, SHARES, (450, 505), (400, 600), "within")
    assert higher is not None
    assert lower is not None
    assert band is not None
    assert higher.chance is not None
    assert lower.chance is not None
    assert band.chance is not None
    assert band.amber_chance is not None
    assert higher.amber_chance is None
    assert higher.chance + lower.chance == pytest.approx(1)
    assert 0 < band.chance < lower.chance < 1
    assert band.chance < band.amber_chance


def test_too_little_to_know_falls_back() -> None:
    assert profile(130, SHARES[:5], 500, None, "higher") is None
    assert profile(0, SHARES, 500, None, "higher") is None, "nothing so far: no share of it can be taken"
    assert profile(-3, SHARES, 500, None, "higher") is None
    assert profile(130, [*SHARES, 0.0], 500, None, "higher") is None
    assert profile(130, [*SHARES, math.nan], 500, None, "higher") is None
    assert profile(1e308, [1e-9] * 6, 500, None, "higher") is None


def test_what_is_counted_stays_counted() -> None:
    over = profile(600, SHARES, 500, 550, "lower")
    assert over is not None
    assert (over.chance, over.amber_chance) == (0, 0)
    reached = profile(600, SHARES, 500, 550, "higher")
    assert reached is not None
    assert (reached.chance, reached.amber_chance) == (1, 1)
    late = profile(100, [0.99, 0.98, 1.0, 0.97, 0.99, 1.0], None, None, "higher")
    assert late is not None
    assert late.low == 100
    assert late.chance is None


def test_equal_shares_leave_no_doubt() -> None:
    sure = profile(100, [0.25] * 8, 400, 420, "lower")
    assert sure is not None
    assert sure.value == pytest.approx(400)
    assert (sure.chance, sure.amber_chance) == (1, 1)
    assert (profile(100, [0.25] * 8, 399, None, "lower") or sure).chance == 0


def test_ninety_percent_ranges_hold_nine_of_ten_and_chances_are_honest() -> None:
    """Weeks of a stable weekday profile with noise, cut on Wednesday evening; the truth is known."""
    rng = random.Random(7)
    held, promised, met, weeks = 0, 0.0, 0, 2500
    for _ in range(weeks):
        history, so_far, total = [], 0.0, 0.0
        for _ in range(14):
            days = [share * math.exp(rng.gauss(0, 0.12)) for share in (0.26, 0.22, 0.19, 0.17, 0.12, 0.03, 0.01)]
            so_far, total = 1000 * sum(days[:3]), 1000 * sum(days)
            history.append(so_far / total)
        found = profile(so_far, history[:-1], 1010, None, "higher")
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert found.chance is not None
        held += found.low <= total <= found.high
        promised += found.chance
        met += total >= 1010
    assert held / weeks == pytest.approx(0.90, abs=0.025)
    assert promised / weeks == pytest.approx(met / weeks, abs=0.025)


def test_the_published_simulation_comes_out_again() -> None:
    """A small `python benchmarks/pace.py`: colours by weekday, misses and the range, within the noise."""
    tally = simulate(250, seed=11)
    assert outside(tally) == []
    profile_reds = tally.red["profile", "Mon"]
    tally.red["profile", "Mon"] = tally.red["naive", "Mon"]
    assert len(outside(tally)) == 1, "red on every Monday would be seen"
    tally.red["profile", "Mon"] = profile_reds
    tally.held["Wed"] = 180
    assert len(outside(tally)) == 1, "a range that holds three of four would be seen"


WEEK = Calendar("Europe/Berlin").parse("2026-W11")


def heading(shares: list[float] | None, until: str, value: float | None = 60.0) -> Projection | None:
    calendar = Calendar("Europe/Berlin")
    moment = calendar.at(datetime.fromisoformat(until))
    return projected(value, WEEK, moment, calendar, shares, (100.0, None, "higher"))


def test_what_a_projection_rests_on_is_said() -> None:
    by_shares = heading(SHARES, "2026-03-11T12:00")
    assert by_shares is not None
    assert by_shares.basis == "by 7 earlier weeks"
    assert by_shares.low is not None
    by_days = heading(None, "2026-03-11T12:00")
    assert by_days == Projection(120, basis="by working days")
    for few, said in (
        (0, "no earlier week compares"),
        (1, "only 1 earlier week compares"),
        (5, "only 5 earlier weeks compare"),
    ):
        found = heading(SHARES[:few], "2026-03-11T12:00")
        assert found == Projection(120, basis=f"by working days; {said} yet")
    assert heading(SHARES, "2026-03-11T12:00", 0.0) == Projection(0.0, basis="by working days"), "nothing has come in"


def test_without_working_time_no_profile_speaks_either() -> None:
    assert heading(SHARES, "2026-03-08T23:00") is None, "the newest row lies before the period"
    assert heading(SHARES, "2026-03-09T00:00") is None
    assert heading(SHARES, "2026-03-11T12:00", None) is None
