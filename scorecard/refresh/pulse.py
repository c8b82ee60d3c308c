"""How the schedule stands at this moment: what pages, API and Prometheus show beside the board, which is older."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scorecard.refresh.breaker import State
from scorecard.refresh.recent import Cell, Recent
from scorecard.refresh.watchdog import Kind


@dataclass(frozen=True, slots=True)
class Turn:
    """One source on the schedule. Moments are aware, UTC.

    ``breaker``, since ``breaker_since`` (None: always), after ``failures`` network or lock errors in a row; ``next_try``:
    nobody tries before it, unless asked to. ``running_since``: a run is under way. ``late``: due since then, and waiting
    for a worker. ``skipped``: runs left out because the one before was still under way, the last at ``skipped_at``.
    """

    source: str
    host: str | None
    next_run: datetime | None
    running_since: datetime | None = None
    late_since: datetime | None = None
    breaker: State = "closed"
    breaker_since: datetime | None = None
    failures: int = 0
    next_try: datetime | None = None
    skipped: int = 0
    skipped_at: datetime | None = None
    coalesced: int = 0


@dataclass(frozen=True, slots=True)
class Warned:
    """An alarm of the watchdog, ``since`` a moment of the wall clock."""

    kind: Kind
    since: datetime
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late runs began: ``runs`` of them, ``seconds`` together, ``most`` the latest one of the last minutes."""

    runs: int = 0
    seconds: float = 0.0
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """The whole schedule. ``running`` and ``waiting`` of ``workers``; ``counts`` and ``seconds`` of loads since the start, by
    (source, outcome) and by source; ``strips``: how the runs of each source went lately, oldest first."""

    ticking: bool = True
    turns: Mapping[str, Turn] = field(default_factory=dict)
    alarms: tuple[Warned, ...] = ()
    running: int = 0
    waiting: int = 0
    workers: int = 0
    stalls: int = 0
    steps: int = 0
    lateness: Lateness = Lateness()
    recent: Mapping[str, Recent] = field(default_factory=dict)
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def cells(self, source: str, now: datetime) -> tuple[Cell, ...]:
        """How the source's runs went lately, oldest first."""
        recent = self.recent.get(source)
        return () if recent is None else recent.cells(now)
