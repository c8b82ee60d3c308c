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
from scorecard.book.model.metric import Age, Cumulative, Level, Metric, Split, Stock
from scorecard.ground.errors import Problem
from scorecard.ground.periods import GRAINS, Grain
from scorecard.measures.sql import ROWS

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
        if isinstance(metric.measure, Stock | Age):
            found += [metric.measure.opened, metric.measure.closed]
        elif metric.time is not None:
            found.append(metric.time)
    return tuple(dict.fromkeys(found))


STATED = "_level"
"""The column in which the rows of a line carry their level."""


@dataclass(frozen=True, slots=True)
class Line:
    """Rows that state a level, one line of them per value of ``keys``. ``value`` and ``condition`` are compiled SQL.

    ``carry`` False: only the last row of each key and day counts, on its day. True: every row counts with what the one
    before it stated, on the day on which it replaces that.
    """

    keys: tuple[str, ...]
    value: str
    condition: str | None
    carry: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows of a source in buckets of the time column ``time``. ``fine``: by hour, not by day.

    ``closed`` (for stocks): a row counts when it closes, or when it opens if that is later. ``split``: the column whose
    raw values are kept apart. ``line`` (for levels): how rows follow each other; its atoms are of the column STATED.
    """

    source: str
    time: str
    closed: str | None = None
    fine: bool = False
    split: str | None = None
    line: Line | None = None

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

    ``context`` changes with the calendar and with what split values mean. ``grain`` is the finest at which it is kept: a
    metric that is shown by shorter periods than before rests on another number.
    """

    source: str
    time: str
    value: str
    condition: str | None
    split: Split | None
    q: float | None
    context: str = ""
    grain: Grain = "day"

    @property
    def id(self) -> str:
        return identity("bag", self)


