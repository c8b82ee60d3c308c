"""Rows that a database gave at an earlier pull, read again from where they were kept."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.contract import Batch, Pull, SourceFailed

ROWS_A_BATCH = 65_536


def pull_rows(request: Pull) -> Iterator[Batch]:
    """The rows as they were pulled, types and all. Raises SourceFailed where a file is damaged."""
    for given in request.given or ():
        try:
            with pq.ParquetFile(given.path) as file:
                batches = file.iter_batches(batch_size=ROWS_A_BATCH)
                yield Batch(rows=pa.RecordBatchReader.from_batches(file.schema_arrow, batches), rejected=given.rejected)
        except (pa.ArrowException, OSError) as problem:
            raise SourceFailed(f"what was kept of it cannot be read: {problem}", place=given.name) from None
