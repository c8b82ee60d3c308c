"""What an answer that is none means, and what to do about it."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from connectors.contract import SourceFailed
from connectors.redaction import Redaction

LONGEST_WAIT = 86_400.0
MEANINGS: dict[int, tuple[str, str]] = {
    400: ("the server does not understand the request", "check params"),
    401: ("the server does not accept the sign-in", "check the token or key under auth; it may have expired"),
    403: ("the server refuses access", "does this token have the rights for that address?"),
    404: ("there is nothing at that address", "check the url"),
    405: ("the server does not take this method there", "check method"),
    408: ("the server waited too long", "it will be tried again"),
    410: ("what was at that address is gone for good", "look for its successor in the API's documentation"),
    422: ("the server does not accept the parameters", "check params"),
    429: ("too many requests", "it will be tried again; pull less often if it goes on"),
}
RETRIED = {408, 425, 429}
BUSY = re.compile(
    r"complexity(exception|_budget)|budget_?exhausted|rate_?limit|throttl|too_?many_?requests|concurrency_?limit"
    r"|minute_?limit|daily_?limit|request_?limit_?exceeded|limit_?exceeded_?exception|slow_?down|resource_?exhausted",
    re.IGNORECASE,
)
"""Words for "not so fast" in error codes: monday.com, Shopify, AWS, Google, NetSuite and others say it in the body."""
CODES = ("code", "error_code", "errorCode", "o:errorCode", "__type", "type", "reason", "status")
SENTENCES = (
    "o:errorDetails", "message", "Message", "error_message", "error_description", "detail", "value", "error", "errors", "title",
)  # fmt: skip
WAITS = ("retry_in_seconds", "retryAfter", "retry_after", "retryAfterSeconds", "reset_in")
IN_WORDS = re.compile(r"(?:reset|retry|again)\w*\s+(?:in|after)\s+(\d+)\s*s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Told:
    """Status and headers of an answer, and the address as it may be shown."""

    status: int
    headers: Mapping[str, str]
    address: str


class AnswerRefusedError(SourceFailed):
    """A status that is no success."""

    status: int = 0


def refused_by(told: Told, body: bytes, redaction: Redaction, now: datetime) -> AnswerRefusedError:
    """The failure that a status stands for, with the server's own words."""
    usual = (
        ("the server is at fault", "it will be tried again")
        if told.status >= 500
        else ("the server refuses", "check the source")
    )
    what, hint = MEANINGS.get(told.status, usual)
    said = _said(body, told.headers.get("Content-Type", ""))
    document = _document(body)
    if told.status in {400, 403} and is_busy(document):
        what, hint = MEANINGS[429]
    message = f"{told.address}: {what} ({told.status})" + (f": {said}" if said else "")
    retry = told.status >= 500 or told.status in RETRIED or what == MEANINGS[429][0]
    after = _wait(told.headers, document, now) if retry else None
    refused = AnswerRefusedError(redaction.clean(message), hint=hint, retry=retry, after=after)
    refused.status = told.status
    return refused


def refused_inside(found: Any, document: Any, headers: Mapping[str, str], address: str, now: datetime) -> SourceFailed:
    """The failure that an answer of status 200 carries in its body (``found`` in ``document``), such as GraphQL's ``errors``."""
    said = _words(document if isinstance(found, str) else found) or json.dumps(found)[:200]
    if is_busy(found) or (isinstance(found, str) and BUSY.search(found)):
        what, hint = MEANINGS[429]
        after = _wait(headers, document, now)
        return SourceFailed(f"{address}: {what}: {said}", hint=hint, retry=True, after=after)
    hint = "nothing of the answer was used, as it may be only a part"
    return SourceFailed(f"{address}: the answer carries an error: {said}", hint=hint)


def _wait(headers: Mapping[str, str], found: Any, now: datetime) -> float | None:
    told = wait_told(headers, now)
    return wait_in(found) if told is None else told


def is_busy(found: Any) -> bool:
    """Whether an error's codes (not its sentences) say that there were too many requests."""
    return any(isinstance(value, str) and BUSY.search(value) is not None for value in _values(found, CODES))


