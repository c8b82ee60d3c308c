"""Requests with limits that hold: one deadline for the whole pull, a cap on decoded bytes, no redirect to elsewhere.

A server that sends a byte now and then, never ends, packs gigabytes into kilobytes, answers with a login page or breaks
off in the middle ends as a named failure, never as a hanging pull or half a result.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connectors.contract import Pull, SourceFailed
from connectors.http.auth import Auth
from connectors.http.failures import Told, broken_off, refused_by, unreachable
from connectors.redaction import Redaction, shown_address

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 60.0
CHUNK = 64 * 1024
PIECE = 1024**2
PAGE_BYTES = 256 * 1024**2
REDIRECTS = 5
ACCEPTED = "application/json, application/x-ndjson, text/csv;q=0.9, */*;q=0.1"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status (200-299 or 304), headers (names in any case), the decoded body and its final address."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str


class Transport:
    """The requests of one pull. Use as a context manager."""

    def __init__(self, request: Pull, auth: Auth) -> None:
        self.redaction = Redaction([*auth.secrets, *auth.params.values()])
        self._auth = auth
        self._now = request.now
        self._seconds = request.timeout_seconds
        self._deadline = time.monotonic() + request.timeout_seconds
        self._bytes_left = request.max_bytes
        self._max_bytes = request.max_bytes
        self._sockets: set[socket.socket] = set()
        self._late = False
        self._session = requests.Session()
        self._session.auth = lambda prepared: prepared  # else requests looks for passwords in ~/.netrc
        adapter = _Adapter(self._sockets)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    def shown(self, address: str) -> str:
        """An address as it may be shown."""
        return self.redaction.clean(shown_address(address))

    def ask(
        self,
        address: str,
        *,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """One answer, whole. ``body``: a mapping or list goes as JSON, text as it stands. Raises SourceFailed."""
        parts: list[bytes] = []
        limit = min(PAGE_BYTES, self._bytes_left)
        with_body = (
            {} if body is None else ({"json": body} if isinstance(body, dict | list) else {"data": str(body).encode()})
        )
        told, address = self._exchange(
            address, parts.append, limit, method, dict(params or {}), dict(headers or {}), with_body
        )
        return Answer(told.status, told.headers, b"".join(parts), address)

    def download(self, address: str, file: BinaryIO) -> Mapping[str, str]:
        """A body into a file; gives the headers. Raises SourceFailed."""
        told, _ = self._exchange(address, file.write, self._bytes_left, "GET", {}, {}, {})
        return told.headers

    def same_host(self, first: str, other: str) -> str:
        """Another address given by the server, made absolute. Raises SourceFailed where it leads to another host."""
        target = urljoin(first, other)
        here, there = urlsplit(first), urlsplit(target)
        if (
            here.scheme == "https"
            and there.scheme == "http"
            and here.hostname == there.hostname
            and there.port in {None, 80}
        ):
            target = there._replace(scheme="https", netloc=here.netloc).geturl()  # an API behind a proxy that ends TLS
            there = urlsplit(target)
        ports = [part.port or DEFAULT_PORTS.get(part.scheme) for part in (here, there)]
        upgraded = (here.scheme, there.scheme) == ("http", "https") and ports == [80, 443]
        if there.hostname != here.hostname or not (upgraded or (here.scheme == there.scheme and ports[0] == ports[1])):
            message = f"{self.shown(first)} leads on to another host: {self.shown(target)}"
            raise SourceFailed(message, hint="write the address it leads to into the source, if it is to be trusted")
        return target

    def _exchange(
        self,
        address: str,
        write: Any,
        limit: int,
        method: str,
        params: dict[str, Any],
        headers: dict[str, str],
        body: dict[str, Any],
    ) -> tuple[Told, str]:
        params = {**params, **self._auth.params}
        for _ in range(REDIRECTS + 1):
            with self._watched(), self._open(method, address, params, headers, body) as response:
                if response.status_code not in {301, 302, 303, 307, 308}:
                    return self._receive(response, write, limit), response.url
                target = response.headers.get("Location")
            if not target or (method != "GET" and response.status_code not in {307, 308}):
                raise SourceFailed(
                    f"{self.shown(address)} answers with a redirect ({response.status_code})", hint="check the url"
                )
            address, params = self.same_host(address, target), dict(self._auth.params)
        raise SourceFailed(f"{self.shown(address)} redirects more than {REDIRECTS} times", hint="check the url")

    def _open(
        self, method: str, address: str, params: dict[str, Any], headers: dict[str, str], body: dict[str, Any]
    ) -> requests.Response:
        usual = {
            "User-Agent": "scorecard",
            "Accept": "application/json, application/x-ndjson, text/csv;q=0.9, */*;q=0.1",
        }
        left = self.seconds_left()
        if left <= 0:
            raise self._too_late(address)
        try:
            return self._session.request(
                method, address, params=params, headers={**usual, **headers, **self._auth.headers}, stream=True,
                allow_redirects=False, timeout=(min(CONNECT_SECONDS, left), min(SILENCE_SECONDS, left)), **body,
            )  # fmt: skip
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError, ValueError) as problem:
            if self._late:
                raise self._too_late(address) from None
            if _is_forbidden(problem):
                hint = "link-local addresses serve the machine itself, not its users"
                raise SourceFailed(
                    f"{self.shown(address)} leads to an address that may not be asked", hint=hint
                ) from None
            raise unreachable(problem, self.shown(address), self.redaction) from None

    def _receive(self, response: requests.Response, write: Any, limit: int) -> Told:
        """Reads a body as it comes, so that neither its length nor its slowness is the server's to choose."""
        address = self.shown(response.url)
        told = Told(response.status_code, response.headers, address)
        failed = not (200 <= told.status < 300 or told.status == 304)
        kept: list[bytes] = []
        size = 0
        try:
            for piece in _pieces(response):
                size += len(piece)
                if failed:
                    kept.append(piece)
                    if size > 4000:
                        break
                elif size > limit:
                    hint = "ask for less (fewer fields, smaller pages)"
                    raise SourceFailed(f"{address} sends more than {limit:,} bytes", hint=hint)
                else:
                    write(piece)
                if self.seconds_left() <= 0:
                    raise self._too_late(response.url)
            if not failed:
                _check_length(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, zlib.error) as problem:
            if self._late:
                raise self._too_late(response.url) from None
            if not failed:
                raise broken_off(problem, address, self.redaction) from None
        if self._late:  # a cut connection can look like an answer that ended early
            raise self._too_late(response.url)
        if failed:
            raise refused_by(told, b"".join(kept), self.redaction, self._now)
        self._bytes_left -= size
        return told

    def _too_late(self, address: str) -> SourceFailed:
        message = f"{self.shown(address)} took longer than {self._seconds:g} s"
        return SourceFailed(message, hint="ask for less, or raise the limit", retry=True)

    def _watched(self) -> _Watch:
        return _Watch(self)

    def cut(self) -> None:
        """Ends whatever is being waited for, from another thread."""
        self._late = True
        for connected in list(self._sockets):
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)


