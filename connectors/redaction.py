"""Takes secrets out of what is said to people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

IN_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", re.IGNORECASE)
SECRET_NAMES = re.compile(r"(key|token|secret|passw|pwd|sig|auth|code|session|credential)", re.IGNORECASE)
HIDDEN = "***"
TELLING, TELLING_DIGITS = 6, 12
"""From so many characters on a secret is not met in other people's data by chance; a plain number only when it is longer."""


class Redaction:
    """Knows one source's secrets, in every spelling they may come back in."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Secrets that came up later, such as a token that was fetched."""
        spellings = {
            form
            for secret in secrets
            if len(secret) > 2
            for form in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        if not spellings <= set(self._secrets):
            self._secrets = sorted({*self._secrets, *spellings}, key=len, reverse=True)

    def telling(self) -> tuple[bytes, ...]:
        """The spellings that mean the secret wherever they are met, longest first."""
        return telling(self._secrets)

    def clean(self, text: str) -> str:
        """The text without secrets and without what stands before the @ of an address."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return IN_ADDRESS.sub(rf"\g<scheme>{HIDDEN}@", text)


def telling(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """Those of the secrets that mean nothing else wherever they are met in data, longest first."""
    found = {s for s in secrets if len(s) >= (TELLING_DIGITS if s.isdigit() else TELLING)}
    return tuple(s.encode() for s in sorted(found, key=len, reverse=True))


def shown_address(address: str) -> str:
    """An address as it may be shown: no user, no password, no value of a parameter that looks like a secret."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    pairs = []
    for pair in parts.query.split("&") if parts.query else []:
        name, sign, value = pair.partition("=")
        pairs.append(f"{name}={HIDDEN}" if sign and value and SECRET_NAMES.search(unquote(name)) else pair)
    return urlunsplit((parts.scheme, host, parts.path, "&".join(pairs), ""))
