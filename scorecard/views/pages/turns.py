"""How a source stands with the schedule: its next run, its last ones as a strip, what it is failing at, and its breaker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scorecard.board.reading import SourceState
from scorecard.ground.clock import span_text
from scorecard.refresh.pulse import Pulse, Turn
from scorecard.refresh.recent import RUNS_KEPT, SLOT, Cell
from scorecard.views.wording import clock_text, counted, milliseconds

MARKS = {"ok": "o", "unchanged": "u", "held": "h", "failed": "f", None: "-"}
WORDS = {"ok": "loaded", "unchanged": "nothing new", "held": "held", "failed": "failed"}
_LONGEST = 160
SKIPS_TOLD = timedelta(hours=1)
"""So long a skipped run is a remark; Prometheus counts all of them."""
TOLD_OF = 40
"""Of more sources, the page carries no sentence for each run that went well: it would weigh a megabyte."""


def turn_of(state: SourceState, pulse: Pulse, zone: str, now: datetime) -> dict[str, Any]:
    """What the page shows of a source's turn; ``fresh_for`` in milliseconds is what the age is measured against."""
    turn, recent = pulse.turns.get(state.name), pulse.recent.get(state.name)
    loaded, limit = milliseconds(state.loaded_at), milliseconds(state.good_until)
    return {
        "limit": limit,
        "fresh_for": None if loaded is None or limit is None else limit - loaded,
        "fresh_for_text": None if loaded is None or limit is None else span_text((limit - loaded) / 1000),
        "next": milliseconds(state.next_run if turn is None else turn.next_run),
        "running": None if turn is None else milliseconds(turn.running_since),
        "waiting": None if turn is None else milliseconds(turn.late_since),
        "host": None if turn is None else turn.host,
        "failing": None
        if recent is None or recent.failing_since is None
        else {
            "since": milliseconds(recent.failing_since),
            "text": f"Failing since {clock_text(recent.failing_since, zone, now)}",
            "runs": counted(recent.failing, "run"),
        },
        "breaker": None if turn is None else _breaker(turn, zone, now),
        "strip": _strip(pulse.cells(state.name, now), zone, now, brief=len(pulse.turns) > TOLD_OF),
    }


def remarks_of(name: str, pulse: Pulse, zone: str, now: datetime) -> list[str]:
    """What a person should know of its runs besides."""
    turn = pulse.turns.get(name)
    if turn is None or turn.skipped_at is None or now - turn.skipped_at > SKIPS_TOLD:
        return []
    when = clock_text(turn.skipped_at, zone, now)
    return [f"{counted(turn.skipped, 'run')} skipped, the one before being still under way; the last at {when}"]


def _breaker(turn: Turn, zone: str, now: datetime) -> dict[str, Any] | None:
    """What the breaker does, where it does anything: after a first error the source is already tried in another rhythm."""
    if turn.breaker == "closed" and not turn.failures:
        return None
    since = clock_text(turn.breaker_since, zone, now)
    errors = counted(turn.failures, "network or lock error") + (" in a row" if turn.failures > 1 else "")
    text = {
        "closed": f"Tried again after {errors}",
        "open": f"Breaker open since {since}: left alone after {errors}",
        "half_open": f"Breaker half-open since {since}: one run is let through to see, after {errors}",
    }[turn.breaker]
    return {"state": turn.breaker, "text": text, "next": milliseconds(turn.next_try)}


def _strip(cells: tuple[Cell, ...], zone: str, now: datetime, *, brief: bool) -> dict[str, Any] | None:
    """One sign for each cell, oldest first, and a sentence by its place for each; ``brief``: only where something was wrong."""
    if not cells:
        return None
    runs, bad = sum(cell.runs for cell in cells), sum(cell.bad for cell in cells)
    since = clock_text(cells[0].at, zone, now)
    well = "all well" if not bad else f"{counted(bad, 'run')} failed or held"
    slots = cells[0].span == "slot"
    return {
        "marks": "".join(MARKS.get(cell.outcome, "-") for cell in cells),
        "places": RUNS_KEPT,
        "titles": {str(i): _title(cell, zone, now) for i, cell in enumerate(cells) if cell.bad or not brief},
        "label": f"{counted(runs, 'run')} since {since}: {well}",
        "from": since,
        "unit": f"a sign for each {span_text(SLOT.total_seconds())}" if slots else "a sign for each run",
    }


def _title(cell: Cell, zone: str, now: datetime) -> str:
    at = clock_text(cell.at, zone, now)
    said = "" if cell.problem is None else f": {cell.problem[:_LONGEST]}{'…' if len(cell.problem) > _LONGEST else ''}"
    if cell.span == "run":
        return f"{at} {WORDS.get(cell.outcome or '', cell.outcome)} in {cell.seconds:.2g} s{said}"
    if not cell.runs:
        return f"{at} no run"
    return f"{at} {counted(cell.runs, 'run')}" + (f", {cell.bad} failed or held{said}" if cell.bad else ", all well")


def schedule_line(pulse: Pulse) -> dict[str, Any]:
    """The scheduler in one line."""
    if not pulse.ticking:
        return {"status": "amber", "text": "The scheduler does not move"}
    busy = f"{pulse.running} of {pulse.workers} workers busy"
    waiting = f", {counted(pulse.waiting, 'source')} waiting for one" if pulse.waiting else ""
    return {"status": "green", "text": f"{busy}{waiting}"}
