"""The door for commands of the terminal on this machine, while this process owns the warehouse."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from typing import Any

from flask import Flask, Response, request

from scorecard.ground.errors import Problem, Refused
from scorecard.web.access import COMMAND
from scorecard.web.answers import Denied, json_answer
from scorecard.web.api.asked import Asked, json_body
from scorecard.web.doors import Doors

KEY_HEADER = "X-Scorecard-Key"


def attach_command(server: Flask, doors: Doors) -> None:
    """``POST /-/command``: ``{"argv": […], "files": {path: text}}`` → ``{"stdout", "stderr", "exit"}``."""

    @server.post(COMMAND)
    def command() -> Response:
        Asked()
        shown, wanted = request.headers.get(KEY_HEADER, ""), doors.running_key
        if not _from_here() or not wanted or not hmac.compare_digest(shown.encode(), wanted.encode()):
            raise Denied(403, "commands come from this machine, with the key in running.json")
        body = json_body()
        argv: Any = body.get("argv")
        files: Any = body.get("files", {})
        problems = []
        if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
            problems.append(Problem("'argv' is not a list of texts"))
        if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
            problems.append(Problem("'files' does not map paths to texts"))
        if problems:
            raise Refused(*problems)
        return json_answer(doors.command(argv, files))


def _from_here() -> bool:
    """Whether the other end of the connection is this machine, and no proxy speaks for somebody else."""
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "Origin")):
        return False
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
        if address.is_loopback:
            return True
        # Served on one address of this machine only, a command comes from that very address; only ours can be bound.
        with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except (ValueError, OSError):
        return False
    return True
