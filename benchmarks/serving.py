"""A served product for the benchmarks of the web: a folder, a process on a free port, its CPU time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: where it answers, and its process id."""

    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of the server so far (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """`scorecard serve` in a folder with a metrics.yaml, ready."""
    port = free_port()
    command = [sys.executable, "-m", "scorecard", *options, "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_ready(address, server)
        yield Served(address, server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def wait_ready(address: str, server: subprocess.Popen[bytes]) -> None:
    """Until /readyz says yes."""
    while True:
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=1) as ready:
                if ready.status == 200:
                    return
        except OSError:
            time.sleep(0.02)
