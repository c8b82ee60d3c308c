"""A plain file as rows that can be asked in SQL, so that they are typed where they are read and no text is carried about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

from connectors.contract import ScanFailed

ROWS_A_BATCH = 122_880
"""As many as DuckDB keeps in a row group: fewer would have to be put together again by whoever writes them."""
BYTES_A_BATCH = 32 * 1024**2


class FileScan:
    """One file on a connection that can read nothing else. ``reader``: the SQL of its rows; ``rows``: how many lines it has."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        reader: str,
        columns: tuple[str, ...],
        behind: int,
        rows: int,
        size: int,
        *,
        alone: bool,
    ) -> None:
        self.columns = columns
        self.first_line = behind + 1
        self.alone = alone
        self.kept = False
        self._connection = connection
        self._reader = reader
        self._rows = rows
        self._came = 0
        self._batch = max(2048, min(ROWS_A_BATCH, BYTES_A_BATCH * max(rows, 1) // max(size, 1)))

    def look(self, select: str) -> pa.RecordBatchReader:
        """Any SELECT on ``_scan``, which has the line of each row as ``_line``. Raises ScanFailed."""
        numbered = f"SELECT *, {self.first_line - 1} + row_number() OVER () AS _line FROM ({self._reader})"
        inner = self._select(f"WITH _scan AS NOT MATERIALIZED ({numbered}) {select}")
        return pa.RecordBatchReader.from_batches(inner.schema, self._looked(inner))

    def stream(self, select: str) -> pa.RecordBatchReader:
        """A SELECT on ``_scan`` that gives a row for every row; the rows are counted. Raises ScanFailed."""
        inner = self._select(f"WITH _scan AS NOT MATERIALIZED ({self._reader}) {select}")
        self._came = 0
        return pa.RecordBatchReader.from_batches(inner.schema, self._counted(inner))

    def keep(self) -> bool:
        """Whether as many rows came as there are lines, and DuckDB objected to none."""
        try:
            objections = self._connection.execute("SELECT count(*) FROM reject_errors").fetchall()[0][0]
        except duckdb.Error:
            return False
        self.kept = self._came == self._rows and not objections
        return self.kept

    def _select(self, sql: str) -> Any:
        try:
            return self._connection.sql(sql).to_arrow_reader(self._batch)
        except duckdb.Error as problem:
            raise ScanFailed(str(problem)) from None

    def _looked(self, inner: Any) -> Iterator[pa.RecordBatch]:
        try:
            yield from inner
        except (duckdb.Error, pa.ArrowException, OSError):
            self._rows = -1  # what was not seen whole is never kept

    def _counted(self, inner: Any) -> Iterator[pa.RecordBatch]:
        """An error ends the stream, and the count then tells ``keep`` that it was not whole."""
        try:
            for batch in inner:
                self._came += batch.num_rows
                yield batch
        except (duckdb.Error, pa.ArrowException, OSError):
            self._came = -1
