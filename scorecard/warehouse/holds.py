"""What a person decides of loads that wait, and of generations; each decision is one transaction, done or not done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace

import duckdb

from scorecard.ground.clock import Clock
from scorecard.ground.errors import Conflict, NotFound, Problem, ScorecardError
from scorecard.warehouse.changes import live_columns
from scorecard.warehouse.decisions import (
    PINNED,
    REJECTED,
    mark,
    mark_said,
    marked,
    overtaken,
    supersede,
    told,
    unmark,
    unsaid,
    write_decision,
)
from scorecard.warehouse.engine import Decision, Kept, Load, LoadOrder, Touched, Waiting
from scorecard.warehouse.generations import NEVER, Keeping
from scorecard.warehouse.publication import Publication, Result
from scorecard.warehouse.quarantine import write_quarantine
from scorecard.warehouse.recalled import Recalled
from scorecard.warehouse.records import (
    Memory,
    aware,
    read_load,
    read_memory,
    with_counts,
    write_load,
    write_memory,
)
from scorecard.warehouse.restoring import put_back
from scorecard.warehouse.staged import Parked, all_parked, drop, parked_of
from scorecard.warehouse.views import is_view

Cursors = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the warehouse lends: cursors to read with and to write with, the one writer's place, the lock of a source."""

    reading: Cursors
    cursor: Cursors
    writing: Callable[[], AbstractContextManager[None]]
    source_lock: Callable[[str], AbstractContextManager[None]]
    said: Callable[[duckdb.Error], ScorecardError]
    next_id: Callable[[], int]


