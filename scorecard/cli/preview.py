"""`scorecard preview`: a metric's last periods from the working file, brand-new or changed; nothing is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import session_of
from scorecard.cli.filters import Filters, filtered
from scorecard.cli.output import print_json, print_rows, say_wrapped, status
from scorecard.cli.reading_rows import READING_COLUMNS, local_text, reading_cells, reading_texts
from scorecard.cli.session import Session
from scorecard.cli.working import Work, working
from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean

if TYPE_CHECKING:
    from scorecard.book.model import Book
    from scorecard.desk.preview import Preview
    from scorecard.ground.periods.calendar import Calendar
PERIODS = 13


@click.command()
@click.argument("metric", metavar="METRIC")
@filtered
@click.pass_context
def preview(context: click.Context, metric: str, chosen: Filters) -> None:
    """The last 13 periods of a metric from the working file, with the running one; nothing is published or kept."""
    from scorecard.book.scope import narrowed
    from scorecard.desk.preview import preview as previewed

    session = session_of(context)
    with working(session) as work:
        check_metric(work, metric)
        book = narrowed(work.book, [metric])
        warnings = table_warnings(work, book)
        with work.product.refresher.trial(book) as board:
            now = work.product.clock.now()
            readings = chosen.select(board, [metric], now, PERIODS)
            answer = previewed(board, metric, readings, now, running=not chosen.in_time or chosen.periods is not None)
            say_errors_elsewhere(session, work)
            for problem in warnings:
                session.warn(str(problem))
            show(session, answer, board.calendar)


def check_metric(work: Work, metric: str) -> None:
    """Refused with its own problems for a metric in error; NotFound with a near name for one that is not there."""
    if metric in work.book.broken:
        raise Refused(*work.book.broken[metric].problems)
    if metric not in work.book.metrics:
        known = [*work.book.metrics, *work.book.broken]
        raise NotFound(Problem(f"no metric is called '{metric}'", hint=did_you_mean(metric, known) or listed(known)))


def listed(known: list[str]) -> str:
    if not known:
        return "the file defines none"
    return f"the file defines {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"


def table_warnings(work: Work, book: Book) -> tuple[Problem, ...]:
    """What the tables say about a book: Refused for what cannot be computed, the warnings otherwise."""
    from scorecard.cli.check import table_problems

    problems = table_problems(work.product.engine, book)
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        raise Refused(*errors)
    return tuple(problems)


def say_errors_elsewhere(session: Session, work: Work) -> None:
    """Mistakes in other definitions do not stand in the way, and are not passed over in silence."""
    if work.errors:
        count = len(work.errors)
        session.warn(
            f"warning: {count} mistake{'s' * (count != 1)} elsewhere in the file, the first at {work.errors[0].place} "
            "(`scorecard check` lists them)"
        )


def show(session: Session, answer: Preview, calendar: Calendar) -> None:
    """The preview in the format asked for."""
    if session.options.format == "json":
        print_json(session, answer.as_json())
        return
    if session.options.format == "csv":
        print_rows(session, READING_COLUMNS, [reading_cells(r) for r in answer.readings])
        return
    metric = answer.metric
    better = "" if metric.better is None else f" · {metric.better} is better"
    session.say(f"{metric.title} ({metric.name}){better}")
    session.say(f"{metric.place}{'' if answer.owner is None else f' · {answer.owner}'} · not published")
    if not answer.readings:
        session.say("no periods yet")
        return
    first, newest = answer.readings[0], answer.newest
    where = "" if first.slice is None else f"  {first.slice[0]} {first.slice[1]}"
    session.say(f"\n{answer.sparkline}  {first.period} … {answer.readings[-1].period}{where}\n")
    rows = [
        (
            f"{r.period}{' (running)' if r.running else ''}",
            *reading_texts(r, metric.unit, metric.decimals),
            status(session, r.status),
        )
        for r in answer.readings
    ]
    print_rows(session, ("period", "value", "target", "amber", "status"), rows, right=("value", "target", "amber"))
    session.say("")
    for reading in (newest, answer.running):
        if reading is not None:
            say_wrapped(session, f"{reading.period}: {reading.because}")
    if newest is not None and newest.data_until is not None:
        session.say(f"data until {local_text(calendar, newest.data_until)} ({calendar.timezone})")
