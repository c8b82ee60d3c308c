"""How one page leads to the next, and how a circle is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from requests.utils import parse_header_links

from connectors.contract import SourceFailed
from connectors.http.records import find_one
from connectors.http.transport import Answer, Transport

STYLES = ("link", "page", "offset", "cursor", "odata")
PAGES = 10_000
ODATA = ("@odata.nextLink", "odata.nextLink")


@dataclass(frozen=True, slots=True)
class Ask:
    """The next request: an address and its parameters."""

    address: str
    params: Mapping[str, Any]


@dataclass(slots=True)
class Pager:
    """Goes from page to page. ``options`` are the source's ``paging``; None for a single page."""

    options: Mapping[str, Any] | None
    transport: Transport
    first: Ask
    number: int = 0
    rows: int = 0
    largest: int = 0
    last: int = 0
    _asked: set[str] = field(default_factory=set)
    _seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        style = self.style
        if style == "graphql":
            raise SourceFailed("paging style 'graphql' is not supported yet", hint=f"{', '.join(STYLES)} are")
        if style is not None and style not in STYLES:
            raise SourceFailed(f"paging style {style!r} is not known", hint=f"one of {', '.join(STYLES)}")
        if style == "cursor" and not self.options_text("next"):
            raise SourceFailed(
                "paging style cursor needs 'next'", hint="next: $.meta.next, where the answer says what comes next"
            )

    @property
    def style(self) -> str | None:
        return None if not self.options else str(self.options.get("style"))

    def options_text(self, key: str) -> str | None:
        value = None if self.options is None else self.options.get(key)
        return None if value is None else str(value)

    def _whole(self, key: str, usual: int | None) -> int | None:
        value = None if self.options is None else self.options.get(key)
        return usual if value is None else int(value)

    def start(self) -> Ask:
        """The first request."""
        extra: dict[str, Any] = {}
        if self.style in {"page", "offset"}:
            extra = self._numbered(self._first_number())
        elif self.style in {"cursor", "link"} and self._size() is not None:
            extra = {self.options_text("size_param") or self.options_text("limit_param") or "limit": self._size()}
        return self._once(Ask(self.first.address, {**self.first.params, **extra}))

    def _first_number(self) -> int:
        return self._whole("start", 1 if self.style == "page" else 0) or 0

    def _size(self) -> int | None:
        return self._whole("size", self._whole("limit", None))

    def _numbered(self, number: int) -> dict[str, Any]:
        """The parameters of a page, by its number or by the rows before it."""
        found: dict[str, Any] = {self.options_text("param") or str(self.style): number}
        if self._size() is not None:
            usual = "per_page" if self.style == "page" else "limit"
            found[self.options_text("size_param") or self.options_text("limit_param") or usual] = self._size()
        return found

    def after(self, answer: Answer, document: Any, count: int) -> Ask | None:
        """The request after a page of ``count`` records, None behind the last. Raises SourceFailed where pages go in a circle."""
        self.number += 1
        self.rows += count
        self.largest, self.last = max(self.largest, count), count
        if self.style is None:
            return None
        if count:
            seen = hashlib.sha256(answer.body).digest()
            if seen in self._seen:
                hint = "the server may not know the parameter that asks for the next page: check paging.param"
                raise SourceFailed(f"page {self.number} is the same as an earlier one", hint=hint)
            self._seen.add(seen)
        following = self._following(answer, document, count)
        if following is None:
            return None
        if self.number >= (limit := self._whole("max_pages", PAGES) or PAGES):
            hint = "raise paging.max_pages, or ask for larger pages"
            raise SourceFailed(f"there are more than {limit:,} pages", hint=hint)
        return self._once(following)

    def _following(self, answer: Answer, document: Any, count: int) -> Ask | None:
        more = self.options_text("more")
        if more is not None and find_one(document, more) in (None, False, "false"):
            return None
        match self.style:
            case "link":
                return self._link(answer, document)
            case "odata":
                found = next((document[key] for key in ODATA if isinstance(document, dict) and document.get(key)), None)
                return self._address(answer.address, found)
            case "cursor":
                return self._cursor(answer, document)
            case _:
                return self._next_number(document, count)

    def _link(self, answer: Answer, document: Any) -> Ask | None:
        path = self.options_text("next")
        if path is not None:
            return self._address(answer.address, find_one(document, path))
        links = parse_header_links(answer.headers.get("Link", ""))
        return self._address(
            answer.address, next((link["url"] for link in links if "next" in link.get("rel", "").split()), None)
        )

    def _cursor(self, answer: Answer, document: Any) -> Ask | None:
        value = find_one(document, self.options_text("next") or "$")
        if value in {None, "", False} if not isinstance(value, dict | list) else True:
            if isinstance(value, dict | list) and value:
                raise SourceFailed(
                    "paging.next leads to a list or an object, not to one value", hint="point it at the value itself"
                )
            return None
        param = self.options_text("param")
        if param is None:
            if isinstance(value, str) and (value.startswith(("http://", "https://", "/", "?"))):
                return self._address(answer.address, value)
            raise SourceFailed("paging style cursor needs 'param'", hint="the parameter that takes the cursor")
        return Ask(self.first.address, {**self.first.params, **self._sizes(), param: value})

    def _sizes(self) -> dict[str, Any]:
        if self._size() is None:
            return {}
        return {self.options_text("size_param") or self.options_text("limit_param") or "limit": self._size()}

    def _next_number(self, document: Any, count: int) -> Ask | None:
        # A page that is shorter than asked for may only mean that the server gives no larger ones; shorter than an
        # earlier page, it is the last.
        if not count or count < self.largest:
            return None
        total = self.options_text("total")
        if total is not None and isinstance(known := find_one(document, total), int) and not isinstance(known, bool):
            done = self.rows >= known if self.style == "offset" else self.number >= known
            if done:
                return None
        number = self._first_number() + (self.number if self.style == "page" else self.rows)
        return Ask(self.first.address, {**self.first.params, **self._numbered(number)})

    def may_be_past_the_end(self) -> bool:
        """Whether a 404 for the next page only says that there is none: some servers count that way."""
        return self.style == "page" and self.number > 0

    def _address(self, here: str, target: Any) -> Ask | None:
        """A whole address given by the server; secrets of ours in it are sent again by the transport, not by the server."""
        if target in (None, "", False):
            return None
        if not isinstance(target, str):
            raise SourceFailed("the answer's next address is not a text", hint="check paging.next")
        return Ask(self.transport.same_host(here, target), {})

    def _once(self, ask: Ask) -> Ask:
        parts = urlsplit(ask.address)
        pairs = sorted([*parse_qsl(parts.query), *((key, str(value)) for key, value in ask.params.items())])
        asked = f"{parts.path}?{pairs}"
        if asked in self._asked:
            hint = "the server gives the same cursor or address again and again"
            raise SourceFailed(f"page {self.number + 1} would be one that was asked for already", hint=hint)
        self._asked.add(asked)
        return ask
