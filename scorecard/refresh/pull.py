"""One load: ask the connector, hand the batches to the warehouse. A source's fault never leaves this file as an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from connectors import registry
from connectors.contract import Batch, Cursor, Pull, SourceFailed
from scorecard.book.columns import columns_read
from scorecard.book.model import Book
from scorecard.book.model.source import Source
from scorecard.ground.clock import Clock
from scorecard.ground.errors import Place, Problem
from scorecard.landings.landings import Landings
from scorecard.measures.plan import axes
from scorecard.refresh.again import lost_rows, read_again, why_not_again
from scorecard.refresh.limits import host_of
from scorecard.refresh.still import NOT_READ, Looks, nothing_new, waiting_of
from scorecard.warehouse.engine import NOTHING, Candidate, Engine, Load, LoadOrder, Move, Standing, Touched
from scorecard.warehouse.watermarks import definition_of

SMALL_BYTES = 256 * 1024
"""Of a file. Reading so many bytes by hand takes some 25 ms of CPU, starting an engine to read them 70."""
Weigh = Callable[[Candidate], Sequence[Move]]


def pull_source(
    engine: Engine,
    book: Book,
    source: Source,
    folder: Path,
    clock: Clock,
    *,
    cause: str,
    full: bool = False,
    stop: Event | None = None,
    weigh: Weigh | None = None,
    landings: Landings | None = None,
    looks: Looks | None = None,
) -> tuple[Load, Touched]:
    """Pulls a source once and loads it. Always gives a Load: a fault is its outcome ``failed`` with the problem.

    ``looks`` remembers what a source gave of which a load waits or was rejected. ``stop`` ends it from another thread.
    ``weigh``: which numbers a load would move too far, asked before it is published. ``landings`` keeps what the source
    gives, where it says so; a table that is gone takes the rows from there that the source may not give any more.
    """
    started = clock.now()
    standing = engine.standing(source.name)
    # Rows kept from a load under other types, keys, zones or questions would be a mixture: all of them come again.
    full = full or standing is None or standing.definition != definition_of(source, book.organization.timezone)
    order = replace(order_of(book, source, started, cause), full=full, weigh=weigh)
    request = _request(book, source, folder, standing, started, full)
    if stop is not None:
        request = replace(request, stop=stop)
    looks = Looks() if looks is None else looks
    turned_away = (
        None if full or cause == "command" else looks.rejection(engine, request, standing, source, order.timezone)
    )
    if turned_away is not None:
        return engine.record_failure(order, turned_away), NOTHING
    order, request, same = _as_it_waits(engine, order, request, standing, looks)
    if same is not None:
        return _loaded(engine, order, lambda _: same)
    if landings is None or source.keep_raw is None:
        load, touched = _loaded(engine, order, lambda failures: _batches(request, failures))
    else:
        load, touched = _loaded_and_kept(engine, replace(order, at_hand=False), request, landings, standing)
    looks.heard(engine, request, load, standing, source, order.timezone)
    return load, touched


def _as_it_waits(
    engine: Engine, order: LoadOrder, request: Pull, standing: Standing | None, looks: Looks
) -> tuple[LoadOrder, Pull, list[Batch] | None]:
    """Where a load of the source waits for a person it is not pulled whole again, so long as it gives just what waits:
    what files say in that case, and for the others a request that lets the server say it."""
    definition = definition_of(order.source, order.timezone)
    waiting = None if order.full else waiting_of(engine, order.source.name, standing, definition)
    if waiting is None:
        return order, request, None
    same = nothing_new(request, waiting.state)
    if (
        same is None
        and request.kind == "sql"
        and looks.still(request, waiting.load.id, waiting.base, waiting.definition)
    ):
        same = NOT_READ
    if same is not None:
        return replace(order, same_as=waiting.load.id), request, same
    if request.kind == "http":
        return replace(order, same_as=waiting.load.id), replace(request, state=waiting.state), None
    return order, request, None


def _loaded_and_kept(
    engine: Engine, order: LoadOrder, request: Pull, landings: Landings, standing: Standing | None
) -> tuple[Load, Touched]:
    source, definition = order.source, definition_of(order.source, order.timezone)
    lost = lost_rows(landings, source, definition) if standing is None else ()
    complete = not lost and (order.full or source.mode == "replace")
    taking = landings.begin(source, order.started_at, complete=complete, definition=definition)
    if order.same_as is None and not landings.any_of(source.name):
        request = replace(request, state={})  # what has not changed is not kept yet: it comes once more

    def pulled(failures: list[SourceFailed]) -> Iterator[Batch]:
        yield from read_again(landings, lost, request) if lost else ()
        yield from taking.batches(_batches(replace(request, landing=taking), failures))

    load, touched = _loaded(engine, order, pulled)
    landings.finish(source, taking, load.id, load.outcome)
    return load, touched


def pull_again(
    engine: Engine,
    book: Book,
    source: Source,
    folder: Path,
    clock: Clock,
    landings: Landings,
    weigh: Weigh | None = None,
) -> tuple[Load, Touched]:
    """Loads a source from what it gave earlier; it is not asked for anything. Always gives a Load, as ``pull_source`` does."""
    started = clock.now()
    chain = landings.chain(source.name)
    whole = bool(chain) and chain[0].complete
    order = replace(order_of(book, source, started, "raw"), full=whole, weigh=weigh)
    request = _request(book, source, folder, None, started, full=True)
    waiting = [one.load.id for one in engine.holds.waiting() if one.load.source == source.name]
    refusal = why_not_again(source, chain, waiting)
    if refusal is not None:
        return engine.record_failure(order, refusal), NOTHING
    return _loaded(engine, order, lambda _: read_again(landings, chain, request))


def _loaded(
    engine: Engine, order: LoadOrder, batches: Callable[[list[SourceFailed]], Iterable[Batch]]
) -> tuple[Load, Touched]:
    failures: list[SourceFailed] = []
    try:
        load, touched = engine.load(order, batches(failures))
    # One load: whatever a driver throws becomes this source's failed load, not a dead scheduler.
    except Exception as error:  # noqa: BLE001
        load, touched = engine.record_failure(order, as_problem(error, order.source)), NOTHING
    if load.outcome == "failed" and failures:
        load = replace(load, retry=failures[-1].retry, retry_after_seconds=failures[-1].after)
    return load, touched


def order_of(book: Book, source: Source, now: datetime, cause: str) -> LoadOrder:
    """What the warehouse is to do with a source's rows."""
    return LoadOrder(
        source=source,
        axes=axes(book, source.name),
        timezone=book.organization.timezone,
        now=now,
        started_at=now,
        cause=cause,
        needed=columns_read(book, source.name),
        at_hand=source.kind == "csv" and host_of(source) is None,
    )


