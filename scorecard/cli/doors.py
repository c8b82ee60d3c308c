"""How a command gets at the product: the running process does it where there is one, else the files are opened here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scorecard.cli import running
from scorecard.cli.session import Session

if TYPE_CHECKING:
    from scorecard.book.model import Book
    from scorecard.cli.product import Product


def session_of(context: click.Context) -> Session:
    """The session that the command runs in."""
    session: Session = context.obj
    return session


@contextmanager
def opened(session: Session) -> Iterator[Product]:
    """The product, for the length of a command. Where a process runs on the data folder, it does the whole command and
    this one ends with its output and exit status."""
    if session.product is not None:
        yield session.product
        return
    hand_over(session)
    with opened_here(session) as product:
        yield product


@contextmanager
def opened_here(session: Session, book: Book | None = None) -> Iterator[Product]:
    """The product opened in this process, with a book that was read already or else the file's; closed again at the end."""
    from scorecard.cli.product import open_product

    product = open_product(session.config_file(), session.options.data, session.clock(), book)
    try:
        for notice in product.notices:
            session.warn(str(notice))
        yield product
    finally:
        product.close()


def hand_over(session: Session, files: Callable[[], Mapping[str, str]] | None = None) -> None:
    """Lets the running process, if there is one, do this very command line; returns only where there is none.

    ``files`` gathers the texts of the working files, for a command that looks at them.
    """
    found = None if session.inside else running.find(session.options.data)
    if found is None:
        return
    # How it looks is decided here, where the terminal is.
    looks = ["--folder", str(Path.cwd()), "--color", "always" if session.coloured else "never"]
    looks += [] if session.width is None else ["--width", str(session.width)]
    line = [*looks, *without(session.arguments, "--color")]
    out, err, status = running.ask(found, line, None if files is None else files())
    session.out.write(out)
    session.err.write(err)
    raise click.exceptions.Exit(status)


def without(arguments: Sequence[str], option: str) -> list[str]:
    """A command line without one option and its value."""
    kept: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*kept, word, *waiting]
        if word == option:
            waiting = waiting[1:]
        elif not word.startswith(option + "="):
            kept.append(word)
    return kept
