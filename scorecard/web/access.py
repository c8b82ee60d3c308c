"""The one gate before every route: which host, from which site, and what a wall's token opens."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from flask import Flask, Response, g, redirect, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.routing import Map, Rule

from scorecard.web.answers import Denied, for_programs
from scorecard.web.doors import Doors
from scorecard.web.hooks import check_refresh, read_source_token, shown_token
from scorecard.web.tokens import Grant, check_grant, create_token, list_tokens, read_token, revoke_token

__all__ = ["Gate", "Viewer", "create_token", "list_tokens", "may_show", "revoke_token", "viewer"]

MOST_BYTES = 1024 * 1024
MOST_COMMAND_BYTES = 32 * 1024 * 1024
COMMAND = "/-/command"
COOKIE = "scorecard-wall-"
LEAVE = "/-/leave-wall"
UPDATE = "/_dash-update-component"
# What a page needs besides its own address and its callbacks: code, style, the version. None of it carries a number.
_ALSO = ("/_dash-component-suites/", "/assets/")
_ALSO_EXACTLY = frozenset(
    {"/_dash-layout", "/_dash-dependencies", "/_reload-hash", "/_favicon.ico", "/favicon.ico", "/healthz", LEAVE}
    | {"/api/v1/version", "/api/v1/events"}
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. ``grants`` empty: somebody who may see everything; else a wall, which sees only its panels."""

    grants: tuple[Grant, ...] = ()
    still_good: Callable[[Grant], bool] = lambda _: True

    @property
    def panels(self) -> frozenset[str] | None:
        """The panels it may see; None: everything."""
        return frozenset(grant.panel for grant in self.grants) if self.grants else None

    def check(self) -> bool:
        """Whether an open stream may go on."""
        return not self.grants or any(self.still_good(grant) for grant in self.grants)


def viewer() -> Viewer:
    """Who asks, as the gate has found it."""
    found = g.get("viewer")
    return found if isinstance(found, Viewer) else Viewer()


def may_show(path: str) -> bool:
    """Whether whoever asks may see the page at that path; for those who make pages, within the request."""
    panels, page = viewer().panels, _page(path)
    return page.panel is None if panels is None else page.panel in panels


@dataclass(frozen=True, slots=True)
class _Page:
    """An address of ours. ``panel``: the wall or embed it is of."""

    panel: str | None
    token: str | None = None


