"""The list of metrics, and one metric: value, sentence, chart, readings, definition, SQL, slices and notes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.reading import Reading
from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import ORGANIZATION
from scorecard.ground.errors import NotFound, Problem, did_you_mean
from scorecard.judgement.status import STATUSES
from scorecard.views.address import Address
from scorecard.views.ageing import standing
from scorecard.views.pages.scorecards import columns
from scorecard.views.rows import Around, row
from scorecard.views.wording import (
    change,
    clock_text,
    counted,
    limit_text,
    nothing_to_draw,
    person,
    plain,
    reading_span,
    value_text,
)

SHOWN = {"hour": 72, "day": 60, "week": 53, "month": 25, "quarter": 13, "year": 10}
"""How many periods the chart and the table of a metric show."""


def metrics_page(board: Board, address: Address, now: datetime) -> dict[str, Any]:
    """Every metric with its last closed value, worst first within its scorecard's place in the file."""
    order = {status: place for place, status in enumerate(STATUSES)}
    found = sorted(_latest(board, address, now), key=lambda r: order[r.status])
    around = Around(None, chosen(board, address, address.grain or board.main_grain(ORGANIZATION), now))
    rows = [
        {
            **row(board, r, address, now, around),
            "role": board.book.metric(r.metric).role,
            "words": _words(board, board.book.metric(r.metric)),
        }
        for r in found
    ]
    return {
        "kind": "metrics",
        "title": "Metrics",
        "crumbs": [{"text": board.book.organization.name, "href": address.to("/")}],
        "marks": [[r["status"], r["fresh"], True] for r in rows],
        "body": {
            "group": {"role": "all", "title": "All metrics", "hint": "", "rows": rows, **columns(found)}
            if rows
            else None
        },
    }


def _latest(board: Board, address: Address, now: datetime) -> list[Reading]:
    found = []
    for metric in board.book.metrics.values():
        grain = (
            metric.grain
            if address.grain is None or address.grain not in board.calendar.coarser(metric.grain)
            else address.grain
        )
        found.append(board.reading(metric.name, grain, chosen(board, address, grain, now), None, now))
    return found


def chosen(board: Board, address: Address, grain: str, now: datetime) -> str:
    """The period to show at a grain: the address's own, the last of that grain by its end, or the last closed one."""
    if address.period is None:
        return board.latest_closed(grain, now).label
    span = board.period(address.period)
    return span.label if span.grain == grain else board.calendar.latest_closed(span.end, grain).label


def _words(board: Board, metric: Metric) -> str:
    """What the list's filter looks in."""
    owner = board.book.owner_of(metric)
    places = [board.book.processes[metric.process].title] if metric.process else []
    team = board.book.team_of(metric)
    places += [board.book.teams[team].title] if team else []
    return " ".join(
        [
            metric.name,
            metric.title,
            metric.role,
            owner.name if owner else "",
            *places,
            *metric.tags,
            metric.source or "",
        ]
    ).lower()


def metric_page(board: Board, name: str, address: Address, now: datetime) -> tuple[dict[str, Any], tuple[Reading, ...]]:
    """(the page, the readings that its chart draws)."""
    metric = board.book.metric(name)
    grain = address.grain or (board.period(address.period).grain if address.period else metric.grain)
    slice_ = _slice(board, metric, address)
    reading = board.reading(name, grain, chosen(board, address, grain, now), slice_, now)
    history = _history(board, reading, now)
    owner = board.book.owner_of(metric)
    page = {
        "kind": "metric",
        "title": metric.title,
        "crumbs": _crumbs(board, metric, address),
        "lead": metric.describe,
        "slices": _slice_choices(board, metric, address, slice_),
        "shown_grain": grain,
        "shown_period": reading.period,
        "body": {
            "row": row(board, reading, address, now, Around(None, reading.period)),
            "role": metric.role,
            "owner": person(owner),
            "about": _about(board, metric, address),
            "caption": f"{metric.title}, {len(history)} {grain}s: value, target (dotted) and the limit of amber (dashed)",
            "nothing": None
            if any(r.value is not None and not nothing_to_draw(r) for r in history)
            else f"No values in the {counted(len(history), grain)} to {history[-1].period if history else reading.period}.",
            "readings": [_line(board, metric, r, now) for r in reversed(history)],
            "definition": metric.definition,
            "place": None if metric.place is None else str(metric.place),
            "sql": _statements(board.explanation(name)),
            "slices": _parts(board, metric, grain, reading.period, address, now),
            "notes": [_note(note, board, now) for note in board.notes(name)],
            "note": {
                "metric": name,
                "grain": grain,
                "slice": None if slice_ is None else {slice_[0]: slice_[1]},
                "period": reading.period,
                "periods": [r.period for r in reversed(history[-13:])],
            },
        },
    }
    return page, history


