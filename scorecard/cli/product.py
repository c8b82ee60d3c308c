"""The product put together: the one place where the doers are built and given to each other."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connectors.temporary import sweep
from scorecard.board.board import Board
from scorecard.board.publish import Publisher
from scorecard.book.model import Book
from scorecard.book.read import read_book
from scorecard.care.restore import check_finished
from scorecard.cli.temporary import check_temporary_folder
from scorecard.ground.clock import Clock
from scorecard.ground.errors import Problem, ScorecardError, Unavailable
from scorecard.ground.settings import Settings, read_settings
from scorecard.journal.journal import Journal
from scorecard.landings.landings import Landings
from scorecard.refresh.run import Refresher
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Load

SECRET_FILE = "token.secret"  # noqa: S105 - the file's name, not what is in it


@dataclass(slots=True)
class Product:
    """Everything opened: warehouse, journal, publisher, refresher. ``close`` gives the files back."""

    book: Book
    config: Path
    data: Path
    clock: Clock
    settings: Settings
    engine: DuckWarehouse
    journal: Journal
    publisher: Publisher
    refresher: Refresher
    landings: Landings
    serving: bool = False
    notices: tuple[Problem, ...] = ()
    """What was found wrong and mended while the files were opened."""

    def board(self) -> Board:
        """The published board where one is served, else the board as it is now."""
        return self.publisher.current() if self.serving else self.refresher.look()

    def close(self) -> None:
        self.publisher.close()
        self.refresher.close()
        self.engine.close()
        self.journal.close()


def open_data_folder(data: Path) -> Path:
    """Makes the data folder; Unavailable where it cannot be written."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        probe = data / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise Unavailable(
            Problem(
                f"the data folder '{data}' cannot be written: {error.strerror or error}",
                hint="name another one with --data, or give this user the right to write there",
            )
        ) from None
    return data


def open_product(config: Path, data: Path, clock: Clock, book: Book | None = None) -> Product:
    """Reads the book, unless it was read already, and opens the files. Refused for a wrong file, Unavailable for a folder
    or lock."""
    book = book or read_book(config)
    settings = read_settings(config.parent)
    open_data_folder(data)
    check_finished(data)
    check_temporary_folder()
    sweep()
    engine = DuckWarehouse.open(data, clock, memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        journal = Journal.open(journal_place(settings, data), clock)
    except ScorecardError:
        engine.close()
        raise
    publisher = Publisher(data)
    landings = Landings(data, clock)
    landings.settle(lambda source, at: became_of(engine.loads(source, 1000), at))
    notices = (*engine.notices, *journal.verify(), *landings.notices)
    refresher = Refresher(
        book,
        config.parent,
        engine,
        journal,
        publisher,
        clock,
        notices=notices,
        workers=settings.workers,
        landings=landings,
    )
    return Product(
        book, config, data, clock, settings, engine, journal, publisher, refresher, landings, notices=notices
    )


def journal_place(settings: Settings, data: Path) -> str:
    """Where the journal is: the path of its file, or a database's URL."""
    return settings.journal or str(data / "journal.sqlite")


def became_of(loads: Iterable[Load], at: datetime) -> tuple[int, str] | None:
    """The number and the outcome of the load that began at a moment."""
    return next(((load.id, load.outcome) for load in loads if load.started_at == at), None)


def token_secret(data: Path) -> bytes:
    """The secret that signs wall links, made once; readable by its owner only."""
    path = data / SECRET_FILE
    if not path.exists():
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
        except FileExistsError:
            pass  # another process made it in this moment
    return path.read_bytes()
