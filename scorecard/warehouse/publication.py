"""Prepared rows into the live table in one transaction: change, record, the generation before, commit."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

import duckdb

from scorecard.book.model.source import Source
from scorecard.ground.errors import Conflict, Problem
from scorecard.warehouse.changes import (
    Change,
    Tables,
    add_days,
    described,
    fit_live,
    move_days,
    one,
    swap_in,
)
from scorecard.warehouse.decisions import supersede
from scorecard.warehouse.deletions import deleted_here, take_deleted
from scorecard.warehouse.engine import DAY_PREFIX, NOTHING, Load, LoadOrder, Move, Standing, Touched, day_column
from scorecard.warehouse.generations import NEVER, Keeping, forget
from scorecard.warehouse.holdwords import no_longer_fits
from scorecard.warehouse.merging import append, upsert
from scorecard.warehouse.quoting import incoming_table, live_table, quote
from scorecard.warehouse.records import Counts, Memory, read_memory, with_counts, without_types, write_memory
from scorecard.warehouse.replacing import replace_rows
from scorecard.warehouse.shaping import Plan
from scorecard.warehouse.staged import Parked, Staged, drop, held_table, parked_of, take_keys
from scorecard.warehouse.views import is_view
from scorecard.warehouse.watermarks import definition_of, remembered, row_key


class Writing(Protocol):
    """Gives the one writer's place for as long as the context lasts."""

    def __call__(self) -> AbstractContextManager[None]: ...


class FinishLoad(Protocol):
    """Writes the load's record on the load's cursor."""

    def __call__(self, result: Result) -> None: ...


@dataclass(slots=True)
class Result:
    """What a load came to. ``outcome``: ok, unchanged, held or failed. ``superseded``: the load that waited before it."""

    outcome: str
    counts: Counts
    touched: Touched = NOTHING
    problems: tuple[Problem, ...] = ()
    generation: int = 0
    moves: tuple[Move, ...] = ()
    superseded: int | None = None


