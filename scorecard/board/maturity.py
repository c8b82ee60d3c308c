"""When a cohort is old enough to be judged, and with it what is made of cohorts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scorecard.book.model import Book
from scorecard.book.model.metric import Cohort, Formula, Metric
from scorecard.book.scope import parts_of
from scorecard.ground.errors import Refused
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.measures.derive import open_names
from scorecard.warehouse.engine import Standing

DAY_SECONDS = 86_400
_UNITS = ((DAY_SECONDS, "d"), (3600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Maturity:
    """Says which values are too young at ``now``. ``standings``: the loaded sources, by name.

    A cohort has matured when its time has passed since the period's end and a good load has come since then: an older load
    cannot hold what happened to the cohort's last members. The newest row's own time does not matter: it is the newest
    start, and stands still where nothing new begins.
    """

    book: Book
    calendar: Calendar
    standings: Mapping[str, Standing]
    now: datetime

    def too_young(self, metric: Metric, period: Period) -> str | None:
        """Why a metric cannot be judged in a period yet; None: it is old enough, or no cohort."""
        found = self._youngest(metric, period)
        if found is None:
            return None
        part, why = found
        return why if part is metric else f"'{part.title}' is too young: {why}"

    def _youngest(self, metric: Metric, period: Period) -> tuple[Metric, str] | None:
        """The first cohort in it that is too young, and why."""
        if isinstance(metric.measure, Cohort):
            why = self._waits(metric, metric.measure, period)
            return None if why is None else (metric, why)
        for name, where in self._parts(metric, period):
            part = self.book.metrics.get(name)
            found = None if part is None else self._youngest(part, where)
            if found is not None:
                return found
        return None

    def _parts(self, metric: Metric, period: Period) -> Iterator[tuple[str, Period]]:
        """What a metric is made of, and in which period it looks at it. What else it is compared with is older."""
        if not isinstance(metric.measure, Formula):
            yield from ((name, period) for name in parts_of(metric))
            return
        for function, name in open_names(metric.measure.expression.tree):
            try:
                where = period if function == "" else self.calendar.compare(period, function)
            except Refused:  # beyond the calendar's years
                continue
            if where is not None:
                yield name, where

    def _waits(self, metric: Metric, measure: Cohort, period: Period) -> str | None:
        ripe = self._ripe(period, measure.matures_after_seconds)
        after = f"{_length(measure.matures_after_seconds)} after the period's end"
        local = ripe.replace(tzinfo=None)
        said = local.date().isoformat() if local.time().isoformat() == "00:00:00" else f"{local:%Y-%m-%d %H:%M}"
        if self.now < ripe:
            return f"it is old enough from {said}, {after}"
        standing = self.standings.get(metric.source or "")
        loaded = None if standing is None else standing.loaded_at
        if loaded is None or _aware(loaded) >= ripe:
            return None
        return f"it is old enough since {said}, {after}, and no good load has come since then"

    def _ripe(self, period: Period, seconds: int) -> datetime:
        """So long after the period's end, in the zone; whole days are local days, whatever their length."""
        days, rest = divmod(seconds, DAY_SECONDS)
        if rest == 0 and period.grain != "hour":
            return self.calendar.midnight(period.until + timedelta(days=days))
        return self.calendar.at(period.end.astimezone(UTC) + timedelta(seconds=seconds))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _length(seconds: int) -> str:
    """``7d``, ``36h``, ``90m``: as the file writes it."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"
