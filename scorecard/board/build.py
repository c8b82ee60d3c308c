"""From measured values to a board: every value gets its target, its freshness and its verdict.

Nothing is judged here: a reading is when somebody first asks the board for it. Those that were judged on the board before
are taken over, unless their value, a value they are compared with, their freshness or the clock moved. A full build gives
the same readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import partial

from scorecard.board.affected import Affected, kept_from
from scorecard.board.board import Board, Stamp
from scorecard.board.comparisons import Comparisons
from scorecard.board.evidence import Slice, Witness
from scorecard.board.ingredients import Ingredients as Ingredients
from scorecard.board.line import Line
from scorecard.board.lines import Lines, asked_for
from scorecard.board.reading import Interval, Reading, Restated, SeriesKey
from scorecard.book.model.metric import Metric
from scorecard.ground.numbers import print_against
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.scaling import Elasticity
from scorecard.judgement.status import verdict
from scorecard.judgement.targets import FromSource, Versus
from scorecard.measures.table import Group, GroupKey, grouped, moves_of
from scorecard.measures.values import Cell, Goals, Measured

NOTHING = Cell()


def build(made_of: Ingredients, measured: Measured, before: Board | None = None) -> Board:
    """The whole board of one version. ``before``: the last one, whose untouched readings are taken over."""
    judge = Judge(made_of, measured)
    same = before is not None and before.book is made_of.book and measured.changed is not None
    groups = {key: group for key, group in grouped(measured.series).items() if key[0] in made_of.book.metrics}
    made = _taken_over(made_of, measured, judge, before, groups) if same and before is not None else {}
    return Board(
        version=made_of.version,
        as_of=made_of.now,
        book=made_of.book,
        calendar=made_of.calendar,
        readings=Lines(groups, judge.new_line, judge.fresh_until, made),
        empty=judge.empty,
        stamps={name: judge.stamp(metric) for name, metric in made_of.book.metrics.items()},
        sources=made_of.sources,
        loads=made_of.loads,
        notices=(*made_of.notices, *measured.goals.problems),
        problems=measured.problems,
        explanations=made_of.explanations,
        audits=made_of.audits,
        overrides=made_of.overrides,
        held=made_of.held,
        goals=measured.goals,
        notes_of=made_of.notes_of,
    )


def _taken_over(
    made_of: Ingredients, measured: Measured, judge: Judge, before: Board, groups: Mapping[GroupKey, Group]
) -> dict[SeriesKey, Line]:
    """The lines that were asked for on the board before, with what was judged there and still holds. No series is made."""
    made: dict[SeriesKey, Line] = {}
    changed: Mapping[SeriesKey, frozenset[int]] = {} if measured.changed is None else measured.changed
    asked: dict[GroupKey, list[tuple[SeriesKey, Line]]] = {}
    for key, old in asked_for(before.readings).items():
        asked.setdefault(key[:2], []).append((key, old))
    for place, lines in asked.items():
        group = groups.get(place)
        if group is None:
            continue
        moves = moves_of(changed, place, group)
        aims = _moving_aims(made_of.book.metrics[place[0]], group, measured.goals, before.goals)
        for key, old in lines:
            if key[2] not in group.slices:
                continue
            moved = _aimed_anew(aims, key, group.periods, measured.goals, before.goals) if aims else set()
            said = {**made_of.overrides.get(key, {}), **before.overrides.get(key, {})}
            if said:  # put on, taken back, ended: an override is never taken over unseen
                moved |= {i for i, period in enumerate(group.periods) if period.label in said}
            made[key] = judge.line(key, group, old, moves.of(key[2]), moved)
    return made


def _moving_aims(metric: Metric, group: Group, now: Goals, before: Goals) -> list[FromSource]:
    """The targets of a metric at a grain that a source gives, where its rows are others than before."""
    if not group.periods:
        return []
    grain = group.periods[0].grain
    aims = (t.aim for t in metric.targets if isinstance(t.aim, FromSource) and t.grain in (None, grain))
    return [aim for aim in aims if now.tables.get((aim, grain)) is not before.tables.get((aim, grain))]


def _aimed_anew(
    aims: Iterable[FromSource], key: SeriesKey, periods: Iterable[Period], now: Goals, before: Goals
) -> set[int]:
    """Where a source's rows give another target than before, whatever became of the values."""
    found: set[int] = set()
    for aim in aims:
        named = key[2] is not None and getattr(aim, key[2][0]) is not None
        where = key[2] if named else None
        found |= {i for i, period in enumerate(periods) if now.of(aim, period, where) != before.of(aim, period, where)}
    return found


