"""How boards, sources and loads are written for programs: JSON, and CSV that no spreadsheet will run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime

from scorecard.board.holds import Held, Shelf
from scorecard.board.reading import Reading, SourceState
from scorecard.ground.clock import utc_text
from scorecard.refresh.pulse import Pulse
from scorecard.refresh.recent import Recent
from scorecard.warehouse.engine import Decision, Load, Move

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_RUNS = ("=", "+", "-", "@", "\t", "\r")


def source_json(state: SourceState, held: Held, now: datetime) -> dict[str, object]:
    """One source's freshness; ``fresh`` is as of ``now``. ``waiting``: the load that waits for a person."""
    waiting, shelf = held.waiting.get(state.name), held.shelves.get(state.name, Shelf())
    return {
        "name": state.name,
        "kind": state.kind,
        "outcome": state.outcome,
        "fresh": state.fresh(now),
        "loaded_at": utc_text(state.loaded_at),
        "data_until": utc_text(state.data_until),
        "fresh_until": utc_text(state.fresh_until),
        "quiet_until": utc_text(state.quiet_until),
        "next_run": utc_text(state.next_run),
        "problem": state.problem,
        "hint": state.hint,
        "rows": state.rows,
        "generation": state.generation,
        "quarantined": state.quarantined,
        "future_rows": state.future_rows,
        "undated_rows": state.undated_rows,
        "unassigned": list(state.unassigned),
        "waiting": None if waiting is None else waiting.load.id,
        "pinned": state.name in held.pinned,
        "kept": {"generations": shelf.count, "bytes": shelf.size_bytes},
    }


def quarantine_json(state: SourceState) -> dict[str, object]:
    """Rows that a source's table lacks, by reason; ``failed``: the load that failed because of them."""
    found = state.quarantine
    return {
        "source": state.name,
        "missing": found.missing,
        "reasons": found.reasons,
        "groups": [
            {
                "reason": group.kind,
                "column": group.column,
                "rows": group.rows,
                "failed": group.failed,
                "first": [asdict(row) for row in group.first],
            }
            for group in found.groups
        ],
    }


def turn_json(source: str, pulse: Pulse) -> dict[str, object]:
    """How a source stands with the schedule, as of now and not as of the board."""
    turn, recent = pulse.turns.get(source), pulse.recent.get(source, Recent())
    standing: dict[str, object] = {
        "failing_since": utc_text(recent.failing_since),
        "failures_in_a_row": recent.failing,
        "running_since": None if turn is None else utc_text(turn.running_since),
        "late_since": None if turn is None else utc_text(turn.late_since),
        "skipped": 0 if turn is None else turn.skipped,
        "skipped_at": None if turn is None else utc_text(turn.skipped_at),
        "coalesced": 0 if turn is None else turn.coalesced,
        "host": None if turn is None else turn.host,
        "breaker": {
            "state": "closed" if turn is None else turn.breaker,
            "since": None if turn is None else utc_text(turn.breaker_since),
            "next_try": None if turn is None else utc_text(turn.next_try),
        },
    }
    return standing if turn is None else {"next_run": utc_text(turn.next_run), **standing}


def load_json(load: Load) -> dict[str, object]:
    """One load, with the counts that account for every row."""
    return {
        "id": load.id,
        "source": load.source,
        "outcome": load.outcome,
        "cause": load.cause,
        "started_at": utc_text(load.started_at),
        "finished_at": utc_text(load.finished_at),
        "generation": load.generation,
        "read": load.read,
        "loaded": load.loaded,
        "unchanged": load.unchanged,
        "duplicate": load.duplicate,
        "quarantined": load.quarantined,
        "removed": load.removed,
        "times_doubled": load.times_doubled,
        "times_missing": load.times_missing,
        "seconds": load.seconds,
        "problem": load.problem,
        "problems": [p.as_json() for p in load.problems],
        "decision": decision_json(load.decision),
        "moves": [move_json(move) for move in load.moves],
    }


def decision_json(decision: Decision | None) -> dict[str, object] | None:
    """What became of a load that was held, or which rollback made it."""
    if decision is None:
        return None
    told = {"what": decision.what, "by": decision.by or None, "why": decision.why or None}
    return {**told, "at": utc_text(decision.at), "to": decision.to}


def move_json(move: Move) -> dict[str, object]:
    """A published number that a load would move."""
    where = None if move.slice is None else {move.slice[0]: move.slice[1]}
    key = {"metric": move.metric, "grain": move.grain, "period": move.period, "slice": where}
    return {**key, "from": move.before, "to": move.after, "text": move.text}


def readings_csv(readings: Iterable[Reading]) -> str:
    """One line a reading, with the JSON's names; bands as ``low..high``, the projection in four columns."""
    rows = [_flat(r.as_json()) for r in readings]
    return table_csv(COLUMNS, rows)


def table_csv(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> str:
    """RFC 4180 text; a text that a spreadsheet would run as a formula gets a quote in front."""
    names = list(columns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([safe_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def safe_cell(value: object) -> str:
    """A value as it may stand in a CSV cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    return "'" + text if text.startswith(_RUNS) and not _NUMBER.fullmatch(text) else text


COLUMNS = (
    "metric", "grain", "period", "slice", "team", "process", "start", "end", "running", "provisional", "value", "text",
    "numerator", "denominator", "n", "target", "amber", "status", "judged", "reason", "because", "projected_value",
    "projected_low", "projected_high", "projected_chance", "previous", "year_ago", "signals", "conclusive", "interval_low",
    "interval_high", "interval_word", "loaded_at",
    "data_until", "fresh_until", "as_of", "version",
)  # fmt: skip
"""The columns of a reading's CSV, in order."""


def _flat(reading: dict[str, object]) -> dict[str, object]:
    projected, interval = reading.pop("projected"), reading.pop("interval")
    for part in ("low", "high", "word"):
        reading[f"interval_{part}"] = interval.get(part) if isinstance(interval, Mapping) else None
    for part in ("value", "low", "high", "chance"):
        reading[f"projected_{part}"] = projected.get(part) if isinstance(projected, Mapping) else None
    for name in ("target", "amber"):
        if isinstance(band := reading[name], list):
            reading[name] = "..".join(repr(limit) for limit in band)
    if isinstance(where := reading["slice"], Mapping):
        reading["slice"] = " ".join(f"{kind}:{name}" for kind, name in where.items())
    if isinstance(signals := reading["signals"], list):
        reading["signals"] = " ".join(str(s) for s in signals)
    return reading
