"""What waits for a person and what can be put back, read for a board; shelves only again where a load was published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from scorecard.board.holds import Held, Shelf
from scorecard.ground.errors import Unavailable
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
        return Held(
            waiting={one.load.source: one for one in holds.waiting() if one.load.source in known},
            shelves=Shelves({name: standing.generation for name, standing in standings.items()}, self._shelf),
            raw={} if self._landings is None else self._landings.stocks(),
            pinned={name: decision for name, decision in holds.pinned().items() if name in known},
        )

    def _shelf(self, name: str, generation: int) -> Shelf:
        """What is kept of before a generation. What was known last is shown while the warehouse cannot be read."""
        known = self._shelves.get(name, (-1, Shelf()))
        if known[0] == generation:
            return known[1]
        try:
            kept = tuple(k for k in self._engine.holds.kept(name) if k.generation < generation)
        except Unavailable:
            return known[1]
        shelf = Shelf(kept[:SHOWN], len(kept), sum(k.size_bytes for k in kept))
        if generation > known[0]:
            self._shelves[name] = generation, shelf
        return shelf


class Shelves(Mapping[str, Shelf]):
    """The shelf of each source, read when somebody looks at it: few boards are asked for them."""

    def __init__(self, generations: Mapping[str, int], read: Callable[[str, int], Shelf]) -> None:
        self._generations = generations
        self._read = read

    def __getitem__(self, name: str) -> Shelf:
        return self._read(name, self._generations[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._generations)

    def __len__(self) -> int:
        return len(self._generations)