class Judge:
    """Judges cells with one set of ingredients."""

    def __init__(self, made_of: Ingredients, measured: Measured) -> None:
        self._of = made_of
        self._witness = Witness(made_of, measured)
        self._restatements = measured.restated
        self._affected = Affected(made_of.calendar, made_of.now)
        self._places: dict[int, tuple[tuple[Period, ...], dict[str, int]]] = {}

    # -- series ------------------------------------------------------------------------------------------------

    def line(
        self,
        key: SeriesKey,
        group: Group,
        old: Line | None,
        touched: frozenset[int],
        besides: AbstractSet[int] = frozenset(),
    ) -> Line:
        """The readings of one series; those judged in ``old`` stand where nothing that they rest on has moved.

        ``touched``: where the value may be another one. ``besides``: where something else is, such as an override.
        """
        metric, periods = self._of.book.metrics[key[0]], group.periods
        places = self._labels(periods)
        known: dict[int, Reading] = {}
        judged, waiting = ({}, ()) if old is None else old.known()
        old_periods = () if old is None else old.periods
        shift = kept_from(old_periods, periods) if judged else None
        if shift is not None and len(touched) < len(periods):
            whole = shift == 0 and len(old_periods) <= len(periods)
            known = judged if whole else {i + shift: r for i, r in judged.items() if i + shift < len(periods)}
            for again in (self._affected.of(metric, periods, touched), besides, (i + shift for i in waiting)):
                for index in again:
                    known.pop(index, None)
        judge = partial(self._judge, metric, key[2], group, places)
        return Line(periods, places, judge, partial(self._witness.fresh_until, metric, key[2]), known)

    def new_line(self, key: SeriesKey, group: Group) -> Line:
        """The readings of a series of which nothing was judged before."""
        return self.line(key, group, None, frozenset())

    def fresh_until(self, name: str, group: Group, period: Period) -> set[datetime | None]:
        """After which moments the readings of a group in a period are no longer shown in their colour."""
        return self._witness.all_fresh_until(self._of.book.metrics[name], group.slices, period)

    def _labels(self, periods: tuple[Period, ...]) -> Mapping[str, int]:
        """Label → place. Series of one grain mostly have the very same periods."""
        found = self._places.get(id(periods))
        if found is None:
            found = self._places[id(periods)] = periods, {p.label: i for i, p in enumerate(periods)}
        return found[1]

    def stamp(self, metric: Metric) -> Stamp:
        """(loaded_at, data_until) of a metric."""
        return self._witness.stamp(metric)

    # -- one reading -------------------------------------------------------------------------------------------

    def empty(self, metric: Metric, period: Period, slice_: Slice) -> Reading:
        """The reading of a period for which nothing was computed."""
        return self._reading(metric, slice_, period, NOTHING, None)

    def _judge(self, metric: Metric, slice_: Slice, group: Group, known: Mapping[str, int], index: int) -> Reading:
        series = group.of(slice_)
        period = series.periods[index]
        compared = Comparisons(self._of.calendar, series, known, period, period.end > self._of.now)
        return self._reading(metric, slice_, period, series.cells[index], compared)

    def _reading(
        self,
        metric: Metric,
        slice_: Slice,
        period: Period,
        cell: Cell,
        compared: Comparisons | None,
    ) -> Reading:
        now = self._of.now
        loaded_at, data_until = self._witness.stamp(metric)
        evidence = self._witness.evidence(metric, slice_, period, cell, compared)
        said = verdict(evidence)
        told = cell.told if cell.value is not None else None
        final = period.end + timedelta(seconds=metric.final_after_seconds)
        team, process = self._place(metric, slice_)
        reading = Reading(
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
            because=said.because if told is None else f"{said.because}; {told}",
            projected=evidence.projection if said.reason == "pace" else None,
            previous=None if compared is None else compared.value(Versus("previous")),
            year_ago=None if compared is None else compared.value(Versus("year_ago")),
            loaded_at=loaded_at,
            data_until=data_until,
            fresh_until=evidence.fresh_until,
            quiet_until=evidence.quiet_until,
            as_of=now,
            version=self._of.version,
            conclusive=said.conclusive,
            restated=self._restated(metric, slice_, period, cell),
            interval=_interval(cell.elasticity),
            trail=said.trail if told is None else ({"step": "given", "applies": True, "detail": told}, *said.trail),
        )
        override = self._of.overrides.get((metric.name, period.grain, slice_), {}).get(period.label)
        return reading if override is None else reading.overridden(override, now)

    def _restated(self, metric: Metric, slice_: Slice, period: Period, cell: Cell) -> Restated | None:
        """``was 27.1 min until 2026-03-02``, with digits enough to differ from what it is."""
        was = self._restatements.get((metric.name, period.grain, slice_), {}).get(period.label)
        if was is None:
            return None
        other = () if cell.value is None else (cell.value,)
        said = print_against(was.value, other, metric.unit, metric.decimals)[0]
        day = self._of.calendar.day_of(was.at)
        why = f"until the definition changed, first seen on {day}" if was.redefined else f"until {day}"
        return Restated(was.value, f"was {said} {why}", was.at)

    def _place(self, metric: Metric, slice_: Slice) -> tuple[str | None, str | None]:
        if slice_ is not None:
            kind, name = slice_
            if kind == "team":
                return name, metric.process
            return self._of.book.processes[name].team, name
        return self._of.book.team_of(metric), metric.process


def _interval(found: Elasticity | None) -> Interval | None:
    """The interval of an elasticity, where one could be estimated."""
    if found is None or found.low is None or found.high is None:
        return None
    return Interval(found.low, found.high, found.said)
