"""Does output grow without its input growing alike? The elasticity ε = dln(input) / dln(output), its interval, and one word.

ε below 1: every doubling of output changes the input per output by 2^(ε-1) - 1, and ten times the output needs 10^ε times the
input. Levels of quarters are regressed, never differences and never with a trend (hiring that follows with a delay would
read as scaling). The interval is the union of the t intervals of least squares and of Prais and Winsten's estimate, which allows
for errors that last from quarter to quarter (Prais, Winsten 1954, Cowles Commission paper 383).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from scorecard.ground.numbers import print_value
from scorecard.judgement.student import quantile

Word = Literal["scaling", "replicating", "fragile", "undecided"]
MOST_QUARTERS, LEAST_QUARTERS = 12, 8
LEAST_RANGE = 0.2
"""How far the logarithm of output must have moved: 22% between its least and most."""
ALIKE = (0.9, 1.1)
"""An interval inside says that input grows as output does."""
MOST_LASTING = 0.95
LEVEL = 0.95
RECENT = 4
"""Quality of the last year is compared with that of the quarters before."""


@dataclass(frozen=True, slots=True)
class Elasticity:
    """``value`` with ``low`` and ``high`` (None: it cannot be estimated) over ``quarters``. ``worse``: quality suffered."""

    word: Word
    because: str
    quarters: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    worse: bool = False

    @property
    def text(self) -> str:
        """``0.46 (0.31–0.61) scaling``."""
        if self.value is None or self.low is None or self.high is None:
            return self.word
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f}) {self.said}"

    @property
    def said(self) -> str:
        return f"{self.word} at the expense of quality" if self.worse else self.word


Pair = tuple[float, float]
"""(output, input) of one quarter."""


@lru_cache(maxsize=10_000)
def elasticity(
    pairs: tuple[Pair | None, ...], quality: tuple[float | None, ...] = (), better: str | None = None
) -> Elasticity:
    """The verdict over closed and final quarters, oldest first; None where a quarter lacks a value.

    ``quality``: a metric that must not suffer, of the same quarters, and which way is ``better`` (higher or lower).
    """
    usable = _usable(pairs)
    if len(usable) < LEAST_QUARTERS:
        why = f"{len(usable)} closed quarters in a row have output and input above 0, and {LEAST_QUARTERS} are needed"
        return Elasticity("undecided", why, len(usable))
    x, y = [math.log(q) for q, _ in usable], [math.log(c) for _, c in usable]
    moved = max(x) - min(x)
    if moved < LEAST_RANGE:
        spans, needed = (print_value(math.expm1(r), "percent") for r in (moved, LEAST_RANGE))
        why = f"volume has not moved enough to tell: by {spans} between its least and most, and {needed} are needed"
        return Elasticity("undecided", why, len(usable))
    value, low, high = estimate(x, y)
    found = Elasticity(_word(low, high), "", len(usable), value, low, high)
    if _falls(x) and found.word in ("scaling", "fragile"):
        slower = found.word == "scaling"
        why = "the input fell less: it is sticky downwards" if slower else "the input fell faster"
        return replace(found, word="undecided", because=f"volume fell, and {why}; that says nothing about growth")
    worse = found.word == "scaling" and suffered(quality[-len(usable) :], better)
    words = {_word(*estimate(_without(x, i), _without(y, i))[1:]) for i in range(len(x))}
    because = _sentence(found) + ("; quality got worse meanwhile" if worse else "")
    if words != {found.word}:
        because += "; a fragile estimate: without one of the quarters the word would be another"
    return replace(found, because=because, worse=worse)


def estimate(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """(ε, low, high): least squares, and the union of its interval with that of Prais and Winsten."""
    slope, spread, errors = _least_squares([1.0] * len(x), x, y)
    lasting, other = 0.0, (slope, spread)
    for _ in range(50):
        before = math.fsum(e * e for e in errors[:-1])
        now = 0.0 if before == 0 else math.fsum(a * b for a, b in pairwise(errors)) / before
        now = min(MOST_LASTING, max(-MOST_LASTING, now))
        first = math.sqrt(1 - now * now)
        line = [first, *[1 - now] * (len(x) - 1)]
        bent = [[first * z[0], *(b - now * a for a, b in pairwise(z))] for z in (x, y)]
        other_slope, other_spread, _ = _least_squares(line, bent[0], bent[1])
        other = (other_slope, other_spread)
        level = _mean(y) - other_slope * _mean(x)
        errors = [b - level - other_slope * a for a, b in zip(x, y, strict=True)]
        if abs(now - lasting) < 1e-8:
            break
        lasting = now
    edges = []
    for parameters, at, wide in ((2, slope, spread), (3, *other)):  # how much errors last is estimated too
        t = quantile((1 + LEVEL) / 2, len(x) - parameters)
        edges += [at - t * wide, at + t * wide]
    return slope, min(edges), max(edges)


def suffered(quality: Sequence[float | None], better: str | None) -> bool:
    """Whether the last year's mean lies further on the bad side of the mean before than chance explains.

    Three standard errors, from the mean moving range of the quarters before divided by 1.128 (as for individuals charts).
    """
    known = [q for q in quality if q is not None]
    if better not in ("higher", "lower") or len(known) < 2 * RECENT:
        return False
    before, recent = known[:-RECENT], known[-RECENT:]
    moving = [abs(b - a) for a, b in pairwise(before)]
    chance = _mean(moving) / 1.128 * math.sqrt(1 / len(before) + 1 / RECENT)
    loss = (_mean(before) - _mean(recent)) * (1 if better == "higher" else -1)
    return loss > max(3 * chance, 1e-9 * abs(_mean(before)))


def _usable(pairs: Sequence[Pair | None]) -> list[Pair]:
    """The newest quarters without a gap, of which logarithms can be taken."""
    found: list[Pair] = []
    for pair in reversed(pairs[-MOST_QUARTERS:]):
        if pair is None or not all(math.isfinite(v) and v > 0 for v in pair):
            break
        found.append(pair)
    return found[::-1]


def _word(low: float, high: float) -> Word:
    if high < 1:
        return "scaling"
    if low > 1:
        return "fragile"
    return "replicating" if low >= ALIKE[0] and high <= ALIKE[1] else "undecided"


def _falls(x: Sequence[float]) -> bool:
    """Whether volume was less in the last year than in the first."""
    return _mean(x[-RECENT:]) < _mean(x[:RECENT])


def _sentence(found: Elasticity) -> str:
    value, low, high = found.value or 0.0, found.low or 0.0, found.high or 0.0
    times = " ".join(("ten times the output would need", print_value(10**value), "times the input"))
    between = f"({print_value(10**low)} to {print_value(10**high)})"
    meant = {
        "scaling": "output grows faster than input",
        "replicating": "input grows as output does",
        "fragile": "input grows faster than output",
        "undecided": "the interval does not tell whether input grows slower or faster than output",
    }
    return f"{meant[found.word]}: {times} {between}, by {found.quarters} quarters"


def _least_squares(line: Sequence[float], x: Sequence[float], y: Sequence[float]) -> tuple[float, float, list[float]]:
    """(slope, its standard error, what is left) of y on ``line`` (the constant, as transformed) and x."""
    ll, lx, xx = (math.fsum(a * b for a, b in zip(p, q, strict=True)) for p, q in ((line, line), (line, x), (x, x)))
    ly, xy = (math.fsum(a * b for a, b in zip(p, y, strict=True)) for p in (line, x))
    size = ll * xx - lx * lx
    slope, level = (ll * xy - lx * ly) / size, (xx * ly - lx * xy) / size
    left = [c - level * a - slope * b for a, b, c in zip(line, x, y, strict=True)]
    variance = math.fsum(e * e for e in left) / (len(x) - 2)
    return slope, math.sqrt(max(0.0, variance * ll / size)), left


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _without(numbers: Sequence[float], index: int) -> list[float]:
    return [*numbers[:index], *numbers[index + 1 :]]
