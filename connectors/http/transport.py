"""Requests with limits that hold: one deadline for the whole pull, a cap on decoded bytes, no redirect to elsewhere.

A server that sends a byte now and then, never ends, packs gigabytes into kilobytes, answers with a login page or breaks
off in the middle ends as a named failure, never as a hanging pull or half a result.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from connectors.contract import Pull, SourceFailed
from connectors.http.auth import LOGIN_PAGE, Auth, Fixed, Outgoing, moment
from connectors.http.bodies import check_length, pieces
from connectors.http.failures import AnswerRefusedError, Told, broken_off, refused_by, unreachable
from connectors.http.peers import Adapter, Peers, forbidden_by
from connectors.paths import may_read
from connectors.redaction import Redaction, shown_address

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 60.0
PAGE_BYTES = 256 * 1024**2
REDIRECTS = 5
ACCEPTED = "application/json, application/x-ndjson, text/csv;q=0.9, */*;q=0.1"
SECRET_COOKIE = 8
"""Shorter cookies hold settings such as a language, not sessions."""
DEFAULT_PORTS = {"http": 80, "https": 443}
USUAL = {"User-Agent": "scorecard", "Accept": ACCEPTED}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status (200-299 or 304), headers (names in any case), the decoded body and its final address."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One request before it is signed. ``alone``: it goes without the source's sign-in, wherever the source says."""

    method: str
    address: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes
    alone: bool = False


