"""What waits for a person and what can be put back, read for a board; shelves only again where a load was published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scorecard.board.holds import Held, Shelf
from scorecard.landings.landings import Landings
from scorecard.warehouse.engine import Engine, Standing

SHOWN = 12
"""Earlier generations of a source that a board lists; the command lists all."""


class HoldsRead:
    """Remembers the shelf of each source until its generation is another one."""

    def __init__(self, engine: Engine, landings: Landings | None = None) -> None:
        self._engine = engine
        self._landings = landings
        self._shelves: dict[str, tuple[int, Shelf]] = {}

    def current(self, sources: Iterable[str], standings: Mapping[str, Standing]) -> Held:
        """As of now."""
        holds = self._engine.holds
        known = set(sources)
        shelves = {}
        for name, standing in standings.items():
            generation, shelf = self._shelves.get(name, (-1, Shelf()))
            if generation != standing.generation:
                kept = holds.kept(name)
                shelf = Shelf(kept[:SHOWN], len(kept), sum(k.size_bytes for k in kept))
                self._shelves[name] = standing.generation, shelf
            shelves[name] = shelf
        return Held(
            waiting={one.load.source: one for one in holds.waiting() if one.load.source in known},
            shelves=shelves,
            raw={} if self._landings is None else self._landings.stocks(),
            pinned={name: decision for name, decision in holds.pinned().items() if name in known},
        )
