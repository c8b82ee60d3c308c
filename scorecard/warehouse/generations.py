"""Earlier generations of a source's table, so that one can be put back: what each load has changed, or the whole table.

For tables with a key, and for those that only grow, a load leaves what differs: the rows that it changed or removed as they
were (``_was``), and the keys (or the rows) that it added. To go back by several generations the oldest image of each key
counts. A table that is replaced is not dropped but renamed, which takes no time; and where its columns change, it is
copied first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from scorecard.book.model.source import Keep, Source
from scorecard.warehouse.quoting import quote
from scorecard.warehouse.records import Memory, naive, packed_memory

TABLE = """CREATE TABLE IF NOT EXISTS _loads.generations (source VARCHAR, generation BIGINT, kind VARCHAR, place VARCHAR,
       until TIMESTAMP, rows BIGINT, changes BIGINT, size BIGINT, loaded_at TIMESTAMP, data_until TIMESTAMP, body VARCHAR)"""
WAS, GENERATION = "_was", "_generation"
BLOCK = 262_144
"""Bytes: what DuckDB gives a table at a time."""
SMALL_ROWS = 20_000
SELDOM, LARGE = 8, 1_000_000
"""How often it is looked which generations are too many, and bytes of one after which it is looked at once."""
MOST_WHOLE, MOST_CHANGES = 20, 1000
WIDTHS = {"BOOLEAN": 1, "DATE": 4, "INTEGER": 4, "HUGEINT": 16}


NEVER = 2**62
"""A generation that no source reaches."""


def whole_table(source: str, generation: int) -> str:
    """Where a generation's whole table is kept; no source can have this name."""
    return "main." + quote(f"_was_{generation}_{source}")


def log_table(source: str, columns: Mapping[str, str]) -> str:
    """Where changes are kept of a table with these columns."""
    digest = hashlib.sha256(json.dumps(list(columns.items())).encode()).hexdigest()[:8]
    return "main." + quote(f"_undo_{digest}_{source}")


@dataclass(slots=True)
class Keeping:
    """Keeps the generation that a load is about to replace, in that load's transaction."""

    cursor: duckdb.DuckDBPyConnection
    source: Source
    before: Memory
    now: datetime
    noted: bool = False
    size: int = 0

    @property
    def generation(self) -> int:
        return self.before.standing.generation

    @property
    def keep(self) -> Keep:
        return self.source.keep

    def take(self, live: str) -> None:
        """The live table, which another is to replace."""
        size = table_size(self.cursor, live)
        if not self._fits(size):
            self.cursor.execute(f"DROP TABLE {live}")
            return self._end_chain()
        name = whole_table(self.source.name, self.generation)
        self.cursor.execute(f"DROP TABLE IF EXISTS {name}")
        self.cursor.execute(f"ALTER TABLE {live} RENAME TO {name.removeprefix('main.')}")
        self._note("whole", name, self.before.standing.rows, size)
        return None

    def copy(self, live: str) -> None:
        """The live table as it is, before its columns change."""
        size = table_size(self.cursor, live)
        if not self._fits(size):
            return self._end_chain()
        name = whole_table(self.source.name, self.generation)
        self.cursor.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM {live}")
        self._note("whole", name, self.before.standing.rows, size)
        return None

    def changes(self, columns: Mapping[str, str], went: str | None, came: str | None, texts: int | None = None) -> None:
        """``went``: a SELECT of the ``columns`` (without the days) of rows that change or go, as they were. ``came``: a
        SELECT of rows that are added: their keys, or all of them. ``texts``: bytes of all their texts, where known."""
        if self.noted:
            return None
        if not self._fits(0):
            return self._end_chain()
        if went is None and came is None:
            return None
        log = log_table(self.source.name, columns)
        own = ", ".join(f"{quote(name)} {type_}" for name, type_ in columns.items())
        self.cursor.execute(f"CREATE TABLE IF NOT EXISTS {log} ({GENERATION} BIGINT, {WAS} BOOLEAN, {own})")
        parts = [
            f"SELECT {self.generation} AS {GENERATION}, {was} AS {WAS}, k.* FROM ({select}) k"
            for was, select in ((True, went), (False, came))
            if select is not None
        ]
        row = self.cursor.execute(f"INSERT INTO {log} BY NAME {' UNION ALL BY NAME '.join(parts)}").fetchone()
        if row is None or not row[0]:
            return None
        size = row_size(columns) * int(row[0]) + (texts or 0)
        if texts is None:
            size = data_size(self.cursor, f"(SELECT * FROM {log} WHERE {GENERATION} = {self.generation})", columns)
        self._note("undo", log, int(row[0]), size)
        return None

    def finish(self) -> None:
        """Once the load has a new generation: it is noted where nothing was kept for it, and what is too old goes."""
        if not self.noted:
            if not self._fits(0):
                return
            note(self.cursor, self.before, now=self.now)  # only reporting days have changed
        # Looking takes longer than a few generations too many take room.
        if self.keep == Keep() and self.generation % SELDOM and self.size < LARGE:
            return
        prune(self.cursor, self.source, self.now)

    def _fits(self, size: int) -> bool:
        return self.keep.generations != 0 and size <= self.keep.at_most

    def _note(self, kind: str, place: str | None, changes: int, size: int) -> None:
        self.noted, self.size = True, size
        note(self.cursor, self.before, kind, place, self.now, changes, size)

    def _end_chain(self) -> None:
        """What came before cannot be reached any more."""
        self.noted = True
        forget(self.cursor, self.source.name, self.generation + 1)


