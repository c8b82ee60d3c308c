"""Time limits for statements."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from scorecard.ground.errors import Problem, Refused


@contextmanager
def limited(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Statements run inside are interrupted after ``seconds``; Refused then says so."""
    over = threading.Event()

    def stop() -> None:
        over.set()
        cursor.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        if not over.is_set():
            raise
        raise Refused(
            Problem(
                f"the query ran longer than {seconds:g} s and was stopped",
                hint="ask for fewer rows, or a simpler expression",
            )
        ) from error
    finally:
        timer.cancel()