class Gate:
    """``hosts``: names besides loopback, this machine's own and plain IP addresses under which it may be reached."""

    def __init__(self, doors: Doors, hosts: Iterable[str] = ()) -> None:
        self._doors = doors
        mine = socket.gethostname().lower()
        self._hosts = {
            "localhost",
            mine,
            f"{mine}.local",
            *(h.lower().rsplit("://", 1)[-1].strip("/") for h in hosts if h),
        }
        self._programs = Map()

    def attach(self, server: Flask) -> None:
        """Puts the gate before everything that is routed on this server, now or later."""
        server.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
        server.before_request(self.check)
        server.after_request(self.remember)
        server.add_url_rule(LEAVE, "leave_wall", leave_wall)

    def know_programs(self, server: Flask) -> None:
        """Takes the addresses for programs from the server's rules: no page's catch-all may answer for them."""
        rules = [
            r
            for r in server.url_map.iter_rules()
            if r.rule.startswith(("/api/", "/-/")) or r.rule in ("/healthz", "/readyz")
        ]
        self._programs = Map([Rule(r.rule, endpoint=r.endpoint, methods=r.methods) for r in rules])

    def check(self) -> None:
        """Raises for everything that must not go on; afterwards ``viewer()`` says who asks."""
        self._check_host()
        _check_site()
        _check_size()
        if for_programs() and not request.path.startswith(("/_dash-", "/_reload-hash")):
            self._programs.bind("").match(request.path, request.method)  # raises 404 or 405
        if (token := shown_token(request)) is not None:
            check_refresh(read_source_token(self._doors.journal, self._doors.token_secret, token), request)
            g.viewer = Viewer()
            return
        g.viewer = self._who()
        self._check_address(g.viewer)

    def remember(self, answer: Response) -> Response:
        """Gives a wall its cookie, for what its page asks for afterwards; takes a dead one away."""
        page, token = _door(request.path), request.args.get("token")
        found = g.get("viewer")
        if page is not None and token and answer.status_code < 400 and isinstance(found, Viewer) and found.grants:
            # A frame on another site gets its cookie only this way; over plain HTTP its address must do.
            apart = request.is_secure and page == "embed"
            answer.set_cookie(
                COOKIE + found.grants[0].panel,
                token,
                expires=found.grants[0].expires,
                httponly=True,
                secure=request.is_secure,
                samesite="None" if apart else "Lax",
                partitioned=apart,
            )
        for name in g.get("dead_cookies", ()):
            answer.delete_cookie(name)
        return answer

    # -- which host, from where --------------------------------------------------------------------------------

    def _check_host(self) -> None:
        """A foreign name that resolves to us is somebody's page trying to read us (DNS rebinding)."""
        written = request.environ.get("HTTP_HOST")
        if written is None or _is_mine(written, self._hosts):
            return
        raise (
            BadRequest
            if not re.fullmatch(r"[\w.:\[\]-]+", written)
            else Denied(400, f"this server is not known as '{written}'", "add the name to `hosts` in settings.toml")
        )

    # -- who ---------------------------------------------------------------------------------------------------

    def _who(self) -> Viewer:
        here, written = _page(request.path, request.args.get("token")), request.args.get("token")
        if here.panel is not None:
            return self._wall((here.panel,), [written or self._cookie(here.panel)])
        if written:
            return self._wall(None, [written])
        came_from = _referring_page()
        asked = _asked_pages() if request.path == UPDATE else ()
        walls = [p for p in (*asked, came_from) if p is not None and p.panel is not None]
        if walls:
            token = next((p.token for p in walls if p.token), None)
            panels = tuple(dict.fromkeys(p.panel for p in walls if p.panel is not None))
            return self._wall(panels, [token or self._cookie(panels[0])])
        kept = {name: value for name, value in request.cookies.items() if name.startswith(COOKIE)}
        if not kept or came_from is not None or _is_a_person_opening_a_page():
            return Viewer()
        return self._by_cookies(kept)

    def _wall(self, panels: tuple[str, ...] | None, tokens: list[str | None]) -> Viewer:
        if not tokens[0]:
            raise Denied(
                401, "a wall or an embedded panel opens only with its link", "make one: scorecard token create PANEL"
            )
        grant = read_token(self._doors.journal, self._doors.token_secret, tokens[0])
        if panels is not None and panels != (grant.panel,):
            raise Denied(403, "this link is for another panel", "make one for this panel: scorecard token create PANEL")
        return Viewer((grant,), self._is_good)

    def _by_cookies(self, kept: Mapping[str, str]) -> Viewer:
        grants, refusal = [], None
        for name, token in kept.items():
            try:
                grants.append(read_token(self._doors.journal, self._doors.token_secret, token))
            except Denied as error:
                refusal = error
                g.dead_cookies = (*g.get("dead_cookies", ()), name)
        if refusal is not None and not grants:
            raise refusal
        return Viewer(tuple(grants), self._is_good)

    def _cookie(self, panel: str) -> str | None:
        return request.cookies.get(COOKIE + panel)

    def _is_good(self, grant: Grant) -> bool:
        try:
            check_grant(self._doors.journal, grant)
        except Denied:
            return False
        return True

    # -- what --------------------------------------------------------------------------------------------------

    def _check_address(self, who: Viewer) -> None:
        panels, path = who.panels, request.path
        if panels is None or path in _ALSO_EXACTLY or path.startswith(_ALSO):
            return
        if path == UPDATE:
            asked = list(_asked_pages())
            if asked and all(page.panel in panels for page in asked):
                return
        elif _door(path) is not None and _page(path).panel in panels:
            return
        raise Denied(
            403, "this link opens its own panel and nothing else", f"to see the rest in this browser, open {LEAVE}"
        )


