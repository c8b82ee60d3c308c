"""Checks a book against the tables that exist: every column it names, at the very character."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Age,
    Cohort,
    Count,
    Distinct,
    Expression,
    Level,
    Mean,
    Metric,
    Quantile,
    Ratio,
    Stock,
    Sum,
)  # fmt: skip
from scorecard.book.model.source import ColumnType, Source
from scorecard.ground.errors import Place, Problem, did_you_mean, in_order
from scorecard.judgement.targets import FromSource

Tables = Mapping[str, Mapping[str, str]]
Used = tuple[str, str, Place | None]
"""(column, by whom, where)"""
_NUMBERS = (
    "DOUBLE", "FLOAT", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT",
)  # fmt: skip
LOADED: Mapping[ColumnType, str] = {
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "epoch_s": "TIMESTAMP",
    "epoch_ms": "TIMESTAMP",
    "double": "DOUBLE",
    "integer": "BIGINT",
    "decimal": "DECIMAL",
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
}
"""What the next load makes of a declared column; only whether it is a time matters here."""


def check_columns(book: Book, tables: Tables) -> tuple[Problem, ...]:
    """Every column that is named and not there, and every period column that holds no times.

    ``tables``: source → column → DuckDB type, for the sources that have been loaded; the others are not checked.
    A column's declared type goes before its loaded one.
    """
    found: list[Problem] = []
    tables = {name: _as_declared(book.sources.get(name), table) for name, table in tables.items()}
    for source in book.sources.values():
        if source.name in tables:
            found += _missing(source.name, tables[source.name], _of_source(source))
            found += _no_times(
                source.name, tables[source.name], [(source.time, f"source '{source.name}'", source.places.get("time"))]
            )
    for metric in book.metrics.values():
        owner = f"metric '{metric.name}'"
        if metric.source is not None and metric.source in tables:
            table = tables[metric.source]
            found += _missing(metric.source, table, _of_metric(metric, owner))
            found += _no_times(metric.source, table, [(name, owner, place) for name, place in _times(metric)])
        for target in metric.targets:
            aim = target.aim
            if isinstance(aim, FromSource) and aim.source in tables:
                names = (aim.value, aim.amber, aim.team, aim.process)
                found += _missing(
                    aim.source, tables[aim.source], ((name, owner, target.place) for name in names if name is not None)
                )
                found += _no_numbers(aim, tables[aim.source], owner, target.place)
    return in_order(found)


def columns_read(book: Book, source: str) -> frozenset[str]:
    """The columns of a source that metrics, and targets that come from it, read."""
    found: set[str] = set()
    for metric in book.metrics.values():
        if metric.source == source:
            found.update(name for name, _, _ in _of_metric(metric, metric.name))
            found.update(() if metric.time is None else (metric.time,))
        for target in metric.targets:
            aim = target.aim
            if isinstance(aim, FromSource) and aim.source == source:
                found.update(name for name in (aim.value, aim.amber, aim.team, aim.process) if name is not None)
    return frozenset(found)


def _as_declared(source: Source | None, table: Mapping[str, str]) -> Mapping[str, str]:
    """What the book declares holds from the next load on, whatever an earlier load has made of the column."""
    if source is None:
        return table
    declared = {name: LOADED[column.type] for name, column in source.columns.items() if name in table}
    return {**table, **declared}


def _missing(source: str, table: Mapping[str, str], used: Iterator[Used]) -> Iterator[Problem]:
    for name, owner, place in used:
        if name not in table:
            known = [column for column in table if not column.startswith("_")]
            hint = did_you_mean(name, known) or f"it has {', '.join(known[:20])}{', …' if len(known) > 20 else ''}"
            by = "" if owner == f"source '{source}'" else f", which {owner} reads"
            if place is not None and place.file.startswith("pack:"):
                hint += (
                    f"; where it is called otherwise, say so at the include: columns: {{{source}: {{{name}: YOURS}}}}"
                )
            yield Problem(f"source '{source}' has no column '{name}'{by}", place, hint)


def _no_times(
    source: str, table: Mapping[str, str], used: list[tuple[str | None, str, Place | None]]
) -> Iterator[Problem]:
    for name, owner, place in used:
        kind = table.get(name or "", "TIMESTAMP").upper()
        if not kind.startswith(("TIMESTAMP", "DATE")):
            hint = f"declare it in the source: columns: {{{name}: {{type: timestamp, format: …}}}}"
            held = "nothing yet" if kind == "NULL" else f"{kind}, no times"
            yield Problem(
                f"column '{name}' of source '{source}' holds {held}, and {owner} takes it as a time",
                place,
                hint,
            )


def _no_numbers(aim: FromSource, table: Mapping[str, str], owner: str, place: Place | None) -> Iterator[Problem]:
    """Targets that are no numbers."""
    for name in (aim.value, aim.amber):
        kind = table.get(name or "", "DOUBLE").upper()
        if kind != "NULL" and not kind.startswith(_NUMBERS):
            message = f"column '{name}' of source '{aim.source}' holds {kind}, no numbers, and {owner} takes its targets there"
            hint = f"declare it in the source: columns: {{{name}: double}}; a share is written 0.85"
            yield Problem(message, place, hint)


def _of_source(source: Source) -> Iterator[Used]:
    owner, places = f"source '{source.name}'", source.places
    if source.time is not None:
        yield source.time, owner, places.get("time")
    for name in source.key:
        yield name, owner, places.get(f"key.{name}")
    for column in source.columns.values():
        yield column.name, owner, column.place
    if source.cursor is not None:
        yield source.cursor.column, owner, places.get("cursor.column")
    if source.deleted is not None and source.kind != "http":
        yield source.deleted, owner, places.get("deleted")
    for check in source.checks:
        for name in check.columns:
            at = "" if check.place is None else f"checks.{check.place.line}.{check.place.column}.{name}"
            yield name, owner, places.get(at, check.place)
        if check.text is not None:
            from scorecard.book.checksql import columns_read

            for name, offset in columns_read(check.text, source.name):
                yield (
                    name,
                    owner,
                    check.place
                    if check.node is None
                    else check.node.place_of(check.node.text.index(check.text) + offset),
                )


def _of_metric(metric: Metric, owner: str) -> Iterator[Used]:
    places, measure = metric.places, metric.measure
    if metric.time is not None and "time" in places:
        yield metric.time, owner, places["time"]
    if metric.split is not None:
        yield metric.split.column, owner, places.get(f"split.{metric.split.kind}", metric.place)
    for expression in expressions_of(metric):
        for name, place in expression.spots:
            yield name, owner, place
    yield from ((name, owner, place) for name, place in _spans(metric))
    if isinstance(measure, Level):
        for name in measure.key:
            yield name, owner, places.get("stock.key", places.get("stock", metric.place))


def _times(metric: Metric) -> Iterator[tuple[str, Place | None]]:
    if metric.time is not None and "time" in metric.places:
        yield metric.time, metric.places["time"]
    yield from _spans(metric)


def _spans(metric: Metric) -> Iterator[tuple[str, Place | None]]:
    """The columns between which an item is open."""
    measure = metric.measure
    if isinstance(measure, Stock | Age):
        key = "stock" if isinstance(measure, Stock) else "age"
        yield measure.opened, metric.places.get(f"{key}.opened")
        yield measure.closed, metric.places.get(f"{key}.closed")


def expressions_of(metric: Metric) -> Iterator[Expression]:
    measure = metric.measure
    if metric.where is not None:
        yield metric.where
    if isinstance(measure, Count | Sum | Mean | Quantile | Distinct | Level) and measure.of is not None:
        yield measure.of
    elif isinstance(measure, Ratio | Cohort):
        yield from (measure.of, measure.to)
    elif isinstance(measure, Stock) and measure.sum is not None:
        yield measure.sum
