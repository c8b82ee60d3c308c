"""A real MariaDB for the tests, where one is installed (``apt-get install -y mariadb-server``): the fixture ``mariadb_url``."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.mariadb_setup import PATHS, WHY


def server_user() -> str:
    """Whom the server runs as: it refuses to be root's."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if os.geteuid() == 0 and "mysql" in names else pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """``mariadb://…`` of an empty database on a server that only this test process uses, by a Unix socket."""
    server, installer = (shutil.which(name, path=PATHS) for name in ("mariadbd", "mariadb-install-db"))
    if server is None or installer is None:
        pytest.skip(WHY)
    folder, user = Path(tempfile.mkdtemp(prefix="my-")), server_user()
    data, socket = folder / "d", folder / "s"
    shutil.chown(folder, user)
    own = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
    made = subprocess.run(
        [installer, *own, "--auth-root-authentication-method=normal", "--skip-test-db"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"the MariaDB here makes no database: {made.stderr[-300:]}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [server, *own, f"--socket={socket}", f"--pid-file={folder / 'p'}", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        url = sa.URL.create("mariadb+pymysql", "root", query={"unix_socket": str(socket)})
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        until = time.monotonic() + 30
        while not socket.exists():
            assert time.monotonic() < until, (folder / "log").read_text()
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        with engine.begin() as connection:
            connection.exec_driver_sql("create database shop character set utf8mb4")
        yield url.set(drivername="mariadb", database="shop").render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
