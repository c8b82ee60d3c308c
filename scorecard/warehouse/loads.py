"""One load from its first batch to its record: stage, sort out, check, publish in one transaction or hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import duckdb
import pyarrow as pa

from connectors.contract import Batch, SourceFailed
from scorecard.book.model.source import Source
from scorecard.ground.errors import Place, Problem, Refused, ScorecardError
from scorecard.warehouse.changes import Change, described, drop_duplicates, one
from scorecard.warehouse.decisions import PINNED, REJECTED, marked, write_moves
from scorecard.warehouse.engine import NOTHING, Candidate, Touched
from scorecard.warehouse.faults import as_problem
from scorecard.warehouse.gates import doubts_of
from scorecard.warehouse.holdwords import (
    decided_meanwhile,
    moved_words,
    same_again,
    still_rejected,
    unweighed,
    waiting_words,
    waits_since,
)
from scorecard.warehouse.planning import known_shape
from scorecard.warehouse.publication import FinishLoad, Publication, Result
from scorecard.warehouse.quoting import incoming_table
from scorecard.warehouse.records import NOTHING_SETTLED, Memory, read_memory, without_types
from scorecard.warehouse.shaping import MOVED, Plan
from scorecard.warehouse.staged import (
    Staged,
    candidate_rows,
    fingerprint,
    held_table,
    park,
    parked_of,
    renew,
    take_keys,
)
from scorecard.warehouse.staging import Staging
from scorecard.warehouse.watermarks import definition_of, newest_cursor, remembered

FAULTS = (SourceFailed, ScorecardError, duckdb.Error, pa.ArrowException, OSError, MemoryError)
"""What a source, a disk or the rows may do to a load; anything else is a fault of the program and is raised."""


class Publishing(Publication):
    """One load from its batches on."""

    def run(self, batches: Iterable[Batch], finish: FinishLoad) -> Result:
        """The whole load. A fault of the source, the rows or the disk is its result; nothing is half done."""
        try:
            return self._run(batches, finish)
        except FAULTS as fault:
            problems = tuple(faults_of(fault, self.source))
        finally:
            self._tidy()
        generation = self.begun if self.memory is None else self.memory.standing.generation
        result = Result("failed", self.counts, problems=problems, generation=generation)
        result.counts.loaded = result.counts.removed = 0
        return result

    def _run(self, batches: Iterable[Batch], finish: FinishLoad) -> Result:
        cursor = self.cursor
        self.memory = read_memory(cursor, self.source.name)
        columns = self._look()
        whole = columns is None or self.source.mode == "replace" or (self.order.full and self._retyped(columns))
        self.beside = whole
        prepared = incoming_table(self.source.name) if whole else "temp._incoming"
        axes = self.order.axes if whole else self._all_axes(columns or {})
        staging = Staging(cursor, self.order, self.memory, prepared, temporary=not whole, axes=axes)
        self.counts = staging.counts
        staging.take(batches)
        if staging.same_as_before:
            if self.order.same_as is not None:
                return self._still_waits(self.order.same_as, finish)
            return self._renew(staging, finish)
        plan = staging.sort_out()
        if self.source.mode == "replace":
            staging.add_unchanged_files(plan)
        self._drop_duplicates(prepared, plan, staging)
        staged = Staged(
            plan=plan,
            whole=whole,
            full=self.order.full,
            newest=newest_cursor(cursor, prepared, self.source, plan),
            state=staging.state,
            optional=self._optional(staging, plan, whole),
            open=self._open(staging, self.memory),
            gone=frozenset(staging.gone - set(plan.names)),
            counts=replace(self.counts),
            at=self.order.now,
            base=0 if self.memory is None else self.memory.standing.generation,
            definition=definition_of(self.source, self.order.timezone),
        )
        return self._decide(staged, prepared, tuple(staging.doubts), finish)

    def _decide(self, staged: Staged, prepared: str, doubts: tuple[Problem, ...], finish: FinishLoad) -> Result:
        """Published, or held: where a gate says so, or where it would move a number too far."""
        with self.writing():
            self.cursor.execute("BEGIN TRANSACTION")
            change, memory = self._change(staged, prepared)
            whole, same = staged.whole or staged.full, change.same and self.memory is not None
            found = (*doubts, *doubts_of(self.cursor, self.source, self.memory, memory, whole=whole))
            pin = None if same else marked(self.cursor, PINNED).get(self.source.name)
            if pin is not None:
                found = (*found, waits_since(pin[0], self.source))
            if same:  # what is there already needs nobody's approval, but it is said
                self.counts.warnings += [replace(p, severity="warning") for p in found]
            if same or not (found or (self.order.weigh and self.memory is not None)):
                return self._publish(staged, change, memory, finish)
            self.cursor.execute("ROLLBACK")
        self.counts = replace(staged.counts)
        staged = replace(staged, rows=memory.standing.rows, touched=change.touched)
        return self._hold(staged, prepared, memory, found, finish)

    def _hold(
        self, staged: Staged, prepared: str, memory: Memory, found: tuple[Problem, ...], finish: FinishLoad
    ) -> Result:
        """Stages the rows for a person to decide on, or to be weighed first."""
        name = self.source.name
        mark = fingerprint(self.cursor, prepared, staged)
        rejected = marked(self.cursor, REJECTED).get(name)
        if rejected is not None and rejected[1] == mark and self.order.cause != "command":
            raise Refused(still_rejected(rejected[0], self.source))
        waiting = parked_of(self.cursor, name)
        result = Result("held", self.counts, problems=found, generation=staged.base)
        if waiting is not None and waiting.fingerprint == mark and waiting.staged.base == staged.base:
            with self.writing():
                self.cursor.execute("BEGIN TRANSACTION")
                renew(self.cursor, waiting, self.order.now)
                result.problems = (same_again(waiting.load, self.source),)
                finish(result)
                self.cursor.execute("COMMIT")
            return result
        with self.writing():
            self.cursor.execute("BEGIN TRANSACTION")
            result.superseded = self._supersede()
            park(self.cursor, name, self.load, prepared, staged, mark)
            if found:
                result.problems = waiting_words(found, self.load)
                finish(result)
            self.cursor.execute("COMMIT")
        return result if found else self._weigh(staged, memory, result, finish)

    def _still_waits(self, load: int, finish: FinishLoad) -> Result:
        """The source was asked whether it gives what waits already, and it does: none of it was read again."""
        with self.writing():
            self.cursor.execute("BEGIN TRANSACTION")
            waiting = parked_of(self.cursor, self.source.name)
            if waiting is None or waiting.load != load:
                raise Refused(decided_meanwhile(load, self.source))
            renew(self.cursor, waiting, self.order.now)
            self.counts = replace(waiting.staged.counts, settled=NOTHING_SETTLED)
            problems = (same_again(load, self.source),)
            result = Result("held", self.counts, problems=problems, generation=waiting.staged.base)
            finish(result)
            self.cursor.execute("COMMIT")
        return result

    def _weigh(self, staged: Staged, memory: Memory, held: Result, finish: FinishLoad) -> Result:
        """No gate minds it: does it move a published number too far? Meanwhile its rows are staged, and nothing waits."""
        weigh, name = self.order.weigh, self.source.name
        (database,) = self.cursor.execute("SELECT current_database()").fetchall()[0]
        rows = candidate_rows(self.source, staged, described(self.cursor, name) or {}, database)
        try:
            moves = () if weigh is None else tuple(weigh(Candidate(name, rows, memory.standing, staged.touched)))
            problems = moved_words(moves, self.source)
        except ScorecardError as fault:  # what cannot be weighed is not let in unseen
            moves, problems = (), unweighed(fault, self.source)
        with self.writing():
            self.cursor.execute("BEGIN TRANSACTION")
            if problems:
                held.moves, held.problems = moves, waiting_words(problems, self.load)
                write_moves(self.cursor, self.load, moves)
                finish(held)
                self.cursor.execute("COMMIT")
                return held
            take_keys(self.cursor, name, self.source.key)
            change, memory = self._change(staged, held_table(name))
            result = self._publish(staged, change, memory, finish)
            return replace(result, superseded=held.superseded)

    def _retyped(self, columns: dict[str, str]) -> bool:
        shapes = [known_shape(self.source, self.memory, name) for name in columns if not name.startswith("_")]
        return any(shape is not None and shape.type != columns[shape.name] for shape in shapes)

    def _drop_duplicates(self, prepared: str, plan: Plan, staging: Staging) -> None:
        if not self.source.key or (staging.distinct and not staging.carried):
            return
        by = self.source.cursor.column if self.source.cursor is not None else None
        gone = drop_duplicates(self.cursor, prepared, self.source.key, by if by in plan.names else None)
        self.counts.duplicate += gone
        if gone and staging.carried:
            left = one(self.cursor, f"SELECT count(*) FROM {prepared} WHERE {MOVED} IS NULL")
            self.counts.unchanged -= staging.carried - left

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
            shown = replace(plan, axes=tuple(a for a in plan.axes if a in memory.standing.columns))
            fitted = not self._dated(memory, shown) and self._fit_days(
                shown, described(self.cursor, self.source.name) or {}
            )
            touched = Touched(everything=True) if fitted else NOTHING
            change = Change(touched, same=not fitted, rows=memory.standing.rows)
            fresh = remembered(
                self.cursor, self.order, memory, shown, change, staging.state or memory.standing.state, None
            )
            self._remember(without_types(fresh, memory.optional, memory.open))
            result = Result("unchanged", self.counts, touched, tuple(self.counts.warnings), fresh.standing.generation)
            result.superseded = self._supersede()
            finish(result)
            self.cursor.execute("COMMIT")
        return result

    def _dated(self, memory: Memory, plan: Plan) -> bool:
        """Whether the table is known to have the reporting days of all axes."""
        return memory.zone == self.order.timezone and set(plan.axes) <= set(memory.standing.first_day)


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
