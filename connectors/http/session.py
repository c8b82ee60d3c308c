"""Logging in: a POST that opens a session, kept by cookies or a token, opened again when it has run out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from connectors.contract import Pull, SourceFailed
from connectors.http.auth import LOGIN_PAGE, Exchange, Outgoing, Unsigned, needed, optional
from connectors.http.records import BrokenJsonError, find_one, read_json
from connectors.http.signing import FORM
from connectors.redaction import SECRET_NAMES

RUN_OUT = frozenset({401, 419, 440, LOGIN_PAGE})


@dataclass(slots=True)
class Login(Unsigned):
    """``body`` is posted to ``login_url``; the transport keeps the cookies.

    ``token``: the path in the login's answer where a token stands, for servers that want one instead of cookies.
    """

    login_url: str
    body: bytes
    content_type: str
    logout_url: str | None
    token: str | None
    header: str
    prefix: str
    hidden: tuple[str, ...]
    _found: str | None = None
    _open: bool = False
    _worked: bool = False

    @classmethod
    def read(cls, options: Mapping[str, Any], request: Pull) -> Login:  # noqa: ARG003 (as the other styles)
        """Style ``session``. Raises SourceFailed."""
        fields = dict(options.get("body") or {})
        if not fields:
            fields = {"username": needed(options, "user"), "password": needed(options, "password")}
            fields |= {"company": str(options["company"])} if options.get("company") else {}
        form = optional(options, "as", "json") == "form"
        return cls(
            needed(options, "login_url"), (urlencode(fields) if form else json.dumps(fields)).encode(),
            FORM if form else "application/json", optional(options, "logout_url", "") or None,
            optional(options, "token_at", "") or None, optional(options, "header", "Authorization"),
            optional(options, "prefix", "Bearer"), tuple(hidden_of(fields)),
        )  # fmt: skip

    def secrets(self) -> tuple[str, ...]:
        return self.hidden if self._found is None else (*self.hidden, self._found)

    def open(self, exchange: Exchange) -> None:
        if self._open:
            return
        headers = {"Content-Type": self.content_type}
        answer = exchange("POST", self.login_url, headers, self.body, "the login does not work")
        if self.token is not None:
            try:
                found = find_one(read_json(answer.body), self.token)
            except BrokenJsonError:
                found = None
            if not isinstance(found, str) or not found:
                raise SourceFailed(f"auth: the login's answer has no token at {self.token}", hint="check auth.token_at")
            self._found = found
        self._open, self._worked = True, False

    def sign(self, outgoing: Outgoing) -> Mapping[str, str]:  # noqa: ARG002 (the protocol's shape)
        return self._shown_token()

    def accepted(self) -> None:
        self._worked = True

    def renew(self, status: int) -> bool:
        if status not in RUN_OUT or not self._worked:  # a session that never worked will not the second time
            return False
        self._open = False
        return True

    def close(self, exchange: Exchange) -> None:
        """Sessions may be counted (and paid for): it is given back."""
        if self._open and self.logout_url:
            self._open = False
            exchange("POST", self.logout_url, dict(self._shown_token()), b"", "the logout does not work")

    def _shown_token(self) -> Mapping[str, str]:
        return {} if self._found is None else {self.header: f"{self.prefix} {self._found}".strip()}


def hidden_of(fields: Mapping[str, Any]) -> list[str]:
    """What of a login's fields must not be shown."""
    return [str(value) for name, value in fields.items() if SECRET_NAMES.search(name) and str(value)]
