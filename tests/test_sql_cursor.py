"""A cursor on a real PostgreSQL: rows that tie, rows that commit late, writers all the while; nothing lost, nothing double."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from scorecard.book.model import Book
from scorecard.book.read import read_book
from scorecard.ground.clock import SystemClock
from scorecard.refresh.pull import pull_source
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Load
from tests.warehouse_house import rows_of

pytestmark = pytest.mark.postgres
BOOK = """
version: 1
organization: {name: N, owner: A <a@example.com>, timezone: Europe/Berlin}
sources:
  changes:
    kind: sql
    url: "%s"
    query: select * from changes where updated_at > :cursor
    cursor: {column: updated_at, lookback: %s}
    key: [id]
    deleted: deleted_at
    every: 1m
"""


class House:
    """A table on the server, and a warehouse that follows it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = sa.make_url(url).set(drivername="postgresql").render_as_string(False)
        self.folder = folder
        self.warehouse = DuckWarehouse.open(folder / "data", SystemClock())
        with self.connection() as connection:
            connection.execute(
                "create table changes (id int primary key, v numeric(20,4), updated_at timestamptz, deleted_at timestamptz)"
            )

    def connection(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    def close(self) -> None:
        self.warehouse.close()
        with self.connection() as connection:
            connection.execute("drop table changes")

    def book(self, lookback: str) -> Book:
        (self.folder / "metrics.yaml").write_text(BOOK % (self.url, lookback), encoding="utf-8")
        return read_book(self.folder / "metrics.yaml")

    def pull(self, book: Book) -> Load:
        load, _ = pull_source(
            self.warehouse, book, book.sources["changes"], self.folder, SystemClock(), cause="command"
        )
        assert load.outcome in {"ok", "unchanged"}, load.problems
        assert load.read == load.loaded + load.unchanged + load.duplicate + load.quarantined
        return load

    def held(self) -> list[tuple[Any, ...]]:
        return [(number, float(v)) for number, v in rows_of(self.warehouse, "changes", "id, v")]

    def there(self) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            rows = connection.execute("select id, v from changes where deleted_at is null order by id").fetchall()
        return [(number, float(v)) for number, v in rows]


@pytest.fixture
def house(tmp_path: Path, postgres_url: str) -> Iterator[House]:
    made = House(tmp_path, postgres_url)
    yield made
    made.close()


@pytest.mark.parametrize(("lookback", "ids"), [("0s", [1, 2, 5]), ("1m", [1, 2, 3, 4, 5])])
def test_what_ties_or_comes_late_is_only_found_by_looking_back(house: House, lookback: str, ids: list[int]) -> None:
    book = house.book(lookback)
    insert = "insert into changes values (%s, 1, %s::timestamptz, null)"
    with house.connection() as late, house.connection() as now:
        late.execute("begin")
        late.execute(insert, [3, "2026-01-01 10:00:30+00"])
        now.execute(insert, [1, "2026-01-01 10:00:00+00"])
        now.execute(insert, [2, "2026-01-01 10:01:00+00"])
        assert house.pull(book).loaded == 2
        late.execute("commit")
        now.execute(insert, [4, "2026-01-01 10:01:00+00"])
        now.execute(insert, [5, "2026-01-01 10:01:01+00"])
        house.pull(book)
    assert [row[0] for row in house.held()] == ids


def write(house: House, seed: int, until: float) -> None:
    """Transactions of one writer: new rows, changes and deletions, dated to the second and committed out of order."""
    chance = random.Random(seed)
    with house.connection() as connection:
        for turn in range(10_000):
            if time.monotonic() > until:
                return
            number = chance.choice([seed * 10_000 + turn, seed * 10_000 + chance.randrange(turn + 1)])
            gone = "date_trunc('second', now())" if chance.random() < 0.2 else "null"
            with connection.transaction():
                connection.execute(
                    f"insert into changes values (%s, %s, date_trunc('second', now()), {gone}) on conflict (id) do update "
                    f"set v = excluded.v, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at",
                    [number, chance.randrange(10**6) / 4],
                )
                time.sleep(chance.choice([0.0, 0.02, 0.3]))


def test_nothing_is_lost_and_nothing_double_while_others_write(house: House) -> None:
    book, until = house.book("5s"), time.monotonic() + 2.5
    writers = [threading.Thread(target=write, args=(house, seed, until)) for seed in range(1, 5)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        house.pull(book)
    house.pull(book)
    assert house.held() == house.there()
    assert len(house.held()) > 10
    assert house.pull(book).outcome == "unchanged"


@pytest.mark.parametrize(
    ("cursor", "columns", "warned"),
    [
        ("{column: updated_at}", "{}", True),
        ("{column: id, start: 2024-01-01}", "{}", True),
        ("{column: stamp}", "{stamp: {type: timestamp}}", True),
        ("{column: updated_at, lookback: 0s}", "{}", False),
        ("{column: id, start: 0}", "{}", False),
        ("{column: updated_at}", "{updated_at: integer}", False),
    ],
)
def test_a_cursor_that_looks_back_by_nothing_is_warned_of(
    tmp_path: Path, cursor: str, columns: str, warned: bool
) -> None:
    text = (BOOK % ("sqlite:///x.db", "1h")).replace("{column: updated_at, lookback: 1h}", cursor)
    text = text.replace("    key: [id]", f"    key: [id]\n    columns: {columns}")
    (tmp_path / "metrics.yaml").write_text(text, encoding="utf-8")
    found = [str(w) for w in read_book(tmp_path / "metrics.yaml").warnings]
    assert [("9:5" in w, "looks back by nothing" in w) for w in found] == ([(True, True)] if warned else [])
