"""A scorecard's headline: its counts, and the colour of its worst child."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scorecard.judgement.status import STATUSES, Status

SPOKEN: tuple[Status, ...] = ("red", "amber", "green", "grey", "neutral")
"""The order in which a headline says its counts."""
WORST_FIRST: tuple[Status, ...] = ("red", "amber", "grey", "green")
"""The order that decides a scorecard's colour; neutral does not count."""


def counts(statuses: Iterable[Status]) -> dict[Status, int]:
    """How many of each status, zeros included."""
    found = dict.fromkeys(STATUSES, 0)
    for status in statuses:
        found[status] += 1
    return found


def headline(counted: Mapping[Status, int]) -> str:
    """The counts in words, what does not occur left out: ``2 red 1 amber 9 green 1 grey 3 neutral``."""
    said = [f"{counted[status]} {status}" for status in SPOKEN if counted.get(status)]
    return " ".join(said) or "nothing to show"


def worst(children: Iterable[tuple[Status, float]]) -> Status:
    """The worst (status, weight) with a weight above 0, red > amber > grey > green; nothing counted is neutral."""
    weighed = {status for status, weight in children if weight > 0}
    return next((status for status in WORST_FIRST if status in weighed), "neutral")
