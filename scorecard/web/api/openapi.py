"""The API's own description: built from one line per address, checked against the server by the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

import scorecard
from scorecard.web.answers import json_answer
from scorecard.web.api.asked import Asked
from scorecard.web.api.schemas import PLURALS, SCHEMAS

_PERIOD = "A label: 2026-09-28T14, 2026-09-28, 2026-W39, 2026-09, 2026-Q3, 2026, FY2027-Q2"
PARAMETERS = {
    "name": "A team, a process, or `organization`",
    "metric": "A metric's name",
    "source": "A source's name",
    "load": "A load's number",
    "token": "a source's own token, where it does not go along as a bearer",
    "grain": "hour, day, week, month, quarter or year; default: the metric's own",
    "period": f"{_PERIOD}; default: the last closed one",
    "from": "The first period, by its label or any day in it",
    "to": "The last period, likewise",
    "periods": "So many: from `from` on, else up to `to`, else the last closed ones",
    "team": "That team's slice if the metric has one, else what stands on its card",
    "process": "That process's slice if the metric has one, else what stands on its card",
    "as_of": "What was known then; only this moment is kept yet",
    "limit": "At most so many, the newest first",
    "by": "Who wrote it",
    "owner": "Who acts",
    "state": "open, done or dropped",
    "status": "The colour it was set to",
    "follows": "The id of the entry it follows",
    "review": "A review's name",
    "date": "A day",
    "value": "The id of a value",
}
_WHOLE_NUMBERS = ("periods", "limit")
_ABOUT = ("metric", "grain", "period", "team", "process", "by")
_JOURNAL = {
    "notes": _ABOUT,
    "actions": (*_ABOUT, "owner", "state", "follows"),
    "flags": _ABOUT,
    "values": _ABOUT,
    "overrides": (*_ABOUT, "status"),
    "signoffs": ("review", "date", "value", "by"),
}
_READ_ERRORS = (400, 401, 403, 404, 503)
_WRITE_ERRORS = (400, 401, 403, 413, 415, 503)


def describe() -> dict[str, Any]:
    """The whole OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {
        "/api/v1/version": {
            "get": _get("The published version", "Version", (), also={304: "Not changed since that ETag"})
        },
        "/api/v1/events": {"get": _events()},
        "/api/v1/scorecards/{name}": {"get": _get("A scorecard", "Scorecard", ("name",), ("period", "grain", "as_of"))},
        "/api/v1/metrics/{metric}/readings": {"get": _readings()},
        "/api/v1/metrics/{metric}/explain": {
            "get": _get(
                "Why a reading is what it is", "Explanation", ("metric",), ("grain", "period", "team", "process")
            )
        },
        "/api/v1/sources": {"get": _get("The freshness of every source", "Sources")},
        "/api/v1/sources/{source}/quarantine": {
            "get": _get(
                "Rows that could not be read: how many, why, and the first of each reason", "Quarantine", ("source",)
            )
        },
        "/api/v1/loads": {"get": _get("The run history, newest first", "Loads", (), ("source", "limit"))},
        "/api/v1/loads/{load}/approve": {"post": _decide("Publishes exactly the rows of a held load", "load")},
        "/api/v1/loads/{load}/reject": {"post": _decide("Drops the rows of a held load", "load")},
        "/api/v1/sources/{source}/refresh": {"post": _refresh()},
        "/api/v1/sources/{source}/rollback": {
            "post": _decide("Puts an earlier generation back; further loads wait", "source", "NewRollback")
        },
        "/api/v1/openapi.json": {"get": _get("This description", "OpenApi")},
        "/healthz": {"get": _get("The process lives", "Alive")},
        "/readyz": {
            "get": _get(
                "A board is published and the scheduler ticks", "Ready", (), (), {503: ("Not ready, and why", "Ready")}
            )
        },
        "/-/metrics": {"get": _metrics()},
    }
    for plural, filters in _JOURNAL.items():
        one = PLURALS[plural]
        paths[f"/api/v1/{plural}"] = {
            "get": _get(f"The {plural} people wrote, newest first", f"{one}List", (), (*filters, "limit")),
            "post": _post(f"Writes a {one.lower()}; answered once it is on disk", f"New{one}", one),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scorecard",
            "version": scorecard.__version__,
            "summary": "Judged readings, their sources, and what people wrote about them.",
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def attach_openapi(api: Blueprint) -> None:
    """``/openapi.json``."""

    @api.get("/openapi.json")
    def openapi() -> Response:
        Asked()
        return json_answer(describe())


def _get(
    summary: str,
    schema: str,
    path: tuple[str, ...] = (),
    query: tuple[str, ...] = (),
    also: Mapping[int, str | tuple[str, str]] | None = None,
) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": _answer(summary, schema)}
    answers.update({str(code): _error(code) for code in _READ_ERRORS})
    for code, what in (also or {}).items():
        answers[str(code)] = {"description": what} if isinstance(what, str) else _answer(*what)
    return {"summary": summary, "parameters": _parameters(path, query), "responses": answers}


def _post(summary: str, sent: str, answered: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _content(sent)},
        "responses": {
            "201": _answer("Written, with its id and time", answered),
            **{str(c): _error(c) for c in _WRITE_ERRORS},
        },
    }


def _decide(summary: str, path: str, sent: str = "NewDecision") -> dict[str, Any]:
    errors = {str(code): _error(code) for code in (*_WRITE_ERRORS, 404, 409)}
    return {
        "summary": summary,
        "parameters": _parameters((path,), ()),
        "requestBody": {"required": True, "content": _content(sent)},
        "responses": {"200": _answer("Done: the load as it is now", "Load"), **errors},
    }


def _refresh() -> dict[str, Any]:
    errors = {str(code): _error(code) for code in (*_WRITE_ERRORS, 404)}
    return {
        "summary": "Asks for a pull now; a hook for upstream systems",
        "parameters": _parameters(("source",), ("token",)),
        "requestBody": {"required": False, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {"202": _answer("Asked for", "Asked"), **errors},
    }


def _readings() -> dict[str, Any]:
    query = ("grain", "period", "from", "to", "periods", "team", "process", "as_of")
    described = _get("A metric's readings, oldest first", "Readings", ("metric",), query)
    described["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return described


def _events() -> dict[str, Any]:
    stream = {"text/event-stream": {"schema": {"type": "string", "description": 'data: {"version": 1841}'}}}
    return {
        "summary": "Server-sent events: the version at once and whenever another one is published",
        "responses": {
            "200": {"description": "The stream; a comment line every 15 s", "content": stream},
            **{str(code): _error(code) for code in (400, 401, 403, 503)},
        },
    }


def _metrics() -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "summary": "Numbers for Prometheus",
        "responses": {"200": {"description": "Text format 0.0.4", "content": text}},
    }


def _parameters(path: tuple[str, ...], query: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        *(
            {"name": p, "in": "path", "required": True, "description": PARAMETERS[p], "schema": {"type": "string"}}
            for p in path
        ),
        *(
            {"name": q, "in": "query", "required": False, "description": PARAMETERS[q], "schema": _type(q)}
            for q in query
        ),
    ]


def _type(name: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1} if name in _WHOLE_NUMBERS else {"type": "string"}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": _content(schema)}


def _error(code: int) -> dict[str, Any]:
    said = {
        400: "What was asked makes no sense",
        401: "The link is missing, expired or revoked",
        403: "Not with this link, or not from another site",
        404: "No such name",
        409: "It does not wait, or is not kept, any more",
        413: "Too large",
        415: "Not JSON",
        503: "Not to be had now; nothing was saved",
    }
    return _answer(said[code], "Error")
