"""Where green and amber begin, from when, for whom: the target forms, and the limits they give for one period."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Literal

from scorecard.ground.errors import Place
from scorecard.ground.paper import moved, part_way
from scorecard.ground.values import dataclass

Better = Literal["higher", "lower", "within"]
Limit = float | tuple[float, float]
"""A number, or a band (low, high), in the metric's unit; shares are fractions."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A distance from the target: ``relative`` (share of the target's absolute value) or absolute in the metric's unit.

    On percent metrics ``3pp`` is absolute 0.03.
    """

    amount: float
    relative: bool


@dataclass(frozen=True, slots=True)
class Versus:
    """What a comparison is with. ``back``/``mean_of`` carry ``count``."""

    kind: Literal["previous", "year_ago", "364d", "back", "mean_of"]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Glide:
    """A line from ``start_value`` on ``since`` to ``end_value`` by ``by``, linear in days."""

    start_value: float
    since: date
    end_value: float
    by: date


@dataclass(frozen=True, slots=True)
class Relative:
    """A target relative to history: the compared value changed by ``change`` (share, or points when ``points``)."""

    versus: Versus
    change: float
    points: bool = False


@dataclass(frozen=True, slots=True)
class FromSource:
    """Targets read from a source's rows: the names of its columns."""

    source: str
    value: str
    amber: str | None = None
    team: str | None = None
    process: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One entry. ``aim``: a number, a band (low, high), or one of the other forms; percent metrics hold shares (0.85).

    ``amber``: a limit in the same unit, or a band. ``since`` None means always. ``grain``, ``team`` and ``process``
    narrow it.
    """

    aim: float | tuple[float, float] | Glide | Relative | FromSource
    amber: float | tuple[float, float] | None = None
    tolerance: Tolerance | None = None
    since: date | None = None
    team: str | None = None
    process: str | None = None
    grain: str | None = None
    place: Place | None = None


Looked = tuple[float | None, float | None]
"""(target, amber) that a source's rows gave for one period and slice."""


def choose(
    targets: Sequence[Target],
    day: date,
    grain: str,
    slice: tuple[str, str] | None,  # noqa: A002 - the noun of the format
    own_grain: str,
    inherits: bool,
    inherits_in_slices: bool | None = None,
) -> Target | None:
    """The entry in force for a period: the most specific wins (a slice over a grain), then the latest ``since``. What a source's
    row says is of the very period: it wins over what is in force from its first day on or earlier.

    ``day`` is the period's first day. ``slice`` is ("team", name) or ("process", name), None the whole. ``inherits``:
    whether entries that name no grain (no slice) also hold at other grains and in slices; ``inherits_in_slices`` says
    it for slices where that differs (a stock keeps its target at other grains, and not in slices).
    """
    in_slices = inherits if inherits_in_slices is None else inherits_in_slices
    ranked = [
        (
            _narrow(entry, slice) * 2 + (entry.grain is not None),
            isinstance(entry.aim, FromSource),
            entry.since or date.min,
            place,
            entry,
        )
        for place, entry in enumerate(targets)
        if (entry.since is None or entry.since <= day)
        and _holds_at(entry, grain, own_grain, inherits)
        and _holds_for(entry, slice, in_slices)
    ]
    return max(ranked, key=lambda found: found[:4])[4] if ranked else None


def limits(
    entry: Target,
    better: Better | None,
    compared: float | None = None,
    last_day: date | None = None,
    looked_up: Looked | None = None,
) -> tuple[Limit | None, Limit | None]:
    """(target, amber limit) of an entry for one period, in the metric's unit.

    ``compared``: the value a relative target is relative to. ``last_day``: the period's last day, at which a glide path
    is read. ``looked_up``: what the source's rows gave, for targets from a source. A target of None: the comparison or
    the row is missing. An amber limit of None: there is no amber.
    """
    target = _sound(_aim(entry.aim, compared, last_day, looked_up))
    if target is None:
        return None, None
    if better == "within" and not isinstance(target, tuple):
        target = (target, target)
    if isinstance(entry.aim, FromSource) and looked_up is not None and looked_up[1] is not None:
        return target, _sound(looked_up[1])
    amber = _sound(entry.amber)
    return target, amber if amber is not None else _sound(_tolerated(target, entry.tolerance, better))


def _narrow(entry: Target, slice_: tuple[str, str] | None) -> bool:
    """Whether an entry names the slice (one that looks its slice up in a column does)."""
    looks_up = isinstance(entry.aim, FromSource) and slice_ is not None and getattr(entry.aim, slice_[0]) is not None
    return entry.team is not None or entry.process is not None or looks_up


def _holds_at(entry: Target, grain: str, own_grain: str, inherits: bool) -> bool:
    if entry.grain is not None:
        return entry.grain == grain
    return inherits or grain == own_grain


def _holds_for(entry: Target, slice_: tuple[str, str] | None, inherits: bool) -> bool:
    if entry.team is not None or entry.process is not None:
        return slice_ is not None and slice_[1] == (entry.team if slice_[0] == "team" else entry.process)
    if isinstance(entry.aim, FromSource) and (entry.aim.team is not None or entry.aim.process is not None):
        return slice_ is None or _narrow(entry, slice_)  # the whole's row names nobody
    return slice_ is None or inherits


def _aim(
    aim: float | tuple[float, float] | Glide | Relative | FromSource,
    compared: float | None,
    last_day: date | None,
    looked_up: Looked | None,
) -> Limit | None:
    if isinstance(aim, Glide):
        return None if last_day is None else _gliding(aim, last_day)
    if isinstance(aim, Relative):
        if compared is None:
            return None
        return moved(compared, aim.change, share=not aim.points)
    if isinstance(aim, FromSource):
        return None if looked_up is None else looked_up[0]
    return aim


def _gliding(path: Glide, day: date) -> float:
    """The value of a glide path on a day: level before it begins and after it ends."""
    length, gone = (path.by - path.since).days, (day - path.since).days
    if length <= 0 or gone >= length:
        return path.end_value
    if gone <= 0:
        return path.start_value
    return part_way(path.start_value, path.end_value, gone, length)


def _tolerated(target: Limit, tolerance: Tolerance | None, better: Better | None) -> Limit | None:
    if tolerance is None or better is None:
        return None
    by, share = tolerance.amount, tolerance.relative
    if isinstance(target, tuple):
        return moved(target[0], -by, share), moved(target[1], by, share)
    return moved(target, -by if better == "higher" else by, share)


def _sound(limit: Limit | None) -> Limit | None:
    """The limit, or None where it is no finite number: nothing infinite is ever compared with."""
    edges = limit if isinstance(limit, tuple) else (limit,)
    return limit if all(edge is not None and math.isfinite(edge) for edge in edges) else None
