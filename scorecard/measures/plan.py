"""From metrics to the base states they need: deduplicated, grouped into few scans.

A **scan** reads one source along one time axis into buckets (local days, or hours for hour metrics), for one split column. An
**atom** is one additive number in it: a count, an exact sum, a smallest or largest value. A **bag** is what does not add:
a quantile or a count of distinct values, recomputed from the rows of each touched period.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import polars as pl
import sqlglot.expressions as exp

from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Change,
    Count,
    Distinct,
    Expression,
    Formula,
    Mean,
    Metric,
    NotYet,
    Quantile,
    Ratio,
    Split,
    Stock,
    Sum,
)
from scorecard.book.scope import parts_of
from scorecard.ground.errors import Problem, Refused, did_you_mean
from scorecard.ground.periods import GRAINS, Grain
from scorecard.measures.sql import Compiler, column_kind

Fold = Literal["count", "sum", "low", "high"]
FORMAT = 1
"""Grows when the meaning of stored states changes; older ones are then computed anew."""

Probe = Callable[[str, tuple[str, ...]], tuple[pl.DataType, ...]]
"""(source, compiled row expressions) → their types; raises what the engine raises where one does not compile."""


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


def lower(metric: Metric, book: Book, columns: Mapping[str, str], probe: Probe, context: str) -> Lowered:
    """A metric that reads rows, compiled against the live columns of its source; Refused with the place of what is wrong."""
    measure = metric.measure
    if isinstance(measure, NotYet):
        raise Refused(Problem(f"'{measure.kind}' is not computed yet", metric.place))
    if isinstance(measure, Formula | Change):
        return Lowered(metric, coarser(metric.grain), parts=parts_of(metric))
    assert metric.source is not None  # noqa: S101 - the book gives one to every measure that reads rows
    compiler = Compiler(metric.source, columns, book.organization.timezone, metric.unit)
    grains = coarser(metric.grain)
    time = measure.opened if isinstance(measure, Stock) else metric.time or book.sources[metric.source].time
    if time is None:
        hint = "name the column that decides the period: time: created_at"
        raise Refused(Problem(f"metric '{metric.name}' has no time column", metric.place, hint))
    closed = measure.closed if isinstance(measure, Stock) else None
    for column in (time, *([closed] if closed else [])):
        _check_time(metric, column, columns)
    split = metric.split
    if split is not None and split.column not in columns:
        known = did_you_mean(split.column, columns)
        place = metric.places.get("split", metric.place)
        raise Refused(Problem(f"source '{metric.source}' has no column '{split.column}' to split by", place, known))
    where = None if metric.where is None else compiler.condition(metric.where)
    if isinstance(measure, Quantile | Distinct):
        number = isinstance(measure, Quantile)
        value = compiler.number(measure.of) if number else compiler.value(measure.of)
        _types(metric, (value,), (measure.of,), probe, numeric=number, where=where)
        bag = Bag(
            metric.source, time, value, where, split, measure.q if isinstance(measure, Quantile) else None, context
        )
        scan = Scan(metric.source, time, split=None if split is None else split.column)
        return Lowered(metric, grains, scan, () if split is None else (ALL_ROWS,), bag)
    scan = Scan(metric.source, time, split=split.column if split else None)
    found = _Atoms(metric, compiler, where, probe)
    above, below = found.of_measure()
    return Lowered(metric, grains, scan, tuple(found.atoms), None, above, below)


def _check_time(metric: Metric, column: str, columns: Mapping[str, str]) -> None:
    place = metric.places.get("time", metric.places.get("stock", metric.place))
    if column not in columns:
        hint = did_you_mean(column, [c for c in columns if not c.startswith("_")])
        raise Refused(Problem(f"source '{metric.source}' has no column '{column}'", place, hint))
    kind = column_kind(columns[column])
    if kind not in ("instant", "date"):
        hint = f"declare it in the source: columns: {{{column}: timestamp}}"
        raise Refused(Problem(f"'{column}' is {columns[column].lower()}, not a time", place, hint))
    if kind == "date" and metric.grain == "hour":
        raise Refused(
            Problem(f"'{column}' is a date without time of day, so there are no hours", place, "use grain: day")
        )


def _types(
    metric: Metric,
    values: tuple[str, ...],
    expressions: Iterable[Expression],
    probe: Probe,
    *,
    numeric: bool = True,
    where: str | None = None,
) -> tuple[pl.DataType, ...]:
    assert metric.source is not None  # noqa: S101 - the book gives one to every measure that reads rows
    types = probe(metric.source, (*values, *([f"({where})"] if where else [])))
    for type_, expression in zip(types, expressions, strict=False):
        if numeric and not (type_.is_numeric() or type_ == pl.Null):
            hint = "declare the column's type in the source, or cast it"
            raise Refused(
                Problem(f"'{expression.text}' gives {type_}, where a number is needed", expression.place, hint)
            )
    return types


class _Atoms:
    """Finds the atoms of one metric, each once."""

    def __init__(self, metric: Metric, compiler: Compiler, where: str | None, probe: Probe) -> None:
        self.atoms: list[Atom] = []
        self._metric = metric
        self._compiler = compiler
        self._where = where
        self._probe = probe

    def of_measure(self) -> tuple[exp.Expression | None, exp.Expression | None]:
        """Above and below the line, over ``_0``, ``_1``, …; below is None where nothing is divided."""
        measure = self._metric.measure
        if isinstance(measure, Ratio):
            return self._lowered(measure.of, measure.of.tree), self._lowered(measure.to, measure.to.tree)
        if isinstance(measure, Count) and measure.of is not None:
            return self._add(Atom("count", self._compiler.value(measure.of), self._where), measure.of), None
        if isinstance(measure, Sum | Mean):
            return self._sum(measure.of, measure.of.tree, self._where), None
        if isinstance(measure, Stock) and measure.sum is not None:
            return self._sum(measure.sum, measure.sum.tree, self._where), None
        return self._add(Atom("count", None, self._where), self._metric.where), None

    def _add(self, atom: Atom, source: Expression | None) -> exp.Expression:
        if atom not in self.atoms:
            tried = tuple(t for t in (atom.value, f"({atom.condition})" if atom.condition else None) if t is not None)
            if tried and atom.fold == "count":
                _types(self._metric, tried, (source,) if source else (), self._probe, numeric=False)
            self.atoms.append(atom)
        return exp.column(f"_{self.atoms.index(atom)}")

    def _sum(
        self, whole: Expression, tree: exp.Expression, condition: str | None, fold: Fold = "sum"
    ) -> exp.Expression:
        value = self._compiler.number(whole, tree)
        type_ = _types(self._metric, (value,), (whole,), self._probe, where=condition)[0]
        digits = None
        if fold == "sum" and isinstance(type_, pl.Decimal):
            digits = type_.scale
        elif fold == "sum" and (type_.is_integer() or type_ == pl.Null):
            digits = 0
        return self._add(Atom(fold, value, condition, digits), whole)

    def _lowered(self, whole: Expression, tree: exp.Expression) -> exp.Expression:
        """The aggregate with each part that counts rows replaced by the atom it is."""
        if isinstance(tree, exp.Column):
            return self._add(Atom("count", None, self._where), self._metric.where)
        if isinstance(tree, exp.CountIf):
            return self._add(Atom("count", None, self._both(self._compiler.condition(whole, tree.this))), whole)
        if isinstance(tree, exp.Count):
            return self._add(Atom("count", self._compiler.value(whole, tree.this), self._where), whole)
        if isinstance(tree, exp.Sum):
            return self._sum(whole, tree.this, self._where)
        if isinstance(tree, exp.Min | exp.Max):
            return self._sum(whole, tree.this, self._where, "low" if isinstance(tree, exp.Min) else "high")
        if isinstance(tree, exp.Anonymous):
            value, condition = tree.expressions
            return self._sum(whole, value, self._both(self._compiler.condition(whole, condition)))
        if isinstance(tree, exp.Avg):
            total = self._sum(whole, tree.this, self._where)
            return exp.Anonymous(this="_mean", expressions=[total])
        if isinstance(tree, exp.Paren | exp.Neg):
            return type(tree)(this=self._lowered(whole, tree.this))
        if isinstance(tree, exp.Binary):
            left, right = self._lowered(whole, tree.this), self._lowered(whole, tree.expression)
            return type(tree)(this=left, expression=right)
        return tree.copy()

    def _both(self, condition: str) -> str:
        return condition if self._where is None else f"({self._where}) AND ({condition})"


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
