"""Series that are made when somebody asks for them: a tick says which there are and where they moved, a reader what they hold.

Everything a cell rests on is fixed when its table is handed out, so it makes no difference who asks, when, or from which
thread: two that ask at once make the same cell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, overload

from scorecard.ground.heap import growing
from scorecard.ground.periods.calendar import Period
from scorecard.measures.slices import Slice
from scorecard.measures.values import Cell, Series, SeriesKey

T = TypeVar("T")
GroupKey = tuple[str, str]
"""(metric, grain)."""
NOWHERE: frozenset[int] = frozenset()


class Cells(Sequence[Cell]):
    """So many cells; ``make`` gives that of a place, ``whole`` all of them at once (None: it cannot)."""

    __slots__ = ("_known", "_make", "_size", "_whole")

    def __init__(
        self, size: int, make: Callable[[int], Cell], whole: Callable[[], Sequence[Cell] | None] = lambda: None
    ) -> None:
        self._size, self._make, self._whole = size, make, whole
        self._known: dict[int, Cell] = {}

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Cell, ...]: ...
    def __getitem__(self, index: int | slice) -> Cell | tuple[Cell, ...]:
        if isinstance(index, slice):
            return tuple(self._at(i) for i in range(*index.indices(self._size)))
        return self._at(range(self._size)[index])

    def __iter__(self) -> Iterator[Cell]:
        known = self._known
        if len(known) < self._size // 2:
            with growing():
                for place, cell in enumerate(self._whole() or ()):
                    known.setdefault(place, cell)
        return map(known.__getitem__ if len(known) == self._size else self._at, range(self._size))

    def _at(self, place: int) -> Cell:
        found = self._known.get(place)
        return self._known.setdefault(place, self._make(place)) if found is None else found

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # like a list


class Compared(Mapping[str, Cell]):
    """The compared values of a running period; ``names``: which there are, ``make`` gives that of a name."""

    __slots__ = ("_known", "_make", "_names")

    def __init__(self, names: Collection[str], make: Callable[[str], Cell]) -> None:
        self._names, self._make = names, make
        self._known: dict[str, Cell] = {}

    def __getitem__(self, name: str) -> Cell:
        if name not in self._names:
            raise KeyError(name)
        found = self._known.get(name)
        return self._known.setdefault(name, self._make(name)) if found is None else found

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class Group:
    """A metric at one grain: its periods, the slices it has (None: the whole, always there), and a way to each series."""

    periods: tuple[Period, ...]
    slices: frozenset[Slice | None]
    make: Callable[[Slice | None], Series]
    _made: dict[Slice | None, Series] = field(default_factory=dict)

    def of(self, slice_: Slice | None) -> Series:
        """The series of one of its slices."""
        found = self._made.get(slice_)
        return self._made.setdefault(slice_, self.make(slice_)) if found is None else found


class InGroups(Mapping[SeriesKey, T]):
    """What there is one of for each series of some groups; ``__getitem__`` is for those who know what."""

    groups: Mapping[GroupKey, Group]

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, tuple) or len(key) != 3:
            return False
        group = self.groups.get((key[0], key[1]))
        return group is not None and key[2] in group.slices

    def __iter__(self) -> Iterator[SeriesKey]:
        return ((name, grain, s) for (name, grain), group in self.groups.items() for s in group.slices)

    def __len__(self) -> int:
        return sum(len(group.slices) for group in self.groups.values())


class Table(InGroups[Series]):
    """Series by their keys, held in groups."""

    def __init__(self, groups: Mapping[GroupKey, Group]) -> None:
        self.groups = groups

    def __getitem__(self, key: SeriesKey) -> Series:
        group = self.groups.get((key[0], key[1]))
        if group is None or key[2] not in group.slices:
            raise KeyError(key)
        return group.of(key[2])

    def get(self, key: SeriesKey, default: Series | None = None) -> Series | None:  # type: ignore[override]
        """As of any mapping, without an exception for each series that is not there."""
        group = self.groups.get((key[0], key[1]))
        return default if group is None or key[2] not in group.slices else group.of(key[2])

    def without(self, names: Collection[str]) -> Table:
        """The same but for some metrics."""
        return Table({key: group for key, group in self.groups.items() if key[0] not in names})


def grouped(series: Mapping[SeriesKey, Series]) -> Mapping[GroupKey, Group]:
    """The groups of a table, or of series that are already made: of equal metric, grain and periods."""
    if isinstance(series, Table):
        return series.groups
    made: dict[GroupKey, dict[Slice | None, Series]] = {}
    for (name, grain, slice_), one in series.items():
        made.setdefault((name, grain), {})[slice_] = one
    return {key: made_group(found) for key, found in made.items()}


def made_group(series: dict[Slice | None, Series]) -> Group:
    """A group whose series are all there."""
    periods = next(iter(series.values())).periods
    return Group(periods, frozenset(series), series.__getitem__, series)


@dataclass(frozen=True, slots=True)
class Moves:
    """Where the series of one group may differ: in ``common``, a slice in ``own`` there instead."""

    common: frozenset[int] = NOWHERE
    own: Mapping[Slice | None, frozenset[int]] = field(default_factory=dict)

    def of(self, slice_: Slice | None) -> frozenset[int]:
        return self.own.get(slice_, self.common)

    def any(self) -> frozenset[int]:
        """Where any of them may."""
        return self.common.union(*self.own.values()) if self.own else self.common


class Places(Mapping[SeriesKey, frozenset[int]]):
    """Series → the places whose cell may differ; only those where one may are in it."""

    __slots__ = ("_slices", "moves")

    def __init__(self, moves: Mapping[GroupKey, Moves], slices: Mapping[GroupKey, Iterable[Slice | None]]) -> None:
        self.moves, self._slices = moves, slices

    def __getitem__(self, key: SeriesKey) -> frozenset[int]:
        moves, slices = self.moves.get((key[0], key[1])), self._slices.get((key[0], key[1]), ())
        found = NOWHERE if moves is None or key[2] not in slices else moves.of(key[2])
        if not found:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[SeriesKey]:
        for (name, grain), moves in self.moves.items():
            for slice_ in self._slices[name, grain]:
                if moves.of(slice_):
                    yield name, grain, slice_

    def __len__(self) -> int:
        return sum(1 for _ in self)


def moves_of(changed: Mapping[SeriesKey, frozenset[int]], key: GroupKey, group: Group) -> Moves:
    """Where the series of a group may differ."""
    if isinstance(changed, Places):
        return changed.moves.get(key, Moves())
    return Moves(NOWHERE, {s: changed.get((*key, s), NOWHERE) for s in group.slices})
