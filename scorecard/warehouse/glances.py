"""Loads of files that found nothing new: nearly all loads are such. They are told at once, and written down together.

What they leave is a row of the run history, a newer age of the source and what its connector remembers. A process that is killed
loses those of its last moments, and no row of any table: the files are looked at again when it starts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from connectors.contract import Batch, SourceFailed
from scorecard.ground.clock import Clock
from scorecard.warehouse.changes import described
from scorecard.warehouse.engine import Load, LoadOrder, Standing
from scorecard.warehouse.history import PRUNED_EVERY, prune
from scorecard.warehouse.newest import note_newest
from scorecard.warehouse.records import Memory, naive, read_memory, renewed, write_loads, write_memory
from scorecard.warehouse.staged import parked_of

APART_SECONDS = 1.0
"""Between two times that what waits is written down."""
MOST_WAITING = 1000
MOST_KEPT = 10_000
"""While the disk refuses them the oldest go: an age is newer than none, and a row of the history says less than the next."""
Reading = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A source seen to be the same at ``at``; ``state``: what its connector remembers now, empty where that is as before."""

    at: datetime
    generation: int
    state: Mapping[str, Any]

    def of(self, standing: Standing) -> Standing:
        """The standing with it, unless something newer is known."""
        before = standing.loaded_at
        if standing.generation != self.generation or (before is not None and before >= self.at):
            return standing
        return replace(standing, loaded_at=self.at, state=self.state or standing.state)


