"""`scorecard values`: readings, by the filters that are the same everywhere."""

from __future__ import annotations

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_readings
from scorecard.ground.errors import Problem, Refused


@click.command()
@click.argument("metrics", nargs=-1, metavar="[METRIC]...")
@click.option("--team", help="That team's slice if the metric has it, else what stands on its card.")
@click.option("--process", help="The same for a process.")
@click.option("--grain", help="hour, day, week, month, quarter or year.")
@click.option("--period", help="A period's label, like 2026-W39; the last closed one by default.")
@click.option("--from", "first", help="From this period or day on.")
@click.option("--to", "last", help="Up to this period or day.")
@click.option("--periods", type=int, help="So many closed periods, the newest last.")
@click.option("--as-of", help="What was known then.")
@click.pass_context
def values(
    context: click.Context,
    metrics: tuple[str, ...],
    team: str | None,
    process: str | None,
    grain: str | None,
    period: str | None,
    first: str | None,
    last: str | None,
    periods: int | None,
    as_of: str | None,
) -> None:
    """Readings (of all metrics by default): the value, the colour and why."""
    session = session_of(context)
    if as_of is not None:
        raise Refused(Problem("--as-of: earlier boards are not kept yet", hint="leave it out to see what is known now"))
    if team is not None and process is not None:
        raise Refused(Problem("--team and --process were both given", hint="leave out one of the two"))
    with opened(session) as product:
        readings = product.board().select(
            metrics, team, process, grain, period, first, last, periods, now=product.clock.now()
        )
        print_readings(session, readings)
