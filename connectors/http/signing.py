"""Signatures over each request: OAuth 1.0a (RFC 5849, with HMAC-SHA256 of RFC 9421's registry) and AWS Signature Version 4.

Both are a canonical text of the request and an HMAC; the tests compare them with the libraries of their makers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from connectors.contract import SourceFailed
from connectors.http.auth import Outgoing, Unsigned, needed, optional

OAUTH_METHODS = {"HMAC-SHA256": hashlib.sha256, "HMAC-SHA1": hashlib.sha1}
FORM = "application/x-www-form-urlencoded"


def strictly(text: str) -> str:
    """Percent-encoding of RFC 3986: only letters, digits and ``-._~`` stay."""
    return quote(text, safe="-._~")


@dataclass(frozen=True, slots=True)
class OAuth1(Unsigned):
    """A consumer and a token, each with a secret. ``realm`` is the account, where the server wants one (NetSuite)."""

    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str
    method: str = "HMAC-SHA256"
    realm: str | None = None

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> OAuth1:
        method = optional(options, "signature", "HMAC-SHA256").upper()
        if method not in OAUTH_METHODS:
            raise SourceFailed(f"auth: signature {method!r} is not known", hint=f"one of {', '.join(OAUTH_METHODS)}")
        consumer, token = (
            (needed(options, "consumer_key"), needed(options, "consumer_secret")),
            needed(options, "token"),
        )
        return cls(*consumer, token, needed(options, "token_secret"), method, optional(options, "realm", "") or None)

    def secrets(self) -> tuple[str, ...]:
        return self.consumer_key, self.consumer_secret, self.token, self.token_secret

    def sign(self, outgoing: Outgoing) -> Mapping[str, str]:
        return {"Authorization": self.header(outgoing, secrets.token_hex(16), int(outgoing.now.timestamp()))}

    def header(self, outgoing: Outgoing, nonce: str, timestamp: int) -> str:
        """The Authorization header for a given nonce and moment (seconds since 1970)."""
        given = {
            "oauth_consumer_key": self.consumer_key, "oauth_token": self.token, "oauth_nonce": nonce,
            "oauth_signature_method": self.method, "oauth_timestamp": str(timestamp), "oauth_version": "1.0",
        }  # fmt: skip
        parts = urlsplit(outgoing.address)
        pairs = [*given.items(), *parse_qsl(parts.query, keep_blank_values=True)]
        if outgoing.headers.get("Content-Type", "").startswith(FORM):
            pairs += parse_qsl(outgoing.body.decode(), keep_blank_values=True)
        coded = "&".join(f"{name}={value}" for name, value in sorted((strictly(n), strictly(v)) for n, v in pairs))
        port = f":{parts.port}" if parts.port not in {None, 80 if parts.scheme == "http" else 443} else ""
        place = f"{parts.scheme}://{(parts.hostname or '').lower()}{port}{parts.path or '/'}"
        text = "&".join((outgoing.method.upper(), strictly(place), strictly(coded)))
        key = f"{strictly(self.consumer_secret)}&{strictly(self.token_secret)}".encode()
        signature = base64.b64encode(hmac.new(key, text.encode(), OAUTH_METHODS[self.method]).digest()).decode()
        realm = [] if self.realm is None else [f'realm="{self.realm}"']
        shown = [
            *realm,
            *(f'{name}="{strictly(value)}"' for name, value in (*given.items(), ("oauth_signature", signature))),
        ]
        return "OAuth " + ", ".join(shown)


@dataclass(frozen=True, slots=True)
class SigV4(Unsigned):
    """An AWS access key, for one service in one region."""

    access_key: str
    secret_key: str
    region: str
    service: str
    session_token: str | None = None

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> SigV4:
        return cls(
            needed(options, "access_key"), needed(options, "secret_key"), needed(options, "region"),
            needed(options, "service"), optional(options, "session_token", "") or None,
        )  # fmt: skip

    def secrets(self) -> tuple[str, ...]:
        return (self.access_key, self.secret_key, *((self.session_token,) if self.session_token else ()))

    def sign(self, outgoing: Outgoing) -> Mapping[str, str]:
        stamp = outgoing.now.strftime("%Y%m%dT%H%M%SZ")
        parts = urlsplit(outgoing.address)
        added = {"X-Amz-Date": stamp}
        if self.session_token:
            added["X-Amz-Security-Token"] = self.session_token
        signed = {"host": parts.netloc.rpartition("@")[2]}
        for name, value in {**outgoing.headers, **added}.items():
            if name.lower() == "content-type" or name.lower().startswith("x-amz-"):
                signed[name.lower()] = " ".join(str(value).split())
        names = ";".join(sorted(signed))
        canonical = "\n".join((
            outgoing.method.upper(), _canonical_path(parts.path), _canonical_query(parts.query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names, hashlib.sha256(outgoing.body).hexdigest(),
        ))  # fmt: skip
        scope = f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for step in scope.split("/"):
            key = hmac.new(key, step.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        proof = f"Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**added, "Authorization": f"AWS4-HMAC-SHA256 {proof}"}


def _canonical_path(path: str) -> str:
    """The path as it is sent, encoded once more (what every service but S3 wants)."""
    return quote(path or "/", safe="/-._~")


def _canonical_query(query: str) -> str:
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    coded = sorted(
        (strictly(unquote(name.replace("+", " "))), strictly(unquote(value.replace("+", " ")))) for name, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in coded)
