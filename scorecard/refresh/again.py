"""Rows from what a source gave earlier: to build its table anew, or to add what the source itself does not have any more."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from connectors import registry
from connectors.contract import Batch, Pull, SourceFailed
from scorecard.book.model.source import Source
from scorecard.ground.clock import utc_text
from scorecard.ground.errors import Problem
from scorecard.landings.landing import Landing
from scorecard.landings.landings import Landings


def lost_rows(landings: Landings, source: Source, definition: str) -> tuple[Landing, ...]:
    """What is to be read before a table is filled for the first time, or again after the warehouse was lost.

    Only rows with a key, pulled by a cursor: what the source still has comes after them and counts.
    """
    if source.cursor is None or source.mode != "upsert":
        return ()
    return landings.chain(source.name, definition)


def why_not_again(source: Source, chain: Sequence[Landing], waiting: Sequence[int]) -> Problem | None:
    """Why a source cannot be loaded from what it gave; None where it can. ``waiting``: its load that waits for a person."""
    if waiting:
        said = f"{source.name}: load {waiting[0]} waits for a person"
        return Problem(
            said, source.place, f"decide on it first: `scorecard approve {waiting[0]}` or `reject {waiting[0]}`"
        )
    if not chain:
        hint = "`keep_raw: 30d` in metrics.yaml keeps what it gives from the next load on"
        return Problem(f"{source.name}: nothing that it gave is kept", source.place, hint)
    if source.mode == "append" and not (len(chain) == 1 and chain[0].complete):
        said = f"{source.name}: rows that are appended have no key by which those of {len(chain)} loads could be told apart"
        return Problem(said, source.place, "declare a key, or pull it again with `refresh --full`")
    return None


def read_again(landings: Landings, chain: Sequence[Landing], request: Pull) -> Iterator[Batch]:
    """The rows of landings, oldest first, through the source's own connector. What cannot be read any more is said."""
    before: Landing | None = None
    for number, landing in enumerate(chain):
        try:
            with landings.unpacked(landing, before) as given:
                asked = replace(request, given=given, landing=None, state={})
                with closing(_batches(asked)) as batches:
                    yield from batches if len(chain) == 1 else map(_without_state, batches)
        except OSError as fault:
            if not number and landing.complete and len(chain) == 1:
                raise SourceFailed(f"what it gave on {utc_text(landing.at)} cannot be read: {fault}") from fault
            yield _remark(f"what it gave on {utc_text(landing.at)} cannot be read any more and is left out: {fault}")
        before = landing
    yield from map(_remark, _said_of(chain))


def _batches(request: Pull) -> Generator[Batch, None, None]:
    yield from registry.pull(request) if request.given else ()


def _without_state(batch: Batch) -> Batch:
    return replace(batch, state={})


def _remark(said: str) -> Batch:
    import pyarrow as pa

    return Batch(rows=pa.table({}), remarks=(said,))


def _said_of(chain: Sequence[Landing]) -> Iterator[str]:
    missed = sum(landing.missed for landing in chain[1:])
    if missed:
        yield f"of {missed} loads since {utc_text(chain[0].at)} what it gave could not be kept: their rows are not in it"
    if not chain[0].complete:
        yield f"what it gave is kept since {utc_text(chain[0].at)}: rows that came only before are not in it"
