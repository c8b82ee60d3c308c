"""`scorecard signoff`: the second person's yes to a value that somebody gave, checked exactly as through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json, print_rows
from scorecard.ground.errors import Problem, Refused

if TYPE_CHECKING:
    from scorecard.book.model import Book
    from scorecard.cli.product import Product
    from scorecard.cli.session import Session
    from scorecard.journal.journal import Entry


@click.command()
@click.argument("value", metavar="[VALUE]", required=False)
@click.option("--by", help="Who says yes: another person than gave the value.")
@click.option("--text", help="A remark.")
@click.pass_context
def signoff(context: click.Context, value: str | None, by: str | None, text: str | None) -> None:
    """Sign off a value that waits for a second person, by its id; without one, list all that wait."""
    session = session_of(context)
    if value is not None and by is None:
        raise Refused(Problem("nobody is named who signs off", hint="add --by NAME"))
    if value is None and (by is not None or text is not None):
        raise Refused(Problem("no value is named", hint="`scorecard signoff` lists those that wait, with their ids"))
    with opened(session) as product:
        if value is None:
            say_waiting(session, product)
        else:
            confirm(session, product, value, {"by": by, **({} if text is None else {"text": text})})


def say_waiting(session: Session, product: Product) -> None:
    """Every value that waits for a second person, newest first."""
    from scorecard.refresh.given import waiting_values

    board = product.board()
    waiting = waiting_values(product.journal, board.book, board.calendar)
    if session.options.format == "json":
        print_json(session, {"waiting": [entry.as_json() for entry in waiting]})
        return
    if not waiting and session.options.format == "table":
        session.say("no value waits for a second person")
        return
    columns = ("value", "metric", "period", "slice", "given", "by", "at", "text")
    print_rows(session, columns, [_row(entry, board.book) for entry in waiting])


def _row(entry: Entry, book: Book) -> list[object]:
    told, slice_ = entry.as_json(), entry.body.get("slice")
    name = next(iter(slice_.values())) if isinstance(slice_, dict) and slice_ else None
    return [entry.id, told["metric"], told["period"], name, _said(entry, book), entry.by, told["at"], told.get("text")]


def _said(entry: Entry, book: Book) -> str:
    """The value as it is printed for its metric."""
    from scorecard.ground.numbers import print_value

    metric = book.metrics.get(str(entry.body.get("metric")))
    unit, decimals = (None, None) if metric is None else (metric.unit, metric.decimals)
    return print_value(float(entry.body["value"]), unit, decimals)


def confirm(session: Session, product: Product, value: str, sent: dict[str, object]) -> None:
    """Writes the sign-off; says what it was of, so that nobody signs one value for another."""
    from scorecard.web.api.forms import KINDS, filled

    board, now = product.board(), product.clock.now()
    kind = next(kind for kind in KINDS if kind.name == "signoff")
    by, body = filled(kind, {**sent, "value": value}, board, product.journal, now)
    entry = product.journal.add("signoff", by, body)
    if product.serving:
        product.refresher.journal_written(entry)
    if session.options.format == "json":
        print_json(session, entry.as_json())
        return
    (given,) = product.journal.entries("value", id=value, limit=1)
    session.say(
        f"{given.body['metric']} {given.body['period']}: {_said(given, board.book)} by {given.by} is signed off by {by}"
    )
