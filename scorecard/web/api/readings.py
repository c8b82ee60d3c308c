"""Version, scorecards, readings and their explanation."""

from __future__ import annotations

from flask import Blueprint, Response, request

from scorecard.ground.clock import utc_text
from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean
from scorecard.web.answers import json_answer
from scorecard.web.api.asked import Asked
from scorecard.web.api.shapes import readings_csv
from scorecard.web.doors import Doors


def attach_readings(api: Blueprint, doors: Doors) -> None:
    """``/version``, ``/scorecards/<name>``, ``/metrics/<metric>/readings`` and ``/metrics/<metric>/explain``."""

    @api.get("/version")
    def version() -> Response:
        Asked()
        board = doors.publisher.current()
        answer = json_answer({"version": board.version, "as_of": utc_text(board.as_of)})
        answer.headers["Cache-Control"] = "no-cache"  # may be kept, must be asked for: that is what the ETag is for
        answer.set_etag(f"v{board.version}-{int(board.as_of.timestamp())}")
        answer.make_conditional(request)
        return answer

    @api.get("/scorecards/<name>")
    def scorecard(name: str) -> Response:
        asked = Asked("period", "grain", "as_of")
        asked.check_as_of(doors.clock)
        card = doors.publisher.current().scorecard(name, asked.text("period"), asked.grain(), doors.clock.now())
        return json_answer(card.as_json())

    @api.get("/metrics/<metric>/readings")
    def readings(metric: str) -> Response:
        asked = Asked("grain", "period", "from", "to", "periods", "team", "process", "as_of")
        asked.check_as_of(doors.clock)
        board = doors.publisher.current()
        board.book.metric(metric)
        asked.slice()  # refuses both at once
        ranged = [name for name in ("from", "to", "periods") if asked.text(name) is not None]
        if asked.text("period") is not None and ranged:
            raise Refused(Problem(f"'period' and '{ranged[0]}' are both given", hint="choose one of the two"))
        found = board.select(
            (metric,),
            team=asked.text("team"),
            process=asked.text("process"),
            grain=asked.grain(),
            period=asked.text("period"),
            first=asked.text("from"),
            last=asked.text("to"),
            periods=asked.number("periods", None, 5000),
            now=doors.clock.now(),
        )
        if _wants_csv():
            return Response(readings_csv(found), content_type="text/csv; charset=utf-8", headers=_CSV_HEADERS)
        return json_answer({"readings": [r.as_json() for r in found]}, headers={"Vary": "Accept"})

    @api.get("/metrics/<metric>/explain")
    def explain(metric: str) -> Response:
        asked = Asked("grain", "period", "team", "process")
        book = doors.publisher.current().book
        book.metric(metric)
        where = asked.slice()
        if where is not None:
            known = book.teams if where[0] == "team" else book.processes
            if where[1] not in known:
                raise NotFound(Problem(f"no {where[0]} is called '{where[1]}'", hint=did_you_mean(where[1], known)))
        return json_answer(doors.explain(metric, asked.grain(), asked.text("period"), where))


_CSV_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept"}


def _wants_csv() -> bool:
    """CSV only where it is asked for by name and liked better than JSON."""
    accepted = request.accept_mimetypes
    return "text/csv" in [m for m, _ in accepted] and accepted["text/csv"] > _liking_of_json()


def _liking_of_json() -> float:
    named = [quality for mimetype, quality in request.accept_mimetypes if mimetype == "application/json"]
    return max(named, default=0.0)
