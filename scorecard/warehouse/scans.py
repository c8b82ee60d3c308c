"""Rows that are typed where they are read: a connector's scan, streamed into the prepared table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connectors.contract import Scan, ScanFailed
from scorecard.warehouse.changes import one
from scorecard.warehouse.planning import SAMPLE_ROWS, Planner, Raw, is_known
from scorecard.warehouse.quick import has_usual_way, quickly, unusual
from scorecard.warehouse.quoting import literal, quote, quoted
from scorecard.warehouse.shaping import BAD, FILE, LINE, MOVED, ODD, Plan, flagged, shaped
from scorecard.warehouse.zones import changes_of

if TYPE_CHECKING:
    from scorecard.warehouse.staging import Staging

SCAN = "_scan"
STREAM = "_scanned"
FEW_ODD = 40


class NotTakenError(Exception):
    """The rows must come in batches after all."""


@dataclass(slots=True)
class Rising:
    """Whether all keys so far came in strictly rising order, so that no two can be equal. ``last``: the key before."""

    holds: bool
    last: Any = None

    def see(self, keys: pa.Array) -> None:
        if not self.holds or not len(keys):
            return
        import pyarrow.compute as pc  # a tenth of a second that only a load needs

        first = keys[0]
        steps = pc.all(pc.less(keys[:-1], keys[1:]), skip_nulls=False, min_count=0).as_py()
        joined = self.last is None or pc.less(self.last, first).as_py()
        self.holds = bool(steps) and bool(joined) and first.is_valid
        self.last = keys[-1]


def take_scan(staging: Staging, scan: Scan, file: str | None) -> bool:
    """Streams a scan into the prepared table, where its types are known or can be told from its first rows.

    False: nothing was done, and the connector sends the rows in batches: what it has may not be as it looked, or a
    type that was inferred does not hold.
    """
    cursor, planner = staging.cursor, staging.planner
    shapes, still_open, created = dict(planner.shapes), set(planner.open), dict(staging.created)
    rising = Rising(staging.rising.holds, staging.rising.last)
    cursor.execute("BEGIN TRANSACTION")
    try:
        _settle(staging, scan)
        left = _take(staging, scan, file)
        if not scan.keep():
            raise NotTakenError
    except (NotTakenError, ScanFailed):
        cursor.execute("ROLLBACK")
        planner.shapes, planner.open, staging.created, staging.rising = shapes, still_open, created, rising
        return False
    cursor.execute("COMMIT")
    if left:
        cursor.execute("BEGIN TRANSACTION")
        _add(staging, left)
        cursor.execute("COMMIT")
    return True


def _settle(staging: Staging, scan: Scan) -> None:
    columns = _text_columns(scan)
    if is_known(staging.order.source, staging.memory, columns):
        staging.planner.settle([Raw(SCAN, columns, None)])
        return
    if not scan.alone or staging.created:
        raise NotTakenError
    sample = scan.look(f"SELECT {quoted(scan.columns)} FROM {SCAN} LIMIT {SAMPLE_ROWS}").read_all()
    staging.cursor.register(STREAM, sample)
    try:
        _settle_inferred(staging.planner, scan, columns)
    finally:
        staging.cursor.unregister(STREAM)


def _settle_inferred(planner: Planner, scan: Scan, columns: Mapping[str, str]) -> None:
    planner.settle([Raw(STREAM, columns, None)])
    if planner.open:  # a column without a value in its first rows may have one further down
        counts = ", ".join(f"count(*) FILTER (trim({quote(name)}) <> '')" for name in sorted(planner.open))
        found = scan.look(f"SELECT {counts} FROM {SCAN}").read_all()
        if any(column[0].as_py() for column in found.columns):
            raise NotTakenError


def _text_columns(scan: Scan) -> dict[str, str]:
    return {**dict.fromkeys(scan.columns, "VARCHAR"), LINE: "BIGINT"}


def _take(staging: Staging, scan: Scan, file: str | None) -> list[Same]:
    """The good rows as they stream by; the others, if there are any, are read once more with all that is to be said.

    What is the same in every row is left to be added to the table: all columns of it once its rows are committed.
    """
    plan, given = staging.planner.plan(), _text_columns(scan)
    key = staging.order.source.key
    quick = has_usual_way(plan, given)
    passing = _Passing(scan, quickly(plan, SCAN, given) if quick else flagged(plan, SCAN, given), key, staging.rising)
    if quick and passing.mostly_odd:  # it does not pay to read so many rows a second time
        quick, passing = False, _Passing(scan, flagged(plan, SCAN, given), key, staging.rising)
    left = _put_good(staging, plan, passing, file, alone=scan.alone)
    if not passing.odd:
        return left
    _add(staging, [replace(same, type="VARCHAR") if same.name == FILE else same for same in left])
    if quick:
        again = shaped(plan, f"({unusual(plan, SCAN, given)})", given, file, lines=bool(key))
    else:
        again = f"SELECT * FROM ({shaped(plan, SCAN, given, file, lines=bool(key))}) WHERE {quote(BAD)} IS NOT NULL"
    _put(staging, plan, scan.look(again), f"SELECT * FROM {STREAM}")
    staging.rising.holds = False
    if _inferred_misread(staging):
        raise NotTakenError
    return []


def _put_good(staging: Staging, plan: Plan, passing: _Passing, file: str | None, *, alone: bool) -> list[Same]:
    """Rows with nothing to object to. What is the same for all of them is not written out row by row, which would cost a tenth
    of the whole load: it is left to be added to a new table. A lone file's name is one of one, which takes no room."""
    name = f"ENUM({literal(file)})" if alone and file is not None else "VARCHAR"
    same = [Same(FILE, name, literal(file)), Same(BAD, "VARCHAR[]", "NULL")]
    same += [] if staging.order.source.key else [Same(LINE, "BIGINT", "NULL")]
    same += [] if changes_of(plan.source_zone).hours else [Same(MOVED, "INTEGER", "0")]
    own = quoted([*plan.columns, *(n for n in (LINE, MOVED) if all(n != each.name for each in same))])
    if staging.created:
        more = ", ".join(f"{s.value}::{'VARCHAR' if s.name == FILE else s.type} AS {quote(s.name)}" for s in same)
        _put(staging, plan, passing.reader(), f"SELECT {own}, {more} FROM {STREAM}")
        return []
    _put(staging, plan, passing.reader(), f"SELECT {own} FROM {STREAM}")
    return same


