"""From measured values to a board: every value gets its target, its freshness and its verdict.

Incremental: a reading is judged again only where its value, a value it is compared with, its freshness or the clock
moved; the others are taken over from the board before. A full build gives the same readings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from scorecard.board.board import Board, Stamp
from scorecard.board.maturity import Maturity
from scorecard.board.reading import Reading, SeriesKey, SourceState
from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.book.scope import adds_up, inherits_target, rests_on, sources_of
from scorecard.ground.errors import Problem
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.freshness import default_fresh_for, fresh_until, quiet_until
from scorecard.judgement.pace import Projection, workdays
from scorecard.judgement.status import Evidence, verdict
from scorecard.judgement.targets import FromSource, Relative, Target, Versus, choose, limits
from scorecard.measures.compare import compared as periods_compared
from scorecard.measures.compare import versus_name
from scorecard.measures.values import Cell, Measured, Series
from scorecard.warehouse.engine import Load, Standing

Slice = tuple[str, str] | None
NOTHING = Cell()


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a board is made of besides the measured values."""

    book: Book
    calendar: Calendar
    now: datetime
    version: int
    standings: Mapping[str, Standing]
    sources: tuple[SourceState, ...] = ()
    loads: tuple[Load, ...] = ()
    notices: tuple[Problem, ...] = ()
    explanations: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    notes_of: Callable[[str], tuple[Mapping[str, object], ...]] = field(default=lambda _: ())


def build(made_of: Ingredients, measured: Measured, before: Board | None = None) -> Board:
    """The whole board of one version. ``before``: the last one, whose untouched readings are taken over."""
    judge = Judge(made_of, measured)
    same = before is not None and before.book is made_of.book and measured.changed is not None
    readings: dict[SeriesKey, tuple[Reading, ...]] = {}
    for key, series in measured.series.items():
        metric = made_of.book.metrics.get(key[0])
        if metric is None:
            continue
        old = before.readings.get(key, ()) if same and before is not None else ()
        touched = (measured.changed or {}).get(key, frozenset())
        readings[key] = judge.series(metric, key, series, old, touched)
    return Board(
        version=made_of.version,
        as_of=made_of.now,
        book=made_of.book,
        calendar=made_of.calendar,
        readings=readings,
        empty=judge.empty,
        stamps={name: judge.stamp(metric) for name, metric in made_of.book.metrics.items()},
        sources=made_of.sources,
        loads=made_of.loads,
        notices=made_of.notices,
        problems=measured.problems,
        explanations=made_of.explanations,
        notes_of=made_of.notes_of,
    )