class _Watch:
    """Cuts the connection at the deadline: a server that drips its headers never lets a read time out."""

    def __init__(self, transport: Transport) -> None:
        self._timer = threading.Timer(max(0.0, transport.seconds_left()), transport.cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Unpacked pieces as they arrive, without waiting for a full one. Raises zlib.error where the packing is damaged."""
    raw: urllib3.HTTPResponse = response.raw
    packing = response.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if packing not in {"identity", "gzip", "x-gzip", "deflate"}:
        raise zlib.error(f"packed as {packing}, which nobody asked for")
    unpacking = None if packing == "identity" else zlib.decompressobj(47)  # 47: gzip or zlib, as its first bytes say
    started = False
    while piece := raw.read1(CHUNK, decode_content=False):
        if unpacking is None:
            yield piece
            continue
        started = True
        while piece:
            yield unpacking.decompress(piece, PIECE)
            piece = unpacking.unconsumed_tail
            if unpacking.eof and unpacking.unused_data.strip(b"\0"):
                piece, unpacking = unpacking.unused_data, zlib.decompressobj(47)
    if unpacking is not None and started and not unpacking.eof:
        raise zlib.error("cut off")


def _check_length(response: requests.Response) -> None:
    """Fewer bytes than announced are a broken answer."""
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and response.status_code not in {204, 304}:
        came = response.raw.tell()
        if came < int(announced):
            raise urllib3.exceptions.IncompleteRead(came, int(announced) - came)


class ForbiddenAddressError(OSError):
    """An address that serves the machine itself, such as a cloud's metadata."""


def _is_forbidden(problem: BaseException | None) -> bool:
    """Whether an error, or what it came from, is ours."""
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        if isinstance(problem, ForbiddenAddressError):
            return True
        seen.add(id(problem))
        problem = problem.__context__
    return False


class _Adapter(HTTPAdapter):
    """Looks at whom a connection really reached, and keeps hold of it for the deadline."""

    def __init__(self, sockets: set[socket.socket]) -> None:
        self._sockets = sockets
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        sockets = self._sockets

        class Plain(urllib3.connection.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                admit(self.sock, sockets)

        class Secure(urllib3.connection.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                admit(self.sock, sockets)

        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def admit(connected: Any, sockets: set[socket.socket]) -> None:
    """Refuses link-local addresses, where clouds keep their machines' credentials, whatever name led there."""
    peer = ipaddress.ip_address(connected.getpeername()[0].split("%")[0])
    mapped = getattr(peer, "ipv4_mapped", None) or peer
    if mapped.is_link_local or mapped.is_multicast or str(peer) == "fd00:ec2::254":
        connected.close()
        raise ForbiddenAddressError(f"{peer} may not be asked")
    sockets.add(connected)
