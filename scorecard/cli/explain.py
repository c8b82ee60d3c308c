"""`scorecard explain`: a metric's definition and its place, the SQL, the inputs, the steps of the status, the sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json, print_rows, say_wrapped, status
from scorecard.cli.reading_rows import local_text
from scorecard.cli.session import Session
from scorecard.ground.errors import Problem, Refused
from scorecard.ground.numbers import print_value

if TYPE_CHECKING:
    from scorecard.board.board import Board
COLUMNS = ("step", "applies", "detail")


@click.command()
@click.argument("metric", metavar="METRIC")
@click.option("--period", help="A period's label; the last closed one by default.")
@click.option("--grain", help="hour, day, week, month, quarter or year.")
@click.option("--team", help="That team's slice if the metric has it, else what stands on its card.")
@click.option("--process", help="The same for a process.")
@click.pass_context
def explain(
    context: click.Context, metric: str, period: str | None, grain: str | None, team: str | None, process: str | None
) -> None:
    """Why a number is what it is, and why it has its colour."""
    from scorecard.desk.explain import explain as explained

    if team is not None and process is not None:
        raise Refused(Problem("--team and --process were both given", hint="leave out one of the two"))
    session = session_of(context)
    with opened(session) as product:
        board = product.board()
        slice_ = ("team", team) if team else ("process", process) if process else None
        answer = explained(board, metric, grain, period, slice_, product.clock.now())
        if session.options.format == "json":
            print_json(session, answer)
        elif session.options.format == "csv":
            steps = cast("Sequence[Mapping[str, object]]", answer["steps"])
            print_rows(session, COLUMNS, [[step[c] for c in COLUMNS] for step in steps])
        else:
            show(session, answer, board)


def show(session: Session, answer: Mapping[str, Any], board: Board) -> None:
    """For people: times as the organisation's clocks show them, numbers with their units."""
    reading = answer["reading"]
    session.say(f"{answer['title']} ({answer['metric']})  {answer['place']}")
    if answer["describe"]:
        say_wrapped(session, answer["describe"], indent="")
    where = "" if reading["slice"] is None else "  " + " ".join(*reading["slice"].items())
    session.say(f"\n{reading['period']}{where}: {reading['text']}  {status(session, reading['status'])}")
    say_wrapped(session, f"because {reading['because']}")
    for line in (*fraction(answer), *compared(answer, board)):
        session.say(f"  {line}")
    if answer["problem"] is not None:
        say_wrapped(session, f"problem: {answer['problem']['message']}")
    session.say("\ndefinition:")
    for line in answer["definition"].splitlines():
        session.say(f"  {line}")
    session.say("\ninputs:")
    for told in answer["inputs"]:
        say_wrapped(session, f"  {_input(told, board)}", indent="    ")
    if answer["sql"]:
        session.say("\nsql:")
    for statement in answer["sql"]:
        session.say("  " + statement.replace("\n", "\n  ") + ";")
    session.say("\nsteps:")
    for place, step in enumerate(answer["steps"], start=1):
        decided = "→ " if step["applies"] else "  "
        say_wrapped(session, f"  {decided}{place} {step['step']}: {step['detail']}", indent="      ")


def fraction(answer: Mapping[str, Any]) -> list[str]:
    """What is above and below the line, and how many were counted."""
    reading = answer["reading"]
    found = []
    if reading["denominator"] is not None:
        found.append(f"{print_value(reading['numerator'])} of {print_value(reading['denominator'])}")
    if reading["n"] is not None:
        found.append(f"n {print_value(reading['n'])}")
    return [" · ".join(found)] if found else []


def compared(answer: Mapping[str, Any], board: Board) -> list[str]:
    """What it was one period and one year before."""
    reading, metric = answer["reading"], board.book.metric(answer["metric"])
    pairs = (("the period before", reading["previous"]), ("a year ago", reading["year_ago"]))
    said = [f"{name} {print_value(value, metric.unit, metric.decimals)}" for name, value in pairs if value is not None]
    return [" · ".join(said)] if said else []


def _input(told: Mapping[str, Any], board: Board) -> str:
    if "metric" in told:
        versus = f" ({told['compared']})" if "compared" in told else ""
        return f"metric {told['metric']} {told['period']}{versus}: {told['text']}, {told['status']}: {told['because']}"
    parts = [f"{print_value(told['rows'])} rows" if told["rows"] is not None else "never loaded"]
    for name, what in (("future_rows", "dated after now"), ("undated_rows", "without a time")):
        if told[name]:
            parts.append(f"{print_value(told[name])} {what}")
    for name, what in (("loaded_at", "loaded"), ("data_until", "data until")):
        if told[name] is not None:
            parts.append(f"{what} {local_text(board.calendar, datetime.fromisoformat(told[name]))}")
    if told["problem"]:
        parts.append(told["problem"])
    return f"source {told['source']}: {' · '.join(parts)}"
