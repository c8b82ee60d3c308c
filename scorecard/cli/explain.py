"""`scorecard explain`: a metric's definition and its place, the SQL, the inputs, the steps of the status, the sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json, status


@click.command()
@click.argument("metric", metavar="METRIC")
@click.option("--period", help="A period's label; the last closed one by default.")
@click.option("--grain", help="hour, day, week, month, quarter or year.")
@click.option("--team", help="A team's slice.")
@click.option("--process", help="A process's slice.")
@click.pass_context
def explain(
    context: click.Context, metric: str, period: str | None, grain: str | None, team: str | None, process: str | None
) -> None:
    """Why a number is what it is, and why it has its colour."""
    from scorecard.desk.explain import explain as explained

    session = session_of(context)
    with opened(session) as product:
        slice_ = ("team", team) if team else ("process", process) if process else None
        answer = explained(product.board(), metric, grain, period, slice_, product.clock.now())
        if session.options.format == "json":
            print_json(session, answer)
            return
        reading = cast("Mapping[str, object]", answer["reading"])
        session.say(f"{answer['title']} ({metric}), {answer['place']}")
        session.say(f"{reading['period']}: {reading['text']}  {status(session, str(reading['status']))}")
        session.say(f"because {reading['because']}")
        for heading, name in (("definition", "definition"), ("sql", "sql"), ("inputs", "inputs"), ("steps", "steps")):
            session.say(f"\n{heading}:")
            said = answer[name]
            for line in said if isinstance(said, list) else str(said).splitlines():
                session.say(f"  {_line(line)}")


def _line(line: object) -> str:
    if isinstance(line, Mapping):
        return " · ".join(f"{k}: {v}" for k, v in line.items() if v is not None)
    return str(line).replace("\n", "\n  ")
