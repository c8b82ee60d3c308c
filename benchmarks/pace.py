"""How right the colour of a running week is, by weekday, under five ways of pacing it; beside a published simulation.

    python benchmarks/pace.py [--weeks 4000] [--seed 1]

13 weeks of history, weekday shares .26 .22 .19 .17 .12 .03 .01, totals that vary by 12 %, higher is better, amber from 90 % of the
target. Every projection and colour comes from the product's own functions. Exit status 1 where a figure lies outside the noise
of the two simulations.

What the publication leaves open was chosen once to meet the rows in which nothing is estimated (the truth on Sunday, and the
miss of linear and working-day pace): totals are lognormal, a week's shares are Dirichlet around the profile, and the target lies
0.4 % above the middle of the totals.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate

from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.colour import by_chance, by_value
from scorecard.judgement.pace import Projection, projected

SHARES = (0.26, 0.22, 0.19, 0.17, 0.12, 0.03, 0.01)
DAYS: Mapping[str, int] = {"Mon": 0, "Tue": 1, "Wed": 2, "Thu": 3, "Fri": 4, "Sun": 6}
HISTORY, MIDDLE, VARIES, STEADINESS = 13, 1000.0, 0.12, 158.0
TARGET = 1.004 * MIDDLE
AMBER = 0.9 * TARGET

PUBLISHED: Mapping[str, Sequence[tuple[int, int]]] = {
    "naive": [(100, 0), (100, 0), (99, 0), (73, 8), (31, 36), (21, 48)],
    "linear calendar": [(0, 100), (0, 100), (0, 100), (0, 100), (0, 99), (21, 48)],
    "working-day": [(3, 91), (4, 88), (6, 78), (12, 63), (31, 36), (21, 48)],
    "profile": [(30, 47), (25, 47), (22, 48), (22, 48), (21, 48), (21, 48)],
    "profile + P(hit)": [(12, 49), (13, 48), (13, 48), (15, 48), (18, 48), (21, 48)],
}
"""red %, green % by weekday."""
PUBLISHED_MISS: Mapping[str, Sequence[float]] = {
    "linear calendar": (82, 56, 34),
    "working-day": (30, 12, 4.0),
    "profile": (11, 4.7, 1.4),
}
"""Mean absolute miss of the projected total, in %, on Monday, Wednesday and Friday."""
MISSED_ON = ("Mon", "Wed", "Fri")

WORKING = Calendar("Europe/Berlin")
EVERY_DAY = Calendar("Europe/Berlin", workdays=frozenset(range(7)))
WEEK = WORKING.parse("2026-W20")


@dataclass(slots=True)
class Tally:
    """What was counted over all weeks: (way, day) → reds, greens, misses; day → how often the range held."""

    weeks: int = 0
    red: dict[tuple[str, str], int] = field(default_factory=dict)
    green: dict[tuple[str, str], int] = field(default_factory=dict)
    miss: dict[tuple[str, str], float] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    def colours(self, way: str, day: str) -> tuple[float, float]:
        """(red %, green %)."""
        red, green = (100 * kind.get((way, day), 0) / self.weeks for kind in (self.red, self.green))
        return red, green

    def mean_miss(self, way: str, day: str) -> float:
        """In %."""
        return 100 * self.miss[way, day] / self.weeks

    def coverage(self, day: str) -> float:
        """How often, in %, the 90 % range held the total."""
        return 100 * self.held[day] / self.weeks


def simulate(weeks: int, seed: int) -> Tally:
    """Weeks of the simulated world, each judged at the end of its days from 13 earlier ones."""
    rng, tally = random.Random(seed), Tally()
    for _ in range(weeks):
        tally.weeks += 1
        history = [_week(rng) for _ in range(HISTORY)]
        running = _week(rng)
        total = running[-1]
        for day, place in DAYS.items():
            shares = [earlier[place] / earlier[-1] for earlier in history]
            for way, colour, heading in _judged(running[place], place, shares):
                for name, counts in (("red", tally.red), ("green", tally.green)):
                    counts[way, day] = counts.get((way, day), 0) + (colour == name)
                if heading is not None:
                    tally.miss[way, day] = tally.miss.get((way, day), 0.0) + abs(heading.value / total - 1)
                    if way == "profile" and heading.low is not None and heading.high is not None:
                        tally.held[day] = tally.held.get(day, 0) + (heading.low <= total <= heading.high)
    return tally


def _week(rng: random.Random) -> list[float]:
    """The running total at the end of each day."""
    parts = [rng.gammavariate(STEADINESS * share, 1.0) for share in SHARES]
    scale = MIDDLE * math.exp(rng.gauss(0.0, VARIES)) / sum(parts)
    return [scale * value for value in accumulate(parts)]


def _judged(value: float, place: int, shares: Sequence[float]) -> Iterator[tuple[str, str, Projection | None]]:
    """(way, colour, projection) after so many days of the week."""
    until = WORKING.midnight(WEEK.first + timedelta(days=place + 1))
    aims = (TARGET, AMBER, "higher")
    scale = (None, None)
    yield "naive", by_value(value, TARGET, AMBER, "higher", scale).colour, None
    for way, calendar, given in (
        ("linear calendar", EVERY_DAY, None),
        ("working-day", WORKING, None),
        ("profile", WORKING, shares),
    ):
        heading = projected(value, WEEK, until, calendar, given, aims)  # type: ignore[arg-type]
        assert heading is not None
        yield way, by_value(heading.value, TARGET, AMBER, "higher", scale).colour, heading
    assert heading is not None
    yield "profile + P(hit)", by_chance(heading, value, TARGET, AMBER, "higher", scale).colour, None


def outside(tally: Tally) -> list[str]:
    """Every figure that differs from the published one by more than both simulations' noise, rounding included."""
    wrong = []
    for way, row in PUBLISHED.items():
        for day, told in zip(DAYS, row, strict=True):
            for kind, seen, said in zip(("red", "green"), tally.colours(way, day), told, strict=True):
                if abs(seen - said) > _noise(said / 100, tally.weeks):
                    wrong.append(f"{way}, {day}: {seen:.1f} % {kind}, published {said} %")
    for way, misses in PUBLISHED_MISS.items():
        for day, miss in zip(MISSED_ON, misses, strict=True):
            # A mean of absolute normal misses has a standard error of 0.76 of it / sqrt(weeks); the rest is rounding.
            near = (
                3 * 0.76 * miss * math.sqrt(1 / tally.weeks + 1 / 4000) + (0.55 if miss >= 10 else 0.05) + 0.02 * miss
            )
            if abs(tally.mean_miss(way, day) - miss) > near:
                wrong.append(f"{way}, {day}: misses by {tally.mean_miss(way, day):.2f} %, published {miss} %")
    slack = 3 * 30 / math.sqrt(tally.weeks)
    wrong += [
        f"the 90 % range holds {tally.coverage(day):.1f} % on {day}, published 90 to 91 %"
        for day in list(DAYS)[:5]
        if not 90 - slack <= tally.coverage(day) <= 91.5 + slack
    ]
    return wrong