def _history(board: Board, reading: Reading, now: datetime) -> tuple[Reading, ...]:
    """The newest periods; where the chosen one lies before them, those around it: three before for each one after."""
    count = SHOWN[reading.grain]
    newest = board.series(reading.metric, reading.grain, reading.slice, now, count)
    if not newest or reading.end > newest[0].start:
        return newest
    until = board.calendar.shift(board.period(reading.period), count // 4)
    return board.series(reading.metric, reading.grain, reading.slice, now, count, until.label) or newest


def _slice(board: Board, metric: Metric, address: Address) -> tuple[str, str] | None:
    if address.slice is None:
        return None
    known = {key[2] for key in board.readings if key[0] == metric.name and key[2] is not None}
    if address.slice not in known:
        kind, name = address.slice
        hint = did_you_mean(name, [n for k, n in known if k == kind])
        raise NotFound(Problem(f"'{metric.name}' has no slice for the {kind} '{name}'", hint=hint))
    return address.slice


def _slices(board: Board, metric: Metric) -> list[tuple[str, str]]:
    return sorted(
        {key[2] for key in board.readings if key[0] == metric.name and key[2] is not None},
        key=lambda s: board.title(s[1]),
    )


def _slice_choices(
    board: Board, metric: Metric, address: Address, shown: tuple[str, str] | None
) -> list[dict[str, Any]]:
    every: list[tuple[str, str] | None] = [None, *_slices(board, metric)]
    return [
        {"text": "All" if s is None else board.title(s[1]), "href": address.to(address.path, s), "current": s == shown}
        for s in every
    ]


def _parts(
    board: Board, metric: Metric, grain: str, period: str, address: Address, now: datetime
) -> list[dict[str, Any]]:
    """The slices of the shown period, worst first."""
    order = {status: place for place, status in enumerate(STATUSES)}
    found = [(s, board.reading(metric.name, grain, period, s, now)) for s in _slices(board, metric)]
    return [
        {**row(board, r, address, now, Around(s[1], period)), "title": board.title(s[1])}
        for s, r in sorted(found, key=lambda item: order[item[1].status])
    ]


def _crumbs(board: Board, metric: Metric, address: Address) -> list[dict[str, str]]:
    book = board.book
    crumbs = [{"text": book.organization.name, "href": address.to("/")}]
    if (team := book.team_of(metric)) is not None:
        crumbs.append({"text": book.teams[team].title, "href": address.to(f"/teams/{team}")})
    if metric.process is not None:
        crumbs.append(
            {"text": book.processes[metric.process].title, "href": address.to(f"/processes/{metric.process}")}
        )
    return crumbs


def _about(board: Board, metric: Metric, address: Address) -> list[dict[str, Any]]:
    better = {"higher": "Higher is better", "lower": "Lower is better", "within": "Within the band is best"}.get(
        metric.better or "", "No direction"
    )
    found: list[dict[str, Any]] = [
        {"term": "Kind", "text": f"{metric.role.title()} indicator, by {metric.grain}"},
        {"term": "Direction", "text": better},
    ]
    if metric.source is not None:
        found.append({"term": "Source", "text": metric.source, "href": address.to("/data")})
    for term, names in (
        ("Held in check by", metric.counter),
        ("Said to lead", tuple(lead.metric for lead in metric.leads)),
    ):
        known = [n for n in names if n in board.book.metrics]
        if known:
            found.append(
                {
                    "term": term,
                    "links": [
                        {"text": board.book.metrics[n].title, "href": address.to(f"/metrics/{n}")} for n in known
                    ],
                }
            )
    if metric.min_sample > 1:
        found.append({"term": "Needs at least", "text": f"{metric.min_sample} observations"})
    if metric.tags:
        found.append({"term": "Tags", "text": ", ".join(metric.tags)})
    return found


def _line(board: Board, metric: Metric, reading: Reading, now: datetime) -> dict[str, Any]:
    """One line of the table of readings."""
    zone = board.book.organization.timezone
    return {
        "period": reading.period,
        "dates": reading_span(reading),
        "text": "–"
        if reading.value is None
        else value_text(metric, reading.value)
        if reading.projected
        else reading.text,
        "target": limit_text(metric, reading.target, reading.value),
        "change": change(metric, reading),
        "n": None if reading.n is None else plain(reading.n),
        **standing(reading, zone, now),
        "running": reading.running,
        "provisional": reading.provisional,
    }


def _statements(explanation: Mapping[str, object]) -> list[str]:
    sql = explanation.get("sql")
    if isinstance(sql, str):
        return [sql]
    return [str(statement) for statement in sql] if isinstance(sql, list | tuple) else []


def _note(note: Mapping[str, object], board: Board, now: datetime) -> dict[str, Any]:
    at, zone, part = note.get("at"), board.book.organization.timezone, note.get("slice")
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    about = ""
    if isinstance(part, Mapping):
        about = " · ".join(str(v) for v in part.values())
    elif isinstance(part, list | tuple) and len(part) == 2:
        about = str(part[1])
    return {
        "id": str(note.get("id", "")),
        "by": str(note.get("by", "")),
        "text": str(note.get("text", "")),
        "period": str(note.get("period") or ""),
        "about": about,
        "at": clock_text(when, zone, now) if isinstance(when, datetime) else str(at or ""),
    }
