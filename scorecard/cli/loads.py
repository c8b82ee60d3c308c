"""`scorecard loads`: the run history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json, print_rows
from scorecard.cli.refresh import COUNTS, as_json
from scorecard.cli.session import Session
from scorecard.ground.clock import utc_text

if TYPE_CHECKING:
    from scorecard.warehouse.engine import Load
QUARANTINE_AT_MOST = 100


@click.command()
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True, help="At most so many.")
@click.pass_context
def loads(context: click.Context, source: str | None, limit: int) -> None:
    """What every load (of all sources by default) did with its rows, newest first."""
    session = session_of(context)
    with opened(session) as product:
        if source is not None:
            product.refresher.check_names([source])
        found = product.engine.loads(source, limit)
        if session.options.format == "json":
            print_json(session, {"loads": [record(load) for load in found]})
            return
        rows = [
            (
                x.id,
                x.source,
                x.outcome,
                x.cause,
                utc_text(x.started_at),
                *(getattr(x, c) for c in COUNTS),
                round(x.seconds, 2),
                x.problem,
            )
            for x in found
        ]
        print_rows(session, ("load", "source", "outcome", "cause", "started", *COUNTS, "seconds", "problem"), rows)
        if source is not None and session.options.format == "table":
            say_quarantine(session, product.engine.quarantine(source, QUARANTINE_AT_MOST).to_dicts())


def say_quarantine(session: Session, rows: list[dict[str, object]]) -> None:
    """The rows that were put aside, one a line."""
    if rows:
        session.say("\nput aside, newest first:")
    for row in rows:
        session.say(f"  load {row['load']}: {row['file']}:{row['line']}: {row['reason']}")


def record(load: Load) -> dict[str, object]:
    """A load with everything the history knows of it."""
    return {
        "id": load.id,
        **as_json(load),
        "cause": load.cause,
        "generation": load.generation,
        "times_doubled": load.times_doubled,
        "times_missing": load.times_missing,
        "started_at": utc_text(load.started_at),
        "finished_at": utc_text(load.finished_at),
        "problems": [p.as_json() for p in load.problems],
    }
