"""The warehouse on DuckDB: one file, one writer, a cursor for every call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from connectors.contract import Batch
from scorecard.ground.clock import Clock
from scorecard.ground.errors import Problem, ScorecardError, Unavailable
from scorecard.warehouse import decisions, generations, staged
from scorecard.warehouse.accounts import Accounts
from scorecard.warehouse.answers import answer
from scorecard.warehouse.asides import Asides
from scorecard.warehouse.axes import are_ready, make_ready
from scorecard.warehouse.copying import copy_file
from scorecard.warehouse.engine import NOTHING, Holds, Load, LoadOrder, Quarantine, Standing, Touched
from scorecard.warehouse.faults import as_error, first_lines, is_damage
from scorecard.warehouse.glances import Glances
from scorecard.warehouse.history import PRUNED_EVERY, mark_ended, prune
from scorecard.warehouse.holds import DuckHolds, Rooms
from scorecard.warehouse.limits import limited
from scorecard.warehouse.loads import Publishing, faults_of
from scorecard.warehouse.looking import Looking
from scorecard.warehouse.newest import lost_loads, note_newest
from scorecard.warehouse.opening import DAMAGED_MARK, open_file
from scorecard.warehouse.publication import Result, failure_of, finished
from scorecard.warehouse.quoting import INCOMING_PREFIX, live_table, quote
from scorecard.warehouse.records import TABLES, generation_of, write_load
from scorecard.warehouse.trial import Trial

if TYPE_CHECKING:
    import polars as pl


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
        self._counting = threading.Lock()
        self._lost = False
        self._aside = Asides(self._reading)
        self._next_id = 1
        self.writes = 0
        self._glances = Glances(folder, self._reading, clock, self._take_id)
        self._accounts = Accounts(self._reading, self._glances)
        self._connection = self._connect()
        rooms = Rooms(self._reading, self._cursor, self._deciding, self._settled_lock, self._said, self._take_id)
        self._holds = DuckHolds(rooms, clock)

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        *,
        memory_limit: str = "2GB",
        threads: int = 2,
        query_seconds: float = 60.0,
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
        with self._source_lock(order.source.name):
            load, batches = self._glances.look(order, batches)
            if load is not None:
                self.write_down()
                return load, NOTHING
            try:
                load, touched = self._load(order, batches)
                return load, touched
            finally:
                self._glances.forget(order.source.name)
                self._holds.forget_waiting(order.source.name, load)

    def _load(self, order: LoadOrder, batches: Iterable[Batch]) -> tuple[Load, Touched]:
        began = self.clock.steady()
        with self._begun(order) as running, self._cursor() as cursor:
            done: list[Load] = []
            aside: list[bool] = []

            def finish(result: Result) -> None:
                done.append(finished(running, result, self.clock.now(), self.clock.steady() - began))
                aside.append(self._record(cursor, done[-1], result))

            taking = Looking if order.source.kind == "external" else Publishing
            result = taking(cursor, order, self._writing, running.id).run(batches, finish)
            if result.outcome == "failed":
                load = finished(running, result, self.clock.now(), self.clock.steady() - began)
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
        with self._counting:
            self._next_id += 1
            return self._next_id - 1

    @contextmanager
    def _begun(self, order: LoadOrder) -> Iterator[Load]:
        """The load's first record: a process that dies leaves it behind, and the next start says so."""
        started = order.started_at
        load = Load(self._take_id(), order.source.name, "running", order.cause, started, started, 0)
        try:
            with self._writing(), self._cursor() as cursor:
                self._glances.write(cursor)
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
                self._accounts.write_missed(cursor)
                aside = self._record(cursor, load, result)
                cursor.execute("COMMIT")
                self._accounts.forget_missed()
                if aside:
                    self._aside.forget()
        except (duckdb.Error, ScorecardError) as error:
            self._lost |= isinstance(error, duckdb.FatalException)
            self._accounts.miss(load)

    def write_down(self) -> None:
        """What loads that found nothing new have left, into the file; not while the writer is busy, nor every moment."""
        if self._glances.due and self._writer.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._writer.release()

    def _settle(self) -> None:
        """Writes down what waits. It goes on waiting while the disk refuses it."""
        try:
            with self._writing(), self._cursor() as cursor:
                self._glances.write(cursor)
        except (duckdb.Error, ScorecardError) as error:
            self._lost |= isinstance(error, duckdb.FatalException)

    # -- looking -----------------------------------------------------------------------------------------------

    def standing(self, source: str) -> Standing | None:
        """None: never loaded."""
        return self._accounts.standing(source)

    def standings(self) -> Mapping[str, Standing]:
        """Of every source that was ever loaded."""
        return self._accounts.standings()

    def latest(self) -> Mapping[str, Load]:
        """Source → its newest finished load."""
        return self._accounts.latest()

    def loads(self, source: str | None = None, limit: int = 100, outcome: str | None = None) -> tuple[Load, ...]:
        """The run history, newest first."""
        return self._accounts.loads(source, limit, outcome)

    def recent_loads(self, each: int = 100) -> tuple[Load, ...]:
        """The newest loads of every source, and all since its last good one; oldest first."""
        return self._accounts.recent(each)

    def quarantine(self, source: str, limit: int = 100) -> pl.DataFrame:
        """Rows put aside, newest load first: columns load, file, line, reason, text, column_name, value, missing."""
        columns = "load, file, line, reason, text, column_name, value, gone_by IS NULL AS missing"
        asked = f"SELECT {columns} FROM _loads.quarantine WHERE source = ? ORDER BY load DESC, file, line LIMIT ?"
        return self.query(asked, [source, limit])

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

    def query_as_of(self, standing: Standing, sql: str) -> pl.DataFrame | None:
        """One SELECT of exactly the rows of a source's generation; None: it is another one by now."""
        with self._reading() as cursor, limited(cursor, self.query_seconds):
            return answer(cursor, sql) if generation_of(cursor, standing.source) == standing.generation else None

    @property
    def holds(self) -> Holds:
        """Loads that wait for a person, and earlier generations."""
        return self._holds

    # -- writing -----------------------------------------------------------------------------------------------

    def write(
        self, statements: Sequence[tuple[str, Sequence[Any]]], frames: Mapping[str, pl.DataFrame] | None = None
    ) -> None:
        """Statements in one transaction through the one writer; ``frames`` can be read as tables by their names."""
        of_loads = any("_loads." in sql for sql, _ in statements)
        with self._writing(), self._cursor() as cursor:
            try:
                if of_loads:
                    self._settle()
                for name, frame in (frames or {}).items():
                    cursor.register(name, frame.to_arrow())
                cursor.execute("BEGIN TRANSACTION")
                for sql, parameters in statements:
                    cursor.execute(sql, list(parameters) if parameters else None)
                cursor.execute("COMMIT")
            except duckdb.Error as error:
                raise self._said(error) from error
            finally:
                self.writes += 1  # once it is committed: who has seen none of it must see that there is something
                if of_loads:
                    self._glances.forget()

    def prepare_axes(self, source: str, axes: Sequence[str], timezone: str) -> bool:
        """Reporting days for axes that came since the last load, or in another zone, without loading. True: days are new.
        Does not wait for a load of the source that is still pulling."""
        with self._reading() as cursor:
            if are_ready(cursor, source, axes, timezone):
                return False
        with self._writing(), self._cursor() as cursor:
            try:
                return make_ready(cursor, source, axes, timezone, self.clock.now())
            except duckdb.Error as error:
                raise self._said(error) from error
            finally:
                self._glances.forget(source)

    @contextmanager
    def trial(self) -> Iterator[Trial]:
        """The same rows for other definitions: what is written there is seen there only, and gone afterwards."""
        aside = Trial(self, self._cursor, self._said, self.query_seconds)
        try:
            yield aside
        finally:
            aside.close()

    def copy_to(self, folder: Path, beside: Callable[[], None]) -> None:
        """The file as of one moment, into a folder; ``beside`` copies in that same moment what must agree with it.
        Loads wait for it to publish, readers do not. Raises OSError, and Unavailable where the copy is not whole."""
        with self._writing(), self._cursor() as cursor:
            self._settle()
            try:
                copy_file(cursor, self.folder, folder)
            except duckdb.Error as error:
                raise self._said(error) from error
            beside()

    def close(self) -> None:
        """Waits for the writer, then gives the file free."""
        with self._writer:
            self._settle()
            self._connection.close()

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
                self._glances.forget()
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
            try:
                yield
            finally:
                self._glances.forget()
                self._holds.forget()
            self._aside.forget()

    @contextmanager
    def _source_lock(self, source: str) -> Iterator[None]:
        with self._counting:
            lock = self._loading.setdefault(source, threading.Lock())
        with lock:
            yield

    @contextmanager
    def _settled_lock(self, source: str) -> Iterator[None]:
        """For a person's decision: what is to be decided on may only just have been looked at."""
        with self._source_lock(source):
            self._settle()
            yield

    def _said(self, error: duckdb.Error) -> ScorecardError:
        """The error for people. A damaged file is marked, so that the next start sets it aside."""
        self._lost |= isinstance(error, duckdb.FatalException)
        if is_damage(error):
            with suppress(OSError):
                (self.folder / DAMAGED_MARK).write_text(first_lines(error), encoding="utf-8")
        return as_error(error)
