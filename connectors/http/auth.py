"""How a request proves who asks: what goes along as it stands, and the styles that sign, fetch tokens or log in."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from connectors.contract import Pull, SourceFailed
from connectors.paths import may_read

STYLES = ("bearer", "basic", "key", "oauth1", "oauth2", "sigv4", "google", "session")


LOGIN_PAGE = 0
"""What ``Auth.renew`` hears for a web page where data was asked for: many servers lead to their login when a session ends."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is about to leave: the whole address with its query, all headers so far, the body's bytes."""

    method: str
    address: str
    headers: Mapping[str, str]
    body: bytes
    now: datetime


def moment() -> datetime:
    """The time for signatures: servers compare it with their own, so a fixed clock would not do."""
    return datetime.now(UTC)


Exchange = Callable[..., Any]
"""``Transport.exchange``: a request without this sign-in, to an address that the source names (token or login)."""


class Auth(Protocol):
    """One source's sign-in. The transport opens it before the first request and signs each request to the source's host."""

    @property
    def params(self) -> Mapping[str, str]:
        """Goes into the address of every request."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """All that must not be shown, as known so far."""
        ...

    def open(self, exchange: Exchange) -> None:
        """Fetches what the requests need, where it is not there or has run out. Raises SourceFailed."""
        ...

    def sign(self, outgoing: Outgoing) -> Mapping[str, str]:
        """The headers that prove it."""
        ...

    def accepted(self) -> None:
        """The server has taken it."""
        ...

    def renew(self, status: int) -> bool:
        """After a refusal with that status (or LOGIN_PAGE): whether it may have run out, so that a new one is worth a try."""
        ...

    def close(self, exchange: Exchange) -> None:
        """After the last request."""
        ...


class Unsigned:
    """Nothing is fetched, nothing runs out: what the other styles start from."""

    params: Mapping[str, str] = {}

    def secrets(self) -> tuple[str, ...]:
        return ()

    def open(self, exchange: Exchange) -> None:
        pass

    def sign(self, outgoing: Outgoing) -> Mapping[str, str]:  # noqa: ARG002 (the protocol's shape)
        return {}

    def accepted(self) -> None:
        pass

    def renew(self, status: int) -> bool:  # noqa: ARG002 (the protocol's shape)
        return False

    def close(self, exchange: Exchange) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Fixed(Unsigned):
    """What goes along with every request as it stands, and what must never be shown of it."""

    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    def secrets(self) -> tuple[str, ...]:
        return self.hidden

    def sign(self, outgoing: Outgoing) -> Mapping[str, str]:  # noqa: ARG002 (the protocol's shape)
        return self.headers


def read_auth(request: Pull) -> Auth:
    """The source's ``auth``. Raises SourceFailed for a style that is not known or lacks its key."""
    given = request.options.get("auth")
    if not given:
        return Fixed()
    options: Mapping[str, Any] = given
    match str(options.get("style") or ""):
        case "bearer":
            token = needed(options, "token")
            return Fixed(
                {optional(options, "header", "Authorization"): _prefixed(options, "Bearer", token)}, hidden=(token,)
            )
        case "basic":
            return basic(needed(options, "user"), optional(options, "password", ""))
        case "key":
            return _key(options)
        case "oauth1":
            from connectors.http.signing import OAuth1

            return OAuth1.read(options)
        case "sigv4":
            from connectors.http.signing import SigV4

            return SigV4.read(options)
        case "oauth2" | "google" as style:
            from connectors.http.tokens import read_google, read_oauth2

            return read_oauth2(options, request) if style == "oauth2" else read_google(options, request)
        case "session":
            from connectors.http.session import Login

            return Login.read(options, request)
        case style:
            raise SourceFailed(f"auth style {style!r} is not known", hint=f"one of {', '.join(STYLES)}")


def basic(user: str, password: str) -> Fixed:
    coded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Fixed({"Authorization": f"Basic {coded}"}, hidden=(password, coded))


def _key(options: Mapping[str, Any]) -> Fixed:
    key = next((str(options[name]) for name in ("key", "value", "token") if options.get(name)), None)
    if key is None:
        raise SourceFailed("auth: style key needs 'key'", hint='key: "${NAME}"')
    param = options.get("param") or (options.get("name") if options.get("in") == "query" else None)
    if param or options.get("in") == "query":
        return Fixed(params={str(param or "key"): key}, hidden=(key,))
    header = str(options.get("header") or options.get("name") or "X-API-Key")
    return Fixed({header: _prefixed(options, "", key)}, hidden=(key,))


def _prefixed(options: Mapping[str, Any], usual: str, secret: str) -> str:
    prefix = optional(options, "prefix", optional(options, "scheme", usual))
    if any(sign in secret for sign in "\r\n"):
        raise SourceFailed("auth: the token holds a line end", hint="look at the variable that it comes from")
    return f"{prefix} {secret}".strip()


def optional(options: Mapping[str, Any], name: str, usual: str) -> str:
    value = options.get(name)
    return usual if value is None else str(value)


def needed(options: Mapping[str, Any], name: str) -> str:
    """A key that the style cannot do without. Raises SourceFailed."""
    value = options.get(name)
    if value is None or value == "":
        raise SourceFailed(f"auth: style {options.get('style')} needs '{name}'", hint=f'{name}: "${{NAME}}"')
    return str(value)


def text_or_file(written: str, begins: str, what: str, request: Pull) -> str:
    """A key or certificate that stands in the source itself, or in the file that it names. Raises SourceFailed."""
    if written.lstrip().startswith(begins):
        return written.replace("\\n", "\n")  # in a .env file, a line end is often written as two signs
    if not re.fullmatch(r"[^\n]{1,300}\.(pem|key|json|p8)", written):  # it may be a broken key: nothing of it is shown
        hint = f"write the {what} itself, from {begins} on, or the path of its .pem or .json file"
        raise SourceFailed(f"auth: the {what} is not one", hint=hint)
    try:
        return may_read(request.folder / written, request).read_text(encoding="utf-8")
    except SourceFailed as problem:
        if problem.hint is not None:
            raise
        raise SourceFailed(f"auth: there is no file {written} with the {what}", hint="check its path") from None
    except (OSError, ValueError):
        raise SourceFailed(f"auth: the file of the {what}, {written}, cannot be read", hint="check the file") from None
