"""How often the elasticity's interval holds the truth, and how often its word is wrong: simulated processes, by quarters.

    python benchmarks/elasticity.py [RUNS]

Each run makes months of output that grows by 10 or 30% a year with noise that lasts from month to month (AR 0.5, 3%), and input
that follows it with the true elasticity; quarters are sums of three months.
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass

from scorecard.judgement.scaling import elasticity

NOISE, LASTING = 0.03, 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """Shares of the runs: intervals that hold the truth, and words."""

    covered: float
    words: dict[str, float]


def simulate(true: float, growth: float, months: int, runs: int, *, lag: int = 0, seed: int = 1) -> Found:
    """``growth`` of output a year; ``lag``: months by which input follows output."""
    covered, words = 0, dict.fromkeys(("scaling", "replicating", "fragile", "undecided"), 0)
    for run in range(runs):
        found = elasticity(_quarters(random.Random(f"{seed} {run}"), true, growth, months, lag))
        words[found.word] += 1
        covered += found.low is not None and found.high is not None and found.low <= true <= found.high
    return Found(covered / runs, {word: number / runs for word, number in words.items()})


def _quarters(
    chance: random.Random, true: float, growth: float, months: int, lag: int
) -> tuple[tuple[float, float], ...]:
    output, given = [], []
    lasting = [0.0, 0.0]
    for month in range(-lag, months):
        lasting = [LASTING * e + chance.gauss(0, NOISE) * math.sqrt(1 - LASTING**2) for e in lasting]
        output.append(month / 12 * math.log1p(growth) + lasting[0])
        given.append(lasting[1])
    volume = [math.exp(v) for v in output[lag:]]
    cost = [math.exp(true * output[i] + given[i + lag]) for i in range(months)]
    return tuple((sum(volume[i : i + 3]), sum(cost[i : i + 3])) for i in range(0, months, 3))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("true  growth  months  lag  covered  scaling  replicating  fragile  undecided")
    for true in (0.6, 0.8, 1.0, 1.2):
        for growth, months, lag in ((0.3, 36, 0), (0.3, 24, 0), (0.1, 36, 0), (0.3, 36, 3)):
            found = simulate(true, growth, months, runs, lag=lag)
            shares = "  ".join(f"{share:9.1%}" for share in found.words.values())
            print(f"{true:4.1f}  {growth:6.0%}  {months:6}  {lag:3}  {found.covered:7.1%}  {shares}")


if __name__ == "__main__":
    main()