@dataclass(frozen=True, slots=True)
class Ages:
    """How old open items are at the end of a period: the quantile ``q`` of their ages, in units of ``unit_us`` microseconds,
    or how many are older than ``over_seconds``.

    ``context`` and ``grain`` as in a ``Bag``.
    """

    source: str
    opened: str
    closed: str
    condition: str | None
    split: Split | None
    q: float | None
    over_seconds: int | None
    unit_us: int
    context: str = ""
    grain: Grain = "day"

    @property
    def id(self) -> str:
        return identity("ages", self)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A metric as it is computed. ``atoms`` in the order in which ``above`` and ``below`` name them (``_0``, ``_1``, …).

    ``scan`` (of a stock: its openings) has no grain yet: ``Plan.scan_of`` gives the one for a grain. ``line``: of a level.
    """

    metric: Metric
    grains: tuple[Grain, ...]
    scan: Scan | None = None
    atoms: tuple[Atom, ...] = ()
    bag: Bag | None = None
    above: exp.Expression | None = None
    below: exp.Expression | None = None
    parts: tuple[str, ...] = ()
    line: Line | None = None
    ages: Ages | None = None

    @property
    def needed(self) -> tuple[tuple[Scan, tuple[Atom, ...]], ...]:
        """Its atoms and the scans they are in, by day: for a stock first what comes, then what goes.

        For a level of snapshots first the rows of each day, which say that there was a snapshot, then what it stated.
        """
        if self.scan is None:
            return ()
        if isinstance(self.metric.measure, Stock):
            return (self.scan, self.atoms), (replace(self.scan, closed=self.metric.measure.closed), self.atoms)
        if self.line is not None:
            stated = Atom("sum", f'{ROWS}."{STATED}"', digits=self.atoms[0].digits)
            first = self.atoms if self.line.carry else (ALL_ROWS,)
            return (self.scan, first), (replace(self.scan, line=self.line), (stated,))
        return ((self.scan, self.atoms),)

    @property
    def kept(self) -> tuple[Grain, ...]:
        """The grains at which its states are asked for: of a level days (and hours), of what does not add days."""
        if isinstance(self.metric.measure, Level):
            return ("hour", "day") if self.grains[0] == "hour" else ("day",)
        return self.grains if self.additive else ("day",)

    @property
    def additive(self) -> bool:
        """Whether its values are made of its atoms; else those only tell its slices."""
        return self.bag is None and self.ages is None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is computed: metrics in an order in which parts come first, the atoms of each scan, the bags with their grains.

    ``grains``: those of all atoms of a scan; ``asked``: those of one, which are fewer: days only where something runs up.
    """

    lowered: Mapping[str, Lowered]
    scans: Mapping[Scan, tuple[Atom, ...]]
    grains: Mapping[Scan, tuple[Grain, ...]]
    bags: Mapping[Bag, tuple[Grain, ...]]
    problems: Mapping[str, Problem] = field(default_factory=dict)
    ages: Mapping[Ages, tuple[Grain, ...]] = field(default_factory=dict)
    asked: Mapping[tuple[Scan, Atom], tuple[Grain, ...]] = field(default_factory=dict)

    def states_at(self, scan: Scan) -> dict[Grain, list[str]]:
        """The names of a scan's states at each grain at which some metric asks for them."""
        found: dict[Grain, list[str]] = {}
        for atom in self.scans[scan]:
            for grain in self.asked.get((scan, atom), ()):
                found.setdefault(grain, []).append(state_id(scan, atom))
        return found

    def states(self, source: str) -> tuple[str, ...]:
        """The names of all states of a source."""
        atoms = [state_id(scan, atom) for scan, found in self.scans.items() if scan.source == source for atom in found]
        bags = (bag.id for bag in self.bags if bag.source == source)
        return (*atoms, *bags, *(ages.id for ages in self.ages if ages.source == source))

    def states_of(self, one: Lowered) -> tuple[str, ...]:
        """The names of all states that a metric rests on directly."""
        found = [special.id for special in (one.bag, one.ages) if special is not None]
        for scan, atoms in one.needed:
            for grain in one.kept:
                real = self.scan_of(scan, grain)
                found += [state_id(real, atom) for atom in atoms]
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
    asked: dict[tuple[Scan, Atom], set[Grain]] = {}
    bags: dict[Bag, set[Grain]] = {}
    ages: dict[Ages, set[Grain]] = {}
    for one in lowered.values():
        if one.bag is not None:
            bags.setdefault(one.bag, set()).update(one.grains)
        if one.ages is not None:
            ages.setdefault(one.ages, set()).update(one.grains)
        for day, own in one.needed:
            if day.split is not None and day.closed is None and day.line is None:
                atoms.setdefault(day, {}).setdefault(ALL_ROWS)
                grains.setdefault(day, set())
            for grain in one.kept if one.additive else ():
                scan = replace(day, fine=grain == "hour")
                atoms.setdefault(scan, {}).update(dict.fromkeys(own))
                grains.setdefault(scan, set()).add(grain)
                for atom in own:
                    asked.setdefault((scan, atom), set()).add(grain)
    for scan, own in _running_up(lowered):
        grains[scan].add("day")
        for atom in own:
            asked[scan, atom].add("day")
    for scan in [s for s in atoms if s.split is None]:
        split = _ridden(scan, atoms)
        if split is not None:
            for atom in atoms[scan]:
                asked.setdefault((split, atom), set()).update(asked.pop((scan, atom), set()))
            atoms[split].update(atoms.pop(scan))
            grains[split] |= grains.pop(scan)
    return Plan(
        lowered=_parts_first(lowered),
        scans={scan: tuple(found) for scan, found in atoms.items()},
        grains={scan: tuple(g for g in GRAINS if g in grains[scan]) for scan in atoms},
        bags={bag: tuple(g for g in GRAINS if g in found) for bag, found in bags.items()},
        problems=problems,
        ages={one: tuple(g for g in GRAINS if g in found) for one, found in ages.items()},
        asked={place: tuple(g for g in GRAINS if g in found) for place, found in asked.items()},
    )


def _running_up(lowered: Mapping[str, Lowered]) -> Iterable[tuple[Scan, tuple[Atom, ...]]]:
    """The atoms of which cumulative metrics are made day by day."""
    for one in lowered.values():
        for base in _bases(one, lowered) if isinstance(one.metric.measure, Cumulative) else ():
            if base.bag is None:
                yield from base.needed


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
