"""A served product for tests: a real process on a free port of 127.0.0.1, ended by its process id."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorecard.cli.main import execute
from scorecard.cli.session import Session


@dataclass(frozen=True, slots=True)
class Served:
    """A running `scorecard serve`."""

    address: str
    process: subprocess.Popen[str]
    folder: Path

    def get(self, path: str) -> Any:
        """The JSON answer; raises HTTPError for 4xx and 5xx."""
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: Mapping[str, object]) -> tuple[int, Any]:
        """(status, JSON answer)."""
        request = urllib.request.Request(
            self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def version(self) -> int:
        return int(self.get("/api/v1/version")["version"])

    def reading(self, metric: str, **filters: str) -> dict[str, Any]:
        query = "&".join(f"{k}={v}" for k, v in filters.items())
        rows = self.get(f"/api/v1/metrics/{metric}/readings?{query}")["readings"]
        return dict(rows[-1])

    def wait_for(self, metric: str, value: float, **filters: str) -> dict[str, Any]:
        """The reading once it has that value."""
        until = time.monotonic() + 10
        while True:
            found = self.reading(metric, **filters)
            if found["value"] == value:
                return found
            assert time.monotonic() < until, f"{metric} is {found['value']}, not {value}"
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(folder: Path, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """One `scorecard` command in a folder."""
    line = [sys.executable, "-m", "scorecard", *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=timeout)


def inside(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same command in this process, which has its imports already."""
    session = Session(out=io.StringIO(), err=io.StringIO())
    with contextlib.chdir(folder):
        status = execute(session, list(words))
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    return subprocess.CompletedProcess(words, status, session.out.getvalue(), session.err.getvalue())


@contextmanager
def served(
    folder: Path,
    *options: str,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    within_seconds: float = 30.0,
) -> Iterator[Served]:
    """`scorecard serve` in a folder that holds a metrics.yaml; ready when entered, ended when left."""
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "scorecard", *options, "serve", "--port", str(port)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    found = Served(f"http://127.0.0.1:{port}", process, folder)
    try:
        until = time.monotonic() + within_seconds
        while True:
            if process.poll() is not None:
                raise AssertionError(process.communicate()[1])
            try:
                urllib.request.urlopen(found.address + "/readyz", timeout=2).close()
                break
            except OSError:
                if time.monotonic() >= until:
                    process.kill()
                    raise AssertionError(f"not ready within {within_seconds:.0f} s") from None
                time.sleep(0.05)
        yield found
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
