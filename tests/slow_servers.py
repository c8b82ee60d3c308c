"""A real HTTP server on a real socket, scripted by a function: what connectors meet, good and bad."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    params: dict[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Given:
    """One answer. ``announced``: a Content-Length that is not the body's. ``pause``: seconds between single bytes."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    pause: float = 0.0
    raw: bytes | None = None

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Server:
    url: str
    asked: list[Asked] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, else each answer waits 40 ms
    disable_nagle_algorithm = True
    answer: Callable[[Asked], Given]
    server_log: list[Asked]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(
            self.command, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), dict(self.headers), body
        )
        self.server_log.append(asked)
        given = type(self).answer(asked)
        try:
            self._send(given)
        except OSError:
            self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def _send(self, given: Given) -> None:
        if given.raw is not None:
            self._drip(given.raw, given.pause)
            self.close_connection = True
            return
        content = given.content()
        self.send_response(given.status)
        kind = "application/json" if not isinstance(given.body, str) else "text/plain"
        for name, value in {"Content-Type": kind, **given.headers}.items():
            self.send_header(name, value)
        if given.status != 304:
            self.send_header("Content-Length", str(len(content) if given.announced is None else given.announced))
        self.end_headers()
        self._drip(content, given.pause)
        if given.announced is not None:
            self.close_connection = True

    def _drip(self, content: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(content)
            return
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(pause)


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients here break off on purpose."""


@contextmanager
def served(answer: Callable[[Asked], Given], *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server at ``url`` that answers as the function says, and remembers what it was asked."""
    log: list[Asked] = []
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer), "server_log": log})
    server = _Threads(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Server(f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}", log)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
