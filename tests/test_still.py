"""A database of which a load waits, or was rejected, is not read whole again while a look at it shows the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from connectors import csv_files
from connectors.sql_query import Reading
from scorecard.cli.product import Product, open_product
from scorecard.refresh.still import READ_AGAIN
from scorecard.warehouse.engine import Load
from tests.web_house import HandClock

BOOK = """version: 1
organization: {name: N, owner: A <a@example.com>}
sources:
  orders: {kind: sql, url: "%s", query: "%s", %s, every: 1m}
metrics:
  total: {role: lagging, source: orders, sum: n, better: higher, time: at}
"""
WHOLE = "select id, n, at from orders order by id"
SINCE = "select id, n, at from orders where at > :cursor"
CURSOR = "cursor: {column: at, lookback: 40d}, key: [id], checks: [{sql: 'select max(n) < 100 from orders'}]"


@dataclass
class House:
    """A product on a folder, and how often the rows of its database were read."""

    folder: Path
    clock: HandClock = field(default_factory=HandClock)
    reads: int = 0
    product: Product | None = None

    def open(self, url: str, query: str, more: str = "time: at, columns: {at: date}") -> None:
        (self.folder / "metrics.yaml").write_text(BOOK % (url, query, more))
        self.product = open_product(self.folder / "metrics.yaml", self.folder / "data", self.clock)

    def pull(self, cause: str = "schedule") -> Load:
        assert self.product is not None
        self.clock.moment += timedelta(minutes=1)
        return self.product.refresher.pull_one("orders", cause=cause)

    def waiting(self) -> list[int]:
        assert self.product is not None
        return [one.load.id for one in self.product.engine.holds.waiting()]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made, read = House(tmp_path), Reading.read

    def spy(reading: Reading) -> Any:
        made.reads += 1
        return read(reading)

    monkeypatch.setattr(Reading, "read", spy)
    yield made
    if made.product is not None:
        made.product.close()


def do(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "shop.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def shop(house: House) -> House:
    do(house.folder, "create table orders (id integer primary key, n integer, at text)")
    for n in range(40):
        do(house.folder, f"insert into orders values ({n}, 1, '2026-09-{1 + n % 28:02}')")
    return house


def test_what_waits_and_what_was_rejected_is_read_again_only_when_it_changes(shop: House) -> None:
    shop.open("sqlite:///shop.sqlite", WHOLE)
    assert shop.pull().outcome == "ok"
    do(shop.folder, "delete from orders where id >= 5")
    held = shop.pull()
    assert (held.outcome, shop.reads) == ("held", 2)
    again = [shop.pull() for _ in range(3)]
    assert shop.reads == 2, "looked at, not read"
    assert [(x.outcome, x.read) for x in again] == [("held", 5)] * 3
    assert "the same rows as load 2, which waits" in str(again[-1].problem)
    do(shop.folder, "update orders set n = 7 where id = 3")
    assert (shop.pull().outcome, shop.reads, shop.waiting()) == ("held", 3, [6]), "another value supersedes it"
    assert shop.product is not None
    shop.product.refresher.reject(6, "Dana", "half an export")
    assert (shop.pull().outcome, shop.reads) == ("failed", 3), "rejected, and still the same"
    failed = shop.pull()
    assert (failed.outcome, shop.reads) == ("failed", 3)
    assert "still gives the rows of load 6, which Dana rejected" in str(failed.problem)
    assert (shop.pull("command").outcome, shop.reads) == ("held", 4), "a person asked for it"
    for n in range(100, 140):
        do(shop.folder, f"insert into orders values ({n}, 1, '2026-09-28')")
    assert (shop.pull().outcome, shop.reads, shop.waiting()) == ("ok", 5, [])
    assert (shop.pull().outcome, shop.reads) == ("unchanged", 6), "a source of which nothing waits is read as ever"


def test_the_rows_are_read_again_after_a_while_and_after_a_restart(shop: House) -> None:
    shop.open("sqlite:///shop.sqlite", WHOLE)
    shop.pull()
    do(shop.folder, "delete from orders where id >= 5")
    held = shop.pull()
    do(shop.folder, "update orders set n = 1 - n where id in (1, 2)", "update orders set n = 1 where id = 2")
    do(shop.folder, "update orders set n = 1 where id = 1", "update orders set n = 0 where id = 0")
    shop.pull()  # n is between 0 and 1 since, which the look shows
    assert (shop.reads, shop.waiting()) == (3, [held.id + 1])
    do(shop.folder, "update orders set n = 1 - n where id in (0, 1)")
    shop.pull()
    assert (shop.reads, shop.waiting()) == (3, [held.id + 1]), "counts and ends are the same: a look cannot tell"
    shop.clock.moment += READ_AGAIN
    shop.pull()
    assert (shop.reads, shop.waiting()) == (4, [held.id + 3])
    assert shop.product is not None
    shop.product.close()
    shop.open("sqlite:///shop.sqlite", WHOLE)
    assert [shop.pull().outcome for _ in range(3)] == ["held"] * 3
    assert (shop.reads, shop.waiting()) == (5, [held.id + 3])


def test_with_a_cursor_the_newest_row_tells(shop: House) -> None:
    shop.open("sqlite:///shop.sqlite", SINCE, f"time: at, columns: {{at: date}}, {CURSOR}")
    assert shop.pull().outcome == "ok"
    do(shop.folder, "insert into orders values (50, 500, '2026-09-28')")
    assert (shop.pull().outcome, shop.pull().outcome, shop.reads) == ("held", "held", 2)
    do(shop.folder, "update orders set n = 600, at = '2026-09-29' where id = 50")
    assert (shop.pull().outcome, shop.reads) == ("held", 3)
    assert (shop.pull().outcome, shop.reads) == ("held", 3)


def test_rejected_files_are_not_read_again_either(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"{n},1,2026-09-{1 + n % 27:02}\n" for n in range(40))
    (house.folder / "orders.csv").write_text("id,n,at\n" + rows)
    book = "\n".join(BOOK.splitlines()[:3]) + "\n  orders: {kind: csv, path: orders.csv, time: at, every: 1m}\n"
    (house.folder / "metrics.yaml").write_text(book)
    house.product = open_product(house.folder / "metrics.yaml", house.folder / "data", house.clock)
    prepare = csv_files._prepare

    def spy(pin: Any, request: Any, dialect: Any) -> Any:
        house.reads += 1
        return prepare(pin, request, dialect)

    monkeypatch.setattr(csv_files, "_prepare", spy)
    assert house.pull().outcome == "ok"
    (house.folder / "orders.csv").write_text("id,n,at\n" + rows[:60])
    assert [house.pull().outcome for _ in range(2)] == ["held", "held"]
    house.product.refresher.reject(2, "Dana", "half an export")
    failed = [house.pull() for _ in range(2)]
    assert ([x.outcome for x in failed], house.reads) == (["failed"] * 2, 2)
    assert "still gives the rows of load 2" in str(failed[-1].problem)
    (house.folder / "orders.csv").write_text("id,n,at\n" + rows[:75])
    assert (house.pull().outcome, house.reads) == ("held", 3), "something is new"
    (house.folder / "orders.csv").write_text("id,n,at\n" + rows)
    assert house.pull().outcome == "unchanged"


@pytest.mark.postgres
def test_postgresql_sees_every_value(house: House, postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(url, autocommit=True) as there:
        there.execute("create table orders (id int, n numeric, at date, odd jsonb)")
        try:
            there.execute("insert into orders select i, i % 2, '2026-09-01', '{}' from generate_series(1, 40) i")
            house.open(url, "select * from orders")
            assert house.pull().outcome == "ok"
            there.execute("delete from orders where id > 10")
            assert [house.pull().outcome for _ in range(3)] == ["held"] * 3
            assert house.reads == 2
            there.execute("update orders set n = 1 - n where id in (1, 2)")
            assert (house.pull().outcome, house.reads) == ("held", 3), "counts and ends are the same, the rows are not"
        finally:
            there.execute("drop table orders")
