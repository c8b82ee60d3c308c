"""`scorecard backup` and `restore`: a safe copy of what is kept, taken while it runs, and put back when nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import hand_over, session_of
from scorecard.cli.output import print_json
from scorecard.cli.session import Session
from scorecard.ground.clock import utc_text

if TYPE_CHECKING:
    from scorecard.board.publish import Publisher
    from scorecard.journal.journal import Journal
    from scorecard.landings.landings import Landings
    from scorecard.warehouse.duck import DuckWarehouse

    Kept = tuple[DuckWarehouse, Journal, Landings, Publisher]


@click.command()
@click.argument("folder", metavar="DIR")
@click.pass_context
def backup(context: click.Context, folder: str) -> None:
    """Copies warehouse, journal and what sources gave, all of one moment, into DIR; also while `serve` runs.

    DIR is new, empty, or holds an earlier backup, which stays until the new one is whole.
    """
    from scorecard import __version__
    from scorecard.care.backup import back_up

    session = session_of(context)
    if session.product is None:
        hand_over(session)
    data, to = session.options.data, Path(session.options.folder, folder).absolute()
    with _kept(session) as (engine, journal, landings, publisher):
        data = engine.folder
        copy = back_up(data, to, engine, journal, landings, publisher, session.clock(), __version__)
        elsewhere = journal.file is None
    if elsewhere:
        session.warn(
            "warning: the journal is kept by a database server and is not part of the backup: back it up there"
        )
    if session.options.format == "json":
        print_json(session, copy.as_json())
    else:
        session.say(
            f"{to}: {len(copy.files)} files, {_size(copy.size)}, board {copy.version}, {utc_text(copy.taken_at)}"
        )


@click.command()
@click.argument("folder", metavar="DIR")
@click.pass_context
def restore(context: click.Context, folder: str) -> None:
    """Puts the backup in DIR into the data folder, once all of it is found to be what was written.

    What is there moves into before-restore-… in the data folder. `serve` must be stopped first.
    """
    from scorecard.care.restore import put_back
    from scorecard.cli import running
    from scorecard.cli.product import journal_place, open_data_folder
    from scorecard.ground.errors import Problem, Refused
    from scorecard.ground.settings import read_settings

    session = session_of(context)
    data = session.options.data
    found = running.find(data)
    if session.inside or found is not None:
        pid = "" if found is None else f" {found.pid}"
        raise Refused(
            Problem(
                f"process{pid} runs on {data}",
                hint="stop it, restore, and start it again; if it is another program by now, delete running.json there",
            )
        )
    place = journal_place(read_settings(session.options.config.parent), data)
    journal = None if "://" in place and not place.startswith("sqlite:") else Path(place.removeprefix("sqlite:///"))
    open_data_folder(data)
    copy, old = put_back(Path(folder).absolute(), data, journal, session.clock())
    if journal is None:
        session.warn("warning: the journal is kept by a database server and is as it was: put it back there")
    if session.options.format == "json":
        print_json(session, {**copy.as_json(), "kept": None if old is None else str(old)})
        return
    session.say(
        f"{data} is as of {utc_text(copy.taken_at)}, board {copy.version}: {len(copy.files)} files, {_size(copy.size)}"
    )
    if old is not None:
        session.say(f"what was there is in {old}")


@contextmanager
def _kept(session: Session) -> Iterator[Kept]:
    """What a copy is of: that of the running product, else opened here, whether or not metrics.yaml can be read."""
    if session.product is not None:
        product = session.product
        yield product.engine, product.journal, product.landings, product.publisher
        return
    from scorecard.board.publish import Publisher
    from scorecard.care.restore import check_finished
    from scorecard.cli.product import journal_place
    from scorecard.ground.errors import Problem, Refused
    from scorecard.ground.settings import read_settings
    from scorecard.journal.journal import Journal
    from scorecard.landings.landings import Landings
    from scorecard.warehouse.duck import DuckWarehouse

    data, clock = session.options.data, session.clock()
    if not data.is_dir():
        raise Refused(Problem(f"there is no data folder '{data}'", hint="name it with --data"))
    check_finished(data)
    settings = read_settings(session.options.config.parent)
    engine = DuckWarehouse.open(data, clock, memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        journal = Journal.open(journal_place(settings, data), clock)
        try:
            yield engine, journal, Landings(data, clock), Publisher(data)
        finally:
            journal.close()
    finally:
        engine.close()


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
