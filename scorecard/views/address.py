"""Addresses: every state that matters is in them, and links keep it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from scorecard.views.theme import THEMES

_KEPT = ("period", "grain", "theme", "team", "process")
_EXTERNAL = re.compile(r"^(https?://|mailto:)[^\s<>\"']+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A path with the queries that pages know. ``team``/``process`` name a slice of a metric."""

    path: str
    period: str | None = None
    grain: str | None = None
    theme: str | None = None
    team: str | None = None
    process: str | None = None

    @classmethod
    def read(cls, text: str) -> Address:
        """From what stands in the browser's address line, without the host. Unknown queries are dropped."""
        parts = urlsplit(text if text.startswith("/") else "/" + text)
        query = {key: values[-1].strip() for key, values in parse_qs(parts.query).items() if key in _KEPT}
        theme = query.get("theme")
        path = unquote(parts.path).rstrip("/") or "/"
        return cls(
            path,
            query.get("period") or None,
            query.get("grain") or None,
            theme if theme in THEMES else None,
            query.get("team") or None,
            query.get("process") or None,
        )

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(part for part in self.path.split("/") if part)

    @property
    def slice(self) -> tuple[str, str] | None:
        if self.team is not None:
            return ("team", self.team)
        return None if self.process is None else ("process", self.process)

    def text(self) -> str:
        query = [(key, value) for key in _KEPT if (value := getattr(self, key)) is not None]
        return quote(self.path) + ("?" + urlencode(query) if query else "")

    def to(self, path: str, slice_: tuple[str, str] | None = None) -> str:
        """A link to another page: period, grain and theme are kept, the slice is the given one."""
        team = slice_[1] if slice_ is not None and slice_[0] == "team" else None
        process = slice_[1] if slice_ is not None and slice_[0] == "process" else None
        return replace(self, path=path, team=team, process=process).text()

    def at(self, period: str | None) -> str:
        """The same page in another period; None: the latest closed one."""
        return replace(self, period=period).text()

    def by(self, grain: str | None, period: str | None = None) -> str:
        """The same page at another grain; None: each metric's own."""
        return replace(self, grain=grain, period=period).text()

    def in_theme(self, theme: str) -> str:
        return replace(self, theme=theme).text()


def outside(address: str | None) -> str | None:
    """An address that may become a link: http, https or mailto, nothing that could run."""
    return address if address is not None and _EXTERNAL.match(address) else None


def mail(address: str | None) -> str | None:
    """A mailto link, None where the address is not plainly one."""
    if address is None or not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+", address):
        return None
    return "mailto:" + quote(address, safe="@.+-_")
