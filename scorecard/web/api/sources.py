"""Where the numbers come from: freshness, run history, and the hook that asks for a pull."""

from __future__ import annotations

from flask import Blueprint, Response, request

from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean
from scorecard.refresh.pulse import Warned
from scorecard.warehouse.engine import OUTCOMES
from scorecard.web.answers import json_answer
from scorecard.web.api.asked import Asked, json_body
from scorecard.web.api.shapes import load_json, quarantine_json, source_json, turn_json
from scorecard.web.doors import Doors


def _as_notice(warned: Warned) -> Problem:
    return Problem(warned.message, hint=warned.hint, severity="warning")


def attach_sources(api: Blueprint, doors: Doors) -> None:
    """``/sources``, ``/loads``, ``/sources/<source>/quarantine`` and ``/sources/<source>/refresh``."""

    @api.get("/sources")
    def sources() -> Response:
        Asked()
        now, board = doors.clock.now(), doors.publisher.current()
        notices = [*(_as_notice(warned) for warned in doors.warned()), *board.notices]
        pulse = doors.pulse()
        sources = [{**source_json(s, now), **turn_json(s.name, pulse)} for s in board.sources]
        return json_answer({"sources": sources, "notices": [notice.as_json() for notice in notices]})

    @api.get("/sources/<source>/quarantine")
    def quarantine(source: str) -> Response:
        Asked()
        states = {state.name: state for state in doors.publisher.current().sources}
        if source not in states:
            raise NotFound(Problem(f"no source is called '{source}'", hint=did_you_mean(source, states)))
        return json_answer(quarantine_json(states[source]))

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

    @api.post("/sources/<source>/refresh")
    def refresh(source: str) -> Response:
        Asked("token")
        if request.content_length:  # a hook may say what it likes about itself, as long as it is JSON
            json_body()
        doors.refresh(source, "hook")
        return json_answer({"source": source, "asked": True}, 202)