class Publication:
    """What publishes: a load on a cursor of its own. ``finish`` writes its record within the same transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, order: LoadOrder, writing: Writing, load: int) -> None:
        self.cursor = cursor
        self.order = order
        self.source: Source = order.source
        self.writing = writing
        self.load = load
        self.counts = Counts()
        self.memory: Memory | None = None
        self.keeping: Keeping | None = None
        self.narrowed = False
        self.begun = 0
        self.there = self.told = self.looked_at = self.beside = False

    def _look(self) -> dict[str, str] | None:
        """The live table's columns, None where there is none yet: what the memory says is then of no use, nor where an
        external table was shown before. To be asked before the transaction begins."""
        name, memory = self.source.name, self.memory
        self.told = memory is not None and memory.standing.definition == definition_of(self.source, self.order.timezone)
        self.looked_at = not self.told and is_view(self.cursor, name)  # a table by the same definition cannot be a view
        columns = None if self.looked_at else described(self.cursor, name)
        self.there = columns is not None
        if not self.there:
            self._begin_anew()
        return columns

    def publish_parked(self, parked: Parked, finish: FinishLoad) -> Result:
        """Exactly the rows that wait, whatever the gates say; a person has let them in. Raises where they no longer fit."""
        staged = parked.staged
        self.counts = replace(staged.counts)
        self.order = replace(self.order, now=staged.at, full=staged.full)
        try:
            with self.writing():
                self.memory = read_memory(self.cursor, self.source.name)
                self._look()
                base = 0 if self.memory is None else self.memory.standing.generation
                if (base, definition_of(self.source, self.order.timezone)) != (staged.base, staged.definition):
                    raise Conflict(no_longer_fits(parked.load, self.source))
                self.cursor.execute("BEGIN TRANSACTION")
                take_keys(self.cursor, self.source.name, self.source.key)
                change, memory = self._change(staged, held_table(self.source.name))
                return self._publish(staged, change, memory, finish)
        finally:
            self._tidy()

    def _begin_anew(self) -> None:
        """The table that is there is another one's: nothing is remembered of it but how far it had counted."""
        self.begun = 0 if self.memory is None else self.memory.standing.generation
        self.memory = None

    def _change(self, staged: Staged, prepared: str) -> tuple[Change, Memory]:
        """The prepared rows into the live table, and what is then to be remembered; all of it can still be taken back."""
        columns = described(self.cursor, self.source.name) if self.there else None
        tables = Tables(live_table(self.source.name), prepared, columns)
        self.keeping = None if self.memory is None else Keeping(self.cursor, self.source, self.memory, self.order.now)
        self.narrowed = False
        if self.looked_at:  # it was an external table before
            self.cursor.execute(f"DROP VIEW {tables.live}")
        plan = staged.plan
        if not staged.whole:
            self._keep_shape(tables, staged)
            tables = self._without(tables, staged.gone)
            plan = self._with_late_axes(tables, plan)
        said = take_deleted(self.cursor, prepared, self.source, plan) if self.source.deleted else 0
        change = self._apply(tables, plan, staged.whole, said)
        state, newest = staged.state, staged.newest
        memory = remembered(self.cursor, self.order, self.memory, plan, change, state, newest, self.begun)
        return change, without_types(memory, staged.optional, staged.open)

    def _keep_shape(self, tables: Tables, staged: Staged) -> None:
        """Before columns come, go or change their type, the table is kept whole, and before it gets another key."""
        columns = tables.columns or {}
        other = any(columns.get(shape.name) != shape.type for shape in staged.plan.shapes)
        other |= self.memory is not None and self.memory.key not in (None, row_key(self.source))
        if self.keeping is not None and (other or staged.gone & set(columns)):
            self.keeping.copy(tables.live)

    def _without(self, tables: Tables, gone: AbstractSet[str]) -> Tables:
        """The live table without columns that are gone for good, and their reporting days."""
        dropped = {*gone, *(day_column(name) for name in gone)} & set(tables.columns or {})
        if not dropped:
            return tables
        for name in sorted(dropped):
            self.cursor.execute(f"ALTER TABLE {tables.live} DROP COLUMN {quote(name)}")
        self.narrowed = True
        return replace(tables, columns={n: t for n, t in (tables.columns or {}).items() if n not in dropped})

    def _all_axes(self, columns: Mapping[str, str]) -> tuple[str, ...]:
        """Axes asked for, and those that the live table has from before: new rows need their days as well."""
        held = [name.removeprefix(DAY_PREFIX) for name in columns if name.startswith(DAY_PREFIX)]
        return tuple(dict.fromkeys([*self.order.axes, *held]))

    def _with_late_axes(self, tables: Tables, plan: Plan) -> Plan:
        """Axes that the live table was given while this load was still pulling: its rows need those days, too."""
        columns = tables.columns or {}
        late = [a for a in self._all_axes(columns) if a not in plan.axes and day_column(a) in columns]
        add_days(self.cursor, tables.prepared, plan.columns, late, plan.zone)
        return replace(plan, axes=(*plan.axes, *late))

    def _apply(self, tables: Tables, plan: Plan, whole: bool, said: int) -> Change:
        """``said``: so many rows said that they are deleted. One that takes a row away changes something, the others nothing."""
        cursor, order = self.cursor, self.order
        if whole:
            hit = deleted_here(cursor, tables, self.source.key) if said and tables.columns is not None else 0
            self.counts.loaded += hit
            self.counts.unchanged += said - hit
            if order.full and tables.columns is not None and self.source.mode == "upsert":
                self.counts.removed = self._keys_gone(tables)
            files = self.source.mode == "replace"
            return swap_in(cursor, self.source.name, tables, plan, self.counts, files=files, keeping=self.keeping)
        fitted = fit_live(cursor, self.source.name, tables, plan)
        columns = described(cursor, self.source.name) if fitted else tables.columns
        fitted |= self._fit_days(plan, columns or {}) or self.narrowed
        if self.source.mode == "append":
            by = self.source.cursor.column if self.source.cursor is not None else None
            change = append(cursor, tables, plan, by, self.counts, self.keeping, self._time(plan))
        else:
            # Where all rows have come by this key, it stands in one of them.
            if self.told and self.memory is not None and not order.full:
                merge = partial(replace_rows, rows=self.memory.standing.rows)
            else:
                merge = partial(upsert, full=order.full)
            key, keeping, time = self.source.key, self.keeping, self._time(plan)
            change = merge(cursor, tables, plan, key, self.counts, said=said, keeping=keeping, time=time)
        if fitted:
            change.touched, change.same = Touched(everything=True), False
        return change

    def _time(self, plan: Plan) -> str | None:
        """The source's own time, where it is a moment."""
        return next((s.name for s in plan.shapes if s.name == self.source.time and s.type == "TIMESTAMP"), None)

    def _fit_days(self, plan: Plan, columns: Mapping[str, str]) -> bool:
        live = live_table(self.source.name)
        moved = self.memory is not None and self.memory.zone != self.order.timezone
        if moved:
            move_days(self.cursor, live, columns, self.order.timezone)
        return add_days(self.cursor, live, columns, plan.axes, self.order.timezone) or moved

    def _keys_gone(self, tables: Tables) -> int:
        match = " AND ".join(f'CAST(l."{name}" AS VARCHAR) = CAST(p."{name}" AS VARCHAR)' for name in self.source.key)
        return one(
            self.cursor,
            f"SELECT count(*) FROM {tables.live} l WHERE NOT EXISTS (SELECT 1 FROM {tables.prepared} p WHERE {match})",
        )

    def _publish(self, staged: Staged, change: Change, memory: Memory, finish: FinishLoad) -> Result:
        """Standing, record, the generation before, and the commit."""
        outcome = "unchanged" if change.same and self.memory is not None else "ok"
        self._remember(memory)
        result = Result(
            outcome,
            self.counts,
            NOTHING if outcome == "unchanged" else change.touched,
            (*self.counts.warnings, *self._axis_warnings(staged.plan)),
            memory.standing.generation,
            superseded=self._supersede(),
        )
        finish(result)
        self.cursor.execute("COMMIT")
        return result

    def _remember(self, memory: Memory) -> None:
        write_memory(self.cursor, memory)
        if self.memory is None:
            forget(self.cursor, self.source.name, NEVER)  # what is kept is of another table, which is gone
        if self.memory is not None and memory.standing.generation > self.memory.standing.generation:
            keeping = self.keeping or Keeping(self.cursor, self.source, self.memory, self.order.now)
            keeping.finish()

    def _supersede(self) -> int | None:
        """What waited of the source waits no longer: this load is newer. Its number, where it was another one."""
        waiting = parked_of(self.cursor, self.source.name)
        if waiting is None:
            return None
        drop(self.cursor, self.source.name)
        if waiting.load == self.load:
            return None
        supersede(self.cursor, self.source.name, waiting.load, self.load, self.order.now)
        return waiting.load

    def _axis_warnings(self, plan: Plan) -> list[Problem]:
        said = []
        for shape in plan.shapes:
            if shape.name in self.order.axes and shape.name not in plan.axes:
                hint = f"declare it: columns: {{{shape.name}: {{type: timestamp, format: ...}}}}"
                message = f"{self.source.name}: column '{shape.name}' is used as a time, but holds {shape.kind}"
                said.append(Problem(message, self.source.place, hint, "warning"))
        return said

    def _tidy(self) -> None:
        """Whatever happened, no transaction and no prepared table stays behind."""
        prepared = [f"DROP TABLE IF EXISTS {incoming_table(self.source.name)}"] if self.beside else []
        for statement in ("ROLLBACK", *prepared):
            try:
                self.cursor.execute(statement)
            except duckdb.Error:
                # No transaction is open, or the disk is full: the next load or start removes the table.
                continue


def finished(running: Load, result: Result, moment: datetime, seconds: float) -> Load:
    """The record of a load that has come to its result."""
    warnings = tuple(result.counts.warnings) if result.outcome in {"failed", "held"} else ()
    return replace(
        running,
        outcome=result.outcome,
        finished_at=moment,
        generation=result.generation,
        seconds=seconds,
        problems=(*result.problems, *warnings),
        moves=result.moves,
        **with_counts(result.counts),
    )


def failure_of(
    number: int, order: LoadOrder, moment: datetime, standing: Standing | None, problems: tuple[Problem, ...]
) -> Load:
    """The record of a pull that gave nothing."""
    return Load(
        id=number,
        source=order.source.name,
        outcome="failed",
        cause=order.cause,
        started_at=order.started_at,
        finished_at=moment,
        generation=0 if standing is None else standing.generation,
        seconds=max(0.0, (moment - order.started_at).total_seconds()),
        problems=problems,
    )
