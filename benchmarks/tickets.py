"""Tickets for the benchmarks: seeded rows of any number, loaded as a connector would give them, and a book of 32 metrics.

Three years of tickets of 20 teams, in the order of time, more each week than the week before; the last week is running. Every
column is a hash of the row's number, so a number of rows always gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from connectors.contract import Batch
from scorecard.book.model import Book
from scorecard.book.read import read_book
from scorecard.measures.plan import axes
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import LoadOrder, Touched

BOOK = Path(__file__).with_name("tickets.yaml")
BEGIN = datetime(2023, 1, 2, tzinfo=UTC)
NOW = datetime(2025, 12, 26, 12, 0, tzinfo=UTC)
"""The Friday noon of the 156th week."""
TEAMS = 20
PORTION = 1_000_000


def book() -> Book:
    """The 32 metrics, from the YAML file beside this one."""
    return read_book(BOOK)


def rows_sql(first: int, count: int, total: int, begin: datetime, until: datetime) -> str:
    """``count`` of ``total`` tickets from number ``first``; all together they lie between two moments."""
    seconds = (until - begin).total_seconds()

    def chance(stream: int) -> str:
        return f"((hash(i * 31 + {stream} * 7919000000017) >> 11)::DOUBLE / 9007199254740992.0)"

    return f"""
        WITH drawn AS (
            SELECT i, pow((i % {total} + {chance(1)}) / {total}.0, 0.7) * {seconds} AS seconds,
                CAST(floor({TEAMS} * pow({chance(2)}, 1.4)) AS INTEGER) AS team_number,
                -ln(greatest(1e-12, 1 - {chance(3)})) * 300 AS drawn_minutes
            FROM range({first}, {first + count}) AS r(i)
        ), timed AS (
            SELECT *, TIMESTAMP '{begin:%Y-%m-%d %H:%M:%S}' + to_microseconds(CAST(seconds * 1000000 AS BIGINT)) AS created,
                round(drawn_minutes * (1 + team_number / 25.0), 2) AS took
            FROM drawn
        )
        SELECT i AS id, created AS created_at,
            CASE WHEN {chance(4)} >= 0.04 AND created + to_seconds(CAST(took * 60 AS BIGINT)) < TIMESTAMP '{until:%Y-%m-%d %H:%M:%S}'
                THEN created + to_seconds(CAST(took * 60 AS BIGINT)) END AS resolved_at,
            'team-' || lpad(CAST(team_number AS VARCHAR), 2, '0') AS team,
            CASE WHEN {chance(5)} < 0.5 THEN 'email' WHEN {chance(5)} < 0.8 THEN 'chat' WHEN {chance(5)} < 0.95 THEN 'phone'
                ELSE 'portal' END AS channel,
            CAST(CASE WHEN {chance(6)} < 0.05 THEN 1 WHEN {chance(6)} < 0.25 THEN 2 WHEN {chance(6)} < 0.75 THEN 3 ELSE 4 END
                AS BIGINT) AS priority,
            took AS minutes,
            CASE WHEN {chance(7)} < 0.35 THEN CAST(1 + floor(5 * pow({chance(8)}, 0.45)) AS BIGINT) END AS score,
            CAST(round(1.5 + took / 60 * (18 + 10 * {chance(9)}), 2) AS DECIMAL(18, 2)) AS cost,
            {chance(10)} < 0.06 + 0.02 * (team_number % 3) AS reopened,
            CAST(hash(i * 37) % {max(1000, total // 12)} AS BIGINT) AS customer
        FROM timed"""


def batches(first: int, count: int, total: int, begin: datetime, until: datetime) -> Iterator[Batch]:
    """The tickets in portions, as a connector gives them."""
    made = duckdb.connect()
    for start in range(first, first + count, PORTION):
        size = min(PORTION, first + count - start)
        yield Batch(made.sql(rows_sql(start, size, total, begin, until)).to_arrow_table())
    made.close()


class Tickets:
    """A warehouse that is filled with tickets: first with history, then with what comes in."""

    def __init__(self, folder: Path, rows: int, *, memory_limit: str = "2GB") -> None:
        from scorecard.ground.clock import FixedClock

        self.book = book()
        self.clock = FixedClock(NOW)
        self.engine = DuckWarehouse.open(folder, self.clock, memory_limit=memory_limit, query_seconds=1200)
        self.rows = 0
        self.load(rows, BEGIN, NOW - timedelta(hours=1))

    def load(self, count: int, begin: datetime, until: datetime) -> Touched:
        """More tickets, created between two moments."""
        first = 0 if not self.rows else -(-self.rows // count) * count
        source = self.book.sources["tickets"]
        order = LoadOrder(source, axes(self.book, "tickets"), self.book.organization.timezone, NOW, NOW)
        load, touched = self.engine.load(order, batches(first, count, count, begin, until))
        assert load.outcome == "ok", load.problems
        self.rows = first + count
        return touched
