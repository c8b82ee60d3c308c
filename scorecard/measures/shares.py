"""How far earlier periods had come at the running one's cut: the shares of their final values that a pace rests on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from scorecard.book.calendars import Calendars
from scorecard.book.model import Book
from scorecard.book.model.metric import Count, Formula, Sum
from scorecard.book.scope import adds_up, inherits_target
from scorecard.ground.errors import Problem
from scorecard.ground.periods import Grain
from scorecard.ground.periods.alike import alike
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.targets import FromSource, choose
from scorecard.measures.cuts import Cut, Cuts, Known
from scorecard.measures.derive import base_cell, evaluate
from scorecard.measures.grid import Grid
from scorecard.measures.needs import Needs
from scorecard.measures.place import Here, Key, key_of
from scorecard.measures.plan import Lowered, Plan, Scan
from scorecard.measures.slices import Slice
from scorecard.measures.states.additive import Amount
from scorecard.measures.table import Table
from scorecard.measures.values import SeriesKey

MOST_PERIODS = 13
"""So many comparable periods are looked at, the newest ones."""
Attempt = Callable[[Callable[[], None]], "Problem | None"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A running period that is judged on its pace, and the earlier ones it is measured by: (period, final value), newest first."""

    one: Lowered
    grain: Grain
    slice: Slice | None
    running: Period
    pairs: tuple[tuple[Period, float], ...]


