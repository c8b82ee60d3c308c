"""A source of which a load waits for a person: is what it gives still what waits? It is not read whole to find out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from connectors import registry
from connectors.contract import Batch, Pull, SourceFailed
from scorecard.warehouse.engine import Engine, Standing, Waiting


def waiting_of(engine: Engine, source: str, standing: Standing | None, definition: str) -> Waiting | None:
    """The load that waits and could be published as things stand."""
    for one in engine.holds.waiting():
        if one.load.source == source:
            base = 0 if standing is None else standing.generation
            return one if (one.base, one.definition) == (base, definition) else None
    return None


def nothing_new(request: Pull, waiting: Waiting) -> list[Batch] | None:
    """What the files say, where every one of them is as it was when the waiting load read it; None: something is new, or it
    is no matter of files. Web APIs are asked by what the server said then (ETag), as part of the pull itself.
    """
    if request.kind != "csv" or not waiting.state:
        return None
    found = []
    asked = replace(request, state=waiting.state, landing=None)
    try:
        with closing(registry.pull(asked)) as batches:
            for batch in batches:
                if batch.scan is not None or batch.rejected or batch.rows.schema.names:
                    return None
                found.append(batch)
    except SourceFailed:
        return None  # the pull itself will say what is wrong
    return found if any(batch.unchanged for batch in found) else None