class DuckHolds:
    """``engine.Holds`` on the warehouse's own tables."""

    def __init__(self, rooms: Rooms, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock
        self._waiting_now, self._pinned_now = Recalled(self._read_waiting), Recalled(self._read_pinned)

    # -- looking -----------------------------------------------------------------------------------------------

    def waiting(self) -> tuple[Waiting, ...]:
        """Held loads nobody has decided on, at most one a source; oldest first."""
        return self._waiting_now.get()

    def forget(self) -> None:
        """A person has decided."""
        self._waiting_now.forget()
        self._pinned_now.forget()

    def forget_waiting(self, source: str, load: Load | None) -> None:
        """A load of a source has ended (None: in a fault): it may wait now, or be in the place of one that did."""
        known = self._waiting_now.known
        if load is None or load.outcome == "held" or known is None or any(one.load.source == source for one in known):
            self._waiting_now.forget()

    def _read_waiting(self) -> tuple[Waiting, ...]:
        with self._rooms.reading() as cursor:
            found = []
            for parked in all_parked(cursor):
                load = read_load(cursor, parked.load)
                if load is not None and load.outcome == "held":
                    (load,) = told(cursor, [load])
                    staged, before = parked.staged, overtaken(cursor, load.id)
                    more = staged.state, staged.definition, before
                    found.append(Waiting(load, staged.at, staged.touched, staged.base, staged.rows, *more))
            return tuple(found)

    def load(self, number: int) -> Load | None:
        """One finished load, with what was decided of it."""
        with self._rooms.reading() as cursor:
            found = read_load(cursor, number)
            return None if found is None else told(cursor, [found])[0]

    def kept(self, source: str) -> tuple[Kept, ...]:
        """Earlier generations, newest first."""
        with self._rooms.reading() as cursor:
            rows = cursor.execute(
                "SELECT generation, loaded_at, until, rows, changes, size FROM _loads.generations WHERE source = ? "
                "ORDER BY generation DESC",
                [source],
            ).fetchall()
            oldest = rows[-1][0] if rows else NEVER
            loads = dict(  # in a join they would cost several times as much
                cursor.execute(
                    "SELECT generation, min(id) FROM _loads.history WHERE source = ? AND outcome = 'ok' AND generation >= ? "
                    "GROUP BY generation",
                    [source, oldest],
                ).fetchall()
            )
        return tuple(
            Kept(source, generation, loads.get(generation), aware(loaded), until, count, changes, size)
            for generation, loaded, until_, count, changes, size in rows
            if (until := aware(until_)) is not None
        )

    def pinned(self) -> Mapping[str, Decision]:
        """Source → the rollback after which its loads wait for a person."""
        return self._pinned_now.get()

    def _read_pinned(self) -> Mapping[str, Decision]:
        with self._rooms.reading() as cursor:
            return {source: decision for source, (decision, _) in marked(cursor, PINNED).items()}

    def rejected(self) -> Mapping[str, Decision]:
        """Source → the rejection of rows that are not staged again by the schedule."""
        with self._rooms.reading() as cursor:
            return {source: decision for source, (decision, _) in marked(cursor, REJECTED).items()}

    # -- deciding ----------------------------------------------------------------------------------------------

    def approve(self, order: LoadOrder, decision: Decision) -> tuple[Load, Touched]:
        """Publishes exactly the rows that were held. Conflict where that load does not wait, or no longer fits."""
        began = self._clock.steady()
        with self._rooms.source_lock(decision.source), self._rooms.cursor() as cursor:
            load, parked = self._waiting(cursor, decision)
            done: list[Load] = []

            def finish(result: Result) -> None:
                warned = [replace(p, severity="warning") for p in load.problems]
                taken = load.seconds + self._clock.steady() - began
                fresh = replace(
                    load,
                    outcome=result.outcome,
                    generation=result.generation,
                    finished_at=self._clock.now(),
                    seconds=taken,
                    problems=(*warned, *(p for p in result.problems if p.severity == "warning")),
                    decision=decision,
                    **with_counts(result.counts),
                )
                write_load(cursor, fresh)
                write_quarantine(cursor, fresh, (), result.counts.settled)
                cursor.execute("UPDATE _loads.quarantine SET gone_by = NULL WHERE load = ?", [fresh.id])
                write_decision(cursor, decision)
                for kind in (PINNED, REJECTED):
                    unmark(cursor, kind, decision.source)
                done.append(fresh)

            try:
                result = Publication(cursor, order, self._rooms.writing, load.id).publish_parked(parked, finish)
            except duckdb.Error as error:
                raise self._rooms.said(error) from error
            return done[0], result.touched

    def reject(self, decision: Decision) -> Load:
        """Drops the held rows. Conflict where that load does not wait."""
        with self._rooms.source_lock(decision.source), self._rooms.cursor() as cursor:
            load, parked = self._waiting(cursor, decision)
            fresh = replace(load, outcome="rejected", decision=decision)
            with self._transaction(cursor):
                drop(cursor, decision.source)
                write_load(cursor, fresh)
                write_decision(cursor, decision)
                mark(cursor, REJECTED, decision, parked.fingerprint)
            return fresh

    def roll_back(self, order: LoadOrder, decision: Decision) -> tuple[Load, Touched]:
        """An earlier generation as a new one: that of the load ``decision.to``, by default the one before."""
        began, name = self._clock.steady(), order.source.name
        with self._rooms.source_lock(name), self._rooms.cursor() as cursor:
            memory = read_memory(cursor, name)
            if is_view(cursor, name):
                raise Conflict(Problem(f"{name} is looked at where it lies, so there is nothing to put back"))
            if memory is None or live_columns(cursor, name) is None:
                raise Conflict(Problem(f"{name} was never loaded, so there is nothing to go back to"))
            to, goal = self._goal(cursor, memory, decision)
            decision = replace(decision, load=self._rooms.next_id(), to=goal)
            with self._transaction(cursor):
                keeping = Keeping(cursor, order.source, memory, order.now)
                fresh, change = put_back(cursor, order.source, memory, to, keeping)
                write_memory(cursor, fresh)
                keeping.finish()
                self._drop_waiting(cursor, decision)
                moment = self._clock.now()
                load = Load(
                    decision.load, name, "ok", "rollback", order.now, moment, fresh.standing.generation,
                    seconds=self._clock.steady() - began, decision=decision,
                )  # fmt: skip
                write_load(cursor, load)
                write_decision(cursor, decision)
                mark(cursor, PINNED, decision)
            return load, change.touched

    # -- what the journal has ----------------------------------------------------------------------------------

    def unsaid(self) -> tuple[Decision, ...]:
        """People's decisions of which nobody has said yet that the journal has them."""
        with self._rooms.reading() as cursor:
            return unsaid(cursor)

    def said(self, decision: Decision) -> None:
        """The journal has it."""
        with self._rooms.cursor() as cursor, self._transaction(cursor):
            mark_said(cursor, decision)

    # -- the parts ---------------------------------------------------------------------------------------------

    def _waiting(self, cursor: duckdb.DuckDBPyConnection, decision: Decision) -> tuple[Load, Parked]:
        parked = parked_of(cursor, decision.source)
        load = read_load(cursor, decision.load)
        if load is None:
            raise NotFound(Problem(f"there is no load {decision.load}", hint="`scorecard loads` lists them"))
        if parked is not None and parked.load == load.id and load.outcome == "held":
            return load, parked
        (load,) = told(cursor, [load])
        raise Conflict(does_not_wait(load, parked))

    def _goal(self, cursor: duckdb.DuckDBPyConnection, memory: Memory, decision: Decision) -> tuple[int, int | None]:
        """(the generation to go back to, the load that published it)."""
        name, current = decision.source, memory.standing.generation
        if decision.to is None:
            published = [kept.load for kept in self.kept(name) if kept.generation == current - 1]
            return current - 1, published[0] if published else None
        load = read_load(cursor, decision.to)
        if load is None or load.source != name:
            raise NotFound(Problem(f"{name} has no load {decision.to}", hint=f"see `scorecard loads {name}`"))
        if load.outcome not in {"ok", "unchanged"}:
            raise Conflict(Problem(f"load {load.id} of {name} was never published: it is {load.outcome}"))
        if load.generation == current:
            raise Conflict(Problem(f"{name} is what load {load.id} made it already"))
        return load.generation, load.id

    def _drop_waiting(self, cursor: duckdb.DuckDBPyConnection, decision: Decision) -> None:
        """What waits was staged for the generation that is taken back: the source is pulled again."""
        parked = parked_of(cursor, decision.source)
        if parked is None:
            return
        drop(cursor, decision.source)
        supersede(cursor, decision.source, parked.load, decision.load, decision.at)

    @contextmanager
    def _transaction(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """All of it or nothing; DuckDB's errors leave it as problems."""
        with self._rooms.writing():
            ended = False
            try:
                cursor.execute("BEGIN TRANSACTION")
                yield
                cursor.execute("COMMIT")
                ended = True
            except duckdb.Error as error:
                raise self._rooms.said(error) from error
            finally:
                if not ended:
                    with suppress(duckdb.Error):
                        cursor.execute("ROLLBACK")


def does_not_wait(load: Load, parked: Parked | None) -> Problem:
    """What became of it, and what waits instead."""
    decision, name = load.decision, load.source
    said = f"load {load.id} of {name} does not wait: it is {load.outcome}"
    if decision is not None and decision.what == "supersede":
        said = f"load {load.id} of {name} does not wait: load {decision.to} is newer"
    elif decision is not None:
        said = f"load {load.id} of {name} does not wait: {decision.by} has decided on it ({decision.what})"
    elif load.outcome == "held" and parked is not None and parked.load < load.id:
        said = f"load {load.id} of {name} brought the same rows as load {parked.load}, which waits"
    hint = (
        f"nothing of {name} waits" if parked is None else f"load {parked.load} waits: look at it, then decide on that"
    )
    return Problem(said, hint=hint)
