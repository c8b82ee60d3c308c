"""Which states, and which cuts of them, the metrics of a plan need: so that they can be asked for together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from scorecard.book.model import Book
from scorecard.book.model.metric import Age, Change, Cumulative, Formula, Level, Measure, Scaling, Stock
from scorecard.ground.periods import Grain
from scorecard.ground.periods.alike import cut_alike
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.targets import Versus
from scorecard.measures.compare import PREVIOUS, YEAR_AGO, comparisons_of, versus_name
from scorecard.measures.cuts import INSTANT, Cut, Wanted
from scorecard.measures.derive import open_names
from scorecard.measures.place import Here, Key, key_of
from scorecard.measures.plan import Lowered, Plan, Scan, state_id
from scorecard.measures.spans import Span, Spans, last_day, window_first
from scorecard.measures.sql import column_kind


@dataclass(slots=True)
class Needs:
    """What a plan's metrics ask of the states, as of one moment. ``here``: each loaded source as it is then."""

    book: Book
    plan: Plan
    spans: Spans
    here: Mapping[str, Here] = field(default_factory=dict)
    now: datetime = datetime.max  # noqa: DTZ901 - ``at`` says it before anything is asked
    _versus: dict[str, dict[str, Versus]] = field(default_factory=dict)
    _states: dict[tuple[str, Grain], list[tuple[Scan, list[str]]]] = field(default_factory=dict)
    _needs: dict[tuple[str, Key, Grain], dict[Period, None]] = field(default_factory=dict)
    _marks: dict[str, datetime | None] = field(default_factory=dict)
    _moments: dict[tuple[str, datetime, Grain, Key, Key, int], datetime] = field(default_factory=dict)
    _cuts: dict[tuple[object, ...], list[Cut]] = field(default_factory=dict)

    def at(self, here: Mapping[str, Here], now: datetime) -> Needs:
        """The same as of another moment; what does not depend on one is shared."""
        if len(self._needs) > 10_000:
            self._needs.clear()
        return replace(self, here=here, now=now, _marks={}, _moments={}, _cuts={})

    def states_at(self, one: Lowered, grain: Grain) -> list[tuple[Scan, list[str]]]:
        """Its scans at a grain and the names of its atoms' states in them."""
        key = (one.metric.name, grain)
        found = self._states.get(key)
        if found is None:
            scans = [(self.plan.scan_of(scan, grain), atoms) for scan, atoms in one.needed]
            found = self._states[key] = [(scan, [state_id(scan, atom) for atom in atoms]) for scan, atoms in scans]
        return found

    def versus_of(self, one: Lowered) -> tuple[Versus, ...]:
        return tuple(dict.fromkeys(self.compared(one).values()))

    def compared(self, one: Lowered) -> Mapping[str, Versus]:
        """The names of a metric's comparisons; one of a kind that is counted (``back:4``) goes by the kind's name as well."""
        found = self._versus.get(one.metric.name)
        if found is None:
            found = {versus_name(versus): versus for versus in comparisons_of(one.metric, self.book)}
            for kind in ("back", "mean_of"):
                named = [n for n in found if n.startswith(kind + ":")]
                if len(named) == 1:
                    found[kind] = found[named[0]]
            self._versus[one.metric.name] = found
        return found

    def cut_at(
        self, one: Lowered, grain: Grain, running: Period, other: Period, paced_by: Calendar | None = None
    ) -> Cut | None:
        """Where ``other`` is cut as the running period is; None: not at all, it counts whole.

        ``paced_by``: cut where the work stands in that calendar, to learn a pace from it, and not after as many days.
        """
        here = self.here.get(one.metric.source or "")
        mark = self.mark(one)
        if here is None or mark is None:
            return None
        key = (here.source, mark, grain, key_of(running), key_of(other), id(paced_by))
        moment = self._moments.get(key)
        if moment is None:
            calendar = self.spans.calendar
            moment = cut_alike(paced_by, running, other, mark) if paced_by else calendar.cut(running, other, mark)
            self._moments[key] = moment
        if moment >= other.end:
            return None
        if isinstance(one.metric.measure, Stock | Level | Age):
            return Cut(grain == "hour", None, None, moment)
        return Cut(grain == "hour", other.first, other.start if grain == "hour" else None, moment)

    def cuts_of(self, one: Lowered, grain: Grain, span: Span) -> list[Cut]:
        """All cuts that a metric which reads rows, and the metrics made of it, need at a grain."""
        if not len(span) or (one.line is not None and not one.line.carry):
            return []  # snapshots are never cut within a day
        running, here = span.periods[-1], self.here[one.metric.source or ""]
        mark, ever = self.mark(one), isinstance(one.metric.measure, Stock | Level | Age)
        others = tuple(self.needed(one, running))
        place = (here.source, mark, grain, key_of(span.periods[0]), key_of(running), ever, others)
        cuts = self._cuts.get(place)  # the same for nearly all metrics of a source
        if cuts is None:
            first = span.periods[0].first
            reached = (self.cut_at(one, grain, running, o) for o in others if o.until > first and o is not running)
            cuts = self._cuts[place] = [cut for cut in reached if cut is not None]
        cuts = list(cuts)
        if isinstance(one.metric.measure, Stock) and here.watermark is not None:
            cuts.append(Cut(grain == "hour", None, None, min(here.watermark + INSTANT, running.end)))
        if isinstance(one.metric.measure, Level | Age) and mark is not None:
            cuts.append(Cut(grain == "hour", None, None, min(mark, running.end)))
        return cuts

    def needed(self, one: Lowered, running: Period) -> dict[Period, None]:
        """The periods in which a metric's value, cut as the running one is, is asked for: by itself and by what is made of it."""
        key = (one.metric.name, key_of(running), running.grain)
        found = self._needs.get(key)
        if found is None:
            found = {running: None}
            found.update({o: None for versus in self.versus_of(one) for o in self.spans.others(running, versus) or ()})
            for other in self.plan.lowered.values():
                if one.metric.name in other.parts and not isinstance(other.metric.measure, Cumulative | Scaling):
                    needed = self.needed(other, running)
                    found.update(needed)
                    lags = _lags(other.metric.measure)
                    found.update({o: None for q in needed for lag in lags for o in self.spans.others(q, lag) or ()})
            self._needs[key] = found
        return found

    # -- windows of cumulative metrics -------------------------------------------------------------------------

    def bases(self, one: Lowered) -> tuple[Lowered, ...]:
        """The metrics below one that read rows themselves; one that does is its own."""
        if not one.parts:
            return (one,)
        found = [base for name in one.parts for base in self.bases(self.plan.lowered[name])]
        return tuple({base.metric.name: base for base in found}.values())

    def mark(self, base: Lowered) -> datetime | None:
        """The moment before which everything lies that a metric has counted so far."""
        name = base.metric.name
        if name not in self._marks:  # never forgotten: another moment has its own
            here = self.here.get(base.metric.source or "")
            mark = None if here is None else here.watermark
            if here is not None and mark is not None:
                axis = "" if base.scan is None else base.scan.time
                mark = mark if column_kind(here.columns.get(axis, "")) == "date" else mark + INSTANT
            self._marks[name] = mark
        return self._marks[name]

    def window_cut(self, one: Lowered, base: Lowered, running: Period, other: Period) -> Cut | None:
        """The window of a cumulative metric in ``other``, cut as the running period is; None: it counts whole."""
        mark, calendar = self.mark(base), self.spans.calendar
        moment = other.start if mark is None else calendar.cut(running, other, mark)
        if moment >= other.end and other != running:
            return None
        assert isinstance(one.metric.measure, Cumulative)  # noqa: S101 - the caller has looked
        first = window_first(calendar, one.metric.measure, last_day(calendar, other, moment))
        return Cut(False, first, None, moment)

    def _window_cuts(self, one: Lowered, base: Lowered, running: Period) -> list[Cut]:
        others = [running, *(o for o in self.needed(one, running) if o != running)]
        cuts = [self.window_cut(one, base, running, other) for other in others]
        return [cut for cut in (cuts if base.bag is not None else cuts[1:]) if cut is not None]

    def wanted(self, one: Lowered, grain: Grain) -> Wanted:
        """All that is to be known up to a cut for a metric at a grain (and what is made of it there)."""
        found = Wanted()
        if isinstance(one.metric.measure, Cumulative):
            for base in self.bases(one):
                here = self.here.get(base.metric.source or "")
                if here is None or base.scan is None or here.first_day(base.scan.time) is None:
                    continue
                cuts = self._window_cuts(one, base, self.spans.calendar.period(self.now, grain))
                if base.bag is not None:
                    found.bags.setdefault((here.source, base.bag), {}).update(dict.fromkeys(cuts))
                else:
                    scan = self.plan.scan_of(base.scan, "day")
                    found.scans.setdefault((here.source, scan), {}).update(dict.fromkeys(cuts))
        elif one.scan is not None and not one.parts and one.metric.source in self.here:
            source = one.metric.source or ""
            first = self.here[source].first_day(one.scan.time)
            cuts = self.cuts_of(one, grain, self.spans.span(grain, first, self.now))
            if one.bag is not None:
                found.bags.setdefault((source, one.bag), {}).update(dict.fromkeys(cuts))
            if one.ages is not None:
                found.ages.setdefault((source, one.ages), {}).update(dict.fromkeys(cuts))
            for scan, _ in one.needed if one.additive else ():
                found.scans.setdefault((source, self.plan.scan_of(scan, grain)), {}).update(dict.fromkeys(cuts))
        return found


def _lags(measure: Measure) -> list[Versus]:
    """How a metric made of others looks back."""
    if isinstance(measure, Change):
        return [measure.versus]
    if not isinstance(measure, Formula):
        return []
    words = {function for function, _ in open_names(measure.expression.tree)}
    return [v for v in (PREVIOUS, YEAR_AGO) if v.kind in words]
