"""How one page leads to the next, and how a circle is noticed."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from requests.utils import parse_header_links

from connectors.contract import SourceFailed
from connectors.http.asking import Ask, Asking
from connectors.http.records import find_one
from connectors.http.transport import Answer, Transport

STYLES = ("link", "page", "offset", "cursor", "odata", "graphql", "keyset")
PAGES = 10_000
ODATA = ("@odata.nextLink", "odata.nextLink")
READY_SECONDS = 2.0
"""Between two looks at whether a job is done."""
TEMPLATE = re.compile(r"\{(\$[^{}]+)\}")


@dataclass(slots=True)
class Pager:
    """Goes from page to page. ``options`` are the source's ``paging``; None for a single page."""

    options: Mapping[str, Any] | None
    transport: Transport
    asking: Asking
    first: Ask = field(init=False)
    number: int = 0
    rows: int = 0
    largest: int = 0
    _asked: set[str] = field(default_factory=set)
    _seen: set[bytes] = field(default_factory=set)
    _following_pages: Ask | None = None
    _key: Any = None
    _waits: int = 0

    def __post_init__(self) -> None:
        style = self.style
        if style is not None and style not in STYLES:
            raise SourceFailed(f"paging style {style!r} is not known", hint=f"one of {', '.join(STYLES)}")
        for needing, key, hint in (
            ("cursor", "next", "next: $.meta.next, where the answer says what comes next"),
            ("graphql", "next", "next: $.data.items.pageInfo.endCursor, where the answer says what comes next"),
            ("keyset", "column", "column: id, the key that the rows are sorted by"),
        ):
            if style == needing and not self.text(key):
                raise SourceFailed(f"paging style {style} needs '{key}'", hint=hint)
        self._key = self.text("from") or "0" if style == "keyset" else None
        self.first = self.asking.ask(self._key)

    @property
    def style(self) -> str | None:
        return None if not self.options else str(self.options.get("style"))

    def text(self, key: str) -> str | None:
        value = None if self.options is None else self.options.get(key)
        return None if value is None else str(value)

    def _whole(self, key: str, usual: int | None) -> int | None:
        value = None if self.options is None else self.options.get(key)
        return usual if value is None else int(value)

    def start(self) -> Ask:
        """The first request."""
        if self.style in {"page", "offset"}:
            return self._once(self.first.with_params(self._numbered(self._first_number())))
        return self._once(self.first.with_params(self._sizes()))

    def _first_number(self) -> int:
        return self._whole("start", 1 if self.style == "page" else 0) or 0

    def _size(self) -> int | None:
        return self._whole("size", self._whole("limit", None))

    def _sizes(self) -> dict[str, Any]:
        if self._size() is None or self.style == "odata":
            return {}
        return {self.text("size_param") or self.text("limit_param") or "limit": self._size()}

    def _numbered(self, number: int) -> dict[str, Any]:
        """The parameters of a page, by its number or by the rows before it."""
        found: dict[str, Any] = {self.text("param") or str(self.style): number}
        if self._size() is not None:
            usual = "per_page" if self.style == "page" else "limit"
            found[self.text("size_param") or self.text("limit_param") or usual] = self._size()
        return found

    def waits(self, document: Any) -> Ask | None:
        """Where the answer says that its rows are not ready yet: the request to ask again, after a moment."""
        path = self.text("ready")
        if path is None or find_one(document, path) not in (None, False, "false"):
            return None
        self._waits += 1
        time.sleep(max(0.0, min(READY_SECONDS, 0.25 * self._waits, self.transport.seconds_left())))
        return self._elsewhere(document)

    def after(self, answer: Answer, document: Any, rows: list[Any]) -> Ask | None:
        """The request after a page of those rows, None behind the last. Raises SourceFailed where pages go in a circle."""
        self.number += 1
        count = len(rows)
        self.rows += count
        self.largest = max(self.largest, count)
        if self.style is None:
            return None
        if count:
            seen = hashlib.sha256(answer.body).digest()
            if seen in self._seen:
                hint = "the server may not know the parameter that asks for the next page: check paging.param"
                raise SourceFailed(f"page {self.number} is the same as an earlier one", hint=hint)
            self._seen.add(seen)
        following = self._following(answer, document, rows)
        if following is None:
            return None
        if self.number >= (limit := self._whole("max_pages", PAGES) or PAGES):
            hint = "raise paging.max_pages, or ask for larger pages"
            raise SourceFailed(f"there are more than {limit:,} pages", hint=hint)
        return self._once(following)

    def fresh(self, rows: list[Any]) -> list[Any]:
        """The page's rows without the one that the page before ended with. Raises SourceFailed where the key does not serve.

        Paging by key asks for the rows behind the last key seen. Two rows of one key could lie on both sides of a page's
        end, so each key may occur once; a query with ``>=`` brings the last row again, which shows that it did.
        """
        if self.style != "keyset":
            return rows
        column, last = str(self.text("column")), self._key if self.number else None
        found: list[Any] = []
        again = False  # whether the page before's last row has come once more
        for row in rows:
            key = row.get(column) if isinstance(row, dict) else None
            if key is None or isinstance(key, dict | list):
                raise SourceFailed(f"paging: a row has no key '{column}'", hint="check paging.column")
            if last is not None and str(key) == str(last):
                if found or again:
                    raise SourceFailed(f"paging: two rows have the {column} {key}", hint="the key must be unique")
                again = True
                continue
            if last is not None and _is_before(key, last):
                raise SourceFailed(f"paging: rows do not come in the order of {column}", hint="sort the query by it")
            last = key
            found.append(row)
        return found

    def _following(self, answer: Answer, document: Any, rows: list[Any]) -> Ask | None:
        more = self.text("more")
        if more is not None and find_one(document, more) in (None, False, "false"):
            return None
        match self.style:
            case "link":
                return self._link(answer, document)
            case "odata":
                found = next((document[key] for key in ODATA if isinstance(document, dict) and document.get(key)), None)
                return self._address(answer.address, found)
            case "cursor" | "graphql":
                return self._cursor(answer, document)
            case "keyset":
                if not rows:
                    if more is not None:
                        hint = "larger pages may help: one that begins with the last row needs room for another"
                        raise SourceFailed("paging: a page brings no new row, and says that more follow", hint=hint)
                    return None
                self._key = rows[-1][str(self.text("column"))]
                if re.search(r"['\"\\]", str(self._key)):
                    raise SourceFailed(
                        f"paging: the key {self._key!r} cannot be put into a query", hint="take another key"
                    )
                return self.asking.ask(self._key).with_params(self._sizes())
            case _:
                return self._next_number(document, len(rows))

    def _link(self, answer: Answer, document: Any) -> Ask | None:
        path = self.text("next")
        if path is not None:
            return self._address(answer.address, find_one(document, path))
        links = parse_header_links(answer.headers.get("Link", ""))
        return self._address(
            answer.address, next((link["url"] for link in links if "next" in link.get("rel", "").split()), None)
        )

    def _cursor(self, answer: Answer, document: Any) -> Ask | None:
        value = find_one(document, self.text("next") or "$")
        if isinstance(value, dict | list):
            if value:
                raise SourceFailed(
                    "paging.next leads to a list or an object, not to one value", hint="point it at the value itself"
                )
            return None
        if value in {None, "", False}:
            return None
        into, param = self.text("into"), self.text("param")
        if self.style == "graphql" or into is not None:
            following, query = self.first, self.text("query")
            if query is not None:
                following = following.with_inside("query", query)
            into = into or "cursor"
            whole = into if "." in into or self.style != "graphql" else f"variables.{into}"
            return following.with_inside(whole, value)
        if self.text("url") is not None:
            return self._elsewhere(document).with_params({param or "cursor": value})
        if param is None:
            if isinstance(value, str) and (value.startswith(("http://", "https://", "/", "?"))):
                return self._address(answer.address, value)
            raise SourceFailed("paging style cursor needs 'param'", hint="the parameter that takes the cursor")
        return self.first.with_params({**self._sizes(), param: value})

    def _elsewhere(self, document: Any) -> Ask:
        """The request for later pages that ``url`` and ``params`` describe, with values of the answer: ``{$.job.id}``."""
        if self._following_pages is None:
            written = self.text("url")
            if written is None:
                return self.first
            address = TEMPLATE.sub(lambda found: quote(str(find_one(document, found[1])), safe=""), written)
            params: dict[str, Any] = {}
            for name, value in ((self.options or {}).get("params") or {}).items():
                found = TEMPLATE.fullmatch(str(value))
                given = value if found is None else find_one(document, found[1])
                params |= {} if given is None else {str(name): given}
            target = self.transport.same_host(self.first.address, address)
            headers = {name: value for name, value in self.first.headers.items() if name.lower() != "content-type"}
            self._following_pages = Ask(target, params, "GET", headers)
        return self._following_pages

    def _next_number(self, document: Any, count: int) -> Ask | None:
        # A page that is shorter than asked for may only mean that the server gives no larger ones; shorter than an
        # earlier page, it is the last.
        if not count or count < self.largest:
            return None
        total = self.text("total")
        if total is not None and isinstance(known := find_one(document, total), int) and not isinstance(known, bool):
            done = self.rows >= known if self.style == "offset" else self.number >= known
            if done:
                return None
        number = self._first_number() + (self.number if self.style == "page" else self.rows)
        return self.first.with_params(self._numbered(number))

    def may_be_past_the_end(self) -> bool:
        """Whether a 404 for the next page only says that there is none: some servers count that way."""
        return self.style == "page" and self.number > 0

    def _address(self, here: str, target: Any) -> Ask | None:
        """A whole address given by the server; secrets of ours in it are sent again by the transport, not by the server."""
        if target in (None, "", False):
            return None
        if not isinstance(target, str):
            raise SourceFailed("the answer's next address is not a text", hint="check paging.next")
        return self.first.elsewhere(self.transport.same_host(here, target))

    def _once(self, ask: Ask) -> Ask:
        parts = urlsplit(ask.address)
        pairs = sorted([*parse_qsl(parts.query), *((key, str(value)) for key, value in ask.params.items())])
        asked = f"{parts.netloc}{parts.path}?{pairs} {json.dumps(ask.body, sort_keys=True, default=str)}"
        if asked in self._asked:
            hint = "the server gives the same cursor or address again and again"
            raise SourceFailed(f"page {self.number + 1} would be one that was asked for already", hint=hint)
        self._asked.add(asked)
        return ask


def _is_before(key: Any, last: Any) -> bool:
    """Whether a key is smaller; only numbers are compared, since each server sorts text in its own way."""
    try:
        return Decimal(str(key)) < Decimal(str(last))
    except InvalidOperation:
        return False
