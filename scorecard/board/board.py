"""The Board: everything published at one version. Immutable; pages, walls and the API read only this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial

from scorecard.board.cards import Standing, kind_of, slice_of, standing_on, worst_first
from scorecard.board.holds import Held
from scorecard.board.line import Line
from scorecard.board.lines import Lines
from scorecard.board.reading import Overrides, Reading, Scorecard, SeriesKey, SourceState
from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import ORGANIZATION
from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean
from scorecard.ground.periods import GRAINS
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.rollup import counts as counted
from scorecard.judgement.rollup import worst
from scorecard.judgement.status import Status
from scorecard.measures.audit import Audited
from scorecard.measures.values import Goals
from scorecard.warehouse.engine import Load

Stamp = tuple[datetime | None, datetime | None]
"""(loaded_at, data_until) of a metric: the oldest of its parts."""


@dataclass(frozen=True)
class Board:
    """Readings by series, with what is needed to show them; a reading is judged when somebody first asks for it.

    ``empty``: makes the grey reading of a metric in a period for which nothing was computed.
    ``problems``: metric → why it could not be computed. ``audits``: source → what the last comparison with its rows found.
    ``explanations``: metric → its SQL and states. ``notes`` answers from the journal, newest first.
    """

    version: int
    as_of: datetime
    book: Book
    calendar: Calendar
    readings: Mapping[SeriesKey, Line]
    empty: Callable[[Metric, Period, tuple[str, str] | None], Reading]
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    sources: tuple[SourceState, ...] = ()
    loads: tuple[Load, ...] = ()
    notices: tuple[Problem, ...] = ()
    audits: Mapping[str, Audited] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)
    explanations: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    goals: Goals = field(default_factory=Goals)
    notes_of: Callable[[str], tuple[Mapping[str, object], ...]] = field(default=lambda _: ())

    # -- one series, one reading -------------------------------------------------------------------------------

    def series(
        self,
        metric: str,
        grain: str | None = None,
        slice: tuple[str, str] | None = None,  # noqa: A002 - the noun of the format
        now: datetime | None = None,
        last: int | None = 13,
        until_period: str | None = None,
    ) -> tuple[Reading, ...]:
        """The newest ``last`` readings up to and including ``until_period``, oldest first, as shown at ``now``."""
        wanted = self.book.metric(metric)
        end = None if until_period is None else self.period(until_period).end
        rows = self.readings.get((metric, grain or wanted.grain, slice))
        if rows is None:
            return ()
        places = [i for i, p in enumerate(rows.periods) if end is None or p.end <= end]
        return tuple(self.shown(rows[i], now) for i in (places if last is None else places[-last:]))

    def reading(
        self,
        metric: str,
        grain: str | None,
        period: str,
        slice: tuple[str, str] | None = None,  # noqa: A002
        now: datetime | None = None,
    ) -> Reading:
        """The reading of a metric in a period; grey where nothing is known. NotFound for a wrong metric, Refused for a label."""
        wanted, span = self.book.metric(metric), self.period(period)
        if grain is not None and grain != span.grain:
            raise Refused(Problem(f"'{period}' is a {span.grain}, not a {grain}", hint="leave out one of the two"))
        return self._in_period(wanted, span, slice, now or self.as_of)

    def period(self, label: str) -> Period:
        """The period of a label; Refused with the accepted forms otherwise."""
        return self.calendar.parse(label)

    def shown(self, reading: Reading, now: datetime | None = None) -> Reading:
        """A stored reading with the board's stamps, as it must be shown at ``now`` (grey once it is stale).

        What was taken over from an earlier board is as of this one: nothing that it rests on has moved since.
        """
        loaded_at, data_until = self.stamps.get(reading.metric, (reading.loaded_at, reading.data_until))
        stamped = replace(reading, loaded_at=loaded_at, data_until=data_until, as_of=self.as_of, version=self.version)
        return stamped.at(now or self.as_of)

    def _in_period(self, metric: Metric, span: Period, slice_: tuple[str, str] | None, now: datetime) -> Reading:
        self._check_grain(metric, span.grain)
        rows = self.readings.get((metric.name, span.grain, slice_))
        place = None if rows is None else rows.places.get(span.label)
        reading = self.empty(metric, span, slice_) if rows is None or place is None else rows[place]
        return self.shown(reading, now)

    def _check_grain(self, metric: Metric, grain: str) -> None:
        _check_known(grain)
        if grain not in self.calendar.coarser(metric.grain):
            raise Refused(
                Problem(
                    f"'{metric.name}' is measured by {metric.grain} and cannot be shown by {grain}",
                    hint="choose a coarser grain",
                )
            )

    # -- scorecards --------------------------------------------------------------------------------------------

    def scorecard(
        self, name: str, period: str | None = None, grain: str | None = None, now: datetime | None = None
    ) -> Scorecard:
        """The card of a team, process or the organisation. Without ``period`` each metric's last closed one; without
        ``grain`` each metric at its own grain in its latest period that ended by the end of the chosen one."""
        kind, moment = kind_of(self.book, name), now or self.as_of
        chosen = None if period is None else self.period(period)
        if grain is not None:
            _check_known(grain)
        held = [s for s in standing_on(self.book, name, self.readings) if self._shows(s.metric, grain)]
        rows = [(s, self._on_card(s, chosen, grain, moment)) for s in held]
        if kind == ORGANIZATION:
            statuses = [
                self.scorecard(n, period, grain, moment).status for n in self.book.scorecards() if n != ORGANIZATION
            ]
            counts, status = counted(s for s in statuses if s is not None), None
        else:
            rolled = [(r.status, s.metric.weight) for s, r in rows if s.rolls_up]
            counts, status = counted(s for s, weight in rolled if weight > 0), worst(rolled)
        shown = chosen or self.latest_closed(grain or self.main_grain(name), moment)
        owner = self._owner(kind, name)
        return Scorecard(
            name, kind, self.title(name), owner, shown.label, grain, status, counts, worst_first(rows)
        )  # fmt: skip

    def _shows(self, metric: Metric, grain: str | None) -> bool:
        return grain is None or grain in self.calendar.coarser(metric.grain)

    def _on_card(self, held: Standing, chosen: Period | None, grain: str | None, now: datetime) -> Reading:
        wanted = grain or held.metric.grain
        if chosen is None:
            span = self.latest_closed(wanted, now)
        elif chosen.grain == wanted:
            span = chosen
        else:
            span = self.calendar.latest_closed(chosen.end, wanted)
        return self._in_period(held.metric, span, held.slice, now)

    def latest_closed(self, grain: str, now: datetime) -> Period:
        return self.calendar.latest_closed(now, grain)

    def main_grain(self, name: str) -> str:
        """The grain most metrics of a card have; week where there are none."""
        grains = [s.metric.grain for s in standing_on(self.book, name, self.readings)]
        return max(sorted(set(grains)), key=grains.count) if grains else "week"

    def title(self, name: str) -> str:
        if name == ORGANIZATION:
            return self.book.organization.name
        return (self.book.teams.get(name) or self.book.processes[name]).title

    def _owner(self, kind: str, name: str) -> str | None:
        owner = self.book.organization.owner
        if kind == "process":
            owner = self.book.processes[name].owner
        elif kind == "team":
            owner = self.book.teams[name].owner or owner
        return None if owner is None else owner.name

    def children(self, name: str) -> tuple[str, ...]:
        """The teams directly below, then the processes of a team (all of them for the organisation)."""
        if name == ORGANIZATION:
            return (*self.book.teams, *self.book.processes)
        if name in self.book.processes:
            return ()
        below = (t.name for t in self.book.teams.values() if t.parent == name)
        return (*below, *(p.name for p in self.book.processes.values() if p.team == name))

    # -- lists -------------------------------------------------------------------------------------------------

    def select(
        self,
        metrics: Iterable[str] = (),
        team: str | None = None,
        process: str | None = None,
        grain: str | None = None,
        period: str | None = None,
        first: str | None = None,
        last: str | None = None,
        periods: int | None = None,
        now: datetime | None = None,
    ) -> tuple[Reading, ...]:
        """Readings by the filters that the command line and the API share.

        ``team``/``process``: that slice if the metric has it, else what stands on that card. No period at all: the last
        closed one. ``first``/``last`` are labels or days; ``periods``: so many, from ``first`` on, else up to ``last``, else up to
        the last closed one.
        """
        moment = now or self.as_of
        self._check_range(period, first, last, periods)
        named = [self.book.metric(name) for name in metrics]
        if grain is not None:
            _check_known(grain)
            for metric in named:
                self._check_grain(metric, grain)
        card = team if team is not None else process
        if card is not None:
            self._check_card(card, "team" if team is not None else "process")
        found: list[Reading] = []
        for metric in named or self.book.metrics.values():
            at = slice_of(self.book, metric, card, self.readings) if card is not None else (True, None)
            if not at[0] or (not named and not self._shows(metric, grain)):
                if named and card is not None:
                    raise NotFound(
                        Problem(f"'{metric.name}' neither stands on the card of '{card}' nor has a slice for it")
                    )
                continue
            found.extend(self._chosen(metric, at[1], grain, (period, first, last, periods), moment))
        return tuple(found)

    def _check_range(self, period: str | None, first: str | None, last: str | None, periods: int | None) -> None:
        """A filter that would be passed over in silence, or that nothing can pass, is a mistake."""
        if period is not None and (first, last, periods) != (None, None, None):
            raise Refused(
                Problem("one period and a range of them were both asked for", hint="leave out one of the two")
            )
        if first is not None and last is not None and self.period(last).end <= self.period(first).start:
            raise Refused(Problem(f"the range ends ({last}) before it begins ({first})", hint="change the two around"))

    def _check_card(self, name: str, kind: str) -> None:
        known = self.book.teams if kind == "team" else self.book.processes
        if name not in known:
            raise NotFound(Problem(f"no {kind} is called '{name}'", hint=did_you_mean(name, known)))

    def _chosen(
        self,
        metric: Metric,
        slice_: tuple[str, str] | None,
        grain: str | None,
        when: tuple[str | None, str | None, str | None, int | None],
        now: datetime,
    ) -> list[Reading]:
        period, first, last, periods = when
        if period is not None:
            span = self.period(period)
            fits = grain or (span.grain if span.grain in self.calendar.coarser(metric.grain) else metric.grain)
            if fits != span.grain:  # as on a scorecard: the latest one that ended by the end of the chosen one
                self._check_grain(metric, fits)
                span = self.calendar.latest_closed(span.end, fits)
            return [self._in_period(metric, span, slice_, now)]
        wanted = grain or metric.grain
        self._check_grain(metric, wanted)
        closed = self.latest_closed(wanted, now)
        if first is None and last is None and periods is None:
            return [self._in_period(metric, closed, slice_, now)]
        if first is None and last is None:
            spans = [self.calendar.shift(closed, -back) for back in range(_positive(periods) - 1, -1, -1)]
            return [self._in_period(metric, span, slice_, now) for span in spans]
        rows = self.readings.get((metric.name, wanted, slice_))
        low = None if first is None else self.period(first).start
        high = None if last is None else self.period(last).end
        kept = range(0) if rows is None else rows.between(low, high)
        if periods is not None:  # the newest ones, or those that follow the day from which they are counted
            kept = kept[: _positive(periods)] if last is None else kept[-_positive(periods) :]
        return [] if rows is None else [self.shown(rows[i], now) for i in kept]

    # -- the rest ----------------------------------------------------------------------------------------------

    def explanation(self, metric: str) -> Mapping[str, object]:
        """The metric's SQL and states, as computed when the board was built."""
        self.book.metric(metric)
        return self.explanations.get(metric, {"sql": []})

    def notes(self, metric: str) -> tuple[Mapping[str, object], ...]:
        """What people wrote about a metric, newest first: id, at, by, text, grain, period, slice."""
        return self.notes_of(metric)

    def next_turn(self, now: datetime) -> datetime | None:
        """The next moment at which something changes by the clock alone.

        A period or an override ends, a reading turns stale, a value becomes final.
        """
        return min((m for m in self._turns if m > now), default=None)

    @cached_property
    def _turns(self) -> tuple[datetime, ...]:
        """All moments that the readings, as of this board, wait for; without judging any."""
        moments = {o.until for said in self.overrides.values() for o in said.values() if o.until is not None}
        for name, periods, fresh in self._standing():
            final_after = timedelta(seconds=self.book.metrics[name].final_after_seconds)
            for period in reversed(periods):
                if self.as_of >= period.end + final_after:
                    break
                running = period.start <= self.as_of < period.end
                moments.add(period.end if running else period.end + final_after)
            moments.update(moment for period in periods[-2:] for moment in fresh(period) if moment is not None)
        return tuple(sorted(moments))

    def _standing(self) -> Iterator[tuple[str, tuple[Period, ...], Callable[[Period], set[datetime | None]]]]:
        """(metric, periods, how long its readings in a period stay fresh), without laying out any line."""
        if isinstance(self.readings, Lines):
            for (name, _), group in self.readings.groups.items():
                yield name, group.periods, partial(self.readings.fresh_until, name, group)
        else:
            for (name, _, _), rows in self.readings.items():
                yield name, rows.periods, partial(_fresh_until, rows)

    def statuses(self, now: datetime) -> Mapping[Status, int]:
        """How many metrics stand in each colour in their last closed period (the whole, not the slices)."""
        return counted(r.status for r in self.select(now=now))


def _positive(count: int | None) -> int:
    if count is None or count < 1:
        raise Refused(Problem(f"{count} periods: at least 1 is needed"))
    return min(count, 5000)


def _check_known(grain: str) -> None:
    if grain not in GRAINS:
        raise Refused(
            Problem(f"'{grain}' is no grain", hint=did_you_mean(grain, GRAINS) or f"one of {', '.join(GRAINS)}")
        )


def _fresh_until(line: Line, period: Period) -> set[datetime | None]:
    return {line.fresh_until(line.places[period.label])}
