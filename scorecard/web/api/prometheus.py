"""The numbers that Prometheus collects, in its text format: of the board, and of the schedule as it stands now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from scorecard.board.board import Board
from scorecard.judgement.status import STATUSES
from scorecard.refresh.pulse import Pulse

Sample = tuple[Mapping[str, str], float | int]
BREAKER_STATES = ("closed", "open", "half_open")


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


def schedule_lines(pulse: Pulse) -> list[str]:
    """The schedule as a whole."""
    late = pulse.lateness
    begun: list[Sample] = [({}, late.runs)]
    return [
        *series("scorecard_schedule_ticking", "gauge", "1 while the scheduler moves.", [({}, int(pulse.ticking))]),
        *series("scorecard_schedule_running", "gauge", "Pulls under way.", [({}, pulse.running)]),
        *series("scorecard_schedule_waiting", "gauge", "Sources that are due and wait for a worker.", [({}, pulse.waiting)]),
        *series("scorecard_schedule_workers", "gauge", "Pulls that may be under way at once.", [({}, pulse.workers)]),
        *series("scorecard_schedule_stalls_total", "counter", "Times the scheduler was started anew.", [({}, pulse.stalls)]),
        *series("scorecard_schedule_clock_steps_total", "counter", "Times the wall clock was set.", [({}, pulse.steps)]),
        *series("scorecard_schedule_runs_total", "counter", "Runs begun by the schedule.", begun),
        *series("scorecard_schedule_late_seconds_total", "counter", "Seconds they began late.", [({}, late.seconds)]),
        *series("scorecard_schedule_late_seconds_max", "gauge", "The latest of the last five minutes.", [({}, late.most)]),
    ]  # fmt: skip


def source_lines(pulse: Pulse) -> list[str]:
    """Every source's turn on the schedule, and its loads since the start."""
    turns = sorted(pulse.turns.items())

    def gauge(name: str, about: str, values: Iterable[tuple[str, datetime | None]]) -> list[str]:
        known = [({"source": s}, moment.timestamp()) for s, moment in values if moment is not None]
        return series(f"scorecard_source_{name}_seconds", "gauge", f"{about}, seconds since 1970.", known)

    breakers = [({"source": s, "state": x}, int(t.breaker == x)) for s, t in turns for x in BREAKER_STATES]
    counts = [({"source": s, "outcome": o}, n) for (s, o), n in sorted(pulse.counts.items())]
    failing = [(s, r.failing_since) for s, r in sorted(pulse.recent.items())]
    return [
        *series("scorecard_loads_total", "counter", "Loads finished, by outcome.", counts),
        *series("scorecard_load_seconds_total", "counter", "Seconds spent on loads.",
                [({"source": s}, n) for s, n in sorted(pulse.seconds.items())]),
        *gauge("next_run", "When the source is pulled next", ((s, t.next_run) for s, t in turns)),
        *gauge("failing_since", "When the first failure since the last good load began", failing),
        *series("scorecard_source_running", "gauge", "1 while a run is under way.",
                [({"source": s}, int(t.running_since is not None)) for s, t in turns]),
        *series("scorecard_source_breaker", "gauge", "1 for the state that the source's breaker is in.", breakers),
        *gauge("next_try", "Before this nobody tries, unless asked to", ((s, t.next_try) for s, t in turns)),
        *series("scorecard_source_failures_in_a_row", "gauge", "Network and lock errors since the last answer.",
                [({"source": s}, t.failures) for s, t in turns]),
        *series("scorecard_source_skipped_runs_total", "counter", "Runs left out, the one before being under way.",
                [({"source": s}, t.skipped) for s, t in turns]),
        *series("scorecard_source_coalesced_runs_total", "counter", "Runs done with a later one, for want of a worker.",
                [({"source": s}, t.coalesced) for s, t in turns]),
    ]  # fmt: skip


def audit_lines(board: Board) -> list[str]:
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


def board_lines(board: Board, now: datetime) -> list[str]:
    """The published board: its age, its sources and its colours."""
    sources = board.sources
    colours = Counter(r.status for r in board.select(now=now))
    newest = {load.source: load for load in reversed(board.loads)}
    age = max(0.0, (now - board.as_of).total_seconds())

    def moments(name: str, about: str) -> list[str]:
        found = [({"source": s.name}, getattr(s, name).timestamp()) for s in sources if getattr(s, name) is not None]
        return series(f"scorecard_source_{name}_seconds", "gauge", about, found)

    return [
        *series("scorecard_board_version", "gauge", "Version of the published board.", [({}, board.version)]),
        *series("scorecard_board_age_seconds", "gauge", "Seconds since it was computed.", [({}, age)]),
        *moments("loaded_at", "Last good load, seconds since 1970."),
        *moments("data_until", "Newest row's time, since 1970."),
        *moments("fresh_until", "Until when its numbers may be shown, since 1970."),
        *series(
            "scorecard_source_fresh",
            "gauge",
            "1 while the source is fresh.",
            [({"source": s.name}, int(s.fresh(now))) for s in sources if s.loaded_at],
        ),
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
        *_held_lines(board),
        *audit_lines(board),
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


def _held_lines(board: Board) -> list[str]:
    """What waits for a person, and what earlier generations take."""
    return [
        *series(
            "scorecard_source_held",
            "gauge",
            "1 while a load waits for a person.",
            [({"source": s.name}, int(s.name in board.held.waiting)) for s in board.sources],
        ),
        *series(
            "scorecard_source_kept_bytes",
            "gauge",
            "Bytes that earlier generations take.",
            [({"source": name}, shelf.size_bytes) for name, shelf in sorted(board.held.shelves.items())],
        ),
        *series(
            "scorecard_source_raw_bytes",
            "gauge",
            "Bytes of what the source gave, kept as it came.",
            [({"source": name}, stock.size_bytes) for name, stock in sorted(board.held.raw.items())],
        ),
    ]
