"""The running process: how it is found, and how a command is handed to it.

One process owns the warehouse. It leaves `running.json` in the data folder (address, process id, and a key that only
its owner can read); commands find it there and let it do the work, with the same output and exit status.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from scorecard.ground.errors import Problem, Unavailable
from scorecard.ground.values import dataclass

FILE = "running.json"
HEADER = "X-Scorecard-Key"


@dataclass(frozen=True, slots=True)
class Running:
    """Where the running process answers, and the key that proves we may ask."""

    address: str
    pid: int
    key: str


def announce(folder: Path, address: str) -> Running:
    """Writes `running.json`, readable by its owner only."""
    import secrets

    running = Running(address, os.getpid(), secrets.token_urlsafe(24))
    path = folder / FILE
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"address": address, "pid": running.pid, "key": running.key}, file)
    aside.replace(path)
    return running


def withdraw(folder: Path) -> None:
    """Takes `running.json` away if it is ours."""
    found = read(folder)
    if found is not None and found.pid == os.getpid():
        (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> Running | None:
    """What `running.json` says; None where there is none or it makes no sense."""
    try:
        written = json.loads((folder / FILE).read_text())
        return Running(str(written["address"]), int(written["pid"]), str(written["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(folder: Path) -> Running | None:
    """The process that runs on this folder; None where it is gone."""
    found = read(folder)
    if found is None or not _alive(found.pid):
        return None
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ask(
    running: Running, arguments: list[str], files: Mapping[str, str] | None = None, timeout_seconds: float = 900.0
) -> tuple[str, str, int]:
    """Lets the running process do a command, on the texts of the working files if it needs them.

    (stdout, stderr, exit status). Unavailable where it does not answer.
    """
    import urllib.error
    import urllib.request

    body = json.dumps({"argv": arguments, "files": dict(files or {})}).encode()
    request = urllib.request.Request(  # noqa: S310 - the address is ours, from a file only its owner can write
        f"{running.address}/-/command", body, {"Content-Type": "application/json", HEADER: running.key}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_seconds) as answer:
            said = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Unavailable(
            Problem(
                f"process {running.pid} runs on this data folder but does not answer at {running.address}: {error}",
                hint="stop it, or wait until it has started; if it is gone, delete running.json in the data folder",
            )
        ) from None
    return str(said["stdout"]), str(said["stderr"]), int(said["exit"])
