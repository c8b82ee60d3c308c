"""Series from the grid: which there are, over which dense periods, and where they moved.

What a cell is made of is fixed here (``scene``); most cells are made when somebody asks for them. Those that rest on what they
were before (stocks, levels, ages, what people give) are made at once, where something has moved, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial

from scorecard.book.calendars import Calendars
from scorecard.book.model.metric import Age, Cumulative, Stock
from scorecard.ground.errors import Problem
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.measures.cuts import Cut, Cuts, Known, Wanted
from scorecard.measures.grid import Grid
from scorecard.measures.levels import Levels, is_carried
from scorecard.measures.makers import Maker
from scorecard.measures.needs import Needs
from scorecard.measures.place import Here, Moved
from scorecard.measures.plan import Lowered, Plan
from scorecard.measures.scene import Scene
from scorecard.measures.slices import Slice
from scorecard.measures.spans import EMPTY, Span, Spans
from scorecard.measures.table import Group, GroupKey, Moves, Places, Table, made_group
from scorecard.measures.values import Cell, Series, SeriesKey
from scorecard.measures.windows import Windows

Attempt = Callable[[Callable[[], None]], "Problem | None"]
_Firsts = tuple[date | None, Mapping[Slice, date]]


@dataclass(slots=True)
class Weaver:
    """Makes and keeps all series: ``groups``. ``scene``: what they rest on since the last time; ``moves``: where they moved."""

    plan: Plan
    grid: Grid
    cuts: Cuts
    spans: Spans
    needs: Needs
    makers: Mapping[type, Maker]
    calendars: Calendars
    levels: Levels
    moved: Mapping[str, Moved] = field(default_factory=dict)
    groups: dict[GroupKey, Group] = field(default_factory=dict)
    moves: dict[GroupKey, Moves] = field(default_factory=dict)
    scene: Scene = field(init=False)
    _before: Mapping[GroupKey, Group] = field(default_factory=dict)
    _span: Mapping[tuple[str, Grain], Span] = field(default_factory=dict)
    _kept_cuts: Mapping[SeriesKey, Mapping[Period, Cell]] = field(default_factory=dict)
    _firsts: dict[GroupKey, _Firsts] = field(default_factory=dict)
    _began: dict[tuple[str, str, Slice | None], date | None] = field(default_factory=dict)
    _places: dict[tuple[str | None, int, int, int, bool], frozenset[int]] = field(default_factory=dict)
    _wanted: set[Cut] = field(default_factory=set)
    _apart: set[str] = field(default_factory=set)
    _lost: bool = False

    def __post_init__(self) -> None:
        self.scene = self._set(Known())

    @property
    def table(self) -> Table:
        """All series."""
        return Table(self.groups)

    @property
    def changed(self) -> Places:
        """The places whose cell may differ from the last time."""
        return Places(self.moves, {key: group.slices for key, group in self.groups.items()})

    def coming(self, here: Mapping[str, Here], now: datetime) -> Wanted:
        """All that a measuring will ask for up to cuts."""
        needs, found = self.needs.at(here, now), Wanted()
        for one in self.plan.lowered.values():
            for grain in one.grains:
                found.add(needs.wanted(one, grain))
        return found

    def weave(
        self,
        here: Mapping[str, Here],
        moved: Mapping[str, Moved],
        now: datetime,
        broken: Iterable[str],
        attempt: Attempt,
    ) -> dict[str, Problem]:
        """Brings all series up to date; ``moves`` then holds the places whose cell may differ. Gives what went wrong."""
        self.moved, self._span, self._kept_cuts = moved, self.scene.span, self.scene.kept_cuts
        self.needs = self.needs.at(here, now)
        gone = set(broken)
        self._before, self.groups = {k: g for k, g in self.groups.items() if k[0] not in gone}, {}
        self.moves, self._wanted, self._places = {}, set(), {}
        for source in moved:
            self._forget_levels(source)
        self.scene = self._set(self._known(gone, attempt))
        self._lost = bool(self._apart) or any(u.day is not None and u.day.lost for u in self.scene.known.scans.values())
        for maker in self.makers.values():
            if isinstance(maker, Windows):
                maker.look_at(moved)
        problems: dict[str, Problem] = {}
        for name, one in self.plan.lowered.items():
            if name not in gone and not any(p in problems for p in one.parts):
                found = attempt(lambda o=one: self._line_up_all(o))  # type: ignore[misc]
                if isinstance(found, Problem):
                    problems[name] = Problem(f"metric '{name}': {found.message}", one.metric.place, found.hint)
        self.groups = {key: group for key, group in self.groups.items() if key[0] not in problems}
        self._before, self._span, self._kept_cuts = {}, {}, {}  # nothing of an older scene is kept
        self.cuts.keep_only(self._wanted)
        return problems

    def _set(self, known: Known) -> Scene:
        """The scene of this measuring."""
        return Scene(
            self.plan,
            self.needs,
            self.spans,
            self.calendars,
            self.levels,
            dict(self.grid.first_days),
            dict(self.grid.amounts),
            dict(self.grid.bags),
            known,
            self.makers,
        )

    def _known(self, gone: AbstractSet[str], attempt: Attempt) -> Known:
        """What is known up to all the cuts, source by source; where that fails, each metric asks for its own."""
        found, wanted = Known(), Wanted()
        for one in self.plan.lowered.values():
            for grain in one.grains if one.metric.name not in gone else ():
                wanted.add(self.needs.wanted(one, grain))
        self._wanted, self._apart = wanted.cuts(), set()
        for source, here in self.needs.here.items():
            if attempt(lambda s=source, h=here: found.take(self.cuts.known(h, wanted.of(s)))) is not None:  # type: ignore[misc]
                self._apart.add(source)
        return found

    def _know(self, one: Lowered, grain: Grain) -> None:
        """Makes sure that what is known up to a metric's cuts is there. Raises why it is not."""
        if self._apart:
            wanted = self.needs.wanted(one, grain)
            for source in self._apart:
                self.scene.known.take(self.cuts.known(self.needs.here[source], wanted.of(source)))
        if self._lost:
            runs_up = isinstance(one.metric.measure, Cumulative)
            read: list[tuple[Lowered, Grain]] = (
                [(base, "day") for base in self.needs.bases(one)] if runs_up else [(one, grain)]
            )
            states = [found for base, at in read if not base.parts for found in self.needs.states_at(base, at)]
            for (_, scan), cuts in self.needs.wanted(one, grain).scans.items():
                for cut in cuts:
                    self.scene.up_to(
                        scan, (name for real, names in states if real == scan for name in names), None, cut
                    )

    def _forget_levels(self, source: str) -> None:
        keys = self.moved[source].keys
        since = None if keys is None else min(keys.get("day", ()), default=date.max)
        self.levels.forget([n for n, one in self.plan.lowered.items() if one.metric.source == source], since)

    def _line_up_all(self, one: Lowered) -> None:
        for grain in self._grains(one):
            self._know(one, grain)
            self._line_up(one, grain)

    # -- which series there are --------------------------------------------------------------------------------

    def _grains(self, one: Lowered) -> list[Grain]:
        maker = self.scene.maker(one)
        if maker is not None:
            return list(maker.grains(one))
        if not one.parts:
            return list(one.grains)
        return [g for g in one.grains if all(g in self._grains(self.plan.lowered[p]) for p in one.parts)]

    def _line_up(self, one: Lowered, grain: Grain) -> None:
        """One metric at one grain: its periods, its slices, where it moved, and a way to each series."""
        key = (one.metric.name, grain)
        span = self.scene.span[key] = self._span_of(one, grain)
        if not len(span):
            self.scene.slices[key] = ()
            self.groups[key] = made_group({None: Series((), ())})
            return
        slices = self.scene.slices[key] = self._slices_of(one, grain)
        before = self._before.get(key)
        still = before is not None and span is self._span.get(key) and not self._stirred(one)
        if self.scene.is_lazy(one):
            own: frozenset[Slice | None] = frozenset((None, *slices))
            own = before.slices if before is not None and before.slices == own else own
            self.groups[key] = Group(span.periods, own, partial(self.scene.series, one, grain))
            self._note(key, Moves() if still else self._moves_of(one, grain, span, own, before))
            return
        kept = {} if before is None else {s: before.of(s) for s in before.slices}
        if isinstance(maker := self.scene.maker(one), Windows) and not still:
            known = 0 if before is None else len(before.periods)
            maker.moves(self.scene, one, grain, span, (None, *slices), known)
        made: dict[Slice | None, Series] = {}
        for slice_ in (None, *slices):
            old = kept.get(slice_)
            if still and old is not None:
                self.scene.kept_cuts[*key, slice_] = self._kept_cuts[*key, slice_]
                made[slice_] = old
            else:
                made[slice_] = self._made(one, grain, slice_, span, old)
            self.scene.kept[*key, slice_] = made[slice_]
        self.groups[key] = made_group(made)
        own_moves: dict[Slice | None, frozenset[int]] = {s: _differing(kept.get(s), line) for s, line in made.items()}
        self._note(key, Moves(own=own_moves))

    def _note(self, key: GroupKey, moves: Moves) -> None:
        if moves.any():
            self.moves[key] = moves

    def _stirred(self, one: Lowered) -> bool:
        """Whether anything that a metric rests on has moved at all."""
        maker = self.scene.maker(one)
        if maker is not None and maker.stirred():
            return True
        if one.parts:
            return any(self._stirred(self.plan.lowered[p]) for p in one.parts)
        return one.metric.source in self.moved

    def _span_of(self, one: Lowered, grain: Grain) -> Span:
        maker = self.scene.maker(one)
        if maker is not None:
            return maker.span(self.scene, one, grain)
        if one.parts:
            return min((self.scene.span[p, grain] for p in one.parts), key=len)
        here = self.needs.here.get(one.metric.source or "")
        if here is None or one.scan is None:
            return EMPTY
        return self.spans.span(grain, here.first_day(one.scan.time), self.needs.now)

    def _slices_of(self, one: Lowered, grain: Grain) -> tuple[Slice, ...]:
        maker = self.scene.maker(one)
        if maker is not None:
            return maker.slices(self.scene, one, grain)
        if one.parts:
            lines = [self.scene.slices[p, grain] for p in one.parts]
            return tuple(s for s in lines[0] if all(s in line for line in lines))
        split = one.metric.split
        if split is None or one.scan is None or one.metric.source not in self.needs.here:
            return ()
        return tuple(sorted(s for s in self.scene.first_days.get(one.scan, {}) if s[0] == split.kind))

    # -- where they moved --------------------------------------------------------------------------------------

    def _moves_of(
        self, one: Lowered, grain: Grain, span: Span, slices: frozenset[Slice | None], before: Group | None
    ) -> Moves:
        """Where the series of a lazy metric may differ."""
        name, maker = one.metric.name, self.scene.maker(one)
        whole = frozenset(range(len(span)))
        known = 0 if before is None else len(before.periods)
        if isinstance(maker, Windows):
            found = maker.moves(self.scene, one, grain, span, slices, known)
        elif one.parts:
            found = self._derived_moves(one, grain, span, slices, known)
        else:
            firsts = (self.scene.first_day(one, None), self.scene.first_days.get(one.scan, {}) if one.scan else {})
            last = self._firsts.get((name, grain), firsts)
            self._firsts[name, grain] = firsts
            same = last[1] is firsts[1]
            begun = () if same else (s for s in slices if s is not None and last[1].get(s) != firsts[1].get(s))
            own: dict[Slice | None, frozenset[int]] = dict.fromkeys(begun, whole)
            found = Moves(whole if last[0] != firsts[0] else self._dirty(one, grain, span, known), own)
        if before is None or before.periods[:1] != span.periods[:1]:
            return Moves(whole)
        if slices is before.slices:
            return found
        anew: dict[Slice | None, frozenset[int]] = dict.fromkeys(slices - before.slices, whole)
        return Moves(found.common, {**found.own, **anew}) if anew else found

    def _derived_moves(
        self, one: Lowered, grain: Grain, span: Span, slices: frozenset[Slice | None], known: int
    ) -> Moves:
        """From the first place on where a part may differ, or the period was running."""
        parts = [(self.moves.get((p, grain), Moves()), len(span) - len(self.scene.span[p, grain])) for p in one.parts]

        def since(slice_: Slice | None) -> frozenset[int]:
            begins = [min(moves.of(slice_)) + offset for moves, offset in parts if moves.of(slice_)]
            return frozenset(range(max(0, min([known - 1, len(span) - 1, *begins])), len(span)))

        own = {slice_ for moves, _ in parts for slice_ in moves.own if slice_ in slices}
        ordinary = next((s for s in slices if s not in own), None)
        return Moves(since(ordinary), {slice_: since(slice_) for slice_ in own})

    def _dirty(self, one: Lowered, grain: Grain, span: Span, known: int) -> frozenset[int]:
        """The places to look at again: touched periods, what was running or not covered, and all that is new."""
        follows = isinstance(one.metric.measure, Stock | Age) or is_carried(one)
        place = (one.metric.source, id(span), len(span), known, follows)  # the same for all metrics of a source
        found = self._places.get(place)
        if found is None:
            moved = self.moved.get(one.metric.source or "")
            found = self._places[place] = frozenset(_touched(moved, grain, span, known, follows=follows))
        return found

    # -- series that are made at once --------------------------------------------------------------------------

    def _made(self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span, before: Series | None) -> Series:
        """The cells; then the cuts: where they take a compared period whole, they read it from these very cells."""
        key, scene = (one.metric.name, grain, slice_), self.scene
        known = () if before is None or before.periods[:1] != span.periods[:1] else before.cells
        maker = scene.maker(one)
        if maker is not None:
            cells = tuple(maker.cells(scene, one, key, span, known))
        else:
            cells = self._based(one, grain, slice_, span, known)
        scene.kept[key] = Series(span.periods, cells)
        running = span.periods[-1]
        others = [other for other in scene.needs.needed(one, running) if other != running]
        scene.kept_cuts[key] = {other: scene.cut_cell(one, grain, slice_, running, other) for other in others}
        return Series(span.periods, cells, dict(scene.compared(one, grain, slice_, span)))

    def _based(
        self, one: Lowered, grain: Grain, slice_: Slice | None, span: Span, known: Iterable[Cell]
    ) -> tuple[Cell, ...]:
        key = (one.metric.name, grain)
        first = self.scene.first_day(one, slice_)
        last = self._began.get((*key, slice_))
        self._began[*key, slice_] = first
        cells = list(known)[: len(span)]
        dirty: Iterable[int] = range(len(span))
        if cells and last == first:
            dirty = sorted(self._dirty(one, grain, span, len(cells)))
        cells += [Cell()] * (len(span) - len(cells))
        read = self.scene.reader(one, grain, slice_, span)
        for index in dirty:
            cells[index] = read(index)
        return tuple(cells)


