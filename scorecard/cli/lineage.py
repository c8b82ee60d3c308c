"""`scorecard lineage`: from source and columns through metrics to scorecards, panels and reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import session_of
from scorecard.cli.output import print_json, print_rows
from scorecard.cli.session import Session
from scorecard.cli.working import read_working
from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean

if TYPE_CHECKING:
    from scorecard.book.model import Book
    from scorecard.desk.lineage import Lineage

Tree = tuple[str, list["Tree"]]
"""A line and what hangs below it."""


@click.command()
@click.argument("metric", required=False, metavar="[METRIC]")
@click.pass_context
def lineage(context: click.Context, metric: str | None) -> None:
    """What a metric (all of them by default) is made from, and where it is used and shown, by the working file."""
    from scorecard.desk.lineage import lineage as traced

    session = session_of(context)
    book, errors = read_working(session)
    if metric is not None and metric not in book.metrics:
        if metric in book.broken:
            raise Refused(*book.broken[metric].problems)
        raise NotFound(
            Problem(f"no metric is called '{metric}'", hint=did_you_mean(metric, [*book.metrics, *book.broken]))
        )
    for problem in errors:
        session.warn(str(problem))
    wanted = list(book.metrics.values()) if metric is None else [book.metrics[metric]]
    found = [traced(book, one) for one in wanted]
    if session.options.format == "json":
        print_json(session, {"metrics": [one.as_json() for one in found]})
    elif session.options.format == "csv":
        rows = [edge for one in found for edge in one.edges()]
        print_rows(session, ("from_kind", "from", "to_kind", "to", "as"), rows)
    else:
        for place, one in enumerate(found):
            if place:
                session.say("")
            say_tree(session, tree_of(book, one))
    if errors and metric is None:
        raise click.exceptions.Exit(1)


def tree_of(book: Book, one: Lineage) -> Tree:
    """A metric with what it is made from, down to the columns, and what is made of it."""
    below = ingredients(book, one)
    below += [(f"used by {name}  {book.metrics[name].title}", []) for name in one.used_by]
    cards = [*one.scorecards, *([] if one.split is None else [f"the card of each {one.split} it is split by"])]
    below.append((f"on the scorecard{'s' * (len(cards) > 1)} {', '.join(cards)}", []))
    if one.panels:
        below.append((f"on the panel{'s' * (len(one.panels) > 1)} {', '.join(one.panels)}", []))
    if one.reviews:
        below.append((f"in the review{'s' * (len(one.reviews) > 1)} {', '.join(one.reviews)}", []))
    owner = "" if one.owner is None else f" · {one.owner}"
    return f"{one.metric}  {one.title}{owner}  ({one.place})", below


def ingredients(book: Book, one: Lineage) -> list[Tree]:
    from scorecard.desk.lineage import lineage as traced

    found: list[Tree] = []
    for read in one.reads:
        width = max(map(len, read.columns), default=0)
        columns: list[Tree] = [(f"{name:<{width}}  {', '.join(uses)}", []) for name, uses in read.columns.items()]
        found.append((f"reads {read.source}  {read.kind}  ({read.place})", columns))
    for name in one.made_of:
        part = book.metrics[name]
        found.append((f"made of {name}  {part.title}  ({part.place})", ingredients(book, traced(book, part))))
    return found


def say_tree(session: Session, tree: Tree, lead: str = "", below: str = "") -> None:
    text, branches = tree
    session.say(lead + text)
    for place, branch in enumerate(branches):
        last = place == len(branches) - 1
        say_tree(session, branch, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
