"""One load from its first batch to its record: stage, sort out, check, publish in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import duckdb
import pyarrow as pa

from connectors.contract import Batch, SourceFailed
from scorecard.book.model.source import Source
from scorecard.ground.errors import Place, Problem, ScorecardError
from scorecard.warehouse.changes import (
    Change,
    Tables,
    add_days,
    append,
    drop_duplicates,
    fit_live,
    live_columns,
    move_days,
    one,
    swap_in,
    upsert,
)
from scorecard.warehouse.deletions import deleted_here, take_deleted
from scorecard.warehouse.engine import DAY_PREFIX, NOTHING, LoadOrder, Touched, day_column
from scorecard.warehouse.faults import as_problem
from scorecard.warehouse.gates import failed_checks
from scorecard.warehouse.planning import known_shape
from scorecard.warehouse.quoting import incoming_table, live_table, quote
from scorecard.warehouse.records import Counts, Memory, read_memory, write_memory
from scorecard.warehouse.shaping import MOVED, Plan
from scorecard.warehouse.staging import Staging
from scorecard.warehouse.views import is_view
from scorecard.warehouse.watermarks import newest_cursor, remembered

FAULTS = (SourceFailed, ScorecardError, duckdb.Error, pa.ArrowException, OSError, MemoryError)
"""What a source, a disk or the rows may do to a load; anything else is a fault of the program and is raised."""


class Writing(Protocol):
    """Gives the one writer's place for as long as the context lasts."""

    def __call__(self) -> AbstractContextManager[None]: ...


@dataclass(slots=True)
class Result:
    """What a load came to. ``outcome``: ok, unchanged or failed (``held`` comes with holds)."""

    outcome: str
    counts: Counts
    touched: Touched = NOTHING
    problems: tuple[Problem, ...] = ()
    generation: int = 0


