"""Where a running period is heading: by working time, or by how earlier periods had come along at the same cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.student import chance_below, quantile
from scorecard.judgement.targets import Better, Limit

LEAST_PERIODS = 6
"""Fewer comparable periods give no profile: then working time decides."""
STEADY = 1e-9
"""A spread (of logarithms) below this is none: every earlier period had come along equally far."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Where a running period is heading; ``low``, ``high`` (90 %), the chances (0..1) are None on working-day pace.

    ``chance``: that the period ends on target. ``amber_chance``: that it ends at the amber limit or better. ``basis``: what
    it rests on, in words: ``by 13 earlier weeks``.
    """

    value: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    amber_chance: float | None = None
    basis: str | None = None


def projected(
    value: float | None,
    period: Period,
    data_until: datetime | None,
    calendar: Calendar,
    shares: Sequence[float] | None,
    aims: tuple[Limit | None, Limit | None, Better | None],
) -> Projection | None:
    """Where a running period is heading, with what that rests on; None while nothing can be said.

    ``shares`` of earlier periods at the same cut (None: not asked for) decide where there are enough of them; else the
    working time up to ``data_until`` in ``calendar``. ``aims``: (target, amber limit, better).
    """
    if value is None or data_until is None:
        return None
    cut = min(max(data_until, period.start), period.end)
    worked, total = calendar.working_seconds(period.start, cut), calendar.working_seconds(period.start, period.end)
    by_days = workdays(value, worked, total)
    if by_days is None:
        return None
    found = None if shares is None else profile(value, shares, *aims)
    if shares is None or found is None:
        few = "" if shares is None or len(shares) >= LEAST_PERIODS else f"; {_few(len(shares), period.grain)}"
        return replace(by_days, basis=f"by working days{few}")
    return replace(found, basis=f"by {len(shares)} earlier {period.grain}s")


def _few(count: int, grain: str) -> str:
    if count == 0:
        return f"no earlier {grain} compares yet"
    return f"only {count} earlier {grain}{'s compare' if count > 1 else ' compares'} yet"


def workdays(value: float, worked_seconds: float, total_seconds: float) -> Projection | None:
    """The value so far x working time of the period / working time up to the cut.

    None while no working time lies before the cut, or where the result is no finite number.
    """
    if worked_seconds <= 0 or total_seconds <= 0:
        return None
    projected = value * (total_seconds / worked_seconds)
    return Projection(projected) if math.isfinite(projected) else None


def profile(
    value: float,
    shares: Sequence[float],
    target: Limit | None,
    amber: Limit | None,
    better: Better | None,
) -> Projection | None:
    """The projection from the shares of their final value that earlier comparable periods had at the same cut.

    With K shares s, m = mean(-ln s) and sd = stdev(-ln s) * sqrt(1 + 1/K): heading for value * e^m, with 90 % between
    value * e^(m ± t * sd) for Student's t with K - 1 degrees of freedom; chances from the same t. None (use working
    time) with under six shares, a share or a value that is not above 0, or a result that is not finite.
    Where no earlier period ever shrank, what is counted already stays counted, in the range and in the chances.
    """
    if len(shares) < LEAST_PERIODS or not 0 < value < math.inf or not all(0 < s < math.inf for s in shares):
        return None
    logs = [-math.log(share) for share in shares]
    from statistics import fmean, stdev  # a check of definitions never comes here

    middle = fmean(logs)
    spread = stdev(logs) * math.sqrt(1 + 1 / len(logs))
    freedom = len(shares) - 1
    reach = quantile(0.95, freedom) * spread
    least = value if max(shares) <= 1 else 0.0
    try:
        heading, low, high = (value * math.exp(middle + side * reach) for side in (0, -1, 1))
    except OverflowError:
        return None
    if not math.isfinite(high):
        return None

    odds = _Odds(heading, middle, spread, freedom, value, least)
    return Projection(heading, max(low, least), high, _chance(odds, target, better), _chance(odds, amber, better))


@dataclass(frozen=True, slots=True)
class _Odds:
    """How likely the period ends under a limit; it cannot end under ``least``."""

    heading: float
    middle: float
    spread: float
    freedom: int
    value: float
    least: float

    def under(self, limit: float, *, or_at: bool) -> float:
        """The chance (0..1) of ending under a limit, or at it."""
        if limit < self.least or limit <= 0 or (limit == self.least and not or_at):
            return 0.0
        if self.spread < STEADY:
            near = math.isclose(self.heading, limit, rel_tol=STEADY)
            return 1.0 if (or_at if near else self.heading < limit) else 0.0
        return chance_below((math.log(limit / self.value) - self.middle) / self.spread, self.freedom)


def _chance(odds: _Odds, limit: Limit | None, better: Better | None) -> float | None:
    """The chance of ending at a limit or on its better side; None where there is none."""
    if limit is None or better is None:
        return None
    low, high = limit if isinstance(limit, tuple) else (limit, limit)
    if better == "higher":
        return 1 - odds.under(low, or_at=False)
    if better == "lower":
        return odds.under(high, or_at=True)
    return max(0.0, odds.under(high, or_at=True) - odds.under(low, or_at=False))
