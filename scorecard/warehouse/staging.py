"""Batches into one prepared table, typed and dated, rows that cannot be read sorted out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from connectors.contract import Batch
from scorecard.ground.errors import Place, Problem, Refused
from scorecard.warehouse.changes import KEPT, live_columns, one, reporting_day
from scorecard.warehouse.engine import LoadOrder, day_column
from scorecard.warehouse.header import missing_columns, refuse_seconds_as_milliseconds, wanted_columns
from scorecard.warehouse.planning import Planner, Raw, is_known
from scorecard.warehouse.quarantine import ROWS_KEPT, Settled, keyless, misread, quarantine_warnings, unread
from scorecard.warehouse.quarantining import refuse_retyped, too_many
from scorecard.warehouse.quoting import live_table, quote, quoted
from scorecard.warehouse.records import Counts, Memory
from scorecard.warehouse.scans import nothing_rises, take_scan
from scorecard.warehouse.shaping import BAD, FILE, LINE, MOVED, Plan, shaped
from scorecard.warehouse.streams import Watched, texts_stay_texts

SMALL_ROWS = 200_000
STREAM = "_stream"


class Staging:
    """Takes a load's batches one by one; ``prepared`` is then the table's name and ``plan`` its columns.

    Rows whose types are known stream straight into the prepared table; others wait in raw tables until all are here.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        order: LoadOrder,
        memory: Memory | None,
        prepared: str,
        *,
        temporary: bool,
        axes: Sequence[str],
    ) -> None:
        self.cursor = cursor
        self.order = order
        self.memory = memory
        self.prepared = prepared
        self.counts = Counts()
        self.doubts: list[Problem] = []
        self.state: dict[str, Any] = {}
        self.unchanged_files: set[str] = set()
        self.remarks: list[Problem] = []
        self.sent = False
        self.untold = False
        self.from_files = False
        self.carried = 0
        self.distinct = False
        self.in_every_batch: frozenset[str] | None = None
        self.gone: set[str] = set()
        self.planner = Planner(cursor, order, memory, axes)
        self.created: dict[str, str] = {}
        self.rising = nothing_rises(order.source.key)
        self._kind = "TEMP TABLE" if temporary else "TABLE"
        self._raws: list[Raw] = []
        self._small: list[pa.Table] = []
        self._seen: dict[str, None] = {}

    def take(self, batches: Iterable[Batch]) -> None:
        """Reads all batches. Raises what the source raises, and Refused where columns are missing."""
        for batch in batches:
            self._note(batch)
            names = list(batch.rows.schema.names)
            if not names:
                continue
            self._check_header(names, batch.file)
            if batch.scan is not None:
                if not self._raws and not self._small and take_scan(self, batch.scan, batch.file):
                    self.sent = True
                continue
            if isinstance(batch.rows, pa.Table):
                if batch.rows.num_rows == 0 and self.sent and batch.file is None:
                    continue
                self.sent = True
                if batch.rows.num_rows <= SMALL_ROWS:
                    self._keep_small(batch.rows, batch.file)
                    continue
            self.sent = True
            self._flush_small()
            self._read_large(batch.rows, batch.file)
        self._flush_small()
        self._check_union()
        if not self.same_as_before:
            self._shape_raws()

    @property
    def same_as_before(self) -> bool:
        """Nothing was sent, because nothing has changed."""
        return not self.sent and (self.untold or bool(self.counts.unchanged)) and self.memory is not None

    def _note(self, batch: Batch) -> None:
        """Counters, rejected rows and the connector's state."""
        self.state.update(batch.state)
        self.from_files |= batch.file is not None
        if batch.unchanged is None:
            self.untold = True
        elif batch.unchanged:
            self.counts.unchanged += batch.unchanged
            self.counts.read += batch.unchanged
        if batch.file is not None and (batch.unchanged is None or batch.unchanged):
            self.unchanged_files.add(batch.file)
        for row in batch.rejected:
            self.counts.read += 1
            self.counts.quarantined += 1
            if len(self.counts.aside) < ROWS_KEPT:
                self.counts.aside.append(unread(self.order.source, row.file, row.line, row.reason, row.text))
        source = self.order.source.name
        self.remarks += [
            Problem(f"{source}: {said}", Place(batch.file) if batch.file else None, severity="warning")
            for said in batch.remarks
        ]

    def _check_header(self, names: list[str], file: str | None) -> None:
        own = frozenset(name for name in names if name not in {FILE, LINE})
        self._seen.update(dict.fromkeys(name for name in names if name in own))
        self.in_every_batch = own if self.in_every_batch is None else self.in_every_batch & own
        if self.order.source.kind != "http":
            problems = missing_columns(self.order.source, self.memory, names, file, self._needed())
            if problems:
                raise Refused(*problems)
            self._forget(own)

    def _needed(self) -> frozenset[str] | None:
        return self.order.needed if self.order.full else None

    def _forget(self, own: frozenset[str]) -> None:
        """A full load takes the table as the source has it now: its columns that are gone, and not needed, go as well."""
        if self.memory is None or self._needed() is None:
            return
        standing = self.memory.standing
        left = {name: type_ for name, type_ in standing.columns.items() if name in own}
        self.gone |= set(standing.columns) - own
        self.memory = self.planner.memory = replace(self.memory, standing=replace(standing, columns=left))

    def _check_union(self) -> None:
        """JSON leaves out nulls: only all pages together can miss a column, one that must be there or seems renamed."""
        if self.order.source.kind != "http" or not self._seen:
            return
        source, memory = self.order.source, self.memory
        problems = missing_columns(source, memory, self._seen, None, self._needed())
        if not problems:
            return
        known = set(wanted_columns(source)) | (set() if memory is None else set(memory.standing.columns))
        renamed = any(name not in known for name in self._seen)
        whole = memory is None or source.mode == "replace" or self.order.full
        needed = {*source.key, *([source.time] if source.time else [])}
        if renamed or whole or needed - set(self._seen):
            raise Refused(*problems)

    # -- raw rows ----------------------------------------------------------------------------------------------

    def _keep_small(self, table: pa.Table, file: str | None) -> None:
        """Small batches are joined, so that two hundred pages are not two hundred statements."""
        if file is not None:
            table = table.append_column(FILE, pa.array([file], pa.string()).take(pa.repeat(0, table.num_rows)))
        if self._small and (
            self._small[0].schema != table.schema or sum(t.num_rows for t in self._small) + table.num_rows > SMALL_ROWS
        ):
            self._flush_small()
        self._small.append(table)

    def _flush_small(self) -> None:
        if self._small:
            self._read_large(pa.concat_tables(self._small), None)
            self._small = []

    def _read_large(self, rows: pa.Table | pa.RecordBatchReader, file: str | None) -> None:
        reader = Watched(rows) if isinstance(rows, pa.RecordBatchReader) else None
        self.cursor.register(STREAM, rows if reader is None else reader.reader)
        try:
            columns = self._columns_of(rows.schema)
            direct = not self._raws and (
                is_known(self.order.source, self.memory, columns) or self._is_told(reader, columns)
            )
            raw = Raw(STREAM if direct else f"temp.{quote(f'_raw_{len(self._raws)}')}", columns, file)
            if direct:
                self.planner.settle([raw])
                self._insert(raw)
            else:
                self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {raw.relation} AS SELECT * FROM {STREAM}")
                self._raws.append(raw)
        except duckdb.Error as error:
            # What the connector raised inside the stream says more than DuckDB's account of it.
            if reader is not None and isinstance(reader.fault, Exception):
                raise reader.fault from error
            raise
        finally:
            self.cursor.unregister(STREAM)

    def _is_told(self, reader: Watched | None, columns: dict[str, str]) -> bool:
        """Whether a database's first rows tell what its columns of text are: all of them come in one stream."""
        lone = self.order.source.kind == "sql" and reader is not None and not self.created
        return reader is not None and lone and texts_stay_texts(self.cursor, self.planner, reader, columns)

    def _columns_of(self, schema: pa.Schema) -> dict[str, str]:
        """Column → DuckDB type; a column of nulls only has the type \"NULL\"."""
        empty = pa.Table.from_batches([], schema)
        self.cursor.register("_header", empty)
        try:
            return {
                row[0]: row[1].replace('"', "")
                for row in self.cursor.execute("DESCRIBE SELECT * FROM _header").fetchall()
            }
        finally:
            self.cursor.unregister("_header")

    # -- shaped rows -------------------------------------------------------------------------------------------

    def _shape_raws(self) -> None:
        """Types settled over all raw tables; where an inferred one does not hold, it is settled again."""
        if not self._raws:
            return self._make_empty()
        self.planner.settle(self._raws)
        already = dict(self.created)
        for _ in range(len(self.planner.shapes) + 1):
            for raw in self._raws:
                self._insert(raw)
            if already or not self._misread():
                break
            self.cursor.execute(f"DROP TABLE {self.prepared}")
            self.created = {}
        for raw in self._raws:
            self.cursor.execute(f"DROP TABLE {raw.relation}")
        self._raws = []
        return None

    def _misread(self) -> bool:
        """Whether an inferred column met values it cannot read and should therefore have another type."""
        rows = self.cursor.execute(
            f"SELECT DISTINCT {BAD}[1] FROM {self.prepared} WHERE {BAD} IS NOT NULL AND {BAD}[2] IS NOT NULL"
        ).fetchall()
        changed = False
        for (name,) in rows:
            if self.planner.shapes[name].inferred:
                changed |= self.planner.settle_again(name, self._raws)
        return changed

    def _insert(self, raw: Raw) -> None:
        plan = self.planner.plan()
        self.rising.holds = False
        self.put(plan, shaped(plan, raw.relation, raw.columns, raw.file, lines=bool(self.order.source.key)))

    def put(self, plan: Plan, select: str) -> None:
        """Rows that are shaped into the prepared table."""
        wanted = plan.columns
        if not self.created:
            self.cursor.execute(f"CREATE OR REPLACE {self._kind} {self.prepared} AS {select}")
        else:
            for name, type_ in wanted.items():
                if name not in self.created:
                    self.cursor.execute(f"ALTER TABLE {self.prepared} ADD COLUMN {quote(name)} {type_}")
            self.cursor.execute(f"INSERT INTO {self.prepared} BY NAME {select}")
        self.created = wanted

    def _make_empty(self) -> None:
        """A pull without rows still has a table: with the columns that are held or declared."""
        if self.created:
            return
        self.planner.settle([])
        if not self.planner.shapes:
            raise Refused(
                Problem(
                    f"{self.order.source.name}: the source gave no rows and no columns, so its table cannot be made",
                    self.order.source.place,
                    "declare its columns, or pull again once it has rows",
                )
            )
        self._insert(Raw("(SELECT 1)", {}, None))
        self.cursor.execute(f"DELETE FROM {self.prepared}")

    # -- rows put aside ----------------------------------------------------------------------------------------

    def sort_out(self) -> Plan:
        """Counts the prepared rows and takes the unreadable ones out. Refused above ``quarantine_at_most``."""
        plan = self.planner.plan()
        key = self.order.source.key
        # Fewer hashes than rows may be fewer keys; as many are as many.
        unlike = (
            f"count(DISTINCT hash({quoted(key)})) FILTER ({BAD} IS NULL)" if key and not self.rising.holds else "NULL"
        )
        row = self.cursor.execute(
            f"SELECT count(*), count({BAD}), coalesce(sum({MOVED} // 256), 0), coalesce(sum({MOVED} % 256), 0), {unlike} "
            f"FROM {self.prepared}"
        ).fetchone()
        total, bad, doubled, missing, keys = row or (0, 0, 0, 0, 0)
        self.distinct = keys is None or keys == total - bad
        counts = self.counts
        sent = counts.quarantined + total
        counts.read += total
        counts.quarantined += bad
        counts.times_doubled, counts.times_missing = int(doubled), int(missing)
        refuse_seconds_as_milliseconds(self.cursor, self.prepared, self.order.source, plan)
        self._keep_keys()
        if bad:
            self._put_aside(plan)
        counts.warnings = [
            *quarantine_warnings(self.order.source.name, counts.aside, counts.quarantined),
            *self.remarks,
        ]
        counts.settled = self.settled()
        most = self.order.source.quarantine_at_most
        if sent and counts.quarantined > most * sent:
            refuse_retyped(self.cursor, self.order.source, self.memory, self.prepared, counts, plan)
            self.doubts.append(too_many(self.order.source, counts.quarantined, sent))
        return plan

    def settled(self) -> Settled:
        """Rows put aside before, which this load has looked at again: of files that it read or that are gone, or all."""
        whole = self.from_files or self.order.full or self.order.source.mode == "replace"
        told = self.sent or not self.untold
        return Settled(rows=whole and told, but_files=frozenset(self.unchanged_files))

    def _keep_keys(self) -> None:
        """The keys of rows to be put aside: what could not be read is not gone from the source."""
        key = self.order.source.key
        if key and self.order.full:
            self.cursor.execute(
                f"CREATE OR REPLACE TEMP TABLE {KEPT} AS SELECT {quoted(key)} "
                f"FROM {self.prepared} WHERE {BAD} IS NOT NULL"
            )

    def _put_aside(self, plan: Plan) -> None:
        rows = self.cursor.execute(
            f"SELECT {BAD} FROM {self.prepared} WHERE {BAD} IS NOT NULL ORDER BY {FILE}, {LINE}, rowid LIMIT {ROWS_KEPT}"
        ).fetchall()
        kinds = {shape.name: shape for shape in plan.shapes}
        for (entry,) in rows:
            name, value, file, line, whole = entry
            shape = kinds[name]
            at = None if line is None else int(line)
            if value is None or (shape.key and value.strip() == ""):
                row = keyless(self.order.source, file, at, name, whole)
            else:
                row = misread(self.order.source, file, at, shape, value, whole)
            self.counts.aside.append(row)
        self.cursor.execute(f"DELETE FROM {self.prepared} WHERE {BAD} IS NOT NULL")

    def add_unchanged_files(self, plan: Plan) -> None:
        """For a whole table made of files: rows of files that have not changed are taken over from the live table."""
        if not self.unchanged_files or self.memory is None:
            return
        live = live_table(self.order.source.name)
        held = self.memory.standing.columns
        changed = [s.name for s in plan.shapes if s.name in held and held[s.name] != s.type]
        if changed:
            raise Refused(
                Problem(
                    f"{self.order.source.name}: {quoted(changed)} changed type, and some files were not read again",
                    hint="run refresh --full",
                )
            )
        columns = live_columns(self.cursor, self.order.source.name) or {}
        if FILE not in columns:
            raise Refused(
                Problem(
                    f"{self.order.source.name}: the table does not say which file a row is of, and some were not sent",
                    hint="run refresh --full",
                )
            )
        names = [*(s.name for s in plan.shapes if s.name in held), FILE]
        old_axes = [axis for axis in plan.axes if axis in columns]
        days = [f"{reporting_day(a, columns[a], plan.zone)} AS {quote(day_column(a))}" for a in old_axes]
        self.carried = one(
            self.cursor,
            f"INSERT INTO {self.prepared} BY NAME SELECT {', '.join([quoted(names), *days])} FROM {live} "
            f"WHERE list_contains(?, {FILE})",
            [sorted(self.unchanged_files)],
        )
