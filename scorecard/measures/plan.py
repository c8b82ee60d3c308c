"""From metrics to the base states they need: deduplicated, grouped into few scans.

A **scan** reads one source along one time axis into buckets (local days, or hours for hour metrics), for one split column. An
**atom** is one additive number in it: a count, an exact sum, a smallest or largest value. A **bag** is what does not add:
a quantile or a count of distinct values, recomputed from the rows of each touched period.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import sqlglot.expressions as exp

from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Cumulative,
    Metric,
    Split,
    Stock,
)
from scorecard.ground.errors import Problem
from scorecard.ground.periods import GRAINS, Grain

Fold = Literal["count", "sum", "low", "high"]
FORMAT = 1
"""Grows when the meaning of stored states changes; older ones are then computed anew."""


def axes(book: Book, source: str) -> tuple[str, ...]:
    """The time columns of a source that need a local reporting day beside them, in a stable order."""
    found: list[str] = []
    time = book.sources[source].time if source in book.sources else None
    if time is not None:
        found.append(time)
    for metric in book.metrics.values():
        if metric.source != source:
            continue
        if isinstance(metric.measure, Stock):
            found += [metric.measure.opened, metric.measure.closed]
        elif metric.time is not None:
            found.append(metric.time)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows of a source in buckets of the time column ``time``. ``fine``: by hour, not by day.

    ``closed`` (for stocks): a row counts when it closes, or when it opens if that is later. ``split``: the column whose
    raw values are kept apart.
    """

    source: str
    time: str
    closed: str | None = None
    fine: bool = False
    split: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The time columns whose changes touch this scan."""
        return (self.time,) if self.closed is None else (self.time, self.closed)


@dataclass(frozen=True, slots=True)
class Atom:
    """One additive number. ``value`` and ``condition`` are compiled SQL; ``digits``: decimals of an exact sum, None for doubles."""

    fold: Fold
    value: str | None = None
    condition: str | None = None
    digits: int | None = None


ALL_ROWS = Atom("count")


@dataclass(frozen=True, slots=True)
class Bag:
    """A number of one period's rows that does not add up: a quantile (``q``) or distinct values (``q`` None).

    ``context`` changes with the calendar and with what split values mean.
    """

    source: str
    time: str
    value: str
    condition: str | None
    split: Split | None
    q: float | None
    context: str = ""

    @property
    def id(self) -> str:
        return identity("bag", self)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A metric as it is computed. ``atoms`` in the order in which ``above`` and ``below`` name them (``_0``, ``_1``, …).

    ``scan`` (of a stock: its openings) has no grain yet: ``scan_at`` gives the one for a grain.
    """

    metric: Metric
    grains: tuple[Grain, ...]
    scan: Scan | None = None
    atoms: tuple[Atom, ...] = ()
    bag: Bag | None = None
    above: exp.Expression | None = None
    below: exp.Expression | None = None
    parts: tuple[str, ...] = ()

    @property
    def scans(self) -> tuple[Scan, ...]:
        """The scans its atoms are in, by day: for a stock first the openings, then the closings."""
        if self.scan is None:
            return ()
        if isinstance(self.metric.measure, Stock):
            return self.scan, replace(self.scan, closed=self.metric.measure.closed)
        return (self.scan,)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is computed: metrics in an order in which parts come first, the atoms of each scan, the bags with their grains."""

    lowered: Mapping[str, Lowered]
    scans: Mapping[Scan, tuple[Atom, ...]]
    grains: Mapping[Scan, tuple[Grain, ...]]
    bags: Mapping[Bag, tuple[Grain, ...]]
    problems: Mapping[str, Problem] = field(default_factory=dict)

    def states(self, source: str) -> tuple[str, ...]:
        """The names of all states of a source."""
        atoms = [state_id(scan, atom) for scan, found in self.scans.items() if scan.source == source for atom in found]
        return (*atoms, *(bag.id for bag in self.bags if bag.source == source))

    def states_of(self, one: Lowered) -> tuple[str, ...]:
        """The names of all states that a metric rests on directly."""
        found = [] if one.bag is None else [one.bag.id]
        for scan in one.scans:
            for grain in one.grains if one.bag is None else ("day",):
                real = self.scan_of(scan, grain)
                found += [state_id(real, atom) for atom in one.atoms]
        return tuple(dict.fromkeys(found))

    def scan_of(self, wanted: Scan, grain: str) -> Scan:
        """The scan in which the states of ``wanted`` lie at a grain: unsplit states ride along with a split scan."""
        scan = replace(wanted, fine=grain == "hour")
        return scan if scan in self.scans else _ridden(scan, self.scans) or scan


def state_id(scan: Scan, atom: Atom) -> str:
    """The name under which a state is kept; changes with its definition."""
    return identity(scan, atom)


@lru_cache(maxsize=10_000)
def identity(*parts: object) -> str:
    """A short name that changes with the definition."""
    return hashlib.sha1(repr((FORMAT, *parts)).encode(), usedforsecurity=False).hexdigest()[:16]


def coarser(grain: str) -> tuple[Grain, ...]:
    """The grain and all coarser ones."""
    return GRAINS[GRAINS.index(grain) :]


def gather(lowered: Mapping[str, Lowered], problems: Mapping[str, Problem]) -> Plan:
    """The scans, atoms and bags of all metrics together, each once, parts before what is made of them."""
    atoms: dict[Scan, dict[Atom, None]] = {}
    grains: dict[Scan, set[Grain]] = {}
    bags: dict[Bag, set[Grain]] = {}
    for one in lowered.values():
        if one.bag is not None:
            bags.setdefault(one.bag, set()).update(one.grains)
        for day in one.scans:
            if day.split is not None and day.closed is None:
                atoms.setdefault(day, {}).setdefault(ALL_ROWS)
                grains.setdefault(day, set())
            for grain in one.grains if one.bag is None else ():
                scan = replace(day, fine=grain == "hour")
                atoms.setdefault(scan, {}).update(dict.fromkeys(one.atoms))
                grains.setdefault(scan, set()).add(grain)
    for one in lowered.values():
        if isinstance(one.metric.measure, Cumulative):
            for base in _bases(one, lowered):
                for scan in base.scans if base.bag is None else ():
                    grains[scan].add("day")
    for scan in [s for s in atoms if s.split is None]:
        split = _ridden(scan, atoms)
        if split is not None:
            atoms[split].update(atoms.pop(scan))
            grains[split] |= grains.pop(scan)
    return Plan(
        lowered=_parts_first(lowered),
        scans={scan: tuple(found) for scan, found in atoms.items()},
        grains={scan: tuple(g for g in GRAINS if g in grains[scan]) for scan in atoms},
        bags={bag: tuple(g for g in GRAINS if g in found) for bag, found in bags.items()},
        problems=problems,
    )


def _bases(one: Lowered, lowered: Mapping[str, Lowered]) -> Iterable[Lowered]:
    """The metrics below one that read rows."""
    if not one.parts:
        return (one,)
    return [base for name in one.parts for base in _bases(lowered[name], lowered)]


def _ridden(scan: Scan, scans: Iterable[Scan]) -> Scan | None:
    """The split scan of the same rows and buckets, whose slices add up to the whole: no rows need to be read twice."""
    alike = [s for s in scans if s.split is not None and replace(s, split=None) == scan]
    return min(alike, key=lambda s: s.split or "") if alike else None


def _parts_first(lowered: Mapping[str, Lowered]) -> dict[str, Lowered]:
    placed: dict[str, Lowered] = {}

    def place(name: str) -> None:
        if name in placed or name not in lowered:
            return
        for part in lowered[name].parts:
            place(part)
        placed[name] = lowered[name]

    for name in lowered:
        place(name)
    return placed
