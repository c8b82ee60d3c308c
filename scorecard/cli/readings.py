"""`scorecard values`: readings, by the filters that are the same everywhere."""

from __future__ import annotations

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.filters import Filters, filtered
from scorecard.cli.reading_rows import print_readings


@click.command()
@click.argument("metrics", nargs=-1, metavar="[METRIC]...")
@filtered
@click.pass_context
def values(context: click.Context, metrics: tuple[str, ...], chosen: Filters) -> None:
    """Readings (of all metrics by default): the value, the colour and why."""
    session = session_of(context)
    with opened(session) as product:
        print_readings(session, chosen.select(product.board(), metrics, product.clock.now()))
