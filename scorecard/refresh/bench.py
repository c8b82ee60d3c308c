"""A test bench: some metrics over given rows, in a fresh warehouse of its own that is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, product
from pathlib import Path

import polars as pl

from connectors.temporary import temporary_folder
from scorecard.board.board import Board
from scorecard.board.publish import Publisher
from scorecard.book.columns import LOADED, columns_read
from scorecard.book.model import Book
from scorecard.book.model.source import Column, ColumnType, Schedule, Source
from scorecard.ground.clock import FixedClock
from scorecard.ground.errors import Problem, ScorecardError
from scorecard.journal.journal import Journal
from scorecard.measures.lowering import lower
from scorecard.measures.sql import ROWS, quoted
from scorecard.refresh.pull import pull_source
from scorecard.refresh.run import Refresher
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Engine

EMPTY = "empty.{}.csv"
MOST_GUESSES = 256
GUESSES: tuple[ColumnType, ...] = ("text", "double", "timestamp", "boolean")


@dataclass(frozen=True, slots=True)
class Bench:
    """``problems``: source → what is wrong with its given rows. ``board``: everything measured at the bench's clock."""

    board: Board
    problems: Mapping[str, tuple[Problem, ...]]


@contextmanager
def bench(book: Book, given: Mapping[str, str], folder: Path, at: datetime) -> Iterator[Bench]:
    """The book's metrics as they would be at ``at`` with these rows: source → CSV file, from ``folder``.

    A source keeps its columns, types, key and times, whatever its kind; the rows come from the file alone. Sources
    without a file are empty, and have been loaded.
    """
    clock = FixedClock(at)
    with ExitStack() as opened:
        place = Path(opened.enter_context(temporary_folder()))
        engine = DuckWarehouse.open(place, clock)
        opened.callback(engine.close)
        journal = Journal.open(str(place / "journal.sqlite"), clock)
        opened.callback(journal.close)
        sources = {
            name: _source(book, source, given[name]) if name in given else _source(book, source, EMPTY.format(name))
            for name, source in book.sources.items()
        }
        book = replace(book, sources=sources)
        problems = {}
        for name in given.keys() & sources.keys():
            load, _ = pull_source(engine, book, book.sources[name], folder, clock, cause="command", full=True)
            if load.problems:
                problems[name] = load.problems
        for name in sources.keys() - given.keys():
            book = _emptied(engine, book, name, place, clock)
        refresher = Refresher(book, folder, engine, journal, Publisher(place), clock)
        yield Bench(refresher.look(), problems)


def _source(book: Book, source: Source, path: str) -> Source:
    """A source that reads a small CSV file instead of what it usually asks."""
    needed = {*columns_read(book, source.name), *source.key, *(() if source.time is None else (source.time,))}
    options = {
        "path": path,
        **({"csv": source.options["csv"]} if source.kind == "csv" and "csv" in source.options else {}),
    }
    return replace(
        source,
        kind="csv",
        options=options,
        schedule=Schedule(every_seconds=60) if source.schedule.every_seconds is None else source.schedule,
        mode="upsert" if source.key else "replace",
        cursor=None,
        full_schedule=None,
        checks=(),
        # Declared columns that nothing here needs may be missing from a short file.
        columns={name: column for name, column in source.columns.items() if name in needed},
    )


def _emptied(engine: Engine, book: Book, name: str, place: Path, clock: FixedClock) -> Book:
    """Loads a source without rows. Columns that are not declared get the first types with which its metrics compile."""
    source = replace(book.sources[name], options={"path": EMPTY.format(name)})
    needed = sorted({*columns_read(book, name), *source.key, *(() if source.time is None else (source.time,))})
    (place / EMPTY.format(name)).write_text(",".join(needed or ["nothing"]) + "\n", encoding="utf-8")
    times = {m.time for m in book.metrics.values() if m.source == name} | {source.time}
    known = {**{c: Column(c, c, "timestamp") for c in needed if c in times}, **source.columns}
    columns = {**known, **_guessed(engine, book, name, known, [c for c in needed if c not in known])}
    book = replace(book, sources={**book.sources, name: replace(source, columns=columns)})
    pull_source(engine, book, book.sources[name], place, clock, cause="command", full=True)
    return book


def _guessed(
    engine: Engine, book: Book, name: str, known: Mapping[str, Column], unknown: Sequence[str]
) -> dict[str, Column]:
    """Types for columns of which only the expressions tell: the first with which they compile, text where none do."""
    for types in islice(product(GUESSES, repeat=len(unknown)), MOST_GUESSES):
        guessed = {c: Column(c, c, kind) for c, kind in zip(unknown, types, strict=True)}
        if _compile(engine, book, name, {c: LOADED[column.type] for c, column in {**known, **guessed}.items()}):
            return guessed
    return {c: Column(c, c, "text") for c in unknown}


def _compile(engine: Engine, book: Book, name: str, types: Mapping[str, str]) -> bool:
    """Whether all metrics of a source compile against columns of these types."""
    row = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(column)}" for column, kind in types.items())

    def probe(_: str, values: tuple[str, ...]) -> tuple[pl.DataType, ...]:
        chosen = ", ".join(f"{value} AS c_{i}" for i, value in enumerate(values))
        return tuple(engine.query(f"SELECT {chosen} FROM (SELECT {row}) AS {ROWS} LIMIT 0").dtypes)

    try:
        for metric in book.metrics.values():
            if metric.source == name:
                lower(metric, book, types, probe, "")
    except ScorecardError:
        return False
    return True
