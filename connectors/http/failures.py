"""What an answer that is none means, and what to do about it."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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
    message = f"{told.address}: {what} ({told.status})" + (f": {said}" if said else "")
    retry = told.status >= 500 or told.status in RETRIED
    after = wait_told(told.headers, now) if retry else None
    refused = AnswerRefusedError(redaction.clean(message), hint=hint, retry=retry, after=after)
    refused.status = told.status
    return refused


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
    while isinstance(found, dict):
        inner = next(
            (
                found[key]
                for key in ("message", "error_description", "detail", "error", "errors", "title")
                if found.get(key)
            ),
            None,
        )
        if inner is None:
            return json.dumps(found)[:200] if found else ""
        found = inner[0] if isinstance(inner, list) and inner else inner
    return " ".join(str(found).split())[:200]
