"""Which published numbers a load would move too far: measured aside, on the rows as they would be, and then forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.book.scope import narrowed, sources_of
from scorecard.ground.clock import Clock
from scorecard.ground.numbers import NOTHING, print_against, print_value
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.run import Meter
from scorecard.measures.store import take_over
from scorecard.measures.values import Given, Measured, Series, SeriesKey
from scorecard.warehouse.engine import Candidate, Engine, Move


def material(book: Book, source: str) -> tuple[str, ...]:
    """The metrics that say how far a load may move them, and that rest on a source."""
    return tuple(m.name for m in book.metrics.values() if m.materiality is not None and source in sources_of(book, m))


@dataclass(frozen=True, slots=True)
class Scales:
    """Weighs loads of one source, with the clock and the values people have given."""

    engine: Engine
    book: Book
    calendar: Calendar
    clock: Clock
    given: tuple[Given, ...]

    def __call__(self, candidate: Candidate) -> tuple[Move, ...]:
        """The closed periods' numbers that it would move beyond their metric's ``materiality``, the largest part first.

        A period counts as published once a good load came after its end: what a later load adds to it is a change, and
        what fills it for the first time is none. Raises ScorecardError where it cannot be measured.
        """
        standing = self.engine.standing(candidate.source)
        names = material(self.book, candidate.source)
        if standing is None or standing.loaded_at is None or not names:
            return ()
        book, now = narrowed(self.book, names), self.clock.now()
        with self.engine.trial() as aside:
            take_over(aside, book.sources)
            meter = Meter(aside, book, self.calendar)
            before = meter.measure(now, {}, self.given)
            aside.show(candidate)
            after = meter.measure(now, {candidate.source: candidate.touched}, self.given)
        found = []
        for key, series in before.series.items():
            metric = book.metrics[key[0]]
            if metric.materiality is not None and key[0] in names and key[1] == metric.grain:
                found += _moves(metric, key, series, after, standing.loaded_at)
        return tuple(move for _, move in sorted(found, key=lambda pair: -pair[0]))


def _moves(
    metric: Metric, key: SeriesKey, series: Series, after: Measured, loaded_at: datetime
) -> list[tuple[float, Move]]:
    """(how many times too far, the move)."""
    later = after.series.get(key)
    values = {} if later is None else {p.label: c.value for p, c in zip(later.periods, later.cells, strict=True)}
    found = []
    for period, cell in zip(series.periods, series.cells, strict=True):
        final = period.end + timedelta(seconds=metric.final_after_seconds)
        if cell.value is None or loaded_at < final:
            continue
        value = values.get(period.label)
        excess = _excess(metric, cell.value, value)
        if excess > 1:
            found.append(
                (
                    excess,
                    Move(key[0], key[1], period.label, key[2], cell.value, value, _text(metric, cell.value, value)),
                )
            )
    return found


def _excess(metric: Metric, before: float, after: float | None) -> float:
    """By how many times the metric's limit a value would move; a value that vanishes always goes too far."""
    limit = metric.materiality
    if limit is None or before == after:
        return 0.0
    if after is None:
        return float("inf")
    allowed = limit.amount * abs(before) if limit.relative else limit.amount
    return abs(after - before) / allowed if allowed else float("inf")


def _text(metric: Metric, before: float, after: float | None) -> str:
    if after is None:
        return f"{print_value(before, metric.unit, metric.decimals)} → {NOTHING}"
    return " → ".join(print_against(before, [after], metric.unit, metric.decimals))
