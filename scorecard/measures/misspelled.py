"""Values of split columns that match no team or process and are spelled almost like one: their rows count only in the whole."""

from __future__ import annotations

from collections.abc import Mapping

from scorecard.book.lint import nearest
from scorecard.book.model import Book
from scorecard.ground.errors import Problem
from scorecard.measures.slices import Slicing
from scorecard.measures.sql import quoted
from scorecard.warehouse.engine import Engine

MOST_VALUES = 1000


def misspelled(engine: Engine, book: Book, loaded: Mapping[str, Mapping[str, str]]) -> tuple[Problem, ...]:
    """A warning for each such value, at the first split that reads it. ``loaded``: source → its columns and their types."""
    slicing, found, seen = Slicing(book), [], set()
    for metric in book.metrics.values():
        split = metric.split
        if split is None or metric.source is None or split.column not in loaded.get(metric.source, {}):
            continue
        key = (metric.source, split.column, split.kind)
        if key in seen:
            continue
        seen.add(key)
        known: list[str] = []
        for one in book.teams.values() if split.kind == "team" else book.processes.values():
            known += [one.name, one.title, *one.aliases]
        for value in _values(engine, metric.source, split.column):
            meant = None if slicing.slices_of(split.kind, value) else nearest(value, known)
            if meant is not None:
                message = f"'{value}' in column '{split.column}' of source '{metric.source}' matches no {split.kind}"
                hint = f"did you mean '{meant}'? add it to the aliases"
                place = metric.places.get(f"split.{split.kind}", metric.place)
                found.append(Problem(message, place, hint, "warning"))
    return tuple(found)


def _values(engine: Engine, source: str, column: str) -> list[str]:
    name = quoted(column)
    sql = f"SELECT DISTINCT CAST({name} AS VARCHAR) AS v FROM {engine.table(source)} WHERE {name} IS NOT NULL LIMIT {MOST_VALUES}"
    return sorted(engine.query(sql)["v"].to_list())