def _add(staging: Staging, columns: Sequence[Same]) -> None:
    for column in columns:
        alter, name = f"ALTER TABLE {staging.prepared}", quote(column.name)
        staging.cursor.execute(f"{alter} ADD COLUMN {name} {column.type} DEFAULT {column.value}")
        staging.cursor.execute(f"{alter} ALTER COLUMN {name} DROP DEFAULT")


def _put(staging: Staging, plan: Plan, reader: pa.RecordBatchReader, select: str) -> None:
    staging.cursor.register(STREAM, reader)
    try:
        staging.put(plan, select)
    finally:
        staging.cursor.unregister(STREAM)


def _inferred_misread(staging: Staging) -> bool:
    inferred = [literal(shape.name) for shape in staging.planner.shapes.values() if shape.inferred]
    if not inferred:
        return False
    where = f"{BAD} IS NOT NULL AND {BAD}[2] IS NOT NULL AND {BAD}[1] IN ({', '.join(inferred)})"
    return one(staging.cursor, f"SELECT count(*) FROM {staging.prepared} WHERE {where}") > 0


@dataclass(frozen=True, slots=True)
class Same:
    """A column with the same ``value`` (as SQL) in every row."""

    name: str
    type: str
    value: str


class _Passing:
    """A scan's typed rows on their way: numbered, the odd ones held back and counted, the order of the keys watched."""

    def __init__(self, scan: Scan, select: str, key: Sequence[str], rising: Rising) -> None:
        self.odd = 0
        self._rising = rising
        self._key = key[0] if len(key) == 1 else None
        self._numbered = bool(key)
        self._line = scan.first_line
        self._inner = scan.stream(select)
        self._first = next(iter(self._inner), None)

    @property
    def mostly_odd(self) -> bool:
        """Whether more than a few of the first rows are."""
        first = self._first
        return first is not None and first.column(ODD).true_count > max(FEW_ODD, first.num_rows // 50)

    def reader(self) -> pa.RecordBatchReader:
        fields = [field for field in self._inner.schema if field.name != ODD]
        schema = pa.schema([*fields, *([pa.field(LINE, pa.int64())] if self._numbered else [])])
        return pa.RecordBatchReader.from_batches(schema, self._pass_on(schema))

    def _pass_on(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in chain([] if self._first is None else [self._first], self._inner):
            odd = batch.column(ODD)
            columns = [batch.column(name) for name in schema.names if name != LINE]
            if self._numbered:
                columns.append(pa.arange(self._line, self._line + batch.num_rows))
            self._line += batch.num_rows
            typed = pa.RecordBatch.from_arrays(columns, schema=schema)
            if odd.true_count:
                import pyarrow.compute as pc

                self.odd += odd.true_count
                typed = typed.filter(pc.invert(odd))
            if self._key is not None:
                self._rising.see(typed.column(self._key))
            yield typed


def nothing_rises(key: Sequence[str]) -> Rising:
    """Before the first row: only one column's order is watched."""
    return Rising(holds=len(key) == 1)
