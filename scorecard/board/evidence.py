"""What a verdict needs to know of a value: its limits, its freshness, its pace and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, timedelta

from scorecard.board.board import Stamp
from scorecard.board.comparisons import Comparisons
from scorecard.board.ingredients import Ingredients
from scorecard.board.maturity import Maturity
from scorecard.book.calendars import Calendars
from scorecard.book.model.metric import Age, Cohort, Cumulative, Manual, Metric, Ratio
from scorecard.book.scope import adds_up, inherits_target, rests_on, sources_of
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.freshness import default_fresh_for, fresh_until, quiet_until
from scorecard.judgement.pace import projected
from scorecard.judgement.samples import Range, sampled
from scorecard.judgement.status import Evidence, Limit
from scorecard.judgement.targets import FromSource, Looked, Relative, Target, choose, limits
from scorecard.measures.values import Cell, Measured

Slice = tuple[str, str] | None
Freshness = tuple[datetime | None, datetime | None]
"""(fresh until, quiet until)."""


class Witness:
    """Gathers the evidence for one version of a board; keeps what is the same for a whole metric.

    Any thread may ask at any time: all of it is fixed once measured, and what two threads both work out is the same.
    """

    def __init__(self, made_of: Ingredients, measured: Measured) -> None:
        self._of = made_of
        self._measured = measured
        self._maturity = Maturity(made_of.book, made_of.calendar, made_of.standings, made_of.now)
        self._rests: dict[str, tuple[Metric, ...]] = {}
        self._stamps: dict[str, Stamp] = {}
        self._adding: dict[str, bool] = {}
        self._calendars = Calendars(made_of.book, made_of.calendar)
        self._loads: dict[tuple[str, frozenset[date], str, datetime], Freshness] = {}
        self._people: dict[str, list[str]] = {}
        self._calendars_of: dict[tuple[frozenset[Slice], str | None], tuple[Calendar, ...]] = {}

    def evidence(
        self, metric: Metric, slice_: Slice, period: Period, cell: Cell, compared: Comparisons | None
    ) -> Evidence:
        now = self._of.now
        running = period.start <= now < period.end
        loaded_at, data_until = self.stamp(metric)
        entry, target, amber = self._limits(metric, slice_, period, compared)
        projection = None
        if running and self._adds_up(metric):
            shares = self._measured.shares.get((metric.name, period.grain, slice_), ())
            calendar, aims = self._calendars.of(metric, slice_), (target, amber, metric.better)
            asked = shares if metric.pace == "profile" else None
            projection = projected(cell.value, period, data_until, calendar, asked, aims)
        # Without working time so far nothing can be said, also of a metric that is judged as it stands.
        paced = running and self._adds_up(metric) and (self._paced(metric) or projection is None)
        until, quiet = self._freshness(metric, slice_, period)
        return Evidence(
            value=cell.value,
            now=now,
            better=metric.better,
            unit=metric.unit,
            decimals=metric.decimals,
            n=cell.n,
            min_sample=self._counted(metric).min_sample,
            running=running,
            adds_up=self._adds_up(metric),
            paced=paced,
            loaded=loaded_at is not None,
            loaded_at=loaded_at,
            fresh_until=until,
            quiet_until=quiet,
            data_until=data_until,
            held=self._held(metric, period),
            too_young=self._maturity.too_young(metric, period),
            too_few=self._too_few(cell),
            has_target=entry is not None,
            aimless=None if entry is not None else self._without_row(metric),
            target=target,
            amber=amber,
            projection=projection,
            problem=self._problem(metric),
            elasticity=cell.elasticity,
            sampled=_sampled(self._counted(metric), cell),
            missing=cell.missing or _why_nothing(period, now, loaded_at, people=bool(self._by_people(metric))),
        )

    def _held(self, metric: Metric, period: Period) -> str | None:
        """A sentence on the load that waits for a person and touches a part of it."""
        if not self._of.held.waiting:
            return None
        parts = (part for part in (metric, *self._rest(metric)) if part.source is not None)
        found = (self._of.held.touching(part.source or "", part, period) for part in parts)
        return next((said for said in found if said is not None), None)

    def _problem(self, metric: Metric) -> str | None:
        problems = [
            self._measured.problems[m.name] for m in (metric, *self._rest(metric)) if m.name in self._measured.problems
        ]
        return None if not problems else problems[0].message

    def _limits(
        self, metric: Metric, slice_: Slice, period: Period, compared: Comparisons | None
    ) -> tuple[Target | None, Limit | None, Limit | None]:
        entry = choose(
            self._in_reach(metric, slice_, period),
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
        looked = self._looked(entry.aim, slice_, period) if isinstance(entry.aim, FromSource) else None
        target, amber = limits(entry, metric.better, value, _last_day(period), looked)
        return entry, target, amber

    def _in_reach(self, metric: Metric, slice_: Slice, period: Period) -> Sequence[Target]:
        """The targets that exist for the period: one from a source needs a row there, else the next one holds."""
        if not any(isinstance(t.aim, FromSource) for t in metric.targets):
            return metric.targets
        return [
            t
            for t in metric.targets
            if not isinstance(t.aim, FromSource) or self._looked(t.aim, slice_, period) is not None
        ]

    def _looked(self, aim: FromSource, slice_: Slice, period: Period) -> Looked | None:
        """What the rows say: those of the slice where they name one of its kind, else those of the whole."""
        named = slice_ is not None and getattr(aim, slice_[0]) is not None
        return self._measured.goals.of(aim, period, slice_ if named else None)

    def _without_row(self, metric: Metric) -> str | None:
        names = list(dict.fromkeys(t.aim.source for t in metric.targets if isinstance(t.aim, FromSource)))
        return f"source '{names[0]}' has no target for it" if names else None

    def _adds_up(self, metric: Metric) -> bool:
        if metric.name not in self._adding:
            self._adding[metric.name] = adds_up(self._of.book, metric)
        return self._adding[metric.name]

    def _paced(self, metric: Metric) -> bool:
        return metric.pace != "none" and self._adds_up(metric)

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
            for name in self._by_people(metric):
                at, end = self._measured.people.get(name, (None, None))
                loaded.append(at)
                until.append(None if end is None else min(end, self._of.now))
            self._stamps[metric.name] = (_oldest(loaded), _oldest(until))
        return self._stamps[metric.name]

    def fresh_until(self, metric: Metric, slice_: Slice, period: Period) -> datetime | None:
        """After that moment a value is no longer shown in its colour; None: it stays."""
        return self._freshness(metric, slice_, period)[0]

    def all_fresh_until(self, metric: Metric, slices: AbstractSet[Slice], period: Period) -> set[datetime | None]:
        """The same of many slices: few calendars, and mostly one, serve all of them."""
        if self._by_people(metric):
            return {self.fresh_until(metric, slice_, period) for slice_ in slices}
        place = frozenset(slices), self._of.book.team_of(metric)
        if place not in self._calendars_of:
            calendars = (self._calendars.of(metric, slice_) for slice_ in slices)
            self._calendars_of[place] = tuple({id(calendar): calendar for calendar in calendars}.values())
        return {self._by_loads(metric, period, calendar)[0] for calendar in self._calendars_of[place]}

    def _freshness(self, metric: Metric, slice_: Slice, period: Period) -> Freshness:
        """(fresh until, quiet until): the earliest of all parts; a metric that reads no rows has none of its own."""
        until, quiet = self._by_loads(metric, period, self._calendars.of(metric, slice_))
        given = [self._given_until(name, slice_, period) for name in self._by_people(metric)]
        return _earliest([until, *given]), quiet

    def _by_loads(self, metric: Metric, period: Period, calendar: Calendar) -> Freshness:
        """What its sources say of a period: the same for all slices whose working time is the same."""
        place = (metric.name, calendar.holidays, period.grain, period.start)
        found = self._loads.get(place)
        if found is None:
            rows = (part for part in (metric, *self._rest(metric)) if part.source is not None)
            parts = [self._part(part, period, calendar) for part in rows]
            found = self._loads[place] = _earliest(p[0] for p in parts), _earliest(p[1] for p in parts)
        return found

    def _by_people(self, metric: Metric) -> list[str]:
        """The metrics in it whose values people give."""
        if metric.name not in self._people:
            parts = (metric, *self._rest(metric))
            self._people[metric.name] = [part.name for part in parts if isinstance(part.measure, Manual)]
        return self._people[metric.name]

    def _given_until(self, name: str, slice_: Slice, period: Period) -> datetime | None:
        """A value that people gave is fresh until the end of the next period, and stays so once a later one has a value."""
        series = self._measured.series.get((name, period.grain, slice_))
        known = [p for p, c in zip(series.periods, series.cells, strict=True) if c.value is not None] if series else []
        if not known or known[-1].start != period.start:
            return None
        return self._of.calendar.shift(period, 1).end

    def _part(self, part: Metric, period: Period, calendar: Calendar) -> tuple[datetime | None, datetime | None]:
        source = self._of.book.sources[part.source or ""]
        standing = self._of.standings.get(source.name)
        if standing is None or standing.loaded_at is None:
            return None, None
        rhythm = source.schedule
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

    def _too_few(self, cell: Cell) -> str | None:
        """A formula is too few when one of its parts is, in the period, window or cut in which it looks at it."""
        if cell.few is None:
            return None
        name, n, least = cell.few
        return f"'{self._of.book.metrics[name].title}' has only {n} of the {least} needed"

    def _counted(self, metric: Metric) -> Metric:
        """The metric whose observations a value is made of: of a cumulative one what it runs up."""
        measure = metric.measure
        return self._of.book.metrics[measure.of] if isinstance(measure, Cumulative) else metric


def _sampled(metric: Metric, cell: Cell) -> Range | None:
    """Where chance leaves the true value; None where the value is no sample whose noise is known."""
    measure = metric.measure
    if isinstance(measure, Ratio):
        if measure.sampling == "binomial" and measure.per != 1:
            return None  # no share any more
        return sampled(measure.sampling, cell.numerator, cell.denominator, measure.per, cell.squares)
    if isinstance(measure, Cohort):
        return sampled(measure.sampling, cell.numerator, cell.denominator)
    if isinstance(measure, Age) and measure.over_seconds is not None:
        return sampled("binomial", cell.numerator, cell.denominator)
    return None


def _oldest(moments: Iterable[datetime | None]) -> datetime | None:
    found = list(moments)
    if not found or any(m is None for m in found):
        return None
    return min(m.astimezone(UTC) for m in found if m is not None)


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((m for m in moments if m is not None), default=None)


def _last_day(period: Period) -> date:
    return period.until - timedelta(days=1)


def _why_nothing(period: Period, now: datetime, loaded_at: datetime | None, *, people: bool) -> str | None:
    if loaded_at is None and people:
        return "nobody has given a value yet"
    if loaded_at is None:
        return "its source was never loaded"
    return "the period has not begun" if period.start > now else None
