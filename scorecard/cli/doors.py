"""How a command gets at the product: the running process does it where there is one, else the files are opened here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from scorecard.cli import running
from scorecard.cli.session import Session

if TYPE_CHECKING:
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
    from scorecard.cli.product import open_product

    product = open_product(session.config_file(), session.options.data, session.clock())
    try:
        for notice in product.notices:
            session.warn(str(notice))
        yield product
    finally:
        product.close()


def hand_over(session: Session) -> None:
    """Lets the running process, if there is one, do this very command line; returns only where there is none."""
    found = None if session.inside else running.find(session.options.data)
    if found is None:
        return
    out, err, status = running.ask(found, list(session.arguments))
    session.out.write(out)
    session.err.write(err)
    raise click.exceptions.Exit(status)
