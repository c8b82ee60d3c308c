"""Small samples: intervals against published numbers and their definitions, and which colours they leave open."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import sqlglot.expressions as exp
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.judgement.colour import colour_of
from scorecard.judgement.samples import Z, conclusive, rate, sampled, score, wilson
from scorecard.measures.derive import squared
from tests.amounts import times


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_95_percent_intervals(hits: int, n: int, low: float, high: float) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson(hits, n, 1.959964) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_are_the_shares_from_which_the_sample_is_just_so_far_away(case: tuple[int, int]) -> None:
    hits, n = case
    found = wilson(hits, n)
    assert found is not None
    low, high = found
    assert 0 <= low <= hits / n <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(hits / n - end) == pytest.approx(Z * math.sqrt(end * (1 - end) / n), rel=1e-6)


def tail(events: int, mean: float, *, above: bool) -> float:
    """P(X >= events) or P(X <= events) of a Poisson count."""
    upto = events - 1 if above else events
    total = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(upto + 1))
    return 1 - total if above else total


@settings(deadline=None)
@given(st.integers(0, 400), st.floats(0.5, 1e4))
def test_the_rate_leaves_a_twentieth_on_each_side(events: int, exposure: float) -> None:
    found = rate(events, exposure)
    assert found is not None
    low, high = (end * exposure for end in found)
    if events:
        assert tail(events, low, above=True) == pytest.approx(0.05, abs=0.012 if events == 1 else 0.003)
    else:
        assert low == 0
    assert tail(events, high, above=False) == pytest.approx(0.05, abs=0.003)


def test_the_score_has_the_variance_of_its_answers() -> None:
    answers = [1] * 50 + [0] * 30 + [-1] * 20
    mean = sum(answers) / 100
    variance = sum((a - mean) ** 2 for a in answers) / 100
    reach = Z * math.sqrt(variance / 100)
    assert score(30, 100, 70) == pytest.approx((mean - reach, mean + reach))
    assert score(100, 100, 100) == (1.0, 1.0)
    assert score(1, 1, 1) is None
    assert score(100, 100, 50) is None, "scores whose squares are less than their mean's are no scores"


def test_an_aggregate_of_scores_is_squared_part_by_part() -> None:
    numbers: dict[str, float] = {"_0": 50, "_1": 20}

    def of(text: str) -> Any:
        return squared(exp.maybe_parse(text), lambda _, name: numbers[name])

    assert of("_0 - _1") == 70
    assert of("100 * (_0 - _1)") == 10_000 * 70
    assert of("(_0 - _1) / 2") == 17.5
    assert of("-2 * _0 + _1") == 220
    assert of("_0 * _1") is None
    assert of("_0 + 5") is None
    assert of("_0 / 0") is None


@pytest.mark.parametrize(
    ("sampling", "above", "below", "per"),
    [
        ("none", 5, 10, 1),
        ("binomial", 11, 10, 1),
        ("binomial", -1, 10, 1),
        ("binomial", 5, 0, 1),
        ("binomial", None, 10, 1),
        ("binomial", 5, math.inf, 1),
        ("binomial", math.nan, 10, 1),
        ("poisson", -1, 10, 1),
        ("poisson", 5, 10, -1),
        ("score", 5, 10, 1),
    ],
)
def test_what_is_no_sample_has_no_interval(sampling: Any, above: Any, below: Any, per: float) -> None:
    assert sampled(sampling, above, below, per) is None


@pytest.mark.parametrize(
    ("hits", "n", "target", "amber", "better", "expected"),
    [
        (9, 12, 0.80, 0.75, "higher", False),
        (900, 1200, 0.80, 0.765, "higher", False),  # red at 75%, and 76.5% lies within the noise
        (720, 1200, 0.80, 0.77, "higher", True),
        (960, 1000, 0.80, 0.75, "higher", True),
        (785, 1000, 0.80, 0.70, "higher", False),  # amber, and 80% within the noise
        (750, 1000, 0.80, 0.70, "higher", True),
        (10, 12, 0.80, None, "higher", False),
        (2, 1000, 0.01, 0.02, "lower", True),
        (0, 12, 0.05, 0.10, "lower", False),  # none of twelve says little about one in twenty
        (780, 1000, (0.70, 0.85), (0.65, 0.90), "within", True),
        (8, 10, (0.70, 0.85), (0.65, 0.90), "within", False),
        (10, 10, (0.70, 0.85), None, "within", False),
    ],
)
def test_a_colour_is_conclusive_where_the_noise_reaches_no_other(
    hits: int, n: int, target: Any, amber: Any, better: Any, expected: bool
) -> None:
    span = wilson(hits, n)
    assert span is not None
    assert conclusive(span, hits / n, target, amber, better) is expected


numbers = st.floats(0, 1, allow_nan=False)


@settings(deadline=None, max_examples=times(150))
@given(
    ends=st.tuples(numbers, numbers, numbers).map(sorted),
    limits=st.lists(numbers, min_size=4, max_size=4).map(sorted),
    better=st.sampled_from(["higher", "lower", "within"]),
    amber=st.booleans(),
)
def test_conclusive_means_that_no_value_of_the_interval_has_another_colour(
    ends: list[float], limits: list[float], better: Any, amber: bool
) -> None:
    low, value, high = ends
    target: Any = (limits[1], limits[2]) if better == "within" else limits[2] if better == "higher" else limits[1]
    watch: Any = None
    if amber:
        watch = (limits[0], limits[3]) if better == "within" else limits[1] if better == "higher" else limits[2]
    steps = [low + (high - low) * k / 200 for k in range(201)] + [x for x in (*ends, *limits) if low <= x <= high]
    seen = {colour_of(min(max(x, low), high), target, watch, better) for x in steps}
    found = conclusive((low, high), value, target, watch, better)
    if found:
        assert seen == {colour_of(value, target, watch, better)}
    else:
        # What differs may lie between two steps only where it is narrower than they are.
        assert len(seen) > 1 or high - low < 1e-9 or min(b - a for a, b in itertools.pairwise(limits)) < 0.01
