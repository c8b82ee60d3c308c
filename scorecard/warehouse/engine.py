"""The engine protocol: what the rest of the house may ask of the warehouse, whatever runs underneath."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from connectors.contract import Batch
from scorecard.book.model.source import Source
from scorecard.ground.errors import Problem
from scorecard.warehouse.traces import Traces

if TYPE_CHECKING:
    import polars as pl

DAY_PREFIX = "_day_"
"""A time column `created_at` (TIMESTAMP, UTC instants) has a DATE column `_day_created_at` beside it: the local day."""


OUTCOMES = ("ok", "unchanged", "held", "failed", "rejected", "superseded")
"""What can become of a load."""


def day_column(time: str) -> str:
    """The name of the reporting-day column of a time column."""
    return DAY_PREFIX + time


@dataclass(frozen=True, slots=True)
class Touched:
    """What a load changed: per time column the local reporting days of all old and new row images.

    ``everything``: too much to list (first load, new columns, a dropped column). ``added_only``: no row that was there
    before has gone or changed, so that the touched rows are all still to be found.
    """

    days: Mapping[str, frozenset[date]] = field(default_factory=dict)
    everything: bool = False
    added_only: bool = field(default=False, compare=False)


NOTHING = Touched()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, or a newer load brought about: approve, reject, rollback or supersede.

    ``id`` is its own, given once. ``load``: the load it is about (of a rollback: the one that it made). ``to``: the load
    that a rollback goes back to, or that supersedes. ``by`` is empty where no person decided.
    """

    id: str
    what: str
    source: str
    load: int
    by: str
    why: str
    at: datetime
    to: int | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A published number that a load would move: from → to, None where there is none. ``text``: both as printed."""

    metric: str
    grain: str
    period: str
    slice: tuple[str, str] | None
    before: float | None
    after: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Load:
    """One finished attempt to copy a source.

    read = loaded + unchanged + duplicate + quarantined, ``removed`` beside it (a failed load only says what it read).
    ``outcome``: ok, unchanged, held or failed; of a load that was held and is no longer also rejected or superseded.
    ``cause``: schedule, command, hook, start, rollback. ``generation`` grows by one with each published load.
    ``problems``: what was wrong (quarantined rows as warnings, the failure or what holds it as an error). ``decision``:
    what became of it, where it was held. ``moves``: the numbers that it would have moved too far.
    ``retry``: a network or a lock failed it, after ``retry_after_seconds`` if the server said so; not kept in the history.
    """

    id: int
    source: str
    outcome: str
    cause: str
    started_at: datetime
    finished_at: datetime
    generation: int
    read: int = 0
    loaded: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    removed: int = 0
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()
    times_doubled: int = 0
    times_missing: int = 0
    decision: Decision | None = None
    moves: tuple[Move, ...] = ()
    retry: bool = field(default=False, compare=False)
    retry_after_seconds: float | None = field(default=None, compare=False)

    @property
    def problem(self) -> str | None:
        """The failure in one line, None where it went well."""
        errors = [str(p) for p in self.problems if p.severity == "error"]
        return "; ".join(errors) if errors else None


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A row that could not be read: where it stood, why, the value it is about (None: it is about the whole row) and the row
    itself, as JSON where it could be split into columns, else as it was written."""

    load: int
    file: str | None
    line: int | None
    reason: str
    value: str | None
    text: str