@dataclass(slots=True)
class Shares:
    """Finds the shares of all series that are paced by profile and have a target to compare their projection with.

    A period compares if it is alike (``ground.periods.alike``), begins after the source's (or slice's) first day, is final
    and behind a good load, and came to more than 0, some of it before the cut: one in which nothing had come in by then
    says nothing about how a period goes on in which something has.
    """

    book: Book
    plan: Plan
    grid: Grid
    cuts: Cuts
    needs: Needs
    calendars: Calendars
    found: dict[SeriesKey, tuple[float, ...]] = field(default_factory=dict)
    _here: Mapping[str, Here] = field(default_factory=dict)
    _series: Table = field(default_factory=lambda: Table({}))
    _reached: Known = field(default_factory=Known)
    _alike: dict[tuple[int, Grain, Key], tuple[Period, ...]] = field(default_factory=dict)
    _paced: tuple[tuple[Lowered, frozenset[str]], ...] | None = None
    _targeted: dict[tuple[SeriesKey, Key], bool] = field(default_factory=dict)
    _known: dict[tuple[SeriesKey, Key], tuple[float, ...]] = field(default_factory=dict)

    def bring_up(
        self,
        series: Table,
        needs: Needs,
        moved: Iterable[str],
        attempt: Attempt,
    ) -> dict[str, Problem]:
        """Brings ``found`` up to date with what has moved. Gives the metrics for which that went wrong, and how."""
        self.needs, self._here, self._series, self._reached = needs, needs.here, series, Known()
        now = needs.now
        stirred, asked = frozenset(moved), list[_Asked]()
        before, self.found = self._known, {}
        self._known = {}
        for one, sources in self._metrics():
            for key, running in self._running(one, now):
                place = (key, key_of(running))
                if place in before and not sources & stirred:
                    self._known[place] = self.found[key] = before[place]
                else:
                    asked.append(_Asked(one, running.grain, key[2], running, self._pairs(one, key, running)))
        problems: dict[str, Problem] = {}
        attempt(lambda: self._prepare(asked))  # what cannot be read together is read, and said, metric by metric
        for each in asked:
            problem = attempt(lambda a=each: self._find(a))  # type: ignore[misc]
            if problem is not None:
                metric = each.one.metric
                problems[metric.name] = Problem(
                    f"metric '{metric.name}': {problem.message}", metric.place, problem.hint
                )
        return problems

    # -- which series ------------------------------------------------------------------------------------------

    def _metrics(self) -> tuple[tuple[Lowered, frozenset[str]], ...]:
        """The metrics that are paced by profile, and the sources of each."""
        if self._paced is None:
            found = []
            for one in self.plan.lowered.values():
                if one.metric.pace == "profile" and one.metric.targets and adds_up(self.book, one.metric):
                    rows = tuple(self._rows(one))
                    if all(isinstance(part.metric.measure, Count | Sum) for part in rows):
                        found.append((one, frozenset(part.metric.source or "" for part in rows)))
            self._paced = tuple(found)
        return self._paced

    def _rows(self, one: Lowered) -> Iterator[Lowered]:
        """The metrics below one that read rows, itself if it does."""
        if not one.parts:
            yield one
        for part in one.parts:
            yield from self._rows(self.plan.lowered[part])

    def _running(self, one: Lowered, now: datetime) -> Iterator[tuple[SeriesKey, Period]]:
        """Its series with a running period in which a target is in force."""
        metric = one.metric
        narrow = any(
            t.team or t.process or (isinstance(t.aim, FromSource) and (t.aim.team or t.aim.process))
            for t in metric.targets
        )
        slices: list[Slice | None] = [None]
        if narrow:
            group = self._series.groups.get((metric.name, metric.grain))
            slices += [] if group is None else [s for s in group.slices if s is not None]
        for grain in one.grains:
            for slice_ in slices:
                key = (metric.name, grain, slice_)
                line = self._series.get(key)
                running = line.periods[-1] if line is not None and line.periods else None
                if running is not None and running.start <= now < running.end and self._has_target(one, key, running):
                    yield key, running

    def _has_target(self, one: Lowered, key: SeriesKey, running: Period) -> bool:
        place = (key, key_of(running))
        found = self._targeted.get(place)
        if found is None:
            if len(self._targeted) > 100_000:
                self._targeted.clear()
            metric, grain, slice_ = one.metric, running.grain, key[2]
            inherits = inherits_target(metric, self.book, grain, slice_)
            found = choose(metric.targets, running.first, grain, slice_, metric.grain, inherits) is not None
            self._targeted[place] = found
        return found

    # -- which periods -----------------------------------------------------------------------------------------

    def _pairs(self, one: Lowered, key: SeriesKey, running: Period) -> tuple[tuple[Period, float], ...]:
        """The periods that compare as far as their final values say, newest first; some more than needed, as some may fall out."""
        first, final = self._covered(one, key[2])
        if first is None or final is None:
            return ()
        found: list[tuple[Period, float]] = []
        for period in self._others(one, key[2], running):
            if period.first < first or len(found) == 2 * MOST_PERIODS:
                break
            value = self._final(key, period)
            if value is not None and value > 0 and period.end <= final:
                found.append((period, value))
        return tuple(found)

    def _others(self, one: Lowered, slice_: Slice | None, running: Period) -> tuple[Period, ...]:
        calendar = self.calendars.of(one.metric, slice_)
        place = (id(calendar), running.grain, key_of(running))
        if place not in self._alike:
            if len(self._alike) > 1000:
                self._alike.clear()
            self._alike[place] = tuple(alike(calendar, running))
        return self._alike[place]

    def _final(self, key: SeriesKey, period: Period) -> float | None:
        """A series' value in a whole period; None where it does not reach that far back."""
        line = self._series.get(key)
        if line is None:
            return None
        place = bisect_left(line.periods, period.start, key=lambda p: p.start)
        return line.cells[place].value if place < len(line.cells) and line.periods[place] == period else None

    def _covered(self, one: Lowered, slice_: Slice | None) -> tuple[date | None, datetime | None]:
        """(the first day that has rows of all parts, the end before which periods are final in all of them)."""
        firsts, finals = [], []
        for part in self._rows(one):
            here = self._here.get(part.metric.source or "")
            if here is None or part.scan is None or here.loaded_at is None:
                return None, None
            days = self.grid.first_days.get(part.scan, {})
            first = here.first_day(part.scan.time) if slice_ is None else days.get(slice_)
            if first is None:
                return None, None
            firsts.append(first)
            finals.append(
                here.loaded_at - timedelta(seconds=max(part.metric.final_after_seconds, one.metric.final_after_seconds))
            )
        return max(firsts), min(finals)

    # -- their shares ------------------------------------------------------------------------------------------

    def _prepare(self, asked: Iterable[_Asked]) -> None:
        """Computes all cuts of all of them together."""
        wanted: dict[str, dict[Scan, list[Cut]]] = {}
        for each in asked:
            for part in self._rows(each.one):
                scans = wanted.setdefault(part.metric.source or "", {})
                for period, _ in each.pairs[:MOST_PERIODS]:
                    cut = self._cut(each, part, period)
                    if cut is not None:
                        for scan, _ in self.needs.states_at(part, each.grain):
                            scans.setdefault(scan, []).append(cut)
        for source, scans in wanted.items():
            self.cuts.prepare(self._here[source], scans)
            for scan, cuts in scans.items():
                self._reached.take(self.cuts.amounts(self._here[source], scan, cuts))

    def _find(self, asked: _Asked) -> None:
        shares: list[float] = []
        for period, final in asked.pairs:
            if len(shares) == MOST_PERIODS:
                break
            so_far = self._so_far(asked, asked.one, period)
            if so_far is not None and so_far > 0:
                shares.append(so_far / final)
        key = (asked.one.metric.name, asked.grain, asked.slice)
        self._known[key, key_of(asked.running)] = self.found[key] = tuple(shares)

    def _cut(self, asked: _Asked, part: Lowered, period: Period) -> Cut | None:
        paced_by = self.calendars.of(asked.one.metric, asked.slice)
        return self.needs.cut_at(part, asked.grain, asked.running, period, paced_by)

    def _so_far(self, asked: _Asked, one: Lowered, period: Period) -> float | None:
        """A metric's value in a period up to the cut; what is made of metrics from its parts, each at its own source's cut."""
        if one.parts:
            assert isinstance(one.metric.measure, Formula)  # noqa: S101 - nothing else that adds up has parts
            tree = one.metric.measure.expression.tree
            return evaluate(tree, lambda _, name: self._so_far(asked, self.plan.lowered[name], period))
        cut = self._cut(asked, one, period)
        if cut is None:
            return self._final((one.metric.name, asked.grain, asked.slice), period)
        ((scan, names),) = self.needs.states_at(one, asked.grain)
        return base_cell(one, [self._amount(one, scan, name, cut, asked.slice) for name in names]).value

    def _amount(self, one: Lowered, scan: Scan, name: str, cut: Cut, slice_: Slice | None) -> Amount:
        """A state up to a cut. Raises what the engine raised where the rows do not go with it."""
        if (scan, cut) not in self._reached.scans:
            self._reached.take(self.cuts.amounts(self._here[one.metric.source or ""], scan, [cut]))
        return self._reached.scans[scan, cut].amount(name, slice_)
