"""Ends a query on its server: when the pull is stopped, when its time is over, or when reading its rows went wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.contract import Pull, SourceFailed
from connectors.sql.result import too_slow

LOOK_SECONDS = 0.25
GRACE_SECONDS = 1.0
"""After its time limit the server may end the query by itself; then it says more about it."""


@contextmanager
def guarded(connection: Connection, request: Pull) -> Iterator[None]:
    """For as long as the context lasts, the query ends on the server when the pull is stopped or its time is over.

    Leaving it by an exception ends the query, too, and gives the connection up: some drivers would read the rest of the
    rows first. Raises SourceFailed instead of what the driver says of a query that was ended from here.
    """
    done = threading.Event()
    deadline = time.monotonic() + request.timeout_seconds + GRACE_SECONDS
    ended: list[SourceFailed] = []

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if request.stop.is_set() or time.monotonic() > deadline:
                ended.append(stopped() if request.stop.is_set() else too_slow(request.timeout_seconds))
                end_query(connection)
                return

    watcher = threading.Thread(target=watch, name=f"query-{request.source}", daemon=True)
    watcher.start()
    whole = False
    said: tuple[type[Exception], ...] = (*driver_errors(connection), sa.exc.SQLAlchemyError)
    try:
        yield
        whole = True
    except said as fault:
        done.set()
        watcher.join()
        raise (ended[0] if ended else fault) from None
    finally:
        done.set()
        watcher.join()
        if not whole:
            if not ended:
                end_query(connection)
            connection.invalidate()


def stopped() -> SourceFailed:
    """What is said of a pull that somebody ended."""
    return SourceFailed("the pull was stopped", hint="it runs again on its schedule")


def end_query(connection: Connection) -> None:
    """Asks the server to end what it does for this connection; from any thread. What led here says more than a failure of it."""
    driver: Any = connection.connection.driver_connection
    with suppress(sa.exc.SQLAlchemyError, OSError, *driver_errors(connection)):
        match connection.dialect.name:
            case "mysql" | "mariadb" if hasattr(driver, "thread_id"):
                number = int(driver.thread_id())
                with connection.engine.connect() as other:
                    other.exec_driver_sql(f"KILL QUERY {number}")
            case "sqlite":
                driver.interrupt()
            case _ if hasattr(driver, "cancel_safe"):
                driver.cancel_safe(timeout=3.0)
            case _ if hasattr(driver, "cancel"):
                driver.cancel()


def driver_errors(connection: Connection) -> tuple[type[Exception], ...]:
    """What the connection's driver raises when it is used without SQLAlchemy."""
    module = connection.dialect.dbapi
    return () if module is None else (module.Error,)
