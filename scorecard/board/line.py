"""A series of readings, each judged when somebody first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import overload

from scorecard.board.affected import unsettled
from scorecard.board.reading import Reading
from scorecard.ground.periods.calendar import Period


class Line(Sequence[Reading]):
    """The readings of one series, oldest first and without gaps.

    Judging is pure: whoever asks first, and from whichever thread, the reading is the same. Two threads may judge the same
    one at once; the first to be kept is given to both. A line holds what its own board was made of, never an older line:
    readings are taken over from one, it is not.
    """

    __slots__ = ("_fresh_until", "_judge", "_known", "_waiting", "periods", "places")

    def __init__(
        self,
        periods: tuple[Period, ...],
        places: Mapping[str, int],
        judge: Callable[[int], Reading],
        fresh_until: Callable[[Period], datetime | None],
        known: dict[int, Reading] | None = None,
    ) -> None:
        """``places``: label → place in ``periods``. ``judge``: the reading of a place. ``fresh_until``: that of its reading,
        without a verdict. ``known``: place → a reading that needs no judging; none of them is unsettled."""
        self.periods = periods
        self.places = places
        self._judge = judge
        self._fresh_until = fresh_until
        self._known = {} if known is None else known
        self._waiting: set[int] = set()

    def __len__(self) -> int:
        return len(self.periods)

    @overload
    def __getitem__(self, index: int) -> Reading: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Reading, ...]: ...
    def __getitem__(self, index: int | slice) -> Reading | tuple[Reading, ...]:
        if isinstance(index, slice):
            return tuple(self._at(i) for i in range(*index.indices(len(self.periods))))
        return self._at(range(len(self.periods))[index])

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # like a list

    def _at(self, place: int) -> Reading:
        found = self._known.get(place)
        if found is None:
            found = self._judge(place)
            if unsettled(found):
                self._waiting.add(place)  # before it is known: whoever takes the known ones sees that it waits
            found = self._known.setdefault(place, found)
        return found

    def known(self) -> tuple[dict[int, Reading], tuple[int, ...]]:
        """(place → what was judged so far, the places among them that the clock or a load alone may turn)."""
        return dict(self._known), tuple(self._waiting)

    def fresh_until(self, place: int) -> datetime | None:
        """The reading's ``fresh_until``, without judging it."""
        return self._fresh_until(self.periods[place])

    def between(self, low: datetime | None, high: datetime | None) -> range:
        """The places of the periods that end after ``low`` and start before ``high`` (None: no limit)."""
        kept = [
            i for i, p in enumerate(self.periods) if (low is None or p.end > low) and (high is None or p.start < high)
        ]
        return range(kept[0], kept[-1] + 1) if kept else range(0)
