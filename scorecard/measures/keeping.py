"""What is kept, in the warehouse and in memory: a tick's numbers wait here, as most of them are other ones at the next tick.

They are written before anybody reads what is kept, when there are many, and at the end of the process. Who is killed before that
counts at the next start only the days again that loads have touched since the generation that is written down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import polars as pl

from scorecard.measures.store import Drop, Pending, owner
from scorecard.warehouse.engine import Engine

MOST_DROPS = 100
MOST_ROWS = 200_000
"""More than this does not wait: a later start must not take long."""


@dataclass(slots=True)
class Keeping:
    """The kept states as one writer has them. ``token``: what it has taken them over with."""

    engine: Engine
    token: str
    waiting: Pending = field(default_factory=Pending)
    _owned_at: int = -1

    def query(self, sql: str) -> pl.DataFrame:
        """A SELECT of what is kept, as of now."""
        self.write()
        return self.engine.query(sql)

    def owned(self) -> bool:
        """Whether nobody else has taken the states over since; asked only where anybody has written anything."""
        writes = self.engine.writes
        if writes != self._owned_at:
            if owner(self.engine) != self.token:
                return False
            self._owned_at = writes
        return True

    def take(self, pending: Pending) -> None:
        """What one measuring has counted. It waits if it only replaces numbers of states that are kept; else it is written."""
        if pending.known or any(drop.bounds is None for drop in pending.drops):
            self.write()
            pending.write(self.engine)
            return
        self._replace(pending)
        rows = sum(map(len, [*self.waiting.additive, *self.waiting.bags])) + sum(map(len, self.waiting.parts.values()))
        if rows > MOST_ROWS or len(self.waiting.drops) > MOST_DROPS:
            self.write()

    def write(self) -> None:
        """Writes what waits. What another has taken over meanwhile is left as that one has made it."""
        if not (self.waiting.drops or self.waiting.renewed):
            return
        if self.owned():
            self.waiting.write(self.engine)
        self.waiting = Pending()

    def _replace(self, pending: Pending) -> None:
        """What waits in the places that are counted again is never written."""
        waiting = self.waiting
        for drop, states in pending.drops.items():
            if drop.table == "additive":
                waiting.additive = _without(waiting.additive, drop, states)
                waiting.parts = {
                    (name, bucket): {part: amount for part, amount in parts.items() if part[0] not in states}
                    if drop.holds(bucket) and not states.isdisjoint(state for state, _ in parts)
                    else parts
                    for (name, bucket), parts in waiting.parts.items()
                }
            else:
                waiting.bags = _without(waiting.bags, drop, states)
                waiting.lines = {
                    place: line
                    for place, line in waiting.lines.items()
                    if place[0] not in states or drop.grain not in (None, place[1]) or not drop.holds(place[2])
                }
            waiting.drops.setdefault(drop, set()).update(states)
        waiting.additive += [frame for frame in pending.additive if len(frame)]
        waiting.parts.update(pending.parts)
        waiting.bags += [frame for frame in pending.bags if len(frame)]
        waiting.lines.update(pending.lines)
        waiting.renewed.update(pending.renewed)


def _without(frames: list[pl.DataFrame], drop: Drop, states: set[str]) -> list[pl.DataFrame]:
    """Rows without those that are dropped."""
    if not frames or drop.bounds is None:
        return frames
    inside = [(pl.col("bucket") >= a) & (pl.col("bucket") < b) for a, b in drop.bounds]
    gone = pl.col("state").is_in(sorted(states)) & reduce(lambda x, y: x | y, inside, pl.lit(value=False))
    if drop.grain is not None:
        gone &= pl.col("grain") == drop.grain
    left = pl.concat(frames).filter(~gone)
    return [left] if len(left) else []