class Transport:
    """The requests of one pull. Use as a context manager.

    Sign-in and the source's own headers go to the host of the source's ``url`` and to no other.
    """

    def __init__(self, request: Pull, auth: Auth | None = None) -> None:
        self._auth: Auth = Fixed() if auth is None else auth
        self.redaction = Redaction([*self._auth.secrets(), *self._auth.params.values(), *request.secrets])
        self._now = request.now
        self._seconds = request.timeout_seconds
        self._deadline = time.monotonic() + request.timeout_seconds
        self._bytes_left = request.max_bytes
        self._home = str(request.options.get("url") or request.options.get("path") or "")
        self._trusted = {str(host).lower() for host in request.options.get("allow_hosts") or ()}
        self._per_minute = (request.options.get("limits") or {}).get("per_minute")
        self._recent: deque[float] = deque()
        self._late = False
        self._peers = Peers(urlsplit(self._home).hostname)
        self._session = requests.Session()
        self._session.auth = lambda prepared: prepared  # else requests looks for passwords in ~/.netrc
        ca = request.options.get("ca")
        self._verify: str | None = None if ca is None else str(may_read(request.folder / str(ca), request))
        self._settings: dict[tuple[str, str], Mapping[str, Any]] = {}
        adapter = Adapter(self._peers)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(SourceFailed):  # a farewell that is not heard harms nobody
            if self.seconds_left() > 0 and not self._late:
                self._auth.close(self.exchange)
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
        given = {str(name): str(value) for name, value in (headers or {}).items()}
        if isinstance(body, dict | list):
            sent = json.dumps(body).encode()
            if not any(name.lower() == "content-type" for name in given):
                given["Content-Type"] = "application/json"
        else:
            sent = b"" if body is None else str(body).encode()
        return self._answer(Asked(method, address, params or {}, given, sent))

    def exchange(self, method: str, address: str, headers: Mapping[str, str], body: bytes, failing: str) -> Answer:
        """A request that fetches the sign-in itself: it goes without one, to where the source says. Raises SourceFailed."""
        try:
            return self._answer(Asked(method, address, {}, headers, body, alone=True))
        except SourceFailed as problem:
            problem.message = f"auth: {failing}: {problem.message}"
            raise

    def download(self, address: str, file: BinaryIO, headers: Mapping[str, str]) -> Told:
        """A body into a file; gives status and headers. Raises SourceFailed."""
        told, _ = self._exchange(Asked("GET", address, {}, headers, b""), file.write, self._bytes_left)
        return told

    def same_host(self, first: str, other: str) -> str:
        """Another address given by the server, made absolute. Raises SourceFailed where it leads to another host.

        Hosts listed under ``allow_hosts`` may be led to, from https only by https.
        """
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
        if _leads_to_same(here.scheme, first, target):
            return target
        trusted = {(there.hostname or "").lower(), there.netloc.rpartition("@")[2].lower()} & self._trusted
        if trusted and there.scheme in {"https", here.scheme}:
            return target
        message = f"{self.shown(first)} leads on to another host: {self.shown(target)}"
        raise SourceFailed(message, hint="if it is to be trusted, list it: allow_hosts: [files.example.com]")

    def _answer(self, asked: Asked) -> Answer:
        parts: list[bytes] = []
        told, address = self._exchange(asked, parts.append, min(PAGE_BYTES, self._bytes_left))
        if not asked.alone and "html" in told.headers.get("Content-Type", "").lower() and self._auth.renew(LOGIN_PAGE):
            parts.clear()
            self._session.cookies.clear()
            told, address = self._exchange(asked, parts.append, min(PAGE_BYTES, self._bytes_left))
        return Answer(told.status, told.headers, b"".join(parts), address)

    def _exchange(self, asked: Asked, write: Any, limit: int) -> tuple[Told, str]:
        """Asks, with the sign-in opened before; once more with a new one where it has run out."""
        if asked.alone:
            return self._follow(asked, write, limit)
        self._open_sign_in()
        try:
            found = self._follow(asked, write, limit)
        except AnswerRefusedError as refused:
            if not self._auth.renew(refused.status):
                raise
            self._session.cookies.clear()
            self._open_sign_in()
            found = self._follow(asked, write, limit)
        if "html" not in found[0].headers.get("Content-Type", "").lower():
            self._auth.accepted()
        return found

    def _open_sign_in(self) -> None:
        self._auth.open(self.exchange)
        self.redaction.add(self._auth.secrets())

    def _follow(self, asked: Asked, write: Any, limit: int) -> tuple[Told, str]:
        """Asks, and goes along with redirects that stay on the host."""
        address, params = asked.address, asked.params
        for _ in range(REDIRECTS + 1):
            with _Watch(self), self._open(asked, address, params) as response:
                if response.status_code not in {301, 302, 303, 307, 308}:
                    return self._receive(response, write, limit), response.url
                target = response.headers.get("Location")
            if not target or (asked.method != "GET" and response.status_code not in {307, 308}):
                raise SourceFailed(
                    f"{self.shown(address)} answers with a redirect ({response.status_code})", hint="check the url"
                )
            address, params = self.same_host(address, target), {}
        raise SourceFailed(f"{self.shown(address)} redirects more than {REDIRECTS} times", hint="check the url")

    def _open(self, asked: Asked, address: str, params: Mapping[str, Any]) -> requests.Response:
        self._pace()
        left = self.seconds_left()
        if left <= 0:
            raise self._too_late(address)
        mine = not asked.alone and _leads_to_same(urlsplit(self._home).scheme, self._home, address)
        try:
            headers = {**USUAL, **(asked.headers if mine or asked.alone else {})}
            all_params = {**params, **(self._auth.params if mine else {})}
            prepared = self._session.prepare_request(
                requests.Request(asked.method, address, params=all_params, headers=headers, data=asked.body or None)
            )
            # A space goes out as signatures count it; every server reads that, not every one reads a plus.
            path, _, query = str(prepared.url).partition("?")
            prepared.url = f"{path}?{query.replace('+', '%20')}" if query else path
            if mine:
                outgoing = Outgoing(asked.method, prepared.url, headers, asked.body, moment())
                prepared.headers.update(self._auth.sign(outgoing))
            elif not asked.alone:
                prepared.headers.pop("Cookie", None)  # cookies know hosts, not ports
            settings = self._surroundings(prepared.url)
            waits = (min(CONNECT_SECONDS, left), min(SILENCE_SECONDS, left))
            return self._session.send(prepared, allow_redirects=False, timeout=waits, **settings)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError, ValueError) as problem:
            if self._late:
                raise self._too_late(address) from None
            if (reason := forbidden_by(problem)) is not None:
                raise SourceFailed(
                    f"{self.shown(address)} leads to an address that may not be asked", hint=reason
                ) from None
            raise unreachable(problem, self.shown(address), self.redaction) from None

    def _surroundings(self, address: str) -> Mapping[str, Any]:
        """What the environment says of proxies and certificates, asked once a host: it is asked for hundreds of pages."""
        scheme, host = urlsplit(address)[:2]
        if (scheme, host) not in self._settings:
            said = self._session.merge_environment_settings(address, {}, True, self._verify, None)
            self._settings[scheme, host] = said
        return self._settings[scheme, host]

    def _pace(self) -> None:
        """Waits where more requests than the source's ``limits.per_minute`` would leave within a minute."""
        if self._per_minute is None:
            return
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if len(self._recent) >= int(self._per_minute):
            time.sleep(max(0.0, min(self._recent[0] + 60 - now, self.seconds_left())))
            self._recent.popleft()
        self._recent.append(time.monotonic())

    def _receive(self, response: requests.Response, write: Any, limit: int) -> Told:
        """Reads a body as it comes, so that neither its length nor its slowness is the server's to choose."""
        address = self.shown(response.url)
        told = Told(response.status_code, response.headers, address)
        failed = not (200 <= told.status < 300 or told.status == 304)
        kept: list[bytes] = []
        size = 0
        try:
            for piece in pieces(response):
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
                check_length(response)
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
        cookies = [cookie.value or "" for cookie in self._session.cookies]
        self.redaction.add(value for value in cookies if len(value) >= SECRET_COOKIE)
        return told

    def _too_late(self, address: str) -> SourceFailed:
        message = f"{self.shown(address)} took longer than {self._seconds:g} s"
        return SourceFailed(message, hint="ask for less, or raise the limit", retry=True)

    def cut(self) -> None:
        """Ends whatever is being waited for, from another thread."""
        self._late = True
        for connected in list(self._peers.sockets):
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


def _leads_to_same(scheme: str, first: str, other: str) -> bool:
    """Whether both addresses are of one host and port; http to https on the usual ports is one step up, and fine."""
    here, there = urlsplit(first), urlsplit(other)
    ports = [part.port or DEFAULT_PORTS.get(part.scheme) for part in (here, there)]
    upgraded = (scheme, there.scheme) == ("http", "https") and ports == [80, 443]
    return there.hostname == here.hostname and (upgraded or (here.scheme == there.scheme and ports[0] == ports[1]))
