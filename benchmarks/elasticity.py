"""How often the elasticity's interval holds the truth, and how often its word is wrong: simulated processes, by quarters.

    python benchmarks/elasticity.py [RUNS]

Each run makes months of output that grows by 10 or 30% a year with noise that lasts from month to month, and input that follows
it with the true elasticity; quarters are sums of three months. What real processes do besides is added one at a time: input that
follows months later, seasons, output that is counted with errors, prices that rise, people who are hired ten at a time. The
last rows show what the estimate cannot do: rising prices must be taken out first, and slack that shrinks is an economy. How much
a season moves it depends on where in the season the first month lies; here it is the middle of the rise.
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass

from scorecard.judgement.scaling import elasticity

NOISE = 0.03
WORDS = ("scaling", "replicating", "fragile", "undecided")
START, TEAM = 80, 10
"""People in the first month, and how many are hired at once where they come in teams."""


@dataclass(frozen=True, slots=True)
class Process:
    """What is simulated. ``growth`` of output a year; ``lag``: months by which input follows output; ``lasting``: how much of
    the noise is there a month later; ``season``: how far output swings over a year, as a share; ``error``: with which output is
    counted, as a share; ``inflation`` of the input's price a year; ``teams``: people come ten at a time."""

    true: float
    growth: float = 0.3
    months: int = 36
    lag: int = 0
    lasting: float = 0.5
    season: float = 0.0
    error: float = 0.0
    inflation: float = 0.0
    teams: bool = False

    def quarters(self, chance: random.Random) -> tuple[tuple[float, float], ...]:
        """(output, input) of each quarter, oldest first."""
        output, given = [], []
        noises = [0.0, 0.0]
        fresh = NOISE * math.sqrt(1 - self.lasting**2)
        for month in range(-self.lag, self.months):
            noises = [self.lasting * e + chance.gauss(0, fresh) for e in noises]
            swing = math.log1p(self.season * math.sin(2 * math.pi * month / 12))
            output.append(month / 12 * math.log1p(self.growth) + swing + noises[0])
            given.append(noises[1])
        counted = [v + (chance.gauss(0, self.error) if self.error else 0.0) for v in output[self.lag :]]
        volume = [math.exp(v) for v in counted]
        cost = [self._cost(i, self.true * output[i] + given[i + self.lag]) for i in range(self.months)]
        return tuple((sum(volume[i : i + 3]), sum(cost[i : i + 3])) for i in range(0, self.months, 3))

    def _cost(self, month: int, needed: float) -> float:
        people = START * math.exp(needed)
        if self.teams:
            people = math.ceil(people / TEAM) * TEAM
        return float(people * (1 + self.inflation) ** (month / 12))


@dataclass(frozen=True, slots=True)
class Found:
    """Shares of the runs: intervals that hold the truth, and words; and the mean of what was estimated."""

    covered: float
    words: dict[str, float]
    mean: float


def simulate(process: Process, runs: int, seed: int = 1) -> Found:
    covered, words, values = 0, dict.fromkeys(WORDS, 0), []
    for run in range(runs):
        found = elasticity(process.quarters(random.Random(f"{seed} {run}")))
        words[found.word] += 1
        covered += found.low is not None and found.high is not None and found.low <= process.true <= found.high
        values += [] if found.value is None else [found.value]
    return Found(covered / runs, {w: number / runs for w, number in words.items()}, sum(values) / max(1, len(values)))


SITUATIONS: tuple[tuple[str, dict[str, float]], ...] = (
    ("30% a year", {}),
    ("24 months", {"months": 24}),
    ("10% a year", {"growth": 0.1}),
    ("input 3 months later", {"lag": 3}),
    ("later, and a season of 15%", {"lag": 3, "season": 0.15}),
    ("10%, output counted within 5%", {"growth": 0.1, "error": 0.05}),
    ("prices rise by 5%", {"inflation": 0.05}),
    ("teams of ten", {"teams": True}),
    ("noise that lasts, AR 0.9", {"lasting": 0.9}),
)
"""What is added to a process that grows by 30% a year, watched for 36 months."""


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{'':30}  true  mean  covered    {'  '.join(f'{w:>11}' for w in WORDS)}")
    for title, more in SITUATIONS:
        for true in (0.6, 0.8, 1.0, 1.2):
            found = simulate(Process(true, **more), runs)  # type: ignore[arg-type]  # each value is of its field's type
            shares = "  ".join(f"{share:11.1%}" for share in found.words.values())
            print(f"{title:30}  {true:4.1f}  {found.mean:4.2f}  {found.covered:7.1%}    {shares}", flush=True)


if __name__ == "__main__":
    main()
