"""What a source gave at one load, as it came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors.contract import Rejected

PUBLISHED, HELD, FAILED, REJECTED, TAKEN_BACK, PENDING = "ok", "held", "failed", "rejected", "taken back", "pending"
"""What became of the load: only what was published is ever read again. Pending: nobody has said yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file, answer or result. ``name``: the file's or the address, without secrets; ``form``: as ``contract.Given``.

    ``digest``: of the content as it came, by which it is stored once. ``size``: bytes on the disk. ``status``: of an answer.
    ``masked``: secrets that were taken out, so that it is not quite what came.
    """

    name: str
    form: str
    digest: str
    size: int
    at: datetime
    status: int | None = None
    charset: str | None = None
    masked: int = 0
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Landing:
    """What came with one load. ``seen``: when the source last gave just this. ``load``: its number, 0 while it is pending.

    ``complete``: the table is these rows and no others. ``definition``: of the source, as it was read then. ``missed``:
    loads since the landing before of which nothing could be kept.
    """

    id: int
    source: str
    at: datetime
    seen: datetime
    outcome: str
    load: int
    complete: bool
    definition: str
    missed: int
    parts: tuple[Part, ...] = ()

    @property
    def masked(self) -> bool:
        return any(part.masked for part in self.parts)


@dataclass(frozen=True, slots=True)
class Stock:
    """All that is kept of a source: how many landings, bytes on the disk, since when; why the last one could not be kept."""

    landings: int
    size_bytes: int
    since: datetime | None
    problem: str | None = None
