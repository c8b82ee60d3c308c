"""How the runs of a source went lately, kept in little room: the last ones each, and the last day in half hours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from scorecard.warehouse.engine import Load

RUNS_KEPT = 48
SLOT = timedelta(minutes=30)
SLOTS = 48
SLOTS_WORTH_IT = 5
"""Two hours and more are told by half hours; less is better told run by run."""
_BAD = ("failed", "held")
Span = Literal["run", "slot"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of the strip: one run, or all runs of half an hour, with the worst outcome among them (None: no run).

    ``bad``: runs that failed or were held. ``seconds``: of the longest. ``problem``: of the last that had one.
    """

    span: Span
    at: datetime
    outcome: str | None
    runs: int = 0
    bad: int = 0
    seconds: float = 0.0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Recent:
    """``failing_since``: when the first of the failures began that no good load has followed yet; ``failing``: how many they
    are, as far as known."""

    last: tuple[Cell, ...] = ()
    slots: tuple[Cell, ...] = ()
    failing_since: datetime | None = None
    failing: int = 0

    def heard(self, load: Load) -> Recent:
        """One more load that has ended."""
        bad = load.outcome in _BAD
        cell = Cell("run", load.finished_at, load.outcome, 1, int(bad), load.seconds, load.problem)
        since, failing = self.failing_since, self.failing
        if load.outcome == "failed":
            since, failing = since or load.started_at, failing + 1
        elif load.outcome in ("ok", "unchanged"):
            since, failing = None, 0
        return Recent((*self.last, cell)[-RUNS_KEPT:], self._slotted(cell), since, failing)

    def _slotted(self, cell: Cell) -> tuple[Cell, ...]:
        start = slot_of(cell.at)
        kept = [slot for slot in self.slots if start - slot.at < SLOTS * SLOT]
        for index, slot in enumerate(kept):
            if slot.at == start:
                kept[index] = merged(slot, cell)
                return tuple(kept)
        return tuple(sorted([*kept, replace(cell, span="slot", at=start)], key=lambda slot: slot.at))

    def cells(self, now: datetime) -> tuple[Cell, ...]:
        """The strip: the last runs one by one while they reach a day back, else the last day in half hours."""
        first = slot_of(now) - (SLOTS - 1) * SLOT
        if len(self.last) < RUNS_KEPT or self.last[0].at <= first:
            return self.last
        by_start = {slot.at: slot for slot in self.slots}
        starts = (first + index * SLOT for index in range(SLOTS))
        cells = [by_start.get(start, Cell("slot", start, None)) for start in starts]
        while cells and cells[0].outcome is None:  # nothing is known of the time before the first run
            cells.pop(0)
        return tuple(cells) if len(cells) >= SLOTS_WORTH_IT else self.last

    @classmethod
    def of(cls, loads: Iterable[Load]) -> Recent:
        """From loads in order, oldest first."""
        recent = cls()
        for load in loads:
            recent = recent.heard(load)
        return recent


def slot_of(moment: datetime) -> datetime:
    """The half hour that a moment lies in."""
    at = moment.astimezone(UTC)
    return at.replace(minute=at.minute // 30 * 30, second=0, microsecond=0)


_WORST = ("failed", "held", "ok", "unchanged")


def merged(slot: Cell, cell: Cell) -> Cell:
    """A half hour with one more run in it."""
    worst = min(
        (slot.outcome or "unchanged", cell.outcome or "unchanged"), key=lambda o: _WORST.index(o) if o in _WORST else 9
    )
    return Cell(
        "slot",
        slot.at,
        worst,
        slot.runs + cell.runs,
        slot.bad + cell.bad,
        max(slot.seconds, cell.seconds),
        cell.problem or slot.problem,
    )