class Glances:
    """For any thread; a source is looked at by one at a time. ``forget`` is to be called after whatever else was written."""

    def __init__(self, folder: Path, reading: Reading, clock: Clock, next_id: Callable[[], int]) -> None:
        self._folder = folder
        self._reading = reading
        self._clock = clock
        self._next_id = next_id
        self._lock = threading.Lock()
        self._changes = 0
        self._memories: dict[str, Memory] = {}
        self._loads: dict[int, Load] = {}
        self._renewals: dict[str, Renewal] = {}
        self._written_at = float("-inf")

    # -- looking -----------------------------------------------------------------------------------------------

    def look(self, order: LoadOrder, batches: Iterable[Batch]) -> tuple[Load | None, Iterable[Batch]]:
        """The load, where the files are those of the last one; else None, and all batches for a load in the usual way."""
        began = self._clock.steady()
        memory = self._memory(order) if order.at_hand and not order.full and order.same_as is None else None
        if memory is None or not _holds(memory, order):
            return None, batches
        taken: list[Batch] = []
        rest = iter(batches)
        try:
            for batch in rest:
                taken.append(batch)
                if not _says_the_same(batch):
                    return None, chain(taken, rest)
        except SourceFailed as fault:
            return None, _failing(taken, fault)
        same = sum(batch.unchanged or 0 for batch in taken)
        if not same:
            return None, taken
        state = {name: value for batch in taken for name, value in batch.state.items()}
        load = self._load(order, memory.standing.generation, same, began)
        self._note(load, order, memory, {} if state == memory.standing.state else state)
        return load, ()

    def _memory(self, order: LoadOrder) -> Memory | None:
        """What is remembered of the source, where nothing of it waits for a person and its table is there."""
        name = order.source.name
        known = self._memories.get(name)
        if known is not None:
            return known
        changes = self._changes
        with self._reading() as cursor:
            memory = read_memory(cursor, name)
            if memory is None or parked_of(cursor, name) is not None or described(cursor, name) is None:
                return None
        renewal = self._renewals.get(name)
        if renewal is not None:
            memory = replace(memory, standing=renewal.of(memory.standing))
        with self._lock:
            if changes == self._changes:  # else something was written that this cursor may not have seen
                self._memories[name] = memory
        return memory

    def _load(self, order: LoadOrder, generation: int, same: int, began: float) -> Load:
        return Load(
            id=self._next_id(),
            source=order.source.name,
            outcome="unchanged",
            cause=order.cause,
            started_at=order.started_at,
            finished_at=self._clock.now(),
            generation=generation,
            read=same,
            unchanged=same,
            seconds=self._clock.steady() - began,
        )

    def _note(self, load: Load, order: LoadOrder, memory: Memory, state: Mapping[str, Any]) -> None:
        with self._lock:
            before = self._renewals.get(load.source)
            state = state or ({} if before is None else before.state)
            self._renewals[load.source] = Renewal(order.now, load.generation, state)
            self._loads[load.id] = load
            if len(self._loads) > MOST_KEPT:
                del self._loads[min(self._loads)]
            if load.source in self._memories:
                self._memories[load.source] = renewed(memory, order.now, state)

    # -- what is known -----------------------------------------------------------------------------------------

    def standing(self, source: str) -> Standing | None:
        """How the source stands, where that need not be asked; None: it must."""
        known = self._memories.get(source)
        return None if known is None else known.standing

    def waiting(self) -> tuple[Mapping[int, Load], Mapping[str, Renewal]]:
        """What is not written down yet. To be asked before the tables are: what is in both is the same."""
        with self._lock:
            return dict(self._loads), dict(self._renewals)

    def forget(self, source: str | None = None) -> None:
        """Something else was written of a source (None: of any) and is committed: what is known of it is read again."""
        with self._lock:
            self._changes += 1
            if source is None:
                self._memories.clear()
            else:
                self._memories.pop(source, None)

    # -- writing -----------------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether what waits should be written down now."""
        apart = self._clock.steady() - self._written_at
        return bool(self._loads) and (apart >= APART_SECONDS or len(self._loads) >= MOST_WAITING)

    def write(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Writes down what waits, in a transaction of its own, at the one writer's place.

        Raises duckdb.Error where it cannot be written: it goes on waiting.
        """
        loads, renewals = self.waiting()
        if not loads:
            return
        self._written_at = self._clock.steady()
        cursor.execute("BEGIN TRANSACTION")
        write_loads(cursor, list(loads.values()))
        cursor.execute(
            "UPDATE _loads.standing AS s SET loaded_at = r[2]::TIMESTAMP FROM (SELECT unnest(?::VARCHAR[][]) AS r) "
            "WHERE s.source = r[1] AND s.loaded_at < r[2]::TIMESTAMP",
            [[[source, str(naive(renewal.at))] for source, renewal in renewals.items()]],
        )
        for source, renewal in renewals.items():
            memory = read_memory(cursor, source) if renewal.state else None
            if memory is not None and memory.standing.generation == renewal.generation:
                write_memory(cursor, renewed(memory, memory.standing.loaded_at or renewal.at, renewal.state))
        if any(id_ % PRUNED_EVERY == 0 for id_ in loads):
            prune(cursor, self._clock.now())
        cursor.execute("COMMIT")
        with self._lock:
            self._loads = {id_: load for id_, load in self._loads.items() if id_ not in loads}
            for source, renewal in renewals.items():
                if self._renewals.get(source) is renewal:
                    del self._renewals[source]
        note_newest(self._folder, max(loads))


def _holds(memory: Memory, order: LoadOrder) -> bool:
    """Whether rows that stay the same leave all that is known of the table as it is: reporting days of all axes, and no time
    that lay ahead of the clock."""
    days = memory.standing.first_day
    dated = all(axis in days or axis not in memory.standing.columns for axis in order.axes)
    passed = order.source.time is None or (memory.newest is not None and memory.newest <= order.now)
    return memory.zone == order.timezone and dated and passed


def _says_the_same(batch: Batch) -> bool:
    """Of files that have not changed, or what is remembered of them."""
    if batch.scan is not None or batch.rejected or batch.remarks or batch.rows.schema.names:
        return False
    return bool(batch.unchanged) or (batch.file is None and bool(batch.state))


def _failing(taken: list[Batch], fault: SourceFailed) -> Iterator[Batch]:
    yield from taken
    raise fault