def as_problem(error: Exception, source: Source) -> Problem:
    """Any failure of a pull as a problem, secrets taken out."""
    if isinstance(error, SourceFailed):
        place = Place(error.place) if error.place else None
        return Problem(redact(f"source '{source.name}': {error.message}", source), place, error.hint)
    text = f"source '{source.name}': {type(error).__name__}: {error}"
    return Problem(redact(text, source), hint="see the address and options of the source in metrics.yaml")


def redact(text: str, source: Source) -> str:
    """The text without the values of ``${NAME}``."""
    for secret in sorted(source.secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    return text


def _batches(request: Pull, failures: list[SourceFailed]) -> Iterator[Batch]:
    """The connector's batches; why it failed is noted on its way to the warehouse, where it becomes a problem in words."""
    try:
        yield from registry.pull(request)
    except SourceFailed as failure:
        failures.append(failure)
        raise


def _request(book: Book, source: Source, folder: Path, standing: Standing | None, now: datetime, full: bool) -> Pull:
    return Pull(
        source=source.name,
        kind=source.kind,
        options={**source.options, "key": source.key, "mode": source.mode, "timezone": source.timezone},
        folder=folder,
        now=now,
        columns={name: column.type for name, column in source.columns.items()},
        allowed=tuple(folder / path for path in book.organization.allow_paths),
        cursor=_cursor(source, None if full or standing is None else standing.cursor),
        state={} if full or standing is None else standing.state,
        scans=True,
        small_bytes=SMALL_BYTES,
        secrets=source.secrets,
    )


def _cursor(source: Source, newest: Any) -> Cursor | None:
    """Where the pull begins: the newest value less the lookback, else the declared start, else 1970-01-01 in the column's type."""
    declared = source.cursor
    if declared is None:
        return None
    column = source.columns.get(declared.column)
    kind = "timestamp" if column is None else column.type
    value = declared.start if newest is None else _moved_back(newest, declared.lookback_seconds, kind)
    if value is None:
        value = _beginning(kind)
    return Cursor(declared.column, value, declared.format)


def _moved_back(newest: Any, seconds: int, kind: str) -> Any:
    if not seconds or isinstance(newest, str):
        return newest
    if isinstance(newest, datetime):
        return newest - timedelta(seconds=seconds)
    if isinstance(newest, date):
        return newest - timedelta(days=-(-seconds // 86400))
    return newest - seconds * (1000 if kind == "epoch_ms" else 1) if kind.startswith("epoch") else newest


def _beginning(kind: str) -> Any:
    if kind == "date":
        return date(1970, 1, 1)
    if kind == "text":
        return ""
    if kind in {"epoch_s", "epoch_ms", "integer", "double", "decimal"}:
        return 0
    return datetime(1970, 1, 1, tzinfo=UTC)
