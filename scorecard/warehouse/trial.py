"""A trial: the warehouse's rows under other definitions, with everything that is written kept in memory and then forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb

from connectors.contract import Batch
from scorecard.ground.errors import Problem, ScorecardError
from scorecard.warehouse.answers import answer
from scorecard.warehouse.changes import live_columns, reporting_day
from scorecard.warehouse.engine import (
    Aside,
    Candidate,
    Engine,
    Holds,
    Load,
    LoadOrder,
    Quarantine,
    Standing,
    Touched,
    day_column,
)
from scorecard.warehouse.limits import limited
from scorecard.warehouse.quoting import live_table, quote
from scorecard.warehouse.records import read_memory

if TYPE_CHECKING:
    import polars as pl

Cursors = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


class Trial:
    """The Engine over a database in memory, attached beside the warehouse's file, whose tables it only reads.

    ``beneath`` is the name under which the warehouse is seen. Reporting days that no metric needed so far, or of another
    zone, are columns of a view here, never of the warehouse.
    """

    def __init__(self, below: Engine, cursors: Cursors, said: Callable[[duckdb.Error], ScorecardError], seconds: float):
        self._below = below
        self._cursors = cursors
        self._said = said
        self._seconds = seconds
        self._name = f"trial_{uuid4().hex}"
        self._views: dict[str, dict[str, date]] = {}
        self._moved: set[str] = set()
        self._shown: dict[str, Candidate] = {}
        self.writes = 0
        with self._cursors() as cursor:
            row = cursor.execute("SELECT current_database()").fetchone()
            self.beneath = "" if row is None else str(row[0])
            cursor.execute(f"ATTACH ':memory:' AS {self._name}")

    def close(self) -> None:
        with self._cursors() as cursor:
            cursor.execute(f"DETACH {self._name}")

    # -- what only the warehouse does --------------------------------------------------------------------------

    def load(self, order: LoadOrder, batches: Iterable[Batch]) -> tuple[Load, Touched]:  # noqa: ARG002
        raise ScorecardError(Problem("a trial loads nothing"))

    def record_failure(self, order: LoadOrder, problem: Problem) -> Load:  # noqa: ARG002
        raise ScorecardError(Problem("a trial loads nothing"))

    def loads(self, source: str | None = None, limit: int = 100) -> tuple[Load, ...]:
        return self._below.loads(source, limit)

    def latest(self) -> Mapping[str, Load]:
        return self._below.latest()

    def quarantine(self, source: str, limit: int = 100) -> pl.DataFrame:
        return self._below.quarantine(source, limit)

    def quarantines(self, failed: Sequence[int] = ()) -> Mapping[str, Quarantine]:
        return self._below.quarantines(failed)

    @contextmanager
    def trial(self) -> Iterator[Aside]:
        """A trial of a trial writes where the first one does."""
        yield self

    @property
    def holds(self) -> Holds:
        return self._below.holds

    def show(self, candidate: Candidate) -> None:
        """From now on that source's rows are the candidate's."""
        with self._here() as cursor:
            cursor.execute(f"CREATE OR REPLACE VIEW {live_table(candidate.source)} AS {candidate.rows}")
        self._shown[candidate.source] = candidate

    # -- reading -----------------------------------------------------------------------------------------------

    def standing(self, source: str) -> Standing | None:
        """As of the warehouse, with the first days of the axes that were added here. What is kept of other days is not of
        this generation."""
        found = None if source in self._shown else self._below.standing(source)
        return self._seen(source, found)

    def standings(self) -> Mapping[str, Standing]:
        """Of every source."""
        below = self._below.standings()
        seen = {name: self._seen(name, below.get(name)) for name in {**below, **self._shown}}
        return {name: standing for name, standing in seen.items() if standing is not None}

    def _seen(self, source: str, found: Standing | None) -> Standing | None:
        if source in self._shown:
            return self._shown[source].standing
        if found is None or source not in self._views:
            return found
        generation = found.generation + (1 if source in self._moved else 0)
        return replace(found, first_day={**found.first_day, **self._views[source]}, generation=generation)

    def table(self, source: str) -> str:
        aside = source in self._views or source in self._shown
        place = self._name if aside else quote(self.beneath)
        return f"{place}.{live_table(source)}"

    def query(self, sql: str, parameters: Sequence[Any] = (), *, many: bool = False) -> pl.DataFrame:
        with self._here() as cursor, limited(cursor, self._seconds):
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            return answer(cursor, sql, parameters, many=many)

    def query_as_of(self, standing: Standing, sql: str) -> pl.DataFrame | None:
        """Never of a source whose rows are shown as they might be: they are of no generation."""
        return None if standing.source in self._shown else self._below.query_as_of(standing, sql)

    # -- writing, in memory ------------------------------------------------------------------------------------

    def write(
        self, statements: Sequence[tuple[str, Sequence[Any]]], frames: Mapping[str, pl.DataFrame] | None = None
    ) -> None:
        with self._here() as cursor:
            for name, frame in (frames or {}).items():
                cursor.register(name, frame.to_arrow())
            cursor.execute("BEGIN TRANSACTION")
            for sql, parameters in statements:
                cursor.execute(sql, list(parameters) if parameters else None)
            cursor.execute("COMMIT")
        self.writes += 1

    def prepare_axes(self, source: str, axes: Sequence[str], timezone: str) -> bool:
        """Reporting days that the live table lacks, or has of another zone, by a view over it. True: days are new."""
        if source in self._shown:
            return False  # it was staged with all days that metrics need
        with self._cursors() as cursor:
            columns = live_columns(cursor, source) or {}
            memory = read_memory(cursor, source)
        if memory is None:
            return False
        days = {day_column(axis): axis for axis, kind in columns.items() if kind in {"TIMESTAMP", "DATE"}}
        moved = {axis for name, axis in days.items() if name in columns} if memory.zone != timezone else set()
        shown = self._views.get(source, {})
        wanted = {axis for name, axis in days.items() if axis in axes and (name not in columns or axis in moved)}
        if wanted <= shown.keys():
            return False
        made = sorted({*wanted, *moved, *shown})
        said = {a: f"{reporting_day(a, columns[a], timezone)} AS {quote(day_column(a))}" for a in made}
        replaced = ", ".join(said[a] for a in made if day_column(a) in columns)
        added = [said[a] for a in made if day_column(a) not in columns]
        chosen = ", ".join(["*" if not replaced else f"* REPLACE ({replaced})", *added])
        firsts: dict[str, date] = {}
        with self._here() as cursor:
            rows = f"{quote(self.beneath)}.{live_table(source)}"
            cursor.execute(f"CREATE OR REPLACE VIEW {live_table(source)} AS SELECT {chosen} FROM {rows}")
            for axis in made:
                row = cursor.execute(f"SELECT min({quote(day_column(axis))}) FROM {live_table(source)}").fetchone()
                if row is not None and row[0] is not None:
                    firsts[axis] = row[0]
        self._views[source] = firsts
        self._moved |= {source} if moved else set()
        return True

    @contextmanager
    def _here(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for which this database is the one that names mean; DuckDB's errors leave it as problems."""
        with self._cursors() as cursor:
            try:
                cursor.execute(f"USE {self._name}")
                yield cursor
            except duckdb.Error as error:
                raise self._said(error) from error
