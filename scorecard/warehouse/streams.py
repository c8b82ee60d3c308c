"""Rows on their way into the warehouse as a stream, which can be read once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import duckdb
import pyarrow as pa

from scorecard.warehouse.planning import SAMPLE_ROWS, Planner, Raw

FIRST = "_first"


class Watched:
    """A stream whose own exception is kept, because DuckDB only passes its text on. ``first``: its first rows."""

    def __init__(self, inner: pa.RecordBatchReader) -> None:
        self.fault: BaseException | None = None
        self._inner = inner
        self._read: list[pa.RecordBatch] = []
        self.reader = pa.RecordBatchReader.from_batches(inner.schema, self._pass_on())

    def first(self, rows: int) -> pa.Table:
        """At least so many rows, where there are as many; they are still to come."""
        try:
            while sum(batch.num_rows for batch in self._read) < rows:
                self._read.append(self._inner.read_next_batch())
        except StopIteration:
            pass
        return pa.Table.from_batches(self._read, self._inner.schema)

    def _pass_on(self) -> Iterator[pa.RecordBatch]:
        try:
            while self._read:
                yield self._read.pop(0)
            yield from self._inner
        finally:
            self.fault = sys.exc_info()[1]


def texts_stay_texts(
    cursor: duckdb.DuckDBPyConnection, planner: Planner, stream: Watched, columns: Mapping[str, str]
) -> bool:
    """Whether the first rows tell that no column of text holds anything else: no later row can then be misread, so that
    nothing need wait for all of them. Their shapes are settled in that case, else nothing is."""
    shapes, still_open = dict(planner.shapes), set(planner.open)
    cursor.register(FIRST, stream.first(SAMPLE_ROWS))
    try:
        planner.settle([Raw(FIRST, columns, None)])
    finally:
        cursor.unregister(FIRST)
    if not planner.open and all(shape.kind == "text" for shape in planner.shapes.values() if shape.inferred):
        return True
    planner.shapes, planner.open = shapes, still_open
    return False
