"""Where the numbers come from: freshness, and the hook that asks for a pull."""

from __future__ import annotations

from flask import Blueprint, Response, request

from scorecard.ground.errors import NotFound, Problem, did_you_mean
from scorecard.refresh.pulse import Warned
from scorecard.web.answers import json_answer
from scorecard.web.api.asked import Asked, json_body
from scorecard.web.api.shapes import quarantine_json, source_json, turn_json
from scorecard.web.doors import Doors


def _as_notice(warned: Warned) -> Problem:
    return Problem(warned.message, hint=warned.hint, severity="warning")


def attach_sources(api: Blueprint, doors: Doors) -> None:
    """``/sources``, ``/sources/<source>/quarantine`` and ``/sources/<source>/refresh``."""

    @api.get("/sources")
    def sources() -> Response:
        Asked()
        now, board = doors.clock.now(), doors.publisher.current()
        notices = [*(_as_notice(warned) for warned in doors.warned()), *board.notices]
        pulse = doors.pulse()
        sources = [{**source_json(s, board.held, now), **turn_json(s.name, pulse)} for s in board.sources]
        return json_answer({"sources": sources, "notices": [notice.as_json() for notice in notices]})

    @api.get("/sources/<source>/quarantine")
    def quarantine(source: str) -> Response:
        Asked()
        states = {state.name: state for state in doors.publisher.current().sources}
        if source not in states:
            raise NotFound(Problem(f"no source is called '{source}'", hint=did_you_mean(source, states)))
        return json_answer(quarantine_json(states[source]))

    @api.post("/sources/<source>/refresh")
    def refresh(source: str) -> Response:
        Asked("token")
        if request.content_length:  # a hook may say what it likes about itself, as long as it is JSON
            json_body()
        doors.refresh(source, "hook")
        return json_answer({"source": source, "asked": True}, 202)