class Judge:
    """Judges cells with one set of ingredients; keeps what is the same for a whole metric."""

    def __init__(self, made_of: Ingredients, measured: Measured) -> None:
        self._of = made_of
        self._measured = measured
        self._maturity = Maturity(made_of.book, made_of.calendar, made_of.standings, made_of.now)
        self._rests: dict[str, tuple[Metric, ...]] = {}
        self._stamps: dict[str, Stamp] = {}
        self._adding: dict[str, bool] = {}
        self._indexes: dict[SeriesKey, dict[str, int]] = {}

    # -- series ------------------------------------------------------------------------------------------------

    def series(
        self, metric: Metric, key: SeriesKey, series: Series, old: Sequence[Reading], touched: frozenset[int]
    ) -> tuple[Reading, ...]:
        """The readings of one series; those of ``old`` stand where nothing that they rest on has moved."""
        again = self._to_judge(metric, series, old, touched)
        known = {p.label: i for i, p in enumerate(series.periods)}
        shift = known.get(old[0].period) if old else None
        rows: list[Reading] = []
        for index in range(len(series.periods)):
            kept = None if shift is None or again is None or index in again else index - shift
            if kept is not None and 0 <= kept < len(old) and old[kept].period == series.periods[index].label:
                rows.append(old[kept])
            else:
                rows.append(self._judge(metric, key[2], series, index, known))
        return tuple(rows)

    def _to_judge(
        self, metric: Metric, series: Series, old: Sequence[Reading], touched: frozenset[int]
    ) -> set[int] | None:
        """Indexes to judge anew; None for all of them."""
        if not old or len(touched) == len(series.periods):
            return None
        unsettled = {
            r.period for r in old if r.running or r.provisional or r.fresh_until is not None or r.reason in _MOVING
        }
        again = {i for i, p in enumerate(series.periods) if p.label in unsettled or p.end > self._of.now} | touched
        reach = [1, *(t.aim.versus.count for t in metric.targets if isinstance(t.aim, Relative))]
        moved = {series.periods[i].label for i in touched}
        for index, period in enumerate(series.periods):
            if index in again:
                continue
            near = any(index - back in touched for back in range(1, max(reach) + 1))
            if (
                near
                or (moved and (p := self._of.calendar.compare(period, "year_ago")) is not None and p.label in moved)
                or (moved and any(isinstance(t.aim, Relative) and t.aim.versus.kind == "364d" for t in metric.targets))
            ):
                again.add(index)
        return again

    # -- one reading -------------------------------------------------------------------------------------------

    def empty(self, metric: Metric, period: Period, slice_: Slice) -> Reading:
        """The reading of a period for which nothing was computed."""
        return self._reading(metric, slice_, period, NOTHING, None)

    def _judge(self, metric: Metric, slice_: Slice, series: Series, index: int, known: Mapping[str, int]) -> Reading:
        period = series.periods[index]
        compared = _Comparisons(self._of.calendar, series, known, period, period.end > self._of.now)
        return self._reading(metric, slice_, period, series.cells[index], compared)

    def _reading(
        self,
        metric: Metric,
        slice_: Slice,
        period: Period,
        cell: Cell,
        compared: _Comparisons | None,
    ) -> Reading:
        now = self._of.now
        loaded_at, data_until = self.stamp(metric)
        evidence = self._evidence(metric, slice_, period, cell, compared)
        said = verdict(evidence)
        final = period.end + timedelta(seconds=metric.final_after_seconds)
        team, process = self._place(metric, slice_)
        return Reading(
            metric=metric.name,
            grain=period.grain,
            period=period.label,
            slice=slice_,
            team=team,
            process=process,
            start=period.start,
            end=period.end,
            running=evidence.running,
            provisional=evidence.running or now < final,
            value=cell.value,
            text=said.text,
            numerator=cell.numerator,
            denominator=cell.denominator,
            n=cell.n,
            target=evidence.target,
            amber=evidence.amber,
            status=said.status,
            judged=said.status,
            reason=said.reason,
            because=said.because,
            projected=evidence.projection if said.reason == "pace" else None,
            previous=None if compared is None else compared.value(Versus("previous")),
            year_ago=None if compared is None else compared.value(Versus("year_ago")),
            loaded_at=loaded_at,
            data_until=data_until,
            fresh_until=evidence.fresh_until,
            quiet_until=evidence.quiet_until,
            as_of=now,
            version=self._of.version,
            trail=said.trail,
        )

    def _evidence(
        self, metric: Metric, slice_: Slice, period: Period, cell: Cell, compared: _Comparisons | None
    ) -> Evidence:
        now = self._of.now
        running = period.start <= now < period.end
        loaded_at, data_until = self.stamp(metric)
        entry, target, amber = self._limits(metric, slice_, period, compared)
        projection = self._projection(period, cell, data_until) if running and self._adds_up(metric) else None
        # Without working time so far nothing can be said, also of a metric that is judged as it stands.
        paced = running and self._adds_up(metric) and (self._paced(metric) or projection is None)
        until, quiet = self._fresh_until(metric, period)
        return Evidence(
            value=cell.value,
            now=now,
            better=metric.better,
            unit=metric.unit,
            decimals=metric.decimals,
            n=cell.n,
            min_sample=metric.min_sample,
            running=running,
            adds_up=self._adds_up(metric),
            paced=paced,
            loaded=loaded_at is not None,
            loaded_at=loaded_at,
            fresh_until=until,
            quiet_until=quiet,
            data_until=data_until,
            too_young=self._maturity.too_young(metric, period),
            too_few=self._too_few(metric, slice_, period),
            has_target=entry is not None,
            target=target,
            amber=amber,
            projection=projection,
            problem=self._problem(metric),
            missing=cell.missing or _why_nothing(period, now, loaded_at),
        )

    def _problem(self, metric: Metric) -> str | None:
        problems = [
            self._measured.problems[m.name] for m in (metric, *self._rest(metric)) if m.name in self._measured.problems
        ]
        return None if not problems else problems[0].message

    def _place(self, metric: Metric, slice_: Slice) -> tuple[str | None, str | None]:
        if slice_ is not None:
            kind, name = slice_
            if kind == "team":
                return name, metric.process
            return self._of.book.processes[name].team, name
        return self._of.book.team_of(metric), metric.process

    def _limits(
        self, metric: Metric, slice_: Slice, period: Period, compared: _Comparisons | None
    ) -> tuple[Target | None, float | tuple[float, float] | None, float | tuple[float, float] | None]:
        entry = choose(
            metric.targets,
            day=period.first,
            grain=period.grain,
            slice=slice_,
            own_grain=metric.grain,
            inherits=inherits_target(metric, self._of.book, period.grain, slice_),
        )
        if entry is None or metric.better is None:
            return entry, None, None
        value = None
        if isinstance(entry.aim, Relative) and compared is not None:
            # A projection is of the whole period, so its target is too.
            value = compared.value(entry.aim.versus, whole=self._paced(metric))
        if isinstance(entry.aim, FromSource):
            return entry, None, None
        target, amber = limits(entry, metric.better, compared=value, last_day=_last_day(period))
        return entry, target, amber

    def _adds_up(self, metric: Metric) -> bool:
        if metric.name not in self._adding:
            self._adding[metric.name] = adds_up(self._of.book, metric)
        return self._adding[metric.name]

    def _paced(self, metric: Metric) -> bool:
        return metric.pace != "none" and self._adds_up(metric)

    def _projection(self, period: Period, cell: Cell, data_until: datetime | None) -> Projection | None:
        if data_until is None or cell.value is None:
            return None
        working = self._of.calendar.working_seconds
        cut = min(max(data_until, period.start), period.end)
        return workdays(cell.value, working(period.start, cut), working(period.start, period.end))

    # -- freshness ---------------------------------------------------------------------------------------------

    def _rest(self, metric: Metric) -> tuple[Metric, ...]:
        if metric.name not in self._rests:
            self._rests[metric.name] = rests_on(self._of.book, metric)
        return self._rests[metric.name]

    def stamp(self, metric: Metric) -> Stamp:
        """(loaded_at, data_until): the oldest of all sources the metric rests on; None where one was never loaded."""
        if metric.name not in self._stamps:
            names = sources_of(self._of.book, metric)
            standings = [self._of.standings.get(name) for name in names]
            loaded = [None if s is None else s.loaded_at for s in standings]
            until = [None if s is None else s.data_until for s in standings]
            self._stamps[metric.name] = (_oldest(loaded), _oldest(until))
        return self._stamps[metric.name]

    def _fresh_until(self, metric: Metric, period: Period) -> tuple[datetime | None, datetime | None]:
        """(fresh until, quiet until): the earliest of all parts; a metric that reads no rows has none of its own."""
        parts = [self._part(part, period) for part in (metric, *self._rest(metric)) if part.source is not None]
        return _earliest(p[0] for p in parts), _earliest(p[1] for p in parts)

    def _part(self, part: Metric, period: Period) -> tuple[datetime | None, datetime | None]:
        source = self._of.book.sources[part.source or ""]
        standing = self._of.standings.get(source.name)
        if standing is None or standing.loaded_at is None:
            return None, None
        calendar, rhythm = self._of.calendar, source.schedule
        fresh_for = part.fresh_for_seconds or source.fresh_for_seconds
        if fresh_for is None:
            fresh_for = default_fresh_for(rhythm.every_seconds, rhythm.cron, standing.loaded_at, calendar)
        until = fresh_until(
            end=period.end,
            final_after_seconds=part.final_after_seconds,
            loaded_at=standing.loaded_at,
            data_until=standing.data_until,
            fresh_for_seconds=fresh_for,
            quiet_for_seconds=source.quiet_for_seconds,
            calendar=calendar,
        )
        return until, quiet_until(period.end, standing.data_until, source.quiet_for_seconds, calendar)

    def _too_few(self, metric: Metric, slice_: Slice, period: Period) -> str | None:
        """A formula is too few when one of its parts is."""
        for part in self._rest(metric):
            cell = self._cell(part, slice_, period)
            if cell is not None and cell.n is not None and cell.n < part.min_sample and part.min_sample > 1:
                return f"'{part.title}' has only {cell.n} of the {part.min_sample} needed"
        return None

    def _cell(self, metric: Metric, slice_: Slice, period: Period) -> Cell | None:
        key = (metric.name, period.grain, slice_)
        series = self._measured.series.get(key)
        if series is None:
            return None
        if key not in self._indexes:
            self._indexes[key] = {p.label: i for i, p in enumerate(series.periods)}
        index = self._indexes[key].get(period.label)
        return None if index is None else series.cells[index]