def leave_wall() -> Response:
    """Forgets the walls this browser showed, and goes to the first page."""
    answer = redirect("/", 303)
    for name in request.cookies:
        if name.startswith(COOKIE):
            answer.delete_cookie(name)
    return Response(headers=answer.headers, status=answer.status_code)


def _is_mine(written: str, names: set[str]) -> bool:
    host = written.rsplit(":", 1)[0] if re.search(r":\d*$", written) and not written.endswith("]") else written
    host = host.lower().rstrip(".")
    if host in names or written.lower() in names or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True  # a page at an IP address was served by whoever has that address: us


def _check_site() -> None:
    """Only our own pages, and programs, may change something (browsers say where a request comes from)."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    foreign = site in ("cross-site", "same-site") or (
        site is None
        and origin is not None
        and urlsplit(origin).netloc.lower() != request.environ.get("HTTP_HOST", "").lower()
    )
    if foreign:
        raise Denied(403, "this request comes from a page of another site", "only this server's own pages may send it")


def _check_size() -> None:
    most = MOST_COMMAND_BYTES if request.path == COMMAND else MOST_BYTES
    request.max_content_length = most
    if (request.content_length or 0) > most:
        raise RequestEntityTooLarge


def _door(path: str) -> str | None:
    """``wall`` or ``embed`` for such a page's path, however it is written; else None."""
    found = re.match(r"/+(wall|embed)(/|$)", unquote(path), re.IGNORECASE)
    return found.group(1).lower() if found else None


def _page(path: str, token: str | None = None) -> _Page:
    """Only the exact address names a panel; any other way to write one names a panel that no token is for."""
    if _door(path) is None:
        return _Page(None, token)
    exact = re.fullmatch(r"/(?:wall|embed)/([^/?#]+)/?", unquote(path))
    return _Page(exact.group(1) if exact else "", token)


def _referring_page() -> _Page | None:
    """The page of ours that sent this request; None if it does not say so, or is no page (a worker's script)."""
    referer = urlsplit(request.headers.get("Referer", ""))
    if not referer.netloc or referer.netloc.lower() != request.environ.get("HTTP_HOST", "").lower():
        return None
    if referer.path.startswith(_ALSO):
        return None
    return _page(referer.path, _token_in(referer.query))


def _token_in(query: str) -> str | None:
    return next(iter(parse_qs(query.lstrip("?")).get("token", [])), None)


def _is_a_person_opening_a_page() -> bool:
    return request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") == "document"


def _asked_pages() -> tuple[_Page, ...]:
    """The addresses that a callback is asked about: every ``address``, ``pathname`` and ``href`` sent."""
    body = request.get_json(silent=True)
    if not isinstance(body, Mapping):
        raise BadRequest
    said = [_split(text) for text in _addresses((body.get("inputs"), body.get("state")))]
    token = next((found for _, query in said if (found := _token_in(query))), None)
    return tuple(_page(path, token) for path, _ in said if path)


def _split(address: str) -> tuple[str, str]:
    """(path, query) of an address, whole or without its host; two slashes in front do not make a host of a path."""
    parts = urlsplit(address)
    if parts.scheme and parts.netloc:
        return parts.path or "/", parts.query
    path, _, query = address.partition("#")[0].partition("?")
    return f"/{path}" if path and not path.startswith("/") else path, query


def _addresses(value: Any) -> Iterator[str]:
    """Whatever names a page, however a callback's inputs carry it: a location's properties, or a key of a mapping."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _addresses(inner)
    elif isinstance(value, Mapping):
        named = value.get("property")
        for key, inner in value.items():
            if isinstance(inner, str) and (key in _NAMING or (key == "value" and named in _NAMING)):
                yield inner
            else:
                yield from _addresses(inner)


_NAMING = ("address", "pathname", "href", "search")
