"""The journal's one table and the triggers that let nobody change it."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Connection, Index, Integer, MetaData, String, Table, inspect, text

metadata = MetaData()

entries = Table(
    "entries",
    metadata,
    # INTEGER on SQLite, because only that is its row id; BIGINT elsewhere.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("at", String(32), nullable=False),
    Column("by", String(200), nullable=False),
    Column("body", JSON, nullable=False),
    # Unique: two entries can never follow the same one, so the chain cannot fork, whoever writes.
    Column("previous_hash", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
    Index("entries_by_kind", "kind", "seq"),
    sqlite_autoincrement=True,
)

_REFUSAL = "SELECT RAISE(ABORT, 'the journal is append-only')"
_SQLITE = (
    f"CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN {_REFUSAL}; END",
    f"CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN {_REFUSAL}; END",
    # INSERT OR REPLACE deletes without firing delete triggers; what is taken is refused before it comes to that.
    f"""CREATE TRIGGER entries_no_replace BEFORE INSERT ON entries WHEN EXISTS
        (SELECT 1 FROM entries WHERE seq = NEW.seq OR id = NEW.id OR previous_hash = NEW.previous_hash)
        BEGIN {_REFUSAL}; END""",
)

_POSTGRES = (
    """CREATE OR REPLACE FUNCTION entries_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$""",
    """CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE ON entries
        FOR EACH ROW EXECUTE FUNCTION entries_append_only()""",
    """CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON entries
        FOR EACH STATEMENT EXECUTE FUNCTION entries_append_only()""",
)


def create(connection: Connection) -> None:
    """Makes the table and its triggers where they are missing; must run inside the writer's transaction."""
    if inspect(connection).has_table(entries.name):
        return
    metadata.create_all(connection)
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES:
        connection.execute(text(statement))


def last_number(connection: Connection) -> int:
    """The highest number ever given, also if its row is gone (SQLite remembers it), 0 for an empty journal."""
    if connection.dialect.name == "sqlite":
        remembered = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'entries'")).scalar()
        return int(remembered or 0)
    return 0
