"""`scorecard check`: reads and checks everything, the SQL against the tables where they exist; prints all problems."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from scorecard.cli import running
from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json
from scorecard.cli.session import Session
from scorecard.ground.errors import Problem, Refused, in_order

if TYPE_CHECKING:
    from scorecard.book.model import Book
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
    known, outdated = known_tables(session, book) if book.sources else ({}, ())
    warnings = [
        Problem(
            f"source '{name}' was loaded under another definition: its columns are not checked",
            book.sources[name].place,
            f"run `scorecard refresh {name}`",
            "warning",
        )
        for name in outdated
    ]
    return in_order([*errors, *book.warnings, *warnings, *check_columns(book, known)])


Tables = Mapping[str, Mapping[str, str]]


def known_tables(session: Session, book: Book) -> tuple[Tables, tuple[str, ...]]:
    """(source → column → type of the loaded tables, sources that were loaded under another definition)."""
    loaded = loaded_tables(session, book.sources)
    if not loaded:
        return {}, ()
    from scorecard.warehouse.watermarks import definition_of

    zone = book.organization.timezone
    outdated = tuple(
        n for n in loaded if n in book.sources and loaded[n]["definition"] != definition_of(book.sources[n], zone)
    )
    return {n: dict(t["columns"]) for n, t in loaded.items() if n not in outdated}, outdated


def loaded_tables(session: Session, sources: Iterable[str]) -> dict[str, Any]:
    """source → its ``columns`` and ``definition``; {} where nothing was loaded yet."""
    data = session.options.data
    if session.product is not None:
        return described(sources, session.product.engine.standing)
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
        return described(sources, engine.standing)
    finally:
        engine.close()


@click.command(hidden=True)
@click.pass_context
def tables(context: click.Context) -> None:
    """The columns of the loaded tables, as JSON: what `check` asks the running process for."""
    session = session_of(context)
    with opened(session) as product:
        print_json(session, described(product.book.sources, product.engine.standing))


def described(names: Iterable[str], standing: Callable[[str], Standing | None]) -> dict[str, Any]:
    """What is known of each source that was loaded."""
    found = {name: standing(name) for name in names}
    return {n: {"columns": dict(s.columns), "definition": s.definition} for n, s in found.items() if s is not None}


COMMANDS = (check, tables)
