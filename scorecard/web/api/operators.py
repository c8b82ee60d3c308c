"""For operators: is it alive, is it ready, and the numbers that Prometheus collects."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from flask import Blueprint, Flask, Response, request

from scorecard.board.board import Board
from scorecard.ground.errors import Unavailable
from scorecard.judgement.status import STATUSES
from scorecard.warehouse.engine import Load
from scorecard.web.answers import json_answer
from scorecard.web.doors import Doors
from scorecard.web.push import Streams


class Tally:
    """Counts that only grow: requests answered, and loads as they appear on the boards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._loads: Counter[tuple[str, str]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._newest_load = -1

    def count(self, answer: Response) -> Response:
        """One request; the rule's address and not the asked one, so that nobody can make up new series."""
        rule = request.url_rule.rule if request.url_rule is not None else "none"
        method = request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        with self._lock:
            self._requests[method, rule, answer.status_code] += 1
        return answer

    def observe(self, loads: Iterable[Load]) -> None:
        """Adds the loads that were not seen before."""
        with self._lock:
            fresh = [load for load in loads if load.id > self._newest_load]
            for load in fresh:
                self._loads[load.source, load.outcome] += 1
                self._seconds[load.source] += load.seconds  # type: ignore[assignment]  # a Counter adds floats as well
            self._newest_load = max((load.id for load in fresh), default=self._newest_load)

    def lines(self) -> list[str]:
        with self._lock:
            requests = [
                ({"method": m, "route": r, "status": str(s)}, n) for (m, r, s), n in sorted(self._requests.items())
            ]
            loads = [({"source": s, "outcome": o}, n) for (s, o), n in sorted(self._loads.items())]
            seconds = [({"source": s}, n) for s, n in sorted(self._seconds.items())]
        return [
            *series("scorecard_http_requests_total", "counter", "Requests answered.", requests),
            *series("scorecard_loads_total", "counter", "Loads finished, by outcome.", loads),
            *series("scorecard_load_seconds_total", "counter", "Seconds spent on loads.", seconds),
        ]


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
        try:
            board = doors.publisher.current()
        except Unavailable:
            pass  # nothing is published yet, which scorecard_ready says
        else:
            tally.observe(board.loads)
            lines += _board_lines(board, doors.clock.now())
        return Response(
            "\n".join([*lines, *tally.lines(), ""]),
            content_type="text/plain; version=0.0.4; charset=utf-8",
            headers={"Cache-Control": "no-store"},
        )

    server.register_blueprint(operators)


Sample = tuple[Mapping[str, str], float | int]


def series(name: str, kind: str, about: str, samples: Iterable[Sample]) -> list[str]:
    """One metric in Prometheus' text format; nothing where there are no samples."""
    lines = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *lines] if lines else []


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def _labels(labels: Mapping[str, str]) -> str:
    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{k}="{quoted(v)}"' for k, v in labels.items()) + "}" if labels else ""


def _audit_lines(board: Board) -> list[str]:
    """What comparing the kept numbers with the rows came to."""
    audits = sorted(board.audits.items())
    ended: list[Sample] = []
    for source, audited in audits:
        clean = audited.runs - audited.alarms
        ended += [({"source": source, "outcome": o}, n) for o, n in (("clean", clean), ("different", audited.alarms))]
    return [
        *series("scorecard_audits_total", "counter", "Comparisons of kept numbers with the rows.", ended),
        *series(
            "scorecard_audit_differences",
            "gauge",
            "Kept numbers that the last comparison found wrong.",
            [({"source": s}, a.differences) for s, a in audits],
        ),
        *series(
            "scorecard_audit_at_seconds",
            "gauge",
            "Last comparison, seconds since 1970.",
            [({"source": s}, a.at.timestamp()) for s, a in audits],
        ),
    ]


def _board_lines(board: Board, now: datetime) -> list[str]:
    sources = board.sources
    colours = Counter(r.status for r in board.select(now=now))
    moments = {
        "loaded_at": [({"source": s.name}, s.loaded_at.timestamp()) for s in sources if s.loaded_at is not None],
        "data_until": [({"source": s.name}, s.data_until.timestamp()) for s in sources if s.data_until is not None],
    }
    fresh = [({"source": s.name}, int(s.fresh_until is None or now <= s.fresh_until)) for s in sources if s.loaded_at]
    newest = {load.source: load for load in reversed(board.loads)}
    age = max(0.0, (now - board.as_of).total_seconds())
    return [
        *series("scorecard_board_version", "gauge", "Version of the published board.", [({}, board.version)]),
        *series("scorecard_board_age_seconds", "gauge", "Seconds since it was computed.", [({}, age)]),
        *series(
            "scorecard_source_loaded_at_seconds", "gauge", "Last good load, seconds since 1970.", moments["loaded_at"]
        ),
        *series(
            "scorecard_source_data_until_seconds", "gauge", "Newest row's time, since 1970.", moments["data_until"]
        ),
        *series("scorecard_source_fresh", "gauge", "1 while the source is fresh.", fresh),
        *series(
            "scorecard_source_rows",
            "gauge",
            "Rows in the table.",
            [({"source": s.name}, s.rows) for s in sources if s.rows is not None],
        ),
        *series(
            "scorecard_source_quarantined",
            "gauge",
            "Rows put aside.",
            [({"source": s.name}, s.quarantined) for s in sources],
        ),
        *_audit_lines(board),
        *series(
            "scorecard_source_last_load_seconds",
            "gauge",
            "Seconds the newest load took.",
            [({"source": name}, load.seconds) for name, load in sorted(newest.items())],
        ),
        *series(
            "scorecard_readings",
            "gauge",
            "Metrics by the status of their last closed period.",
            [({"status": status}, colours[status]) for status in STATUSES],
        ),
    ]
