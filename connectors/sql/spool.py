"""Arrow tables on their way: written to a temporary file as they arrive, given on only when all of them are there.

A pull that fails half-way has sent nothing, can be begun again, and gives the database free before the warehouse has
taken the rows. Columns of exact numbers whose digits nobody declared wait as text until the widest has been seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from connectors.scratch import Scratch

DIGITS = 38
IN_MEMORY = 8 * 1024**2
COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4" if pa.Codec.is_available("lz4") else None)


class Spool(Scratch):
    """Takes tables of one schema, gives them back. Use as a context manager: leaving it drops the temporary file.

    ``numbers``: text columns that hold numbers, as PostgreSQL writes a ``numeric``; they leave as decimals that fit the
    widest of them, or as text where a decimal's 38 digits do not hold them all.
    """

    def __init__(self, schema: pa.Schema, numbers: Iterable[str] = ()) -> None:
        super().__init__(IN_MEMORY)
        self.rows = 0
        self._schema = schema
        self._widths = dict.fromkeys(numbers, (0, 0))
        self._writer = pa.ipc.new_stream(self._file, schema, options=COMPRESSED)

    def add(self, table: pa.Table) -> None:
        for name, (digits, scale) in self._widths.items():
            more = _width(table.column(name))
            self._widths[name] = (max(digits, more[0]), max(scale, more[1]))
        self.rows += table.num_rows
        self._writer.write_table(table)

    @property
    def schema(self) -> pa.Schema:
        """As the tables leave; final once the last has been added."""
        return pa.schema(
            [pa.field(f.name, self._decimal(f.name)) if f.name in self._widths else f for f in self._schema]
        )

    def _decimal(self, name: str) -> pa.DataType:
        digits, scale = self._widths[name]
        if digits + scale > DIGITS:
            return pa.string()
        return pa.decimal128(18 if digits + scale <= 18 else DIGITS, scale)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in order. Nothing may be added any more."""
        self._writer.close()
        self._file.seek(0)
        schema = self.schema
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                yield batch if schema == self._schema else _cast(batch, schema)

    def reader(self) -> pa.RecordBatchReader:
        """The same as a stream that is read once."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())


def _width(column: pa.ChunkedArray) -> tuple[int, int]:
    """The most digits before the point and behind it."""
    if column.null_count == len(column):
        return 0, 0
    plain = pc.utf8_ltrim(column, "-")
    point = pc.find_substring(plain, ".")
    length = pc.utf8_length(plain)
    whole = pc.if_else(pc.less(point, 0), length, point)
    behind = pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(length, point), 1))
    return pc.max(whole).as_py(), pc.max(behind).as_py()


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else pc.cast(column, field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
