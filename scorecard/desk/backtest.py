"""Looking back over a metric's closed periods: how often each colour showed, in which runs, and how often it turned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scorecard.board.reading import Reading
from scorecard.book.model.metric import Metric
from scorecard.judgement.status import Status

COLOURS = ("green", "amber", "red")
ORDER: tuple[Status, ...] = ("green", "amber", "red", "neutral", "grey")


@dataclass(frozen=True, slots=True)
class Run:
    """Periods in a row with one status; ``first`` and ``last`` are labels."""

    status: Status
    first: str
    last: str
    periods: int

    def as_json(self) -> dict[str, object]:
        return {"status": self.status, "from": self.first, "to": self.last, "periods": self.periods}


@dataclass(frozen=True, slots=True)
class Backtest:
    """``readings``: closed periods, oldest first, from the first that says anything. ``runs`` are of these, oldest first."""

    metric: Metric
    readings: tuple[Reading, ...]
    runs: tuple[Run, ...]

    @property
    def counts(self) -> Mapping[Status, int]:
        found = Counter(r.status for r in self.readings)
        return {status: found[status] for status in ORDER}

    @property
    def reasons(self) -> Mapping[str, int]:
        return dict(Counter(r.reason for r in self.readings).most_common())

    @property
    def flips(self) -> int:
        """How often a colour turned into another one; grey and neutral periods between them are passed over."""
        coloured = [r.status for r in self.readings if r.status in COLOURS]
        return sum(one != other for one, other in pairwise(coloured))

    @property
    def current(self) -> Run | None:
        return self.runs[-1] if self.runs else None

    @property
    def longest(self) -> Mapping[Status, Run | None]:
        """Per status its longest run; of equal ones the newest."""
        return {
            status: max((r for r in reversed(self.runs) if r.status == status), key=lambda r: r.periods, default=None)
            for status in ORDER
        }

    def as_json(self) -> dict[str, object]:
        whole = len(self.readings)
        first = self.readings[0] if self.readings else None
        return {
            "metric": self.metric.name,
            "title": self.metric.title,
            "grain": None if first is None else first.grain,
            "slice": None if first is None or first.slice is None else dict([first.slice]),
            "from": None if first is None else first.period,
            "to": None if first is None else self.readings[-1].period,
            "periods": whole,
            "counts": dict(self.counts),
            "shares": {status: count / whole if whole else None for status, count in self.counts.items()},
            "reasons": dict(self.reasons),
            "flips": self.flips,
            "current": None if self.current is None else self.current.as_json(),
            "longest": {status: None if run is None else run.as_json() for status, run in self.longest.items()},
            "runs": [run.as_json() for run in self.runs],
        }


def backtest(metric: Metric, readings: Iterable[Reading]) -> Backtest:
    """Readings of one slice, oldest first. Running periods are left out, and the periods before its first value."""
    closed = [r for r in readings if not r.running]
    begins = next((i for i, r in enumerate(closed) if r.value is not None), len(closed))
    kept = tuple(closed[begins:])
    return Backtest(metric, kept, tuple(_runs(kept)))


def _runs(readings: Sequence[Reading]) -> list[Run]:
    runs: list[Run] = []
    for reading in readings:
        if runs and runs[-1].status == reading.status:
            last = runs[-1]
            runs[-1] = Run(last.status, last.first, reading.period, last.periods + 1)
        else:
            runs.append(Run(reading.status, reading.period, reading.period, 1))
    return runs
