"""Where the numbers come from: sources, how fresh they are, what the last loads did with every row, and what is wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.reading import SourceState
from scorecard.book.model.source import Schedule
from scorecard.judgement.status import Status
from scorecard.refresh.pulse import Pulse
from scorecard.views.address import Address
from scorecard.views.pages.holds import decided_text, holds_of
from scorecard.views.pages.quarantine import rows_put_aside
from scorecard.views.pages.turns import remarks_of, schedule_line, turn_of
from scorecard.views.wording import clock_text, counted, local_moments, milliseconds, plain
from scorecard.warehouse.engine import Load

HISTORY = 60
_DETAILS = 5


def data_page(board: Board, address: Address, now: datetime, pulse: Pulse) -> dict[str, Any]:
    """Sources with trouble first, then the run history. ``pulse``: how the schedule stands beside the board."""
    latest: dict[str, Load] = {}
    for load in sorted(board.loads, key=lambda load: load.id, reverse=True):
        latest.setdefault(load.source, load)
    sources = [_source(board, state, latest.get(state.name), address, now, pulse) for state in board.sources]
    order = {"red": 0, "grey": 1, "amber": 2, "green": 3}
    zone = board.book.organization.timezone
    return {
        "kind": "data",
        "title": "Data",
        "crumbs": [{"text": board.book.organization.name, "href": address.to("/")}],
        "lead": "Every row is accounted for: read = loaded + unchanged + duplicate + quarantined.",
        "body": {
            "schedule": schedule_line(pulse) if pulse.turns else None,
            "sources": sorted(sources, key=lambda s: order[s["status"]]),
            "aside": rows_put_aside(board),
            "loads": [
                _load(load, zone, now) for load in sorted(board.loads, key=lambda load: load.id, reverse=True)[:HISTORY]
            ],
            "empty": None
            if sources
            else {
                "title": "No sources yet",
                "text": "A source in metrics.yaml is pulled on its schedule and shows here: "
                "a CSV file, an SQL query or an HTTP address.",
            },
        },
    }


def _source(
    board: Board, state: SourceState, load: Load | None, address: Address, now: datetime, pulse: Pulse
) -> dict[str, Any]:
    zone = board.book.organization.timezone
    declared = board.book.sources.get(state.name)
    status, said = _standing(state, now)
    problem = state.problem and local_moments(state.problem.removesuffix(f" ({state.hint})"), zone, now)
    used = [m for m in board.book.metrics.values() if m.source == state.name]
    return {
        "name": state.name,
        "kind": state.kind.upper() if state.kind in ("csv", "sql", "http") else state.kind,
        "every": None if declared is None else schedule_text(declared.schedule),
        "status": status,
        "word": said,
        "reason": "target" if status == "green" else "stale",
        "fresh": milliseconds(state.fresh_until) if status == "green" else None,
        "stale": _once_stale(state, zone, now),
        "because": problem or "",
        "problem": problem,
        "hint": state.hint,
        "loaded": milliseconds(state.loaded_at),
        "loaded_text": clock_text(state.loaded_at, zone, now),
        "until": clock_text(state.data_until, zone, now),
        "turn": turn_of(state, pulse, zone, now),
        "rows": None if state.rows is None else plain(state.rows),
        "generation": state.generation,
        "last": None if load is None else _counts(load),
        "remarks": [*_quiet(state, zone, now), *_remarks(state), *remarks_of(state.name, pulse, zone, now)],
        "details": _details(state, load),
        **holds_of(board, state.name, now),
        "metrics": [{"text": m.title, "href": address.to(f"/metrics/{m.name}")} for m in used],
    }


def _details(state: SourceState, load: Load | None) -> list[str]:
    """What the last load remarked; rows that could not be read stand in a section of their own."""
    if load is None or state.quarantine.groups:
        return []
    return [str(p) for p in load.problems if p.severity == "warning"][:_DETAILS]


def _standing(state: SourceState, now: datetime) -> tuple[Status, str]:
    if state.loaded_at is None:
        return ("red", "Failing") if state.problem else ("grey", "Not loaded yet")
    if state.outcome == "held":
        return "amber", "Held"
    if state.good_until is not None and now > state.good_until:
        return ("red", "Failing") if state.outcome == "failed" else ("grey", "Stale")
    if state.outcome == "failed":
        return "amber", "Last run failed"
    if state.quiet(now):
        return "grey", "No new rows"
    return "green", "Fresh"


def _once_stale(state: SourceState, zone: str, now: datetime) -> str:
    """What is said of a source in an open page once neither its loads nor its rows are new enough."""
    if state.fresh_until is not None and state.fresh_until == state.quiet_until:
        return f"No new rows since {clock_text(state.data_until, zone, now)}: numbers of later periods are shown grey."
    return "No good load in time: its numbers are shown grey."


def _quiet(state: SourceState, zone: str, now: datetime) -> list[str]:
    if state.quiet_until is None or now <= state.quiet_until:
        return []
    since = clock_text(state.data_until, zone, now)
    return [f"no new rows since {since}, longer than quiet_for: numbers of later periods are grey"]


def _remarks(state: SourceState) -> list[str]:
    found = []
    if state.quarantined:
        found.append(f"{counted(state.quarantined, 'row')} in quarantine: could not be read")
    if state.future_rows:
        found.append(f"{counted(state.future_rows, 'row')} dated after now: not counted yet")
    if state.undated_rows:
        found.append(f"{counted(state.undated_rows, 'row')} without a time: in no period")
    if state.unassigned:
        found.append(
            "matches no team or process: "
            + ", ".join(state.unassigned[:8])
            + (" …" if len(state.unassigned) > 8 else "")
        )
    return found


def _counts(load: Load) -> list[tuple[str, str]]:
    shown = (
        ("read", load.read),
        ("loaded", load.loaded),
        ("unchanged", load.unchanged),
        ("duplicate", load.duplicate),
        ("quarantined", load.quarantined),
        ("removed", load.removed),
    )
    return [(name, plain(number)) for name, number in shown]


_OUTCOMES: dict[str, Status] = {"ok": "green", "unchanged": "green", "held": "amber", "failed": "red"}
_WORDS = {
    "ok": "Loaded",
    "unchanged": "Unchanged",
    "held": "Held",
    "failed": "Failed",
    "rejected": "Rejected",
    "superseded": "Superseded",
}


def _load(load: Load, zone: str, now: datetime) -> dict[str, Any]:
    return {
        "id": load.id,
        "source": load.source,
        "status": _OUTCOMES.get(load.outcome, "grey"),
        "word": _WORDS.get(load.outcome, load.outcome),
        "cause": load.cause,
        "at": clock_text(load.finished_at, zone, now),
        "seconds": f"{load.seconds:.2f} s" if load.seconds < 10 else f"{load.seconds:.0f} s",
        "counts": [number for _, number in _counts(load)],
        "generation": load.generation,
        "problem": load.problem and local_moments(load.problem, zone, now),
        "decided": decided_text(load, zone, now),
        "warnings": sum(1 for p in load.problems if p.severity == "warning"),
    }


def schedule_text(schedule: Schedule) -> str:
    """``every 30 s``, ``every 2 h``, or the cron line."""
    if schedule.every_seconds is None:
        return f"at {schedule.cron}"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if schedule.every_seconds % size == 0:
            return f"every {schedule.every_seconds // size} {unit}"
    return f"every {schedule.every_seconds} s"