@dataclass(frozen=True, slots=True)
class QuarantineGroup:
    """Rows put aside for one reason: how many, and the first of them. ``failed``: the load that has failed, or waits, with them."""

    kind: str
    column: str | None
    rows: int
    failed: int | None
    first: tuple[QuarantineRow, ...]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What a source's table lacks: ``missing`` rows, for so many ``reasons``; the largest groups."""

    missing: int = 0
    reasons: int = 0
    groups: tuple[QuarantineGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source stands: its last good load, the watermark per time column, and what the next pull needs.

    ``data_until``: newest time of the source's own ``time`` column, never later than the load. ``first_day``: per time
    column, the first reporting day. ``columns``: column → DuckDB type of the live table. ``state``: the connectors'
    own. ``definition``: another one when the source's key, mode, types or zones are others, so that rows kept from
    before may have been read differently. ``traces``: which days the latest generations have touched. ``empty``: columns
    that have never had a value, so that nobody knows their type.
    """

    source: str
    loaded_at: datetime | None
    data_until: datetime | None
    generation: int
    rows: int
    columns: Mapping[str, str]
    first_day: Mapping[str, date] = field(default_factory=dict)
    cursor: Any = None
    state: Mapping[str, Any] = field(default_factory=dict)
    definition: str = ""
    traces: Traces = field(default_factory=dict, compare=False)
    empty: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source's table as it would be after a load that is not published. ``rows``: a SELECT that gives it."""

    source: str
    rows: str
    standing: Standing
    touched: Touched


@dataclass(frozen=True, slots=True)
class Waiting:
    """A held load. ``touched``: the days it would change. ``base``: the generation it would follow. ``rows``: after it.

    ``state``: what the connector remembers of what it gave, under which ``definition``. ``instead_of``: the load that had
    waited before it, and that nobody decided on.
    """

    load: Load
    at: datetime
    touched: Touched
    base: int
    rows: int
    state: Mapping[str, Any] = field(default_factory=dict)
    definition: str = ""
    instead_of: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An earlier generation that can be put back: published by ``load`` and shown until ``until``.

    ``rows``: of the table then. ``changes``: rows kept for it, the whole table or what differs from the next generation;
    ``size_bytes``: what they take.
    """

    source: str
    generation: int
    load: int | None
    loaded_at: datetime | None
    until: datetime
    rows: int
    changes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What to do with pulled batches. ``axes``: time columns that metrics use, which need a reporting day.

    ``timezone``: the organisation's. ``full``: rows that are not in the batches are removed. ``needed``: columns that
    metrics read; a full load forgets others that are gone from the source (None: it needs all that it had). ``weigh``:
    asked, where given, which numbers a load would move too far; it is held if there are any. ``same_as``: where nothing
    comes, the source gives just what this load brought, which waits for a person. ``at_hand``: the source lies on this
    machine, and says at once whether it has changed.
    """

    source: Source
    axes: tuple[str, ...]
    timezone: str
    now: datetime
    started_at: datetime
    cause: str = "command"
    full: bool = False
    needed: frozenset[str] | None = None
    same_as: int | None = None
    at_hand: bool = False
    weigh: Callable[[Candidate], Sequence[Move]] | None = field(default=None, compare=False)


class Holds(Protocol):
    """Loads that wait for a person, and earlier generations that can be put back."""

    def waiting(self) -> tuple[Waiting, ...]:
        """Held loads nobody has decided on, at most one a source; oldest first."""
        ...

    def load(self, number: int) -> Load | None:
        """One finished load, with what was decided of it."""
        ...

    def kept(self, source: str) -> tuple[Kept, ...]:
        """Earlier generations, newest first."""
        ...

    def pinned(self) -> Mapping[str, Decision]:
        """Source → the rollback after which its loads wait for a person."""
        ...

    def rejected(self) -> Mapping[str, Decision]:
        """Source → the rejection of rows that are not staged again by the schedule."""
        ...

    def approve(self, order: LoadOrder, decision: Decision) -> tuple[Load, Touched]:
        """Publishes exactly the rows that were held. Refused where that load does not wait, or no longer fits."""
        ...

    def reject(self, decision: Decision) -> Load:
        """Drops the held rows. Refused where that load does not wait."""
        ...

    def roll_back(self, order: LoadOrder, decision: Decision) -> tuple[Load, Touched]:
        """An earlier generation as a new one: that of the load ``decision.to``, by default the one before. Refused where
        it is not kept."""
        ...

    def unsaid(self) -> tuple[Decision, ...]:
        """People's decisions of which nobody has said yet that the journal has them."""
        ...

    def said(self, decision: Decision) -> None:
        """The journal has it."""
        ...


class Engine(Protocol):
    """One writer, many readers. Every method may be called from any thread."""

    def load(self, order: LoadOrder, batches: Iterable[Batch]) -> tuple[Load, Touched]:
        """Stage, check, publish in one transaction. Never raises for a source's fault: the Load says failed."""
        ...

    def record_failure(self, order: LoadOrder, problem: Problem) -> Load:
        """A pull that gave nothing: kept in the run history; changes nothing else."""
        ...

    def standing(self, source: str) -> Standing | None:
        """None: never loaded."""
        ...

    def standings(self) -> Mapping[str, Standing]:
        """Of every source that was ever loaded."""
        ...

    def loads(self, source: str | None = None, limit: int = 100) -> tuple[Load, ...]:
        """The run history, newest first."""
        ...

    def latest(self) -> Mapping[str, Load]:
        """Source → its newest finished load."""
        ...

    def quarantine(self, source: str, limit: int = 100) -> pl.DataFrame:
        """Rows put aside, newest load first: columns load, file, line, reason, text, column_name, value, missing."""
        ...

    def quarantines(self, failed: Sequence[int] = ()) -> Mapping[str, Quarantine]:
        """Per source the rows that its table lacks, and those of the ``failed`` loads, which have failed or wait."""
        ...

    def table(self, source: str) -> str:
        """The quoted, qualified name of the live table, for SELECTs."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = (), *, many: bool = False) -> pl.DataFrame:
        """One SELECT on a cursor of its own, within the limits. ``many``: millions of rows may come."""
        ...

    def query_as_of(self, standing: Standing, sql: str) -> pl.DataFrame | None:
        """One SELECT while a source stands as it is said to: of exactly the rows of that generation. None: it does not any more,
        or it cannot be said of its rows that nobody else changes them."""
        ...

    def write(
        self, statements: Sequence[tuple[str, Sequence[Any]]], frames: Mapping[str, pl.DataFrame] | None = None
    ) -> None:
        """Statements in one transaction through the one writer; ``frames`` can be read as tables by their names."""
        ...

    @property
    def writes(self) -> int:
        """How often ``write`` was called: where it is as before, nobody has written anything that way."""
        ...

    def prepare_axes(self, source: str, axes: Sequence[str], timezone: str) -> bool:
        """Reporting days for axes that came since the last load, without loading. True where one was added."""
        ...

    def trial(self) -> AbstractContextManager[Aside]:
        """The same rows for other definitions: what is written there is seen there only, and gone afterwards."""
        ...

    @property
    def holds(self) -> Holds: ...

    def close(self) -> None: ...


class Aside(Engine, Protocol):
    """An engine that writes into memory of its own; the rows are those of the database named ``beneath``."""

    beneath: str

    def show(self, candidate: Candidate) -> None:
        """From now on that source's rows are the candidate's."""
        ...
