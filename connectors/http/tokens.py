"""Tokens that are fetched first: OAuth 2 (client credentials, refresh token, signed assertions) and Google service accounts.

A token is fetched before the first request, again shortly before it runs out, and again where the server refuses it in
the middle of a pull. It lives as long as the pull: nothing of it is kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from connectors.contract import Pull, SourceFailed
from connectors.http.assertions import Assertion
from connectors.http.auth import Exchange, Outgoing, Unsigned, basic, moment, needed, optional, text_or_file
from connectors.http.records import BrokenJsonError, read_json
from connectors.http.signing import FORM

GRANTS = ("client_credentials", "refresh_token", "jwt")
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GOOGLE_TOKENS = "https://oauth2.googleapis.com/token"
EARLY_SECONDS = 30.0
"""A token is not used in the last moments of its life: the request takes time too."""


@dataclass(slots=True)
class Fetched(Unsigned):
    """A bearer token from ``token_url``. ``form`` makes what is posted, anew each time (assertions carry the time)."""

    token_url: str
    form: Callable[[], Mapping[str, str]]
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    prefix: str = "Bearer"
    _token: str | None = None
    _until: float = 0.0
    _worked: bool = False

    def secrets(self) -> tuple[str, ...]:
        return self.hidden if self._token is None else (*self.hidden, self._token)

    def open(self, exchange: Exchange) -> None:
        if self._token is not None and time.monotonic() < self._until:
            return
        body = urlencode(dict(self.form())).encode()
        headers = {"Content-Type": FORM, "Accept": "application/json", **self.headers}
        answer = exchange("POST", self.token_url, headers, body, "the token cannot be fetched")
        try:
            found = read_json(answer.body)
        except BrokenJsonError:
            found = None
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token:
            said = found.get("error_description") or found.get("error") if isinstance(found, dict) else None
            message = "auth: the answer of token_url holds no access_token" + (f": {said}" if said else "")
            raise SourceFailed(message, hint="check token_url and the client")
        lives = found.get("expires_in")
        seconds = (
            float(lives)
            if isinstance(lives, int | float | str) and str(lives).replace(".", "", 1).isdigit()
            else 3600.0
        )
        self._token, self._worked = token, False
        self._until = time.monotonic() + max(seconds - EARLY_SECONDS, seconds / 2)

    def sign(self, outgoing: Outgoing) -> Mapping[str, str]:  # noqa: ARG002 (the protocol's shape)
        return {"Authorization": f"{self.prefix} {self._token}"}

    def accepted(self) -> None:
        self._worked = True

    def renew(self, status: int) -> bool:
        # A token that never worked will not work the second time either.
        if status != 401 or not self._worked:
            return False
        self._token = None
        return True


def read_oauth2(options: Mapping[str, Any], request: Pull) -> Fetched:
    """Style ``oauth2``. Raises SourceFailed."""
    grant = optional(options, "grant", "client_credentials")
    url = needed(options, "token_url")
    if grant not in GRANTS:
        raise SourceFailed(f"auth: grant {grant!r} is not known", hint=f"one of {', '.join(GRANTS)}")
    scope = {
        name: str(options[name])
        for name in ("scope", "audience")
        if options.get(name) and not options.get("private_key")
    }
    prefix = optional(options, "prefix", "Bearer")
    if options.get("private_key"):
        assertion = _assertion(options, request, url, "PS256" if grant == "client_credentials" else "RS256")

        def signed() -> Mapping[str, str]:
            text = assertion.text(moment())
            if grant == "jwt":
                return {"grant_type": JWT_BEARER, "assertion": text}
            asked = {"scope": str(options["scope"])} if options.get("scope") else {}
            return {"grant_type": grant, "client_assertion_type": CLIENT_ASSERTION, "client_assertion": text, **asked}

        return Fetched(url, signed, hidden=(assertion.key,), prefix=prefix)
    if grant == "jwt":
        needed(options, "private_key")
    form = {"grant_type": grant, **scope}
    hidden = []
    if grant == "refresh_token":
        hidden.append(needed(options, "refresh_token"))
        form["refresh_token"] = hidden[0]
    client, secret = needed(options, "client_id"), optional(options, "client_secret", "")
    if grant == "client_credentials":
        needed(options, "client_secret")
    headers: Mapping[str, str] = {}
    if optional(options, "client_in", "body") == "header" and secret:
        proof = basic(quote(client, safe=""), quote(secret, safe=""))
        headers, hidden = proof.headers, [*hidden, secret, *proof.hidden]
    else:
        form |= {"client_id": client, **({"client_secret": secret} if secret else {})}
        hidden.append(secret)
    return Fetched(url, lambda: form, headers, tuple(hidden), prefix)


def _assertion(options: Mapping[str, Any], request: Pull, url: str, usual: str) -> Assertion:
    client = needed(options, "client_id")
    claims: dict[str, Any] = {"iss": client, "sub": client, "aud": optional(options, "audience", url)}
    claims |= dict(options.get("claims") or {})
    return Assertion(
        text_or_file(needed(options, "private_key"), "-----BEGIN", "private key", request),
        claims, optional(options, "certificate_id", "") or None, optional(options, "algorithm", "") or None, usual,
    )  # fmt: skip


def read_google(options: Mapping[str, Any], request: Pull) -> Fetched:
    """Style ``google``: a service account's key file, as Google's console gives it. Raises SourceFailed."""
    text = text_or_file(needed(options, "credentials"), "{", "service account's key", request)
    try:
        account = json.loads(text)
    except (ValueError, RecursionError):
        try:  # a value out of a .env file keeps the line ends of its key as two signs
            account = json.loads(text.replace("\n", "\\n"))
        except (ValueError, RecursionError):
            account = None
    if not isinstance(account, dict) or not account.get("private_key") or not account.get("client_email"):
        hint = "take the JSON file of a service account's key: it holds client_email and private_key"
        raise SourceFailed("auth: credentials is no service account's key", hint=hint)
    url = optional(options, "token_url", str(account.get("token_uri") or GOOGLE_TOKENS))
    claims = {"iss": str(account["client_email"]), "aud": url, "scope": needed(options, "scope")}
    if options.get("subject"):
        claims["sub"] = str(options["subject"])
    key = account.get("private_key_id")
    assertion = Assertion(str(account["private_key"]), claims, None if key is None else str(key), None, "RS256")
    return Fetched(
        url, lambda: {"grant_type": JWT_BEARER, "assertion": assertion.text(moment())}, hidden=(assertion.key,)
    )
