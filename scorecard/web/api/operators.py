"""For operators: is it alive, is it ready, and the numbers that Prometheus collects."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress

from flask import Blueprint, Flask, Response, request

from scorecard.ground.errors import Unavailable
from scorecard.web.answers import json_answer
from scorecard.web.api.prometheus import board_lines, schedule_lines, series, source_lines
from scorecard.web.doors import Doors
from scorecard.web.push import Streams


class Tally:
    """Requests answered: counts that only grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()

    def count(self, answer: Response) -> Response:
        """One request; the rule's address and not the asked one, so that nobody can make up new series."""
        rule = request.url_rule.rule if request.url_rule is not None else "none"
        method = request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        with self._lock:
            self._requests[method, rule, answer.status_code] += 1
        return answer

    def lines(self) -> list[str]:
        with self._lock:
            requests = [
                ({"method": m, "route": r, "status": str(s)}, n) for (m, r, s), n in sorted(self._requests.items())
            ]
        return series("scorecard_http_requests_total", "counter", "Requests answered.", requests)


def attach_operators(server: Flask, doors: Doors, streams: Streams, tally: Tally) -> None:
    """``/healthz``, ``/readyz`` and ``/-/metrics``."""
    operators = Blueprint("operators", __name__)

    @operators.get("/healthz")
    def healthz() -> Response:
        return json_answer({"alive": True})

    @operators.get("/readyz")
    def readyz() -> Response:
        ready, reasons = doors.alive()
        return json_answer({"ready": ready, "reasons": reasons}, 200 if ready else 503)

    @operators.get("/-/metrics")
    def metrics() -> Response:
        lines = series("scorecard_streams_open", "gauge", "Event streams open.", [({}, streams.open)])
        ready, _ = doors.alive()
        lines += series(
            "scorecard_ready", "gauge", "1 if a board is published and the scheduler ticks.", [({}, int(ready))]
        )
        with suppress(Unavailable):  # nothing is published yet, which scorecard_ready says
            lines += board_lines(doors.publisher.current(), doors.clock.now())
        pulse = doors.pulse()
        lines += [*schedule_lines(pulse), *source_lines(pulse)]
        return Response(
            "\n".join([*lines, *tally.lines(), ""]),
            content_type="text/plain; version=0.0.4; charset=utf-8",
            headers={"Cache-Control": "no-store"},
        )

    server.register_blueprint(operators)
