"""The run history: kept for a bounded time, and read in several ways."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import duckdb

from scorecard.ground.errors import Problem
from scorecard.warehouse.engine import Load
from scorecard.warehouse.records import load_of, naive
from scorecard.warehouse.remembering import Remembered

RECENT_KEPT = 300
"""Of each source, the newest loads whatever came of them."""
TOLD_KEPT = 2000
"""Of each source, the newest loads that changed something, failed or were held."""
DAYS_KEPT = 90
PRUNED_EVERY = 5000
"""Loads of all sources: it takes longer than hundreds of loads that found nothing new."""


def read_loads(
    cursor: duckdb.DuckDBPyConnection,
    source: str | None,
    limit: int,
    outcome: str | None,
    remembered: Remembered[Load],
) -> tuple[Load, ...]:
    """Finished loads, newest first."""
    rows = cursor.execute(
        "SELECT * FROM _loads.history WHERE outcome <> 'running' AND (CAST($1 AS VARCHAR) IS NULL OR source = $1) "
        "AND (CAST($3 AS VARCHAR) IS NULL OR outcome = $3) ORDER BY id DESC LIMIT $2",
        [source, limit, outcome],
    ).fetchall()
    return tuple(remembered.of(rows))


LATEST = """SELECT * FROM _loads.history WHERE id IN
             (SELECT max(id) FROM _loads.history WHERE outcome <> 'running' GROUP BY source)"""


def read_latest(cursor: duckdb.DuckDBPyConnection, remembered: Remembered[Load]) -> list[Load]:
    """The newest finished load of every source."""
    return remembered.of(cursor.execute(LATEST).fetchall())


def read_recent(cursor: duckdb.DuckDBPyConnection, each: int) -> tuple[Load, ...]:
    """The newest loads of every source, at most ``each``, and all since its last good one; oldest first."""
    rows = cursor.execute(
        """SELECT * EXCLUDE (place, good) FROM (SELECT *,
             row_number() OVER (PARTITION BY source ORDER BY id DESC) AS place,
             max(id) FILTER (outcome IN ('ok', 'unchanged')) OVER (PARTITION BY source) AS good
           FROM _loads.history WHERE outcome <> 'running')
           WHERE place <= $1 OR (good IS NOT NULL AND id >= good) ORDER BY id""",
        [each],
    ).fetchall()
    return tuple(load_of(row) for row in rows)


def prune(cursor: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Forgets what is too old or too much: loads that changed nothing first, since most are such and say least."""
    cursor.execute(
        """DELETE FROM _loads.history WHERE outcome <> 'running' AND id IN (
             SELECT id FROM (SELECT id, outcome, finished_at,
               row_number() OVER (PARTITION BY source ORDER BY id DESC) AS place,
               row_number() OVER (PARTITION BY source, outcome = 'unchanged' ORDER BY id DESC) AS told
             FROM _loads.history)
             WHERE place > $recent AND (outcome = 'unchanged' OR told > $told OR finished_at < $oldest))""",
        {"recent": RECENT_KEPT, "told": TOLD_KEPT, "oldest": _days_before(now)},
    )


def no_later_than(now: datetime) -> list[tuple[str, list[datetime | None]]]:
    """Statements for a clock that has been set back: a load that seems to come from the future is from now at the latest, or
    its numbers would stay fresh for too long."""
    moment = naive(now)
    sql = "UPDATE _loads.standing SET loaded_at = ?, data_until = least(data_until, ?) WHERE loaded_at > ?"
    return [(sql, [moment, moment, moment])]


def mark_ended(cursor: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """What was under way when the process ended: failed, and said so."""
    ended = Problem("the process ended while it ran", hint="it runs again on its schedule; nothing was changed")
    cursor.execute(
        "UPDATE _loads.history SET outcome = 'failed', problems = ?, finished_at = ? WHERE outcome = 'running'",
        [json.dumps([ended.as_json()]), naive(now)],
    )


def _days_before(now: datetime) -> datetime | None:
    return naive(now - timedelta(days=DAYS_KEPT))
