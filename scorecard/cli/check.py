"""`scorecard check`: reads and checks everything, the SQL against the tables where they exist; prints all problems."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import click

from scorecard.cli import running
from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json
from scorecard.cli.session import Session
from scorecard.ground.errors import Problem, Refused, in_order

if TYPE_CHECKING:
    from scorecard.warehouse.engine import Standing


@click.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Read and check everything; print all problems with their places. Only errors make the exit status 1."""
    session = session_of(context)
    problems = find_problems(session)
    errors = sum(p.severity == "error" for p in problems)
    if session.options.format == "json":
        print_json(session, {"problems": [p.as_json() for p in problems]})
    else:
        for problem in problems:
            session.warn(str(problem))
        if not errors:
            warned = len(problems)
            session.say("no mistakes" + (f", {warned} warning{'s' * (warned != 1)}" if warned else ""))
        else:
            session.warn(f"{errors} mistake{'s' * (errors != 1)}")
    if errors:
        raise click.exceptions.Exit(1)


def find_problems(session: Session) -> tuple[Problem, ...]:
    """Everything that is wrong with the working files, sorted by place."""
    from scorecard.book.read import check_columns, read_lenient

    path = session.config_file()
    try:
        book, errors = read_lenient(path)
    except Refused as refused:
        return in_order(refused.problems)
    # One metric's mistake does not keep the others' columns from being looked at.
    known = known_tables(session, book.sources) if book.sources else {}
    return in_order([*errors, *book.warnings, *check_columns(book, known)])


def known_tables(session: Session, sources: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    """source → column → type of the loaded tables; {} where nothing was loaded yet."""
    data = session.options.data
    if session.product is not None:
        return columns_of(sources, session.product.engine.standing)
    found = running.find(data)
    if found is not None:
        out, _, status = running.ask(found, ["tables"])
        return dict(json.loads(out)) if status == 0 else {}
    if not (data / "warehouse.duckdb").exists():
        return {}
    from scorecard.warehouse.duck import DuckWarehouse

    # Only the warehouse: the working files may be wrong, and are not needed to know what the tables hold.
    engine = DuckWarehouse.open(data, session.clock())
    try:
        return columns_of(sources, engine.standing)
    finally:
        engine.close()


@click.command(hidden=True)
@click.pass_context
def tables(context: click.Context) -> None:
    """The columns of the loaded tables, as JSON: what `check` asks the running process for."""
    session = session_of(context)
    with opened(session) as product:
        print_json(session, columns_of(product.book.sources, product.engine.standing))


def columns_of(names: Iterable[str], standing: Callable[[str], Standing | None]) -> dict[str, dict[str, str]]:
    """source → column → type, of those that were loaded."""
    found = {name: standing(name) for name in names}
    return {name: dict(s.columns) for name, s in found.items() if s is not None}


COMMANDS = (check, tables)
