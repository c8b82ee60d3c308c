"""A metric that reads rows, compiled: which columns, which additive numbers, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import polars as pl
import sqlglot.expressions as exp

from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Age,
    Change,
    Cohort,
    Count,
    Cumulative,
    Distinct,
    Expression,
    Formula,
    Level,
    Manual,
    Mean,
    Metric,
    Quantile,
    Ratio,
    Scaling,
    Stock,
    Sum,
)
from scorecard.book.scope import parts_of
from scorecard.ground.errors import Place, Problem, Refused, did_you_mean
from scorecard.measures.plan import ALL_ROWS, Ages, Atom, Bag, Fold, Line, Lowered, Scan, coarser
from scorecard.measures.sql import NOTHING_YET, Compiler, Made, column_kind

Probe = Callable[[str, tuple[str, ...]], tuple[pl.DataType, ...]]
"""(source, compiled row expressions) → their types; raises what the engine raises where one does not compile."""


def lower(
    metric: Metric, book: Book, columns: Mapping[str, str], probe: Probe, context: str, made: Made | None = None
) -> Lowered:
    """A metric that reads rows, compiled against the live columns of its source; Refused with the place of what is wrong.

    ``made``: what was compiled for other metrics of the same tables.
    """
    measure = metric.measure
    if isinstance(measure, Formula | Change | Cumulative):
        return Lowered(metric, coarser(metric.grain), parts=parts_of(metric))
    if isinstance(measure, Scaling):
        return Lowered(metric, ("quarter",), parts=parts_of(metric))
    if isinstance(measure, Manual):
        return Lowered(metric, coarser(metric.grain))
    assert metric.source is not None  # noqa: S101 - the book gives one to every measure that reads rows
    compiler = Compiler(metric.source, columns, book.organization.timezone, metric.unit, {} if made is None else made)
    grains = coarser(metric.grain)
    time = measure.opened if isinstance(measure, Stock | Age) else metric.time or book.sources[metric.source].time
    if time is None:
        hint = "name the column that decides the period: time: created_at"
        raise Refused(Problem(f"metric '{metric.name}' has no time column", metric.place, hint))
    closed = measure.closed if isinstance(measure, Stock | Age) else None
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
        q = measure.q if isinstance(measure, Quantile) else None
        bag = Bag(metric.source, time, value, where, split, q, context, grains[0])
        scan = Scan(metric.source, time, split=None if split is None else split.column)
        return Lowered(metric, grains, scan, () if split is None else (ALL_ROWS,), bag)
    scan = Scan(metric.source, time, split=split.column if split else None)
    if isinstance(measure, Age):
        unit = 1 if measure.q is None else compiler.unit_of_time(metric.places.get("unit", metric.place))
        if where is not None:
            probe(metric.source, (f"({where})",))
        over = measure.over_seconds
        ages = Ages(metric.source, time, measure.closed, where, split, measure.q, over, unit, context, grains[0])
        return Lowered(metric, grains, scan, () if split is None else (ALL_ROWS,), ages=ages)
    found = _Atoms(metric, compiler, where, probe)
    above, below = found.of_measure()
    line = None
    if isinstance(measure, Level):
        _check_level(metric, measure, columns)
        line = Line(measure.key, found.atoms[0].value or "", where, measure.carry)
    return Lowered(metric, grains, scan, tuple(found.atoms), None, above, below, line=line)


def _check_level(metric: Metric, measure: Level, columns: Mapping[str, str]) -> None:
    for key in measure.key:
        if key not in columns:
            hint = did_you_mean(key, [c for c in columns if not c.startswith("_")])
            place = metric.places.get("stock.key", metric.place)
            raise Refused(Problem(f"source '{metric.source}' has no column '{key}'", place, hint))
    if metric.grain == "hour" and not measure.carry:
        hint = "use grain: day; or, where each row replaces the one before it, carry: true"
        place = metric.places.get("grain", metric.place)
        raise Refused(Problem("snapshots are daily, so there are no hours", place, hint))


def _check_time(metric: Metric, column: str, columns: Mapping[str, str]) -> None:
    place = _place_of_time(metric, column)
    if column not in columns:
        hint = did_you_mean(column, [c for c in columns if not c.startswith("_")])
        raise Refused(Problem(f"source '{metric.source}' has no column '{column}'", place, hint))
    kind = column_kind(columns[column])
    if kind not in ("instant", "date"):
        hint = f"declare it in the source: columns: {{{column}: timestamp}}"
        seen = "has had no value yet" if columns[column] == NOTHING_YET else f"is {columns[column].lower()}, not a time"
        raise Refused(Problem(f"'{column}' {seen}", place, hint))
    if kind == "date" and metric.grain == "hour":
        raise Refused(
            Problem(f"'{column}' is a date without time of day, so there are no hours", place, "use grain: day")
        )


def _place_of_time(metric: Metric, column: str) -> Place | None:
    """Where a metric names a column of times."""
    measure = metric.measure
    if isinstance(measure, Stock | Age):
        key = "stock" if isinstance(measure, Stock) else "age"
        side = "opened" if column == measure.opened else "closed"
        return metric.places.get(f"{key}.{side}", metric.places.get(key, metric.place))
    return metric.places.get("time", metric.place)


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
        if isinstance(measure, Ratio | Cohort):
            return self._lowered(measure.of, measure.of.tree), self._lowered(measure.to, measure.to.tree)
        if isinstance(measure, Count) and measure.of is not None:
            return self._add(Atom("count", self._compiler.value(measure.of), self._where), measure.of), None
        if isinstance(measure, Sum | Mean | Level):
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