def note(
    cursor: duckdb.DuckDBPyConnection,
    before: Memory,
    kind: str = "undo",
    place: str | None = None,
    now: datetime | None = None,
    changes: int = 0,
    size: int = 0,
) -> None:
    """How the generation of this memory is found again; by default: its rows are those of the next one."""
    standing = before.standing
    cursor.execute(
        "INSERT INTO _loads.generations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            standing.source, standing.generation, kind, place, naive(now or standing.loaded_at), standing.rows, changes,
            size, naive(standing.loaded_at), naive(standing.data_until), json.dumps(packed_memory(before)),
        ],
    )  # fmt: skip


def prune(cursor: duckdb.DuckDBPyConnection, source: Source, now: datetime) -> None:
    """Drops generations beyond the limits of ``keep``, the oldest first."""
    keep = source.keep
    rows = cursor.execute(
        "SELECT generation, kind, until, sum(size) OVER w, row_number() OVER w, count(*) FILTER (kind = 'whole') OVER w "
        "FROM _loads.generations WHERE source = ? WINDOW w AS (ORDER BY generation DESC) ORDER BY generation DESC",
        [source.name],
    ).fetchall()
    oldest = naive(now - timedelta(seconds=keep.for_seconds))
    for generation, _, until, size, nth, wholes in rows:
        many = nth > MOST_CHANGES or wholes > MOST_WHOLE if keep.generations is None else nth > keep.generations
        if many or size > keep.at_most or (oldest is not None and until < oldest):
            forget(cursor, source.name, generation + 1)
            return


def forget(cursor: duckdb.DuckDBPyConnection, source: str, before: int) -> None:
    """Drops the generations before one."""
    gone = cursor.execute(
        "SELECT kind, place, max(generation) FROM _loads.generations WHERE source = ? AND generation < ? "
        "AND place IS NOT NULL GROUP BY ALL",
        [source, before],
    ).fetchall()
    cursor.execute("DELETE FROM _loads.generations WHERE source = ? AND generation < ?", [source, before])
    used = cursor.execute(
        "SELECT DISTINCT place FROM _loads.generations WHERE source = ? AND kind = 'undo' AND place IS NOT NULL",
        [source],
    ).fetchall()
    for kind, place, newest in gone:
        if kind == "undo" and (place,) in used:
            cursor.execute(f"DELETE FROM {place} WHERE {GENERATION} <= {newest}")
        else:
            cursor.execute(f"DROP TABLE IF EXISTS {place}")


def table_size(cursor: duckdb.DuckDBPyConnection, table: str) -> int:
    """Bytes: the blocks of a big table, the data of a small one."""
    row = cursor.execute(f"SELECT count(*) FROM {table}").fetchone()
    if row is None or row[0] <= SMALL_ROWS:
        columns = {name: type_ for name, type_, *_ in cursor.execute(f"DESCRIBE {table}").fetchall()}
        return data_size(cursor, table, columns)
    blocks = cursor.execute(
        f"SELECT coalesce(count(DISTINCT block_id) FILTER (persistent), 0) * {BLOCK}, "
        "coalesce(sum(count) FILTER (NOT persistent AND segment_type <> 'VALIDITY'), 0) * 8 "
        "FROM pragma_storage_info(?)",
        [table],
    ).fetchone()
    return 0 if blocks is None else int(blocks[0] + blocks[1])


def data_size(cursor: duckdb.DuckDBPyConnection, relation: str, columns: Mapping[str, str]) -> int:
    """Bytes of the values of some rows, as they are before anything is compressed."""
    texts = [f"coalesce(strlen({quote(name)}), 0)" for name, type_ in columns.items() if type_ == "VARCHAR"]
    asked = " + ".join(texts) or "0"
    row: Any = cursor.execute(f"SELECT count(*), coalesce(sum({asked}), 0) FROM {relation}").fetchone()
    return int(row[0] * row_size(columns) + row[1])


def row_size(columns: Mapping[str, str]) -> int:
    """Bytes of a row's values but for what its texts take."""
    return sum(WIDTHS.get(type_, 16 if type_.startswith("DECIMAL") else 8) for type_ in columns.values())
