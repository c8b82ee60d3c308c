"""The run history, and what people decide of loads: approve, reject, roll back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean
from scorecard.warehouse.engine import OUTCOMES
from scorecard.web.answers import json_answer
from scorecard.web.api.asked import Asked, json_body
from scorecard.web.api.shapes import load_json
from scorecard.web.doors import Doors


def attach_loads(api: Blueprint, doors: Doors) -> None:
    """``/loads``, ``/loads/<load>/approve``, ``/loads/<load>/reject`` and ``/sources/<source>/rollback``."""

    @api.get("/loads")
    def loads() -> Response:
        asked = Asked("source", "limit", "outcome")
        board, source = doors.publisher.current(), asked.text("source")
        if source is not None and source not in board.book.sources:
            raise NotFound(Problem(f"no source is called '{source}'", hint=did_you_mean(source, board.book.sources)))
        outcome = asked.text("outcome")
        if outcome is not None and outcome not in OUTCOMES:
            said = did_you_mean(outcome, OUTCOMES) or f"one of {', '.join(OUTCOMES)}"
            raise Refused(Problem(f"'{outcome}' is no outcome", hint=said))
        found = doors.loads(source, asked.number("limit", 100, 1000) or 100, outcome)
        return json_answer({"loads": [load_json(load) for load in found]})

    @api.post("/loads/<load>/approve")
    def approve(load: str) -> Response:
        by, why, _ = _form()
        return json_answer(load_json(doors.approve(_number(load), by, why)))

    @api.post("/loads/<load>/reject")
    def reject(load: str) -> Response:
        by, why, _ = _form()
        return json_answer(load_json(doors.reject(_number(load), by, why)))

    @api.post("/sources/<source>/rollback")
    def rollback(source: str) -> Response:
        by, why, to = _form("to")
        return json_answer(load_json(doors.roll_back(source, to, by, why)))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise NotFound(Problem(f"'{text[:40]}' is no load's number", hint="see /api/v1/loads"))
    return int(text)


def _form(*also: str) -> tuple[str, str, int | None]:
    """(by, why, to); Refused with every problem at once."""
    Asked()
    body: Mapping[str, Any] = json_body()
    known = ("by", "why", *also)
    problems = []
    for key in body:
        if key not in known:
            hint = did_you_mean(key, known) or f"known: {', '.join(known)}"
            problems.append(Problem(f"unknown key '{key[:40]}'", hint=hint))
    by, why, to = body.get("by"), body.get("why"), body.get("to")
    if not isinstance(by, str) or not by.strip():
        problems.append(
            Problem("'by' is missing" if by is None else "'by' is empty or no text", hint="say who decides")
        )
    if why is not None and not isinstance(why, str):
        problems.append(Problem("'why' is not a text"))
    if to is not None and (isinstance(to, bool) or not isinstance(to, int)):
        problems.append(Problem("'to' is no load's number", hint="see /api/v1/loads"))
    if problems:
        raise Refused(*problems)
    return str(by), str(why or ""), to