class Publishing:
    """One load on a cursor of its own; ``finish`` writes its record within the same transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, order: LoadOrder, writing: Writing) -> None:
        self.cursor = cursor
        self.order = order
        self.source: Source = order.source
        self.writing = writing
        self.counts = Counts()
        self.memory: Memory | None = None
        self.narrowed = False

    def run(self, batches: Iterable[Batch], finish: FinishLoad) -> Result:
        """The whole load. A fault of the source, the rows or the disk is its result; nothing is half done."""
        try:
            return self._run(batches, finish)
        except FAULTS as fault:
            problems = tuple(faults_of(fault, self.source))
        finally:
            self._tidy()
        generation = 0 if self.memory is None else self.memory.standing.generation
        result = Result("failed", self.counts, problems=problems, generation=generation)
        result.counts.loaded = result.counts.removed = 0
        return result

    def _run(self, batches: Iterable[Batch], finish: FinishLoad) -> Result:
        cursor = self.cursor
        self.memory = read_memory(cursor, self.source.name)
        columns = live_columns(cursor, self.source.name)
        looked_at = columns is not None and is_view(cursor, self.source.name)
        if columns is None or looked_at:
            self.memory = columns = None
        whole = columns is None or self.source.mode == "replace" or (self.order.full and self._retyped(columns))
        prepared = incoming_table(self.source.name) if whole else "temp._incoming"
        tables = Tables(live_table(self.source.name), prepared, columns)
        axes = self.order.axes if whole else self._all_axes(columns or {})
        staging = Staging(cursor, self.order, self.memory, prepared, temporary=not whole, axes=axes)
        self.counts = staging.counts
        staging.take(batches)
        if not staging.sent and (staging.untold or self.counts.unchanged) and self.memory is not None:
            return self._renew(staging, finish)
        plan = staging.sort_out()
        if self.source.mode == "replace":
            staging.add_unchanged_files(plan)
        self._drop_duplicates(prepared, plan, staging)
        newest = newest_cursor(cursor, prepared, self.source, plan)
        with self.writing():
            cursor.execute("BEGIN TRANSACTION")
            if looked_at:  # the source was an external table before
                cursor.execute(f"DROP VIEW {tables.live}")
            tables = self._without(tables, staging.gone - set(plan.names), whole)
            plan = plan if whole else self._with_late_axes(tables, plan)
            said = take_deleted(cursor, prepared, self.source, plan) if self.source.deleted else 0
            change = self._apply(tables, plan, whole, said)
            return self._publish(staging, plan, change, newest, whole, finish)

    # -- before the transaction --------------------------------------------------------------------------------

    def _retyped(self, columns: dict[str, str]) -> bool:
        shapes = [known_shape(self.source, self.memory, name) for name in columns if not name.startswith("_")]
        return any(shape is not None and shape.type != columns[shape.name] for shape in shapes)

    def _all_axes(self, columns: dict[str, str]) -> tuple[str, ...]:
        """Axes asked for, and those that the live table has from before: new rows need their days as well."""
        held = [name.removeprefix(DAY_PREFIX) for name in columns if name.startswith(DAY_PREFIX)]
        return tuple(dict.fromkeys([*self.order.axes, *held]))

    def _drop_duplicates(self, prepared: str, plan: Plan, staging: Staging) -> None:
        if not self.source.key or (staging.rising.holds and not staging.carried):
            return
        by = self.source.cursor.column if self.source.cursor is not None else None
        gone = drop_duplicates(self.cursor, prepared, self.source.key, by if by in plan.names else None)
        self.counts.duplicate += gone
        if gone and staging.carried:
            left = one(self.cursor, f"SELECT count(*) FROM {prepared} WHERE {MOVED} IS NULL")
            self.counts.unchanged -= staging.carried - left

    # -- within it ---------------------------------------------------------------------------------------------

    def _without(self, tables: Tables, gone: set[str], whole: bool) -> Tables:
        """The live table without columns that are gone for good, and their reporting days."""
        dropped = {*gone, *(day_column(name) for name in gone)} & set(tables.columns or {})
        if not dropped or whole:
            return tables
        for name in sorted(dropped):
            self.cursor.execute(f"ALTER TABLE {tables.live} DROP COLUMN {quote(name)}")
        self.narrowed = True
        return replace(tables, columns={n: t for n, t in (tables.columns or {}).items() if n not in dropped})

    def _with_late_axes(self, tables: Tables, plan: Plan) -> Plan:
        """Axes that the live table was given while this load was still pulling: its rows need those days, too."""
        columns = live_columns(self.cursor, self.source.name) or {}
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
            return swap_in(cursor, self.source.name, tables, plan, self.counts, self.source.mode == "replace")
        fitted = fit_live(cursor, self.source.name, tables, plan)
        fitted |= self._fit_days(plan) or self.narrowed
        if self.source.mode == "append":
            by = self.source.cursor.column if self.source.cursor is not None else None
            change = append(cursor, tables, plan, by, self.counts)
        else:
            change = upsert(cursor, tables, plan, self.source.key, self.counts, order.full, said)
        if fitted:
            change.touched, change.same = Touched(everything=True), False
        return change

    def _fit_days(self, plan: Plan) -> bool:
        columns = live_columns(self.cursor, self.source.name) or {}
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

    def _publish(
        self, staging: Staging, plan: Plan, change: Change, newest: object, whole: bool, finish: FinishLoad
    ) -> Result:
        """Checks, standing and record, and the commit. A check that fails leaves everything as it was."""
        before = self.memory
        rows_before = None if before is None else before.standing.rows
        problems = failed_checks(self.cursor, self.source, rows_before, frozenset(plan.names))
        if problems:
            raise ScorecardError(*problems)
        memory = remembered(self.cursor, self.order, before, plan, change, staging.state, newest)
        memory = replace(memory, optional=self._optional(staging, plan, whole), open=self._open(staging, before))
        write_memory(self.cursor, memory)
        outcome = "unchanged" if change.same and before is not None else "ok"
        touched = NOTHING if outcome == "unchanged" else change.touched
        result = Result(
            outcome,
            self.counts,
            touched,
            (*self.counts.warnings, *self._axis_warnings(plan)),
            memory.standing.generation,
        )
        finish(result)
        self.cursor.execute("COMMIT")
        return result

    def _optional(self, staging: Staging, plan: Plan, whole: bool) -> frozenset[str]:
        """Columns that some batch did without. One that comes later to a table fed file by file is one, too."""
        names = frozenset(plan.names)
        here = names - (staging.in_every_batch or frozenset())
        if whole or self.memory is None:
            return here if staging.in_every_batch is not None else frozenset()
        if self.source.kind == "http":
            return self.memory.optional | here
        added = names - frozenset(self.memory.standing.columns)
        return (self.memory.optional & names) | (added if staging.from_files else added & here)

    def _open(self, staging: Staging, before: Memory | None) -> frozenset[str]:
        if before is None:
            return frozenset(staging.planner.open)
        held = frozenset(before.standing.columns)
        return frozenset(staging.planner.open & (before.open | (staging.planner.open - held)))

    def _axis_warnings(self, plan: Plan) -> list[Problem]:
        said = []
        for shape in plan.shapes:
            if shape.name in self.order.axes and shape.name not in plan.axes:
                hint = f"declare it: columns: {{{shape.name}: {{type: timestamp, format: ...}}}}"
                message = f"{self.source.name}: column '{shape.name}' is used as a time, but holds {shape.kind}"
                said.append(Problem(message, self.source.place, hint, "warning"))
        return said

    def _renew(self, staging: Staging, finish: FinishLoad) -> Result:
        """Nothing was sent because nothing changed: the age is new, and axes that came since get their days."""
        memory = self.memory
        if memory is None:  # a table that was never loaded cannot be unchanged
            return Result("failed", self.counts)
        if staging.untold and self.source.mode == "replace" and not self.counts.unchanged:
            self.counts.read = self.counts.unchanged = memory.standing.rows
        staging.planner.settle([])
        plan = staging.planner.plan()
        self.counts.settled = staging.settled()
        with self.writing():
            self.cursor.execute("BEGIN TRANSACTION")
            fitted = self._fit_days(replace(plan, axes=tuple(a for a in plan.axes if a in memory.standing.columns)))
            touched = Touched(everything=True) if fitted else NOTHING
            change = Change(touched, same=not fitted, rows=memory.standing.rows)
            fresh = remembered(
                self.cursor, self.order, memory, plan, change, staging.state or memory.standing.state, None
            )
            write_memory(self.cursor, replace(fresh, optional=memory.optional, open=memory.open))
            result = Result("unchanged", self.counts, touched, tuple(self.counts.warnings), fresh.standing.generation)
            finish(result)
            self.cursor.execute("COMMIT")
        return result

    def _tidy(self) -> None:
        """Whatever happened, no transaction and no prepared table stays behind."""
        for statement in ("ROLLBACK", f"DROP TABLE IF EXISTS {incoming_table(self.source.name)}"):
            try:
                self.cursor.execute(statement)
            except duckdb.Error:
                # No transaction is open, or the disk is full: the next load or start removes the table.
                continue


class FinishLoad(Protocol):
    """Writes the load's record on the load's cursor."""

    def __call__(self, result: Result) -> None: ...


def faults_of(fault: BaseException, source: Source) -> list[Problem]:
    """The fault as problems, the source's secrets taken out."""
    if isinstance(fault, ScorecardError):
        found = list(fault.problems)
    elif isinstance(fault, SourceFailed):
        place = Place(fault.place) if fault.place else source.place
        found = [Problem(f"{source.name}: {fault.message}", place, fault.hint)]
    else:
        problem = as_problem(fault)
        found = [Problem(f"{source.name}: {problem.message}", source.place, problem.hint)]
    return [
        Problem(redacted(p.message, source), p.place, p.hint and redacted(p.hint, source), p.severity) for p in found
    ]


def redacted(text: str, source: Source) -> str:
    """The text without the values of ``${NAME}``."""
    for secret in sorted(source.secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) >= 4 else text
    return text
