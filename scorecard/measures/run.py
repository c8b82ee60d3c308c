"""The Meter: states brought up to date, then every series. Deterministic: the same rows and clock give the same numbers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TypeVar
from uuid import uuid4

from scorecard.book.calendars import Calendars
from scorecard.book.columns import columns_read
from scorecard.book.model import Book
from scorecard.book.model.metric import Cumulative, Manual, Metric, Scaling
from scorecard.ground.errors import Problem, ScorecardError, Unavailable
from scorecard.ground.heap import growing
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.audit import Audited, Difference, parts_of, record, recorded
from scorecard.measures.cutdays import CutDays
from scorecard.measures.cuts import Cuts, Wanted
from scorecard.measures.elasticities import Elasticities
from scorecard.measures.explaining import explained
from scorecard.measures.goals import GoalReader
from scorecard.measures.grid import Grid
from scorecard.measures.keeping import Keeping
from scorecard.measures.levels import Levels
from scorecard.measures.lowering import Probe, lower
from scorecard.measures.makers import Maker
from scorecard.measures.needs import Needs
from scorecard.measures.people import People
from scorecard.measures.place import Here, Moved, has_whole_hours
from scorecard.measures.plan import Lowered, Plan, axes, coarser, gather, identity
from scorecard.measures.ranges import DAY
from scorecard.measures.series import Weaver
from scorecard.measures.shares import Shares
from scorecard.measures.slices import Slicing
from scorecard.measures.spans import Spans
from scorecard.measures.sql import NOTHING_YET, Made
from scorecard.measures.states.settled import Settled
from scorecard.measures.states.tails import Tails
from scorecard.measures.store import calendar_id, write_days
from scorecard.measures.touches import Rest
from scorecard.measures.types import Types
from scorecard.measures.upkeep import Upkeep
from scorecard.measures.values import Given, Measured
from scorecard.measures.windows import Windows
from scorecard.warehouse.engine import Engine, Standing, Touched

AUDIT_TRIES = 5
"""How often a part of an audit is tried again because a load came in between."""
AHEAD = 40 * DAY
"""How far ahead of today the calendar's days are written, so that not every midnight writes them."""
LOG = logging.getLogger("scorecard.measures")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What belongs to one plan: made anew when definitions or columns change."""

    plan: Plan
    columns: Mapping[str, Mapping[str, str]]
    upkeep: Upkeep
    weaver: Weaver
    shares: Shares
    people: People


class Meter:
    """Measures all metrics of a book. One ``measure`` at a time; every method may be called from any thread."""

    def __init__(self, engine: Engine, book: Book, calendar: Calendar) -> None:
        self.engine = engine
        self.book = book
        self.calendar = calendar
        self._lock = threading.RLock()
        self._desk: _Desk | None = None
        self._goals = GoalReader(engine, book, calendar, Slicing(book))
        self._days_written: tuple[date, date] | None = None
        self._now = datetime.now(UTC)
        self._in_doubt = False

    def measure(self, now: datetime, touched: Mapping[str, Touched] | None, given: tuple[Given, ...] = ()) -> Measured:
        """Every series as of ``now``.

        ``touched``: what loads have changed since the last call, per source; None computes everything from the rows.
        ``given``: all values that people have given. In a new process ``{}`` uses what is kept in the warehouse as far as it
        still fits. A metric that fails is in ``problems`` and does not disturb the others. Raises Unavailable where the
        warehouse itself fails; the next call then computes everything.
        """
        with self._lock, growing():
            whole = touched is None or self._in_doubt
            self._in_doubt = True
            measured = self._measure(now.astimezone(UTC), touched or {}, given, whole=whole)
            self._in_doubt = False
            return measured

    def write_down(self) -> None:
        """Writes what was counted and waits, so that the next start need not count it again. Raises Unavailable."""
        with self._lock:
            if self._desk is not None and not self._in_doubt:
                self._desk.upkeep.keeping.write()

    def explain(self, metric: str) -> dict[str, object]:
        """``{"sql": [...], "states": [...]}``: how a metric is computed; NotFound for an unknown one."""
        self.book.metric(metric)
        with self._lock:
            standings = self._standings()
            desk = self._desk or self._planned(standings)
            one = desk.plan.lowered.get(metric)
            return (
                {"sql": [], "states": []}
                if one is None
                else explained(one, desk.plan, self._here(standings, self._now))
            )

    def _measure(
        self, now: datetime, touched: Mapping[str, Touched], given: tuple[Given, ...], *, whole: bool
    ) -> Measured:
        self._now = now
        standings = self._standings()
        desk = self._desk
        columns = {n: s.columns for n, s in standings.items()}
        anew = whole or desk is None or columns != desk.columns or not desk.upkeep.holds()
        if anew or desk is None:
            if desk is not None and not whole:
                desk.upkeep.keeping.write()
            desk = self._planned(standings)
        self._desk = desk
        here = self._here(standings, now)
        self._write_days(here.values())
        coming = partial(desk.weaver.coming, here, now)
        moved: dict[str, Moved] = {}
        for source, place in here.items():
            found = self._brought_up(desk.upkeep, place, touched.get(source), coming, whole=whole)
            moved |= {} if found is None else {source: found}
        desk.people.take(given)
        problems = {**desk.plan.problems, **self._broken(desk)}
        problems |= desk.weaver.weave(here, moved, now, problems, self._attempt)
        problems |= lost_parts(desk.plan.lowered, problems)
        sound = desk.weaver.table.without(problems)
        problems |= desk.shares.bring_up(sound, desk.weaver.needs, moved, self._attempt)
        desk.upkeep.settled.tidy({source: desk.plan.states(source) for source in moved})
        rests = {s: r for s, r in desk.upkeep.rests.items() if s in here}
        return Measured(
            series=sound.without(problems),
            problems={n: problems[n] for n in self.book.metrics if n in problems},
            changed=None if anew else desk.weaver.changed,
            unassigned=self._unassigned(desk),
            future_rows={s: r.future for s, r in rests.items()},
            undated_rows={s: r.undated for s, r in rests.items()},
            goals=self._goals.read(standings, self._attempted),
            shares=dict(desk.shares.found),
            people=desk.people.stamps(),
            standings=standings,
        )

    def _brought_up(
        self, upkeep: Upkeep, place: Here, touched: Touched | None, coming: Callable[[], Wanted], *, whole: bool
    ) -> Moved | None:
        """What moved in a source. What cannot be kept or read of it (for want of memory) breaks its metrics, and no others'."""
        try:
            return upkeep.bring_up(place, touched, coming, whole=whole)
        except Unavailable:
            raise
        except ScorecardError as error:
            states = upkeep.plan.states(place.source)
            upkeep.distrust(states)
            upkeep.broken |= dict.fromkeys(states, error.problems[0])
            upkeep.rests.setdefault(place.source, Rest())
            upkeep.measured_at[place.source], upkeep.standings[place.source] = place.now, place.standing
            return Moved(None, None)

    def audit(
        self, source: str, retry: Callable[[], object], parts_done: Callable[[], None] = lambda: None
    ) -> Audited | None:
        """Computes the states of a source from its rows, in small parts, and compares them with what is kept.

        Other calls come in between the parts. ``retry`` measures again where a load came in between. What differs is
        replaced at the next ``measure``. None: the source was never loaded or measured.
        """
        with self._lock:
            parts = [] if self._desk is None else parts_of(self._desk.plan, source)
        found: list[Difference] = []
        states, numbers, moved, failed = set[str](), 0, False, None
        for part in parts:
            answer = None
            for _ in range(AUDIT_TRIES):
                with self._lock:
                    here = self._here(self._standings(), self._now).get(source)
                    if self._desk is None or here is None:
                        return None
                    answer = self._audited(self._desk.upkeep, here, part)
                if answer is not None:
                    break
                retry()
            moved |= answer is None
            if answer is not None:
                numbers += answer[0]
                found += answer[1]
                failed = failed or answer[2]
                states.update(part.states(source) if answer[2] is None else ())
            parts_done()
        if not parts:
            return None
        with self._lock:
            if found and self._desk is not None:
                self._desk.upkeep.distrust({d.state for d in found})
            audited = Audited(
                source, self._now, len(states), numbers, len(found), str(found[0]) if found else "", moved=moved
            )
            record(self.engine, audited)
            return replace(recorded(self.engine)[source], moved=moved, failed=failed)

    def _audited(self, upkeep: Upkeep, here: Here, part: Plan) -> tuple[int, list[Difference], Problem | None] | None:
        """A part compared, or why it could not be. Raises Unavailable."""
        found = self._attempt(lambda: upkeep.audit(here, part))
        return (0, [], found) if isinstance(found, Problem) else found

    def mistakes(self) -> tuple[Problem, ...]:
        """What is wrong with metrics against the loaded tables, for `check`: a sum of times, a text compared with a number.

        Metrics that miss a column are left out (``book.read.check_columns`` says those), and so is what was never loaded.
        """
        standings = self._standings()
        complete = [
            metric
            for name, metric in self.book.metrics.items()
            if (standing := standings.get(metric.source or "")) is not None
            and columns_read(replace(self.book, metrics={name: metric}), standing.source) <= standing.columns.keys()
        ]
        made = self._all_lowered(complete, standings, Slicing(self.book))
        return tuple(one for one in made.values() if isinstance(one, Problem))

    def _standings(self) -> dict[str, Standing]:
        found = self.engine.standings()
        return {name: _typed(found[name]) for name in self.book.sources if name in found}

    def _here(self, standings: Mapping[str, Standing], now: datetime) -> dict[str, Here]:
        today = self.calendar.day_of(now)
        whole_hours = has_whole_hours(self.calendar, range(now.year - 3, now.year + 2))
        return {
            name: Here(name, self.engine.table(name), standing, self.calendar, now, today, whole_hours)
            for name, standing in standings.items()
        }

    # -- planning ----------------------------------------------------------------------------------------------

    def _planned(self, standings: dict[str, Standing]) -> _Desk:
        """Lowers every metric against the live columns; one that does not compile is a problem of its own."""
        for source in list(standings):
            if self.engine.prepare_axes(source, axes(self.book, source), self.calendar.timezone):
                found = self.engine.standing(source)
                standings[source] = standings[source] if found is None else _typed(found)
        slicing = Slicing(self.book)
        made = self._all_lowered(tuple(self.book.metrics.values()), standings, slicing)
        lowered = {name: one for name, one in made.items() if isinstance(one, Lowered)}
        problems = {name: one for name, one in made.items() if isinstance(one, Problem)}
        problems |= lost_parts(lowered, problems)
        plan = gather({n: one for n, one in lowered.items() if n not in problems}, problems)
        grid = Grid(Keeping(self.engine, uuid4().hex), plan, slicing, self.calendar)
        settled = Settled(self.engine, Tails(self.engine, tuple(plan.bags)))
        cuts = Cuts(self.engine, plan, slicing, grid, settled, CutDays(self.engine, plan))
        upkeep = Upkeep.opened(plan, grid, cuts, settled, self.book, self._attempt)
        spans = Spans(self.calendar)
        needs = Needs(self.book, plan, spans)
        calendars = Calendars(self.book, self.calendar)
        people = People(spans)
        windows = Windows(plan, grid, spans, calendars)
        makers: dict[type, Maker] = {Cumulative: windows, Manual: people, Scaling: Elasticities(plan)}
        weaver = Weaver(plan, grid, cuts, spans, needs, makers, calendars, Levels(grid, needs))
        shares = Shares(self.book, plan, grid, cuts, needs, calendars)
        return _Desk(plan, {n: s.columns for n, s in standings.items()}, upkeep, weaver, shares, people)

    def _all_lowered(
        self, metrics: Sequence[Metric], standings: Mapping[str, Standing], slicing: Slicing
    ) -> dict[str, Lowered | Problem]:
        """Each metric as it is computed, or what is wrong with it. The first round only finds what the engine is to be asked:
        a question for each metric would take most of the time."""
        types, compiled = Types(self.engine), Made()
        for metric in metrics:
            self._attempt(lambda m=metric: self._lowered(m, standings, slicing, types.note, compiled))  # type: ignore[misc]
        types.ask()
        found: dict[str, Lowered | Problem] = {}
        for metric in metrics:
            made = self._attempt(lambda m=metric: self._lowered(m, standings, slicing, types.of, compiled))  # type: ignore[misc]
            if isinstance(made, Problem):
                made = Problem(f"metric '{metric.name}': {made.message}", made.place or metric.place, made.hint)
            found[metric.name] = made
        return found

    def _lowered(
        self, metric: Metric, standings: Mapping[str, Standing], slicing: Slicing, probe: Probe, made: Made
    ) -> Lowered:
        if metric.source is not None and metric.source not in standings:
            return Lowered(metric, coarser(metric.grain))  # never loaded: no columns to check against, no numbers
        columns = {} if metric.source is None or metric.source not in standings else standings[metric.source].columns
        split = "" if metric.split is None else slicing.definition(metric.split.kind)
        return lower(metric, self.book, columns, probe, identity(calendar_id(self.calendar), split), made)

    def _attempted(self, work: Callable[[], None]) -> Problem | None:
        found = self._attempt(work)
        return found if isinstance(found, Problem) else None

    def _attempt(self, work: Callable[[], T]) -> T | Problem:
        """A metric's own work; what goes wrong in it is its problem. A failing warehouse is everybody's."""
        try:
            return work()
        except Unavailable:
            raise
        except ScorecardError as error:
            return error.problems[0]
        except Exception as error:
            LOG.exception("this is our own fault: a part of the metrics could not be computed that way")
            return Problem(f"{type(error).__name__}: {error}")

    # -- around it ---------------------------------------------------------------------------------------------

    def _write_days(self, places: Iterable[Here]) -> None:
        today = self.calendar.day_of(self._now)
        firsts = [f for here in places for c in here.standing.first_day if (f := here.first_day(c)) is not None]
        first = min([*firsts, today])
        written = self._days_written
        if written is None or first < written[0] or today > written[1]:
            self._days_written = (first - 31 * DAY, today + AHEAD)
            write_days(self.engine, self.calendar, *self._days_written)

    def _broken(self, desk: _Desk) -> dict[str, Problem]:
        """The metrics that rest on states which could not be computed."""
        found: dict[str, Problem] = {}
        for name, one in desk.plan.lowered.items():
            lost = next((s for s in desk.plan.states_of(one) if s in desk.upkeep.broken), None)
            if lost is not None:
                problem = desk.upkeep.broken[lost]
                found[name] = Problem(f"metric '{name}': {problem.message}", one.metric.place, problem.hint)
        return found | lost_parts(desk.plan.lowered, found)

    def _unassigned(self, desk: _Desk) -> dict[str, tuple[str, ...]]:
        found = {}
        for name, one in desk.plan.lowered.items():
            split = one.metric.split
            if split is not None and one.scan is not None:
                unknown = desk.upkeep.grid.unassigned(one.scan, split.kind)
                if unknown:
                    found[name] = unknown
        return found


def lost_parts(lowered: Mapping[str, Lowered], problems: Mapping[str, Problem]) -> dict[str, Problem]:
    """Metrics made of metrics that could not be computed, through all levels."""
    lost: dict[str, Problem] = {}
    before = -1
    while before != len(lost):
        before = len(lost)
        for name, one in lowered.items():
            part = next((p for p in one.parts if p in problems or p in lost or p not in lowered), None)
            if part is not None and name not in problems and name not in lost:
                message = f"metric '{name}': its part '{part}' could not be computed"
                lost[name] = Problem(message, one.metric.place, f"mend '{part}' first")
    return lost


def _typed(standing: Standing) -> Standing:
    """The standing, with columns that have never had a value as such: no sum would take the texts that they are until then."""
    empty = [name for name in standing.empty if standing.columns.get(name) == "VARCHAR"]
    return replace(standing, columns={**standing.columns, **dict.fromkeys(empty, NOTHING_YET)}) if empty else standing
