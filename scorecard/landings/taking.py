"""Keeps what comes with one pull while it comes. The pull and its load never fail because of that."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path

import pyarrow as pa

from connectors.contract import Batch, Rejected
from connectors.redaction import telling
from scorecard.book.model.source import Source
from scorecard.landings.landing import Landing, Part
from scorecard.landings.parts import Parts, chunks_of, without

FAULTS = (OSError, sqlite3.Error, pa.ArrowException)
REJECTED_AT_MOST = 10_000
NUMBERS = count()


class Taking:
    """``contract.Landing`` for one pull. ``problem``: why it was given up, None while all of it is kept. ``fresh``: bytes.

    ``write`` puts the landing into the index and gives its number; ``landing`` is what is known of it so far.
    """

    def __init__(
        self,
        source: Source,
        parts: Parts,
        landing: Landing,
        now: Callable[[], datetime],
        write: Callable[[Landing], int],
    ) -> None:
        self.problem: str | None = None
        self.landing = landing
        self.fresh = 0
        self._source = source
        self._parts = parts
        self._now = now
        self._write = write
        self._hidden = telling(source.secrets)
        self._most = source.keep_raw.at_most if source.keep_raw is not None else 0
        self._taken: list[Part] = []

    def file(self, name: str, path: Path, digest: str | None = None) -> None:
        """A file as it lies on the disk; only named where its content is kept already."""
        with self._careful():
            known = None if digest is None else self._parts.path_of(digest)
            if digest is not None and known is not None:
                self._take(Part(name, "file", digest, known.stat().st_size, self._now()), fresh=False)
                return
            found: list[int] = []
            digest, size = self._parts.store(chunks_of(path, self._hidden, found), next(NUMBERS), self._left())
            self._take(Part(name, "file", digest, size, self._now(), masked=sum(found)))

    def answer(
        self, name: str, form: str, body: bytes, *, status: int, charset: str | None, hidden: tuple[bytes, ...]
    ) -> None:
        """The body of an answer, unpacked; of its headers nothing."""
        with self._careful():
            found: list[int] = []
            kept = without(body, hidden, found)
            digest, size = self._parts.store([kept], next(NUMBERS), self._left())
            self._take(Part(name, form, digest, size, self._now(), status, charset, sum(found)))

    def batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches; of a database's the rows are kept. Behind the last one, the landing is in the index."""
        for batch in batches:
            yield self._rows(batch) if self._source.kind == "sql" else batch
        self.close()
        if self.problem is not None:
            yield Batch(rows=pa.table({}), remarks=(f"what it gave is not kept as it came: {self.problem}",))

    def close(self) -> None:
        """All is there: a process that dies from now on leaves a landing of which the run history knows what became."""
        with self._careful():
            if self._taken and not self.landing.id:
                landing = replace(self.landing, parts=tuple(self._taken))
                self.landing = replace(landing, id=self._write(landing))

    def partial(self) -> Landing:
        """What came before the pull failed."""
        return replace(self.landing, parts=tuple(self._taken))

    # -- rows --------------------------------------------------------------------------------------------------

    def _rows(self, batch: Batch) -> Batch:
        if self.problem is not None:
            return batch
        aside = tuple(replace(row, text=self._clean(row.text)) for row in batch.rejected[:REJECTED_AT_MOST])
        if isinstance(batch.rows, pa.Table):
            reader = batch.rows.to_reader()
            for _ in self._written(reader, aside):
                pass
            return batch
        return replace(
            batch, rows=pa.RecordBatchReader.from_batches(batch.rows.schema, self._written(batch.rows, aside))
        )

    def _written(self, reader: pa.RecordBatchReader, aside: tuple[Rejected, ...]) -> Iterator[pa.RecordBatch]:
        """Every batch goes on its way, whatever becomes of the file beside it."""
        import pyarrow.parquet as pq

        found: list[int] = []
        path: Path | None = None
        writer: pq.ParquetWriter | None = None
        try:
            with self._careful():
                path = self._parts.unfinished(next(NUMBERS))
                path.touch(mode=0o600)
                writer = pq.ParquetWriter(path, reader.schema, compression="zstd")
            for batch in reader:
                if self.problem is None and path is not None and writer is not None:
                    with self._careful():
                        self._parts.check_room(path.stat().st_size, self._left())
                        writer.write_batch(self._masked(batch, found))
                yield batch
            with self._careful():
                if self.problem is None and path is not None and writer is not None:
                    writer.close()
                    digest, size = self._parts.keep_rows(path)
                    name = f"rows of {self._source.name}"
                    self._take(Part(name, "rows", digest, size, self._now(), masked=sum(found), rejected=aside))
        finally:
            with self._careful():
                if path is not None:
                    path.unlink(missing_ok=True)

    def _masked(self, batch: pa.RecordBatch, found: list[int]) -> pa.RecordBatch:
        import pyarrow.compute as pc  # only a load needs it

        for secret in self._hidden:
            for number, field in enumerate(batch.schema):
                if not pa.types.is_string(field.type):
                    continue
                column = batch.column(number)
                if times := pc.sum(pc.match_substring(column, secret.decode())).as_py():
                    found.append(times)
                    cleaned = pc.replace_substring(column, secret.decode(), "***")
                    batch = batch.set_column(number, field, cleaned)
        return batch

    def _clean(self, text: str) -> str:
        return without(text.encode("utf-8", "surrogateescape"), self._hidden, []).decode("utf-8", "replace")

    # -- giving up ---------------------------------------------------------------------------------------------

    def _take(self, part: Part, *, fresh: bool = True) -> None:
        self._taken.append(part)
        self.fresh += part.size if fresh else 0

    def _left(self) -> int:
        fresh = {part.digest: part.size for part in self._taken}
        return self._most - sum(fresh.values())

    @contextmanager
    def _careful(self) -> Iterator[None]:
        """A fault of the disk ends the keeping, and says why; nothing half kept is ever read."""
        if self.problem is not None:
            yield
            return
        try:
            yield
        except FAULTS as fault:
            full = isinstance(fault, OSError) and fault.errno == errno.ENOSPC
            self.problem = "the disk is full" if full else getattr(fault, "strerror", None) or str(fault)
            self._taken.clear()
