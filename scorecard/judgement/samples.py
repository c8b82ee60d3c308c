"""How far chance may have moved a number that rests on a sample, and whether its colour could be another for that."""

from __future__ import annotations

import math
from typing import Literal

from scorecard.judgement.colour import Colour, colour_of, edges_of
from scorecard.judgement.targets import Better, Limit

Sampling = Literal["binomial", "poisson", "score", "none"]
Range = tuple[float, float]
"""(low, high): where the true value lies, nine times in ten."""
Z = 1.6448536269514722
"""The standard normal's 0.95 quantile: five in a hundred on each side leave 90 % between them."""


def sampled(
    sampling: Sampling,
    above: float | None,
    below: float | None,
    per: float = 1.0,
    squares: float | None = None,
) -> Range | None:
    """The 90 % interval of ``above / below * per``; None where the numbers are no sample of that kind.

    ``squares``: the sum of the squared scores, for ``score``.
    """
    if above is None or below is None or not (math.isfinite(above) and math.isfinite(below) and below > 0):
        return None
    if not math.isfinite(per) or per <= 0:
        return None
    found = None
    if sampling == "binomial":
        found = wilson(above, below)
    elif sampling == "poisson":
        found = rate(above, below)
    elif sampling == "score" and squares is not None:
        found = score(above, below, squares)
    return None if found is None else (found[0] * per, found[1] * per)


def wilson(hits: float, n: float, z: float = Z) -> Range | None:
    """Wilson's score interval of a share, 0 to 1; None unless 0 <= hits <= n.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), 209-212:
    (p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    """
    if n <= 0 or not 0 <= hits <= n:
        return None
    share, weight = hits / n, z * z / n
    middle = (share + weight / 2) / (1 + weight)
    reach = z * math.sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    # At the ends the formula gives exactly 0 and 1; rounding must not.
    low = 0.0 if hits == 0 else max(0.0, min(middle - reach, share))
    high = 1.0 if hits == n else min(1.0, max(middle + reach, share))
    return low, high


def rate(events: float, exposure: float) -> Range | None:
    """Byar's approximation of the interval of a Poisson rate; None where there are fewer than no events.

    N. E. Breslow, N. E. Day, Statistical Methods in Cancer Research II (IARC 82, 1987), 69: k·(1 - 1/9k - z/3√k)³ and
    (k+1)·(1 - 1/9(k+1) + z/3√(k+1))³, over the exposure.
    """
    if exposure <= 0 or events < 0:
        return None
    more = events + 1
    low = 0.0
    if events > 0:
        low = max(0.0, events * max(0.0, 1 - 1 / (9 * events) - Z / (3 * math.sqrt(events))) ** 3)
    high = more * (1 - 1 / (9 * more) + Z / (3 * math.sqrt(more))) ** 3
    return low / exposure, high / exposure


def score(total: float, n: float, squares: float) -> Range | None:
    """The normal interval of a mean score such as promoters less detractors: mean ± z·√(variance / n).

    The variance is squares / n - mean²: for scores of 1, 0 and -1 the shares p and d of both ends give p + d - (p - d)².
    None where the numbers cannot be those of scores (a variance below 0), or of one answer alone.
    """
    if n < 2:
        return None
    mean = total / n
    variance = squares / n - mean * mean
    if variance < -1e-9 * max(1.0, squares / n):
        return None
    reach = Z * math.sqrt(max(0.0, variance) / n)
    return mean - reach, mean + reach


def conclusive(span: Range, value: float, target: Limit, amber: Limit | None, better: Better) -> bool:
    """Whether every value of the interval has the colour that the value has."""
    edges = [*edges_of(target, better), *(() if amber is None else edges_of(amber, better))]
    within = [edge for edge in edges if span[0] < edge < span[1]]
    # Just beside an edge the colour may be another on either side, so the ends and the value are asked too.
    colours: set[Colour] = {colour_of(x, target, amber, better) for x in (value, *span, *within)}
    return len(colours) == 1