def _touched(moved: Moved | None, grain: Grain, span: Span, known: int, *, follows: bool) -> Iterable[int]:
    """``follows``: what touches a period touches all later ones."""
    if moved is not None and moved.keys is None:
        return range(len(span))
    found = set(range(max(0, min(known, len(span)) - 1), len(span)))
    if moved is None or moved.keys is None:
        return found
    found |= {i for k in moved.keys.get(grain, ()) if (i := span.index.get(k)) is not None}
    for index in range(len(span) - 1, -1, -1):
        if moved.loaded_before is not None and span.periods[index].end <= moved.loaded_before:
            break
        found.add(index)
    if follows:
        earlier = any(k < span.keys[0] for k in moved.keys.get(grain, ()))
        return range(0 if earlier else min(found), len(span))
    return found


def _differing(before: Series | None, made: Series) -> frozenset[int]:
    """Where a series that is made is another one than it was."""
    if before is made:
        return frozenset()
    if before is None or before.periods[:1] != made.periods[:1]:
        return frozenset(range(len(made.cells)))
    old = before.cells
    found = {i for i, cell in enumerate(made.cells) if i >= len(old) or (cell is not old[i] and cell != old[i])}
    if len(old) < len(made.cells) and old:
        found.add(len(old) - 1)  # it is not running any more
    if before.cuts != made.cuts:
        found.add(len(made.cells) - 1)
    return frozenset(found)
