"""A source of which a load waits for a person, or was rejected: is what it gives still the same? It is not read to find out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from connectors import registry
from connectors.contract import Batch, Pull, SourceFailed
from scorecard.book.model.source import Source
from scorecard.ground.errors import Problem
from scorecard.warehouse.engine import Engine, Load, Standing, Waiting
from scorecard.warehouse.holdwords import still_rejected
from scorecard.warehouse.watermarks import definition_of

READ_AGAIN = timedelta(minutes=15)
"""So long a look at a database takes the place of its rows: it sees most changes, and the rows themselves see all."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a source showed when a load of it was held. ``since``: when the load's rows were read; ``state``: what
    its files were then."""

    load: int
    base: int
    definition: str
    seen: str
    since: datetime
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Looks:
    """The newest look at each source; forgotten with the process, and then the rows are read once more."""

    of: dict[str, Looked] = field(default_factory=dict)

    def heard(
        self, engine: Engine, request: Pull, load: Load, standing: Standing | None, source: Source, timezone: str
    ) -> None:
        """After a load whose rows were read: what a look shows, where it waits or is what a person has rejected."""
        self.of.pop(load.source, None)
        if load.outcome not in {"held", "failed"}:
            return
        base, definition = 0 if standing is None else standing.generation, definition_of(source, timezone)
        about = None
        if load.outcome == "held":
            waiting = waiting_of(engine, load.source, standing, definition)
            about = None if waiting is None else waiting.load.id
            if waiting is not None and request.kind == "csv":
                self.of[load.source] = Looked(waiting.load.id, base, definition, "", request.now, waiting.state)
                return
        elif load.outcome == "failed" and (decision := engine.holds.rejected().get(load.source)) is not None:
            said = still_rejected(decision, source).message
            about = decision.load if any(p.message == said for p in load.problems) else None
        look = None if about is None else registry.glance(request)
        if about is not None and look is not None and look[0] == load.read:
            self.of[load.source] = Looked(about, base, definition, look[1], request.now)

    def rejection(
        self, engine: Engine, request: Pull, standing: Standing | None, source: Source, timezone: str
    ) -> Problem | None:
        """What is to be said where the source still gives just what a person has rejected."""
        if request.source not in self.of or standing is None:
            return None
        decision = engine.holds.rejected().get(request.source)
        if decision is None:
            return None
        same = self.still(request, decision.load, standing.generation, definition_of(source, timezone))
        return still_rejected(decision, source) if same else None

    def still(self, request: Pull, load: int, base: int, definition: str) -> bool:
        """Whether the source gives just what it gave for a load that was held, as far as a look shows."""
        known = self.of.get(request.source)
        if known is None or (known.load, known.base, known.definition) != (load, base, definition):
            return False
        if request.kind == "csv":
            return nothing_new(request, known.state) is not None
        if not timedelta() <= request.now - known.since < READ_AGAIN:
            return False
        look = registry.glance(request)
        return look is not None and look[1] == known.seen


NOT_READ = [Batch(rows=pa.table({}), unchanged=None)]
"""What a connector says whose source has nothing new."""


def waiting_of(engine: Engine, source: str, standing: Standing | None, definition: str) -> Waiting | None:
    """The load that waits and could be published as things stand."""
    for one in engine.holds.waiting():
        if one.load.source == source:
            base = 0 if standing is None else standing.generation
            return one if (one.base, one.definition) == (base, definition) else None
    return None


def nothing_new(request: Pull, state: Mapping[str, Any]) -> list[Batch] | None:
    """What the files say, where every one of them is as it was for the load that ``state`` is of; None: something is new, or
    it is no matter of files. Web APIs are asked by what the server said then (ETag), as part of the pull itself.
    """
    if request.kind != "csv" or not state:
        return None
    found = []
    asked = replace(request, state=state, landing=None)
    try:
        with closing(registry.pull(asked)) as batches:
            for batch in batches:
                if batch.scan is not None or batch.rejected or batch.rows.schema.names or batch.announces:
                    return None
                found.append(batch)
    except SourceFailed:
        return None  # the pull itself will say what is wrong
    return found if any(batch.unchanged for batch in found) else None
