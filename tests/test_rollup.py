"""Headlines and the worst child."""

from __future__ import annotations

from itertools import product

import pytest

from scorecard.judgement.rollup import counts, headline, worst
from scorecard.judgement.status import STATUSES, Status


def test_counts_and_headline() -> None:
    green: list[Status] = ["green"] * 9
    statuses: list[Status] = [*green, "red", "red", "grey", "amber", "neutral", "neutral", "neutral"]
    counted = counts(statuses)
    assert counted == {"red": 2, "amber": 1, "grey": 1, "green": 9, "neutral": 3}
    assert headline(counted) == "2 red 1 amber 9 green 1 grey 3 neutral"
    assert headline(counts(["green", "green"])) == "2 green"
    assert headline(counts([])) == "nothing to show"


@pytest.mark.parametrize(
    ("children", "colour"),
    [
        ([], "neutral"),
        ([("neutral", 1.0)], "neutral"),
        ([("green", 1.0), ("neutral", 1.0)], "green"),
        ([("green", 1.0), ("grey", 1.0)], "grey"),
        ([("grey", 1.0), ("amber", 0.1)], "amber"),
        ([("amber", 5.0), ("red", 0.1), ("grey", 1.0)], "red"),
        ([("red", 0.0), ("green", 1.0)], "green"),
        ([("red", 0.0)], "neutral"),
    ],
)
def test_the_worst_child_decides(children: list[tuple[Status, float]], colour: Status) -> None:
    assert worst(children) == colour


def test_a_scorecard_is_never_greener_than_a_child() -> None:
    order = ("red", "amber", "grey", "green", "neutral")
    for statuses in product(STATUSES, repeat=3):
        found = worst((status, 1.0) for status in statuses)
        assert found == min(statuses, key=order.index)