def wait_in(found: Any) -> float | None:
    """Seconds to wait that an error names, as a number of its own or in its sentence."""
    for value in _values(found, WAITS):
        if isinstance(value, int | float | str) and re.fullmatch(r"\d+(\.\d+)?", str(value)):
            return min(float(value), LONGEST_WAIT)
    words = (value for value in _values(found, ("message", "error_message", "Message")) if isinstance(value, str))
    spoken = next((match for text in words if (match := IN_WORDS.search(text))), None)
    return None if spoken is None else min(float(spoken[1]), LONGEST_WAIT)


def _values(found: Any, names: tuple[str, ...], depth: int = 6) -> Iterator[Any]:
    """All values under those names, however an error nests them."""
    if depth and isinstance(found, dict):
        for name, value in found.items():
            if name in names and not isinstance(value, dict | list):
                yield value
            yield from _values(value, names, depth - 1)
    elif depth and isinstance(found, list):
        for item in found[:20]:
            yield from _values(item, names, depth - 1)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def wait_told(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of Retry-After, given as seconds or as a date."""
    written = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", written):
        return min(float(written), LONGEST_WAIT)
    until, there = _date(written), _date(headers.get("Date") or "") or now
    return None if until is None else min(max((until - there).total_seconds(), 0.0), LONGEST_WAIT)


def _date(written: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(written)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def unreachable(problem: Exception, address: str, redaction: Redaction) -> SourceFailed:
    """No answer at all."""
    if isinstance(problem, requests.exceptions.SSLError):
        return SourceFailed(
            f"{address}: the server's certificate cannot be trusted", hint="is the url right? has it expired?"
        )
    if isinstance(problem, requests.exceptions.ConnectTimeout):
        return SourceFailed(
            f"{address}: the server does not answer", hint="is the url right, and the server up?", retry=True
        )
    if isinstance(problem, requests.exceptions.Timeout):
        return SourceFailed(f"{address}: the server went silent", hint="it will be tried again", retry=True)
    if isinstance(problem, requests.exceptions.ConnectionError | OSError) and not isinstance(problem, ValueError):
        reason = _reason(problem)
        hint = "is the url right, and the server up?"
        return SourceFailed(
            redaction.clean(f"{address}: the server cannot be reached ({reason})"), hint=hint, retry=True
        )
    return SourceFailed(
        redaction.clean(f"{address}: this cannot be asked ({problem})"), hint="check the url and the headers"
    )


def _reason(problem: Exception) -> str:
    text = str(problem)
    for words, meaning in (
        (r"refused", "connection refused"),
        (r"resolve|getaddrinfo|name or service|nodename", "its name is not known"),
        (r"unreachable|no route", "no way to it"),
        (r"without response|aborted|reset|broken pipe", "it broke off before answering"),
    ):
        if re.search(words, text, re.IGNORECASE):
            return meaning
    return type(problem).__name__


def broken_off(problem: Exception, address: str, redaction: Redaction) -> SourceFailed:
    """An answer that did not come whole."""
    if isinstance(problem, zlib.error):
        return SourceFailed(
            f"{address}: the packed answer is damaged ({problem})", hint="it will be tried again", retry=True
        )
    message = f"{address}: the answer broke off in the middle ({type(problem).__name__})"
    return SourceFailed(redaction.clean(message), hint="nothing of it was used; it will be tried again", retry=True)


def _said(body: bytes, kind: str) -> str:
    """The server's own words, one line, where it has some for people."""
    text = body.decode("utf-8", "replace").strip()
    if "html" in kind.lower() or text.startswith("<"):
        return ""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split())[:200]
    return _words(found)


def _words(found: Any) -> str:
    """The sentence in an error, however the server nests it."""
    found = found[0] if isinstance(found, list) and found else found
    while isinstance(found, dict):
        inner = next((found[key] for key in SENTENCES if found.get(key)), None)
        if inner is None:
            return json.dumps(found)[:200] if found else ""
        found = inner[0] if isinstance(inner, list) and inner else inner
    return " ".join(str(found).split())[:200]
