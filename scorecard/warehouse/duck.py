"""The warehouse on DuckDB: one file, one writer, a cursor for every call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl

from connectors.contract import Batch
from scorecard.ground.clock import Clock
from scorecard.ground.errors import Problem, ScorecardError, Unavailable
from scorecard.warehouse import decisions, generations, staged
from scorecard.warehouse.answers import answer
from scorecard.warehouse.asides import Asides
from scorecard.warehouse.axes import are_ready, make_ready
from scorecard.warehouse.copying import copy_file
from scorecard.warehouse.engine import NOTHING, Holds, Load, LoadOrder, Quarantine, Standing, Touched
from scorecard.warehouse.faults import as_error, first_lines, is_damage
from scorecard.warehouse.gates import not_one_select
from scorecard.warehouse.history import PRUNED_EVERY, mark_ended, prune, read_latest, read_loads, read_recent
from scorecard.warehouse.holds import DuckHolds, Rooms
from scorecard.warehouse.limits import limited
from scorecard.warehouse.loads import Publishing, faults_of
from scorecard.warehouse.looking import Looking
from scorecard.warehouse.newest import lost_loads, note_newest
from scorecard.warehouse.opening import DAMAGED_MARK, open_file
from scorecard.warehouse.publication import Result, failure_of
from scorecard.warehouse.quoting import INCOMING_PREFIX, live_table, quote
from scorecard.warehouse.records import STANDING, TABLES, load_of, read_memory, standing_of, with_counts, write_load
from scorecard.warehouse.remembering import Remembered
from scorecard.warehouse.trial import Trial

QUERY_SECONDS = 60.0


class DuckWarehouse:
    """The Engine on a DuckDB file. ``notices``: what was found and mended when it was opened."""

    def __init__(self, folder: Path, clock: Clock, *, memory_limit: str, threads: int, query_seconds: float) -> None:
        self.notices: tuple[Problem, ...] = ()
        self.folder = folder
        self.clock = clock
        self.query_seconds = query_seconds
        self._memory_limit = memory_limit
        self._threads = threads
        self._writer = threading.RLock()
        self._loading: dict[str, threading.Lock] = {}
        self._unwritten: list[Load] = []
        self._lost = False
        self._aside = Asides(self._reading)
        self._next_id = 1
        self._standings, self._latest = Remembered(standing_of), Remembered(load_of)
        self._connection = self._connect()
        rooms = Rooms(self._reading, self._cursor, self._deciding, self._source_lock, self._said, self._take_id)
        self._holds = DuckHolds(rooms, clock)

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        *,
        memory_limit: str = "2GB",
        threads: int = 2,
        query_seconds: float = QUERY_SECONDS,
    ) -> Self:
        """The folder's warehouse, made where there is none. Unavailable: another process has it, or no rights."""
        return cls(folder, clock, memory_limit=memory_limit, threads=threads, query_seconds=query_seconds)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection, notices = open_file(
            self.folder, self.clock.now(), memory_limit=self._memory_limit, threads=self._threads
        )
        self.notices += notices
        try:
            self._prepare(connection)
        except duckdb.Error as error:
            connection.close()
            raise self._said(error) from error
        return connection

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """The record tables; what a killed process left behind is said and removed."""
        cursor = connection.cursor()
        for statement in (*TABLES, *decisions.TABLES, generations.TABLE, staged.TABLE):
            cursor.execute(statement)
        mark_ended(cursor, self.clock.now())
        left = cursor.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
        for (name,) in left:
            if name.startswith(INCOMING_PREFIX):
                cursor.execute(f"DROP TABLE main.{quote(name)}")
        staged.clear_left(cursor)
        row = cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM _loads.history").fetchone()
        self._next_id = max(self._next_id, 1 if row is None else int(row[0]))
        self.notices += lost_loads(self.folder, self._next_id - 1)
        cursor.close()

    # -- loading -----------------------------------------------------------------------------------------------

    def load(self, order: LoadOrder, batches: Iterable[Batch]) -> tuple[Load, Touched]:
        """Stage, check, publish in one transaction. Never raises for a source's fault: the Load says failed."""
        began = self.clock.steady()
        with self._source_lock(order.source.name), self._begun(order) as running, self._cursor() as cursor:
            done: list[Load] = []
            aside: list[bool] = []

            def finish(result: Result) -> None:
                done.append(self._finished(running, result, self.clock.steady() - began))
                aside.append(self._record(cursor, done[-1], result))

            taking = Looking if order.source.kind == "external" else Publishing
            result = taking(cursor, order, self._writing, running.id).run(batches, finish)
            if result.outcome == "failed":
                load = self._finished(running, result, self.clock.steady() - began)
                self._keep(load, result)
                return load, NOTHING
            note_newest(self.folder, done[-1].id)
            if any(aside):
                self._aside.forget()
            return done[-1], result.touched

    def record_failure(self, order: LoadOrder, problem: Problem) -> Load:
        """A pull that gave nothing: kept in the run history; changes nothing else."""
        standing = None
        with suppress(ScorecardError):
            standing = self.standing(order.source.name)
        problems = tuple(faults_of(ScorecardError(problem), order.source))
        load = failure_of(self._take_id(), order, self.clock.now(), standing, problems)
        self._keep(load, None)
        return load

    def _take_id(self) -> int:
        with self._writer:
            self._next_id += 1
            return self._next_id - 1

    @contextmanager
    def _begun(self, order: LoadOrder) -> Iterator[Load]:
        """The load's first record: a process that dies leaves it behind, and the next start says so."""
        started = order.started_at
        load = Load(self._take_id(), order.source.name, "running", order.cause, started, started, 0)
        try:
            with self._writing(), self._cursor() as cursor:
                write_load(cursor, load)
        except duckdb.Error as error:
            # A full disk may refuse even this; the load itself then fails with the reason.
            self._lost |= isinstance(error, duckdb.FatalException)
        ended = False
        try:
            yield load
            ended = True
        finally:
            if not ended:  # a fault of the program: whoever catches it writes the failure
                with suppress(duckdb.Error, ScorecardError), self._writing(), self._cursor() as cursor:
                    cursor.execute("DELETE FROM _loads.history WHERE id = ? AND outcome = 'running'", [load.id])

    def _finished(self, running: Load, result: Result, seconds: float) -> Load:
        warnings = tuple(result.counts.warnings) if result.outcome in {"failed", "held"} else ()
        return replace(
            running,
            outcome=result.outcome,
            finished_at=self.clock.now(),
            generation=result.generation,
            seconds=seconds,
            problems=(*result.problems, *warnings),
            moves=result.moves,
            **with_counts(result.counts),
        )

    def _record(self, cursor: duckdb.DuckDBPyConnection, load: Load, result: Result | None) -> bool:
        """True where rows were put aside, or are no longer."""
        write_load(cursor, load)
        if load.id % PRUNED_EVERY == 0:
            prune(cursor, load.finished_at)
        return result is not None and self._aside.write(cursor, load, result.counts)

    def _keep(self, load: Load, result: Result | None) -> None:
        """A failure's record in a transaction of its own; kept in memory while the disk refuses it."""
        try:
            with self._writing(), self._cursor() as cursor:
                cursor.execute("BEGIN TRANSACTION")
                for missed in self._unwritten:
                    write_load(cursor, missed)
                aside = self._record(cursor, load, result)
                cursor.execute("COMMIT")
                self._unwritten.clear()
                if aside:
                    self._aside.forget()
        except (duckdb.Error, ScorecardError) as error:
            self._lost |= isinstance(error, duckdb.FatalException)
            self._unwritten = [*self._unwritten, load][-200:]

    # -- looking -----------------------------------------------------------------------------------------------

    def standing(self, source: str) -> Standing | None:
        """None: never loaded."""
        with self._reading() as cursor:
            memory = read_memory(cursor, source)
        return None if memory is None else memory.standing

    def standings(self) -> Mapping[str, Standing]:
        """Of every source that was ever loaded."""
        with self._reading() as cursor:
            rows = cursor.execute(STANDING).fetchall()
        return {standing.source: standing for standing in self._standings.of(rows)}

    def latest(self) -> Mapping[str, Load]:
        """Source → its newest finished load."""
        with self._reading() as cursor:
            written = decisions.told(cursor, read_latest(cursor, self._latest))
        return {load.source: load for load in sorted([*written, *self._unwritten], key=lambda load: load.id)}

    def loads(self, source: str | None = None, limit: int = 100, outcome: str | None = None) -> tuple[Load, ...]:
        """The run history, newest first."""
        with self._reading() as cursor:
            written = decisions.told(cursor, read_loads(cursor, source, limit, outcome))
        missed = [x for x in self._unwritten if source in (None, x.source) and outcome in (None, x.outcome)]
        return tuple(sorted([*written, *missed], key=lambda load: -load.id)[:limit])

    def recent_loads(self, each: int = 100) -> tuple[Load, ...]:
        """The newest loads of every source, and all since its last good one; oldest first."""
        with self._reading() as cursor:
            return read_recent(cursor, each)

    def quarantine(self, source: str, limit: int = 100) -> pl.DataFrame:
        """Rows put aside, newest load first: columns load, file, line, reason, text, column_name, value, missing."""
        return self.query(
            "SELECT load, file, line, reason, text, column_name, value, gone_by IS NULL AS missing "
            "FROM _loads.quarantine WHERE source = ? ORDER BY load DESC, file, line LIMIT ?",
            [source, limit],
        )

    def quarantines(self, failed: Sequence[int] = ()) -> Mapping[str, Quarantine]:
        """Per source the rows that its table lacks, and those for which one of the ``failed`` loads failed."""
        return self._aside.known(tuple(failed))

    def table(self, source: str) -> str:
        """The quoted, qualified name of the live table, for SELECTs."""
        return live_table(source)

    def query(self, sql: str, parameters: Sequence[Any] = (), *, many: bool = False) -> pl.DataFrame:
        """One SELECT on a cursor of its own, read-only and within the time limit. Refused: DuckDB's complaint."""
        with self._reading() as cursor, limited(cursor, self.query_seconds):
            return answer(cursor, sql, parameters, many=many)

    def check_sql(self, sql: str) -> str | None:
        """Why this is not a SELECT that the tables can answer, in DuckDB's words; None where it is."""
        with self._reading() as cursor:
            complaint = not_one_select(cursor, sql)
            if complaint is not None:
                return complaint
            try:
                cursor.execute(f"EXPLAIN {sql}").fetchall()
            except duckdb.Error as error:
                return first_lines(error)
        return None

    @property
    def holds(self) -> Holds:
        """Loads that wait for a person, and earlier generations."""
        return self._holds

    # -- writing -----------------------------------------------------------------------------------------------

    def write(
        self, statements: Sequence[tuple[str, Sequence[Any]]], frames: Mapping[str, pl.DataFrame] | None = None
    ) -> None:
        """Statements in one transaction through the one writer; ``frames`` can be read as tables by their names."""
        with self._writing(), self._cursor() as cursor:
            try:
                for name, frame in (frames or {}).items():
                    cursor.register(name, frame.to_arrow())
                cursor.execute("BEGIN TRANSACTION")
                for sql, parameters in statements:
                    cursor.execute(sql, list(parameters) if parameters else None)
                cursor.execute("COMMIT")
            except duckdb.Error as error:
                raise self._said(error) from error

    def prepare_axes(self, source: str, axes: Sequence[str], timezone: str) -> bool:
        """Reporting days for axes that came since the last load, or in another zone, without loading. True: days are new.

        Does not wait for a load of the source that is still pulling.
        """
        with self._reading() as cursor:
            if are_ready(cursor, source, axes, timezone):
                return False
        with self._writing(), self._cursor() as cursor:
            try:
                return make_ready(cursor, source, axes, timezone, self.clock.now())
            except duckdb.Error as error:
                raise self._said(error) from error

    @contextmanager
    def trial(self) -> Iterator[Trial]:
        """The same rows for other definitions: what is written there is seen there only, and gone afterwards."""
        aside = Trial(self, self._cursor, self._said, self.query_seconds)
        try:
            yield aside
        finally:
            aside.close()

    def checkpoint(self) -> bool:
        """The log into the file. False where a load in progress does not let it; the next one will."""
        with self._writing(), self._cursor() as cursor:
            try:
                cursor.execute("CHECKPOINT")
            except duckdb.TransactionException:
                return False
            except duckdb.Error as error:
                raise self._said(error) from error
        return True

    def copy_to(self, folder: Path, beside: Callable[[], None]) -> None:
        """The file as of one moment, into a folder; ``beside`` copies in that same moment what must agree with it.

        Loads wait for it to publish, readers do not. Raises OSError, and Unavailable where the copy is not whole.
        """
        with self._writing(), self._cursor() as cursor:
            try:
                copy_file(cursor, self.folder, folder)
            except duckdb.Error as error:
                raise self._said(error) from error
            beside()

    def close(self) -> None:
        """Waits for the writer, then gives the file free."""
        with self._writer:
            self._connection.close()

    # -- cursors and locks -------------------------------------------------------------------------------------

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one call: a connection shared by threads gives other threads' rows."""
        if self._lost:
            self._open_again()
        try:
            cursor = self._connection.cursor()
        except duckdb.Error as error:
            raise Unavailable(Problem("the warehouse is closed", hint="open it again")) from error
        try:
            yield cursor
        finally:
            cursor.close()

    def _open_again(self) -> None:
        """After a fault of the disk DuckDB refuses everything until it is opened anew; what was committed is there."""
        with self._writer:
            if self._lost:
                self._connection.close()
                self._connection = self._connect()
                self._lost = False

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a read-only transaction; DuckDB's errors leave it as problems."""
        with self._cursor() as cursor:
            try:
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                yield cursor
            except duckdb.Error as error:
                raise self._said(error) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._writer:
            yield

    @contextmanager
    def _deciding(self) -> Iterator[None]:
        """For a person's decision, which may bring rows put aside with it."""
        with self._writing():
            yield
            self._aside.forget()

    @contextmanager
    def _source_lock(self, source: str) -> Iterator[None]:
        with self._writer:
            lock = self._loading.setdefault(source, threading.Lock())
        with lock:
            yield

    def _said(self, error: duckdb.Error) -> ScorecardError:
        """The error for people. A damaged file is marked, so that the next start sets it aside."""
        self._lost |= isinstance(error, duckdb.FatalException)
        if is_damage(error):
            with suppress(OSError):
                (self.folder / DAMAGED_MARK).write_text(first_lines(error), encoding="utf-8")
        return as_error(error)
