"""How a request proves who asks."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import SourceFailed

LATER = ("oauth1", "oauth2", "sigv4", "google", "session")


@dataclass(frozen=True, slots=True)
class Auth:
    """What goes along with every request, and what must never be shown of it."""

    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


def read_auth(options: Mapping[str, Any] | None) -> Auth:
    """The source's ``auth``. Raises SourceFailed for a style that is not known or lacks its key."""
    if not options:
        return Auth()
    style = str(options.get("style") or "")
    if style == "bearer":
        token = _needed(options, style, "token")
        return Auth({_text(options, "header", "Authorization"): _prefixed(options, "Bearer", token)}, secrets=(token,))
    if style == "basic":
        user, password = _needed(options, style, "user"), _text(options, "password", "")
        coded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return Auth({"Authorization": f"Basic {coded}"}, secrets=(password, coded))
    if style == "key":
        return _key(options)
    if style in LATER:
        raise SourceFailed(f"auth style '{style}' is not supported yet", hint="bearer, basic and key are")
    raise SourceFailed(f"auth style {style!r} is not known", hint="bearer, basic or key")


def _key(options: Mapping[str, Any]) -> Auth:
    key = next((str(options[name]) for name in ("key", "value", "token") if options.get(name)), None)
    if key is None:
        raise SourceFailed("auth: style key needs 'key'", hint='key: "${NAME}"')
    param = options.get("param") or (options.get("name") if options.get("in") == "query" else None)
    if param or options.get("in") == "query":
        return Auth(params={str(param or "key"): key}, secrets=(key,))
    header = str(options.get("header") or options.get("name") or "X-API-Key")
    return Auth({header: _prefixed(options, "", key)}, secrets=(key,))


def _prefixed(options: Mapping[str, Any], usual: str, secret: str) -> str:
    prefix = _text(options, "prefix", _text(options, "scheme", usual))
    if any(sign in secret for sign in "\r\n"):
        raise SourceFailed("auth: the token holds a line end", hint="look at the variable that it comes from")
    return f"{prefix} {secret}".strip()


def _text(options: Mapping[str, Any], name: str, usual: str) -> str:
    value = options.get(name)
    return usual if value is None else str(value)


def _needed(options: Mapping[str, Any], style: str, name: str) -> str:
    value = options.get(name)
    if value is None or value == "":
        raise SourceFailed(f"auth: style {style} needs '{name}'", hint=f'{name}: "${{NAME}}"')
    return str(value)