def _noise(share: float, weeks: int) -> float:
    """Three standard errors of the difference of two shares, one from so many weeks and one from 4 000, in %."""
    share = min(max(share, 0.01), 0.99)
    return 300 * math.sqrt(share * (1 - share) * (1 / weeks + 1 / 4000)) + 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weeks", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tally = simulate(given.weeks, given.seed)
    print(
        f"red %/green % of {given.weeks} weeks, here and (published)\n{'':18}" + "".join(f"{day:>17}" for day in DAYS)
    )
    for way, row in PUBLISHED.items():
        cells = [
            f"{red:.0f}/{green:.0f} ({said[0]}/{said[1]})"
            for (red, green), said in zip((tally.colours(way, day) for day in DAYS), row, strict=True)
        ]
        print(f"{way:18}" + "".join(f"{cell:>17}" for cell in cells))
    print("\nmean miss of the projected total")
    for way, misses in PUBLISHED_MISS.items():
        found = [
            f"{day} {tally.mean_miss(way, day):.1f} % ({miss} %)" for day, miss in zip(MISSED_ON, misses, strict=True)
        ]
        print(f"{way:18}" + "".join(f"{cell:>22}" for cell in found))
    held = ", ".join(f"{day} {tally.coverage(day):.1f} %" for day in list(DAYS)[:5])
    print(f"\nthe 90 % range holds: {held} (90 to 91 %)")
    wrong = outside(tally)
    print("\n".join(["", *wrong]) if wrong else "\nall within the noise of both simulations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
