"""Waitress, set up for many open streams, clean and quick stops, and errors that programs can read."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import ErrorTask
from waitress.trigger import trigger
from waitress.utilities import RequestEntityTooLarge

from scorecard.ground.errors import Problem, Unavailable
from scorecard.web.access import COMMAND, MOST_BYTES, MOST_COMMAND_BYTES
from scorecard.web.answers import MESSAGES, error_body

FLUSH_SECONDS = 0.4
"""How long answers that are under way may take to end after a stop."""
MOST_SWALLOWED = 128 * 1024 * 1024
"""A body that is too large is read up to here and thrown away, so that its sender hears why."""


class Listener:
    """Has the port from the start; ``run`` serves until ``stop``."""

    def __init__(
        self, server: Flask, host: str, port: int, *, threads: int = 256, before_stop: Callable[[], None] = lambda: None
    ) -> None:
        self._before_stop = before_stop
        self._sockets: dict[int, Any] = {}
        bound = bind(host, port)
        self.host, self.port = host, int(bound[0].getsockname()[1])
        limit = _open_files()
        # With hundreds of threads a short queue only says that the machine is busy, once for every question.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        create = create_server(
            server,
            map=self._sockets,
            sockets=bound,
            threads=threads,
            # Streams, pages that keep their connection, and room for more; files and databases need some too.
            connection_limit=max(100, min(4000, limit - 200)),
            backlog=1024,
            channel_timeout=120,
            cleanup_interval=15,
            # Without it nobody would notice that the reader of a silent stream has gone.
            channel_request_lookahead=1,
            max_request_header_size=64 * 1024,
            max_request_body_size=MOST_COMMAND_BYTES + 1024,
            asyncore_use_poll=True,
            asyncore_loop_timeout=1,
            ident=None,
            log_socket_errors=False,
            # They are believed nowhere; but who came through a proxy must not pass for somebody on this machine.
            clear_untrusted_proxy_headers=False,
        )
        self._dispatcher = create.task_dispatcher
        for each in self._sockets.values():
            if each.accepting:
                each.channel_class = _Channel
        self._wake = trigger(self._sockets)
        self._stopping = threading.Event()
        self._stopped = threading.Event()

    @property
    def url(self) -> str:
        """The address people open: loopback where it listens on every interface."""
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{self.port}"

    def run(self) -> None:
        """Serves in this thread until somebody stops it."""
        try:
            while not self._stopping.is_set():
                wasyncore.loop(timeout=1, use_poll=True, map=self._sockets, count=1)
            self._end()
        finally:
            self._stopped.set()

    def stop(self, wait: float = 0.0) -> None:
        """Ends ``run`` soon; waits up to so many seconds for it. Not from a signal handler: it takes locks."""
        self._before_stop()
        self._stopping.set()
        with contextlib.suppress(OSError):  # it may have ended by itself just now
            self._wake.pull_trigger()
        if wait:
            self._stopped.wait(wait)

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT stop it; a second SIGINT ends the process at once."""

        def on_signal(_number: int, _frame: object) -> None:
            # The main thread may hold the very locks that stopping takes, so another one does it.
            threading.Thread(target=self.stop, name="stop", daemon=True).start()
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)

    def _end(self) -> None:
        for each in list(self._sockets.values()):
            if each.accepting:
                each.accepting = False
                each.del_channel()
                each.socket.close()  # no new connections; the port is free again
        end = time.monotonic() + FLUSH_SECONDS
        while time.monotonic() < end and any(_busy(each) for each in list(self._sockets.values())):
            wasyncore.loop(timeout=0.02, use_poll=True, map=self._sockets, count=1)
        self._dispatcher.shutdown(timeout=0.1)
        for each in list(self._sockets.values()):
            if isinstance(each, HTTPChannel):
                each.close()
        if self._dispatcher.threads:
            threading.Thread(target=self._close_when_idle, name="late-close", daemon=True).start()
        else:
            wasyncore.close_all(self._sockets, ignore_all=True)

    def _close_when_idle(self) -> None:
        """A thread still at work would pull a trigger that is closed, and so write to whatever got its number since."""
        while self._dispatcher.threads:
            time.sleep(0.1)
        wasyncore.close_all(self._sockets, ignore_all=True)


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address of that host; Unavailable says which port is taken and what to do."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError, OverflowError):
        raise Unavailable(
            Problem(f"'{host}:{port}' is no address of this machine", hint="try --host 127.0.0.1")
        ) from None
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            each = socket.socket(family, kind, protocol)
            bound.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # With port 0 the second address takes the port that the first was given.
            each.bind((address[0], bound[0].getsockname()[1] or port, *address[2:]))
            each.listen(1)
    except OSError as error:
        for each in bound:
            each.close()
        raise Unavailable(_why_not(error, host, port)) from None
    return bound


def _why_not(error: OSError, host: str, port: int) -> Problem:
    if error.errno == errno.EADDRINUSE:
        return Problem(
            f"port {port} on {host} is taken by another program",
            hint=f"stop that program, or choose another port: --port {port + 1 if port < 65535 else 8050}",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Problem(f"port {port} may not be opened by this user", hint="choose one above 1023: --port 8050")
    if error.errno == errno.EADDRNOTAVAIL:
        return Problem(f"'{host}' is no address of this machine", hint="try --host 127.0.0.1")
    return Problem(f"port {port} on {host} cannot be opened: {error.strerror}", hint="choose another one: --port 8050")


def _open_files() -> int:
    """As many open files as the system allows (up to 8192); every stream is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return 8192 if soft == resource.RLIM_INFINITY else soft


def _busy(each: Any) -> bool:
    return isinstance(each, HTTPChannel) and bool(each.requests or each.total_outbufs_len)


class _ErrorTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """What waitress refuses by itself (bad syntax, too long headers) is said as everything else is."""

    def execute(self) -> None:
        error = self.request.error
        body = (json.dumps(error_body(error.code, [_said(error)])) + "\n").encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend(
            [
                ("Content-Type", "application/json"),
                ("X-Content-Type-Options", "nosniff"),
                ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
                ("Cache-Control", "no-store"),
            ]
        )
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def _said(error: Any) -> Problem:
    message, hint = MESSAGES.get(error.code, (f"{error.reason}: {error.body}".lower(), None))
    return Problem(message, hint=hint)


class _Swallow:
    """Takes a body that nobody will read."""

    error = None

    def __init__(self, size: int) -> None:
        self._left = size
        self.completed = size <= 0

    def received(self, data: bytes) -> int:
        taken = min(len(data), self._left)
        self._left -= taken
        self.completed = self._left <= 0
        return taken


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Throws a body that is too large away as it comes, and answers after it: who is cut off never hears why."""

    body_rcv: Any

    def received(self, data: bytes) -> int:
        if isinstance(self.body_rcv, _Swallow):
            taken = self.body_rcv.received(data)
            self.completed = self.body_rcv.completed
        else:
            taken = int(super().received(data))
            size = self.content_length if self.headers_finished and not self.chunked else 0
            most = MOST_COMMAND_BYTES if getattr(self, "path", "") == COMMAND else MOST_BYTES
            if most < size <= MOST_SWALLOWED:
                self.body_rcv, self.error, self.completed = _Swallow(size), None, False
        if isinstance(self.body_rcv, _Swallow) and self.completed:
            self.error = RequestEntityTooLarge(MESSAGES[413][0])
        return taken

    def close(self) -> None:
        if not isinstance(self.body_rcv, _Swallow):  # which has kept nothing that could be closed
            super().close()


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    error_task_class = _ErrorTask
    parser_class = _Parser
