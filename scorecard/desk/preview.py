"""A metric as it would stand: its last periods under the working file, with the running one and where it is heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scorecard.board.board import Board
from scorecard.board.reading import Reading
from scorecard.book.model.metric import Metric
from scorecard.desk.spark import spark


@dataclass(frozen=True, slots=True)
class Preview:
    """``readings`` oldest first, the running period last where it is among them; ``sparkline`` has a character for each."""

    metric: Metric
    owner: str | None
    readings: tuple[Reading, ...]
    sparkline: str

    @property
    def newest(self) -> Reading | None:
        """The last closed period's reading; the running one's where there is no other."""
        closed = [r for r in self.readings if not r.running]
        return closed[-1] if closed else self.readings[-1] if self.readings else None

    @property
    def running(self) -> Reading | None:
        return next((r for r in self.readings if r.running), None)

    def as_json(self) -> dict[str, object]:
        newest, m = self.newest, self.metric
        return {
            "metric": m.name,
            "title": m.title,
            "owner": self.owner,
            "place": None if m.place is None else str(m.place),
            "unit": m.unit,
            "better": m.better,
            "grain": None if newest is None else newest.grain,
            "slice": None if newest is None or newest.slice is None else dict([newest.slice]),
            "sparkline": self.sparkline,
            "because": None if newest is None else newest.because,
            "readings": [r.as_json() for r in self.readings],
        }


def preview(board: Board, metric: str, readings: Sequence[Reading], now: datetime, *, running: bool = True) -> Preview:
    """Closed readings of one slice of a metric, with the running period's added unless it is not wanted or there already."""
    wanted = board.book.metric(metric)
    rows = list(readings)
    if running and rows and not rows[-1].running:
        period = board.calendar.running(now, rows[-1].grain)
        rows.append(board.reading(metric, None, period.label, rows[-1].slice, now))
    owner = board.book.owner_of(wanted)
    return Preview(wanted, None if owner is None else owner.name, tuple(rows), spark(r.value for r in rows))
