"""All lines of a board, each laid out when somebody first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from scorecard.board.line import Line
from scorecard.board.reading import SeriesKey
from scorecard.ground.periods.calendar import Period
from scorecard.measures.table import Group, GroupKey, InGroups

FreshUntil = Callable[[str, Group, Period], set[datetime | None]]
"""(metric, its group, period) → after which moments the readings of its slices are no longer shown in their colour."""


class Lines(InGroups[Line]):
    """Lines by their keys. Whoever asks first, the line is the same: all that it is made of is fixed."""

    def __init__(
        self,
        groups: Mapping[GroupKey, Group],
        make: Callable[[SeriesKey, Group], Line],
        fresh_until: FreshUntil,
        made: dict[SeriesKey, Line],
    ) -> None:
        """``made``: lines that are there already."""
        self.groups = groups
        self.fresh_until = fresh_until
        self._make = make
        self._made = made

    def __getitem__(self, key: SeriesKey) -> Line:
        found = self._made.get(key)
        if found is None:
            group = self.groups.get((key[0], key[1]))
            if group is None or key[2] not in group.slices:
                raise KeyError(key)
            found = self._made.setdefault(key, self._make(key, group))
        return found

    def made(self) -> dict[SeriesKey, Line]:
        """Those that somebody has asked for so far."""
        return dict(self._made)


def asked_for(lines: Mapping[SeriesKey, Line]) -> Mapping[SeriesKey, Line]:
    """The lines of a board that somebody has asked for: only these hold anything that was judged."""
    return lines.made() if isinstance(lines, Lines) else lines
