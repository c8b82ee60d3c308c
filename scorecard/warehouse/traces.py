"""Which days the loads of a source have touched last: who has counted an earlier generation counts only those again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

MOST_DAYS = 400
"""So many days of an axis are remembered; of more the oldest generations are forgotten."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One axis: day → the generation that touched it last. All that the generations from ``since`` to ``until`` have touched is
    there."""

    since: int
    until: int
    days: Mapping[date, int] = field(default_factory=dict)


Traces = Mapping[str, Trace]
"""Axis → its days. An axis that is not there has not been followed."""


def noted(
    traces: Traces, axes: Iterable[str], days: Mapping[str, frozenset[date]], generation: int, *, everything: bool
) -> dict[str, Trace]:
    """The traces once a generation is published that touched some days (``everything``: any).

    An axis that earlier loads did not follow begins with this one.
    """
    found = {}
    for axis in axes:
        before = traces.get(axis)
        if everything:
            found[axis] = Trace(generation + 1, generation)
            continue
        if before is None or before.until + 1 != generation:
            before = Trace(generation, generation)
        fresh = dict.fromkeys(days.get(axis, ()), generation)
        found[axis] = _bounded(before.since, generation, {**before.days, **fresh})
    return found


def _bounded(since: int, until: int, days: Mapping[date, int]) -> Trace:
    if len(days) <= MOST_DAYS:
        return Trace(since, until, days)
    oldest = sorted(days.values())[len(days) - MOST_DAYS - 1]
    return Trace(max(since, oldest + 1), until, {day: n for day, n in days.items() if n > oldest})


def touched_since(
    traces: Traces, axes: Iterable[str], generation: int, current: int
) -> dict[str, frozenset[date]] | None:
    """The days that were touched after a generation up to the current one, by axis; None where that is not known of all of these
    axes."""
    found = {}
    for axis in axes:
        trace = traces.get(axis)
        if trace is None or generation + 1 < trace.since or trace.until != current:
            return None
        found[axis] = frozenset(day for day, touched in trace.days.items() if touched > generation)
    return found


def packed(traces: Traces) -> dict[str, Any]:
    """As plain JSON."""
    return {axis: [t.since, t.until, {d.isoformat(): n for d, n in t.days.items()}] for axis, t in traces.items()}


def unpacked(told: Mapping[str, Any]) -> dict[str, Trace]:
    """The traces that ``packed`` was given."""
    return {
        axis: Trace(since, until, {date.fromisoformat(day): n for day, n in days.items()})
        for axis, (since, until, days) in told.items()
    }
