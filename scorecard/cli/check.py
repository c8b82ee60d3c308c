"""`scorecard check`: reads and checks everything, the SQL against the tables where they exist; prints all problems."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from scorecard.cli import running
from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json, print_rows
from scorecard.cli.session import Session
from scorecard.cli.working import read_working
from scorecard.ground.errors import Place, Problem, Refused, in_order

if TYPE_CHECKING:
    from scorecard.book.model import Book
    from scorecard.warehouse.engine import Engine, Standing


COLUMNS = ("file", "line", "column", "severity", "message", "hint")


@click.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Read and check everything; print all problems with their places. Only errors make the exit status 1."""
    session = session_of(context)
    problems = find_problems(session)
    errors = sum(p.severity == "error" for p in problems)
    if session.options.format == "json":
        print_json(session, {"problems": [p.as_json() for p in problems]})
    elif session.options.format == "csv":
        told = [p.as_json() for p in problems]
        print_rows(session, COLUMNS, [[one[name] for name in COLUMNS] for one in told])
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
    from scorecard.book.read import overdue_reviews

    try:
        book, errors = read_working(session)
    except Refused as refused:
        return in_order(refused.problems)
    # One metric's mistake does not keep the others from being looked at.
    tables_say = found_in_tables(session, book) if book.sources else []
    today = session.clock().now().astimezone(ZoneInfo(book.organization.timezone)).date()
    own = failed_tests(session, book) if book.tests else []
    return in_order([*errors, *book.warnings, *overdue_reviews(book, today), *tables_say, *own])


def failed_tests(session: Session, book: Book) -> list[Problem]:
    """What the book's own tests expect and do not see. Each runs on its given rows, in a warehouse of its own."""
    from scorecard.cli.inlinetests import run_tests

    return run_tests(book, said=progress(session, len(book.tests)))


def progress(session: Session, total: int) -> Callable[[int], None] | None:
    """On a terminal, how many tests have run, on one line that is written over."""
    if not session.on_terminal:
        return None

    def said(done: int) -> None:
        session.err.write(f"\r\x1b[K{done}/{total} tests" if done < total else "\r\x1b[K")
        session.err.flush()

    return said


def found_in_tables(session: Session, book: Book) -> list[Problem]:
    """What is wrong with the definitions against the tables, where something was loaded."""
    data = session.options.data
    if session.product is not None:
        return table_problems(session.product.engine, book)
    found = running.find(data)
    if found is not None:
        line = ["--folder", str(Path.cwd()), "--config", str(session.options.config), "tables"]
        out, _, status = running.ask(found, line, book.texts)
        return [_problem(told) for told in json.loads(out)] if status == 0 else []
    if not (data / "warehouse.duckdb").exists():
        return []
    from scorecard.warehouse.duck import DuckWarehouse

    # Only the warehouse: the working files may be wrong, and are not needed to know what the tables hold.
    engine = DuckWarehouse.open(data, session.clock())
    try:
        return table_problems(engine, book)
    finally:
        engine.close()


def table_problems(engine: Engine, book: Book) -> list[Problem]:
    """Unknown columns, expressions that do not fit the columns' types, and sources loaded under another definition."""
    from scorecard.book.read import check_columns
    from scorecard.measures.misspelled import misspelled
    from scorecard.measures.run import Meter
    from scorecard.refresh.conditions import condition_mistakes
    from scorecard.refresh.run import calendar_of
    from scorecard.warehouse.watermarks import definition_of

    loaded = {name: s for name, s in engine.standings().items() if name in book.sources}
    zone = book.organization.timezone
    outdated = {n for n, s in loaded.items() if s.definition != definition_of(book.sources[n], zone)}
    said = [
        Problem(
            f"source '{name}' was loaded under another definition: its columns are not checked",
            book.sources[name].place,
            f"run `scorecard refresh {name}`",
            "warning",
        )
        for name in sorted(outdated)
    ]
    same = replace(book, metrics={n: m for n, m in book.metrics.items() if m.source not in outdated})
    known = {n: _with_values(s) for n, s in loaded.items() if n not in outdated}
    columns = check_columns(same, known)
    lines = {(p.place.file, p.place.line) for p in columns if p.place is not None}
    types = Meter(engine, same, calendar_of(same)).mistakes()
    conditions = condition_mistakes(engine, book, known.keys())
    spelled = misspelled(engine, same, known)
    # A metric whose column is wrong would only be told a second time that its type is.
    return [
        *said,
        *columns,
        *(p for p in (*types, *conditions) if p.place is None or (p.place.file, p.place.line) not in lines),
        *spelled,
    ]


def _with_values(standing: Standing) -> dict[str, str]:
    """Column → type; of one that has never had a value, none."""
    empty = [name for name in standing.empty if standing.columns.get(name) == "VARCHAR"]
    return {**standing.columns, **dict.fromkeys(empty, "NULL")}


@click.command(hidden=True)
@click.pass_context
def tables(context: click.Context) -> None:
    """What `check` asks the running process for: the problems of the working files against the loaded tables, as JSON."""
    session = session_of(context)
    with opened(session) as product:
        book, _ = read_working(session)
        print_json(session, [p.as_json() for p in table_problems(product.engine, book)])


def _problem(told: dict[str, Any]) -> Problem:
    """A problem as the running process told it."""
    place = None if told["file"] is None else Place(told["file"], told["line"] or 0, told["column"] or 0)
    return Problem(told["message"], place, told["hint"], told["severity"])
