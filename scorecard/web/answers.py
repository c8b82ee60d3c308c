"""Answers that carry no data: errors as JSON for programs, as a small page for people, never an exception's text."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from html import escape

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from scorecard.ground.errors import Conflict, NotFound, Problem, Refused, ScorecardError, Unavailable

log = logging.getLogger("scorecard.web")

CODES = {
    400: "bad_request",
    401: "no_token",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "not_json",
    500: "our_fault",
    503: "unavailable",
}
MESSAGES = {
    400: ("this request cannot be understood", None),
    404: ("nothing is at this address", "the addresses are listed at /api/v1/openapi.json"),
    405: ("this address does not take that method", None),
    413: ("the body is too large: at most 1 MB", "send less"),
    415: ("the body must be JSON", "send it with the header Content-Type: application/json"),
    500: ("something went wrong on our side", "the server's log says what"),
}


class Denied(ScorecardError):
    """Whoever asks may not: 401 (say who you are), 403 (you may not) or 503 at once (no room for another stream)."""

    def __init__(self, status: int, message: str, hint: str | None = None) -> None:
        super().__init__(Problem(message, hint=hint))
        self.status = status


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as every door gives it: UTF-8, finite numbers, never kept by a cache."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    answer = Response(text + "\n", status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.extend(dict(headers or {}))
    return answer


def error_body(status: int, problems: Iterable[Problem]) -> dict[str, object]:
    """``{"error": {"code", "message", "hint"}}``; where there are several problems, all of them too."""
    found = list(problems)
    first = found[0] if found else Problem(CODES.get(status, "error"))
    error: dict[str, object] = {"code": CODES.get(status, "error"), "message": first.message, "hint": first.hint}
    if len(found) > 1:
        error["message"] = "; ".join(p.message for p in found)
        error["problems"] = [{"message": p.message, "hint": p.hint} for p in found]
    return {"error": error}


def status_of(error: ScorecardError) -> int:
    """The HTTP status that fits."""
    if isinstance(error, Denied):
        return error.status
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, Conflict):
        return 409
    if isinstance(error, Refused):
        return 400
    return 503 if isinstance(error, Unavailable) else 500


PLAIN_STYLE = (
    "<meta name=viewport content='width=device-width'><style>:root{color-scheme:light dark;font-size:clamp(1rem,1.2vmax,3rem)}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;font-family:system-ui,sans-serif;line-height:1.4}"
    "main{max-width:34em;padding:2em}h1{font-size:1.6em;margin:0 0 .4em}h1::first-letter,p::first-letter{text-transform:uppercase}"
    "p,small{opacity:.75}p{margin:0 0 1.2em}</style>"
)
"""A page that needs nothing else from the server, in the colours of the browser, large enough for a screen on a wall."""


def refuse(status: int, problems: Iterable[Problem]) -> Response:
    """The error, in the form the asker can read."""
    found = list(problems)
    headers = {"Retry-After": "5"} if status == 503 else {}
    if for_programs():
        return json_answer(error_body(status, found), status, headers)
    said = "".join(f"<h1>{escape(p.message)}</h1>" + (f"<p>{escape(p.hint)}</p>" if p.hint else "") for p in found)
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>scorecard: {status}</title>{PLAIN_STYLE}"
    page = f"{head}<main>{said}<small>{status}</small></main></html>"
    return Response(page, status, {"Cache-Control": "no-store", **headers}, content_type="text/html; charset=utf-8")


def for_programs() -> bool:
    """Whether the answer goes to a program: every address that is not a page."""
    path = request.path
    return path.startswith(("/api/", "/-/", "/_dash-", "/_reload-hash")) or path in ("/api", "/healthz", "/readyz")


def answer_errors(server: Flask, secrets: Callable[[], Iterable[str]]) -> None:
    """Every error of every route becomes an answer; what was unexpected goes to the log, without secrets."""

    def ours(error: ScorecardError) -> Response:
        return refuse(status_of(error), error.problems)

    def http(error: HTTPException) -> Response:
        status = error.code or 500
        if error.response is not None or status < 400:
            return Response(error.get_response().response, status, dict(error.get_headers()))
        message, hint = MESSAGES.get(status, (error.name.lower(), None))
        answer = refuse(status, [Problem(message, hint=hint)])
        if status == 405:
            answer.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
        return answer

    def unexpected(error: Exception) -> Response:
        told = "".join(traceback.format_exception(error))
        for secret in sorted((s for s in secrets() if s), key=len, reverse=True):
            told = told.replace(secret, "***")
        log.error("%s %s failed\n%s", request.method, request.path, told)
        message, hint = MESSAGES[500]
        return refuse(500, [Problem(message, hint=hint)])

    server.register_error_handler(ScorecardError, ours)
    server.register_error_handler(HTTPException, http)
    server.register_error_handler(Exception, unexpected)
