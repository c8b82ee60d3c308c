"""The request that a source describes: its placeholders filled in, and the same again for a later page."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from connectors.contract import Cursor, Pull, SourceFailed
from connectors.cursors import EPOCH, iso_text, source_zone, written_cursor

CURSOR = re.compile(r":cursor\b")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SHAPING = (
    "records", "rows", "headers", "body", "query", "variables", "method", "format", "csv", "paging", "errors", "window",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: an address and its parameters, and what is sent with it."""

    address: str
    params: Mapping[str, Any]
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def with_params(self, more: Mapping[str, Any]) -> Ask:
        return Ask(self.address, {**self.params, **more}, self.method, self.headers, self.body)

    def elsewhere(self, address: str) -> Ask:
        """A whole address given by the server: the parameters are in it."""
        return Ask(address, {}, self.method, self.headers, self.body)

    def with_inside(self, path: str, value: Any) -> Ask:
        """The value put into the body at ``variables.cursor``. Raises SourceFailed where the body is no mapping."""
        if not isinstance(self.body, dict):
            raise SourceFailed("paging.into needs a body that is a mapping", hint="write body as keys and values")
        body: dict[str, Any] = dict(self.body)
        part, steps = body, path.removeprefix("$.").split(".")
        for step in steps[:-1]:
            inner = part.get(step)
            part[step] = dict(inner) if isinstance(inner, dict) else {}
            part = part[step]
        part[steps[-1]] = value
        return Ask(self.address, self.params, self.method, self.headers, body)


class Asking:
    """Makes requests out of a source's options."""

    def __init__(self, request: Pull) -> None:
        self._request = request
        self._options = request.options
        self._marks: dict[str, Any] = _window(request)

    def ask(self, after: Any = None) -> Ask:
        """The request; ``after`` is the last key of the rows so far (``:after``), for paging by key. Raises SourceFailed."""
        url = self._options.get("url")
        if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise SourceFailed(
                "url: an address that begins with https:// is needed", hint="https://api.example.com/v1/surveys"
            )
        marks = self._marks if after is None else {**self._marks, ":after": after}
        body = self._body(marks)
        headers = self._filled(dict(self._options.get("headers") or {}), marks)
        return Ask(
            self._filled(url, marks, address=True), self._filled(dict(self._options.get("params") or {}), marks),
            str(self._options.get("method") or ("GET" if body is None else "POST")).upper(),
            {str(key): str(value) for key, value in headers.items()}, body,
        )  # fmt: skip

    def fingerprint(self, first: Ask) -> str:
        """A hash of the whole question: an answer's ETag says nothing about another one."""
        shaping = {key: self._options.get(key) for key in SHAPING}
        whole = [first.address, dict(first.params), first.body, shaping, sorted(self._request.columns.items())]
        return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()

    def _body(self, marks: Mapping[str, Any]) -> Any:
        query = self._options.get("query")
        if query is not None:  # GraphQL: what changes is in its variables, and its text has colons of its own
            variables = self._filled(dict(self._options.get("variables") or {}), marks, inside=True)
            return {"query": str(query), "variables": variables}
        body = self._options.get("body")
        return None if body is None else self._filled(body, marks, inside=True)

    def _filled(self, value: Any, marks: Mapping[str, Any], *, address: bool = False, inside: bool = False) -> Any:
        """The value with its placeholders replaced, however deep it stands.

        ``inside`` a body true, false and null stay what they are; in parameters they are text, or left out.
        """
        if isinstance(value, dict):
            kept = {key: inner for key, inner in value.items() if inside or inner is not None}
            return {key: self._filled(inner, marks, inside=inside) for key, inner in kept.items()}
        if isinstance(value, list):
            return [self._filled(inner, marks, inside=inside) for inner in value]
        if isinstance(value, bool) and not inside:
            return "true" if value else "false"
        if not isinstance(value, str) or ":" not in value:
            return value
        if CURSOR.search(value) and ":cursor" not in marks:
            marks = {**marks, ":cursor": self._cursor()}
        if value in marks:
            return marks[value]
        for mark, filled in marks.items():
            text = quote(str(filled), safe="") if address else str(filled)
            value = re.sub(rf"{mark}\b", lambda _, text=text: text, value)  # type: ignore[misc]  # a lambda's default
        return value

    def _cursor(self) -> Any:
        cursor = self._request.cursor
        if cursor is None:
            raise SourceFailed(":cursor is used, and the source declares no cursor", hint="add cursor: {column: ...}")
        written = written_cursor(cursor, source_zone(self._request))
        return iso_text(cursor.value) if written is None else written


def _window(request: Pull) -> dict[str, Any]:
    """``:from`` and ``:until`` of a source that asks for a stretch of time up to now."""
    options = request.options.get("window")
    if not options:
        return {}
    step = _seconds(options.get("step") or "1s")
    start = request.now - timedelta(seconds=_seconds(options.get("back") or "1d"))
    end = request.now + timedelta(seconds=_seconds(options.get("ahead") or "0s"))
    zone = ZoneInfo(str(options["timezone"])) if options.get("timezone") else source_zone(request)
    form = str(options.get("format") or "iso")

    def written(moment: datetime) -> Any:
        # Rounded down: a period that is still running would come with a part of its value.
        whole = int((moment - EPOCH).total_seconds()) // step * step
        return written_cursor(Cursor("window", EPOCH + timedelta(seconds=whole), form), zone)

    return {":from": written(start), ":until": written(end)}


def _seconds(text: Any) -> int:
    match = re.fullmatch(r"(\d{1,9})([smhdw])", str(text).strip())
    if match is None:
        raise SourceFailed(f"window: {text!r} is no duration", hint="such as 30m, 12h or 14d")
    return int(match[1]) * UNITS[match[2]]