_MOVING = frozenset({"stale", "no_data", "not_started", "held", "too_young", "error"})


@dataclass(frozen=True, slots=True)
class _Comparisons:
    """The values a reading is compared with: by the calendar, and at the same cut where the period is running."""

    calendar: Calendar
    series: Series
    known: Mapping[str, int]
    period: Period
    running: bool

    def value(self, versus: Versus, whole: bool = False) -> float | None:
        """The compared value; in a running period that of the same cut, unless the ``whole`` period's is asked for."""
        name = versus_name(versus)
        if self.running and not whole and name in self.series.cuts:
            return self.series.cuts[name].value
        others = periods_compared(self.calendar, self.period, versus)
        values = [self._at(other) for other in others or ()]
        found = [v for v in values if v is not None]
        return sum(found) / len(found) if found and len(found) == len(values) else None

    def _at(self, period: Period) -> float | None:
        index = self.known.get(period.label)
        return None if index is None else self.series.cells[index].value


def _oldest(moments: Iterable[datetime | None]) -> datetime | None:
    found = list(moments)
    if not found or any(m is None for m in found):
        return None
    return min(m.astimezone(UTC) for m in found if m is not None)


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((m for m in moments if m is not None), default=None)


def _last_day(period: Period) -> date:
    return period.until - timedelta(days=1)


def _why_nothing(period: Period, now: datetime, loaded_at: datetime | None) -> str | None:
    if loaded_at is None:
        return "its source was never loaded"
    return "the period has not begun" if period.start > now else None
