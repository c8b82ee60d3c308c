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
    from scorecard.cli.product import Product
    from scorecard.warehouse.engine import Load, Quarantine

OUTCOMES = ("ok", "unchanged", "held", "failed", "rejected", "superseded")
ROWS_AT_MOST = 10_000
ROW_COLUMNS = ("load", "file", "line", "reason", "value", "row", "missing")


@click.command()
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True, help="At most so many.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only loads that ended so.")
@click.option("--rows", is_flag=True, help="The rows that the source's loads put aside, instead of the loads.")
@click.pass_context
def loads(context: click.Context, source: str | None, limit: int, outcome: str | None, rows: bool) -> None:
    """What every load (of all sources by default) did with its rows, newest first."""
    session = session_of(context)
    if rows and source is None:
        raise click.UsageError("--rows needs a SOURCE")
    with opened(session) as product:
        if source is not None:
            product.refresher.check_names([source])
            if rows:
                print_rows_aside(session, product.engine.quarantine(source, ROWS_AT_MOST).to_dicts())
                return
        found = product.engine.loads(source, limit, outcome)
        if session.options.format == "json":
            print_json(session, {"loads": [record(load) for load in found]})
            return
        listed = [
            (
                x.id,
                x.source,
                x.generation,
                x.outcome,
                x.cause,
                utc_text(x.started_at),
                *(getattr(x, c) for c in COUNTS),
                round(x.seconds, 2),
                x.problem,
            )
            for x in found
        ]
        print_rows(
            session,
            ("load", "source", "generation", "outcome", "cause", "started", *COUNTS, "seconds", "problem"),
            listed,
        )
        if source is not None and session.options.format == "table":
            say_quarantine(session, source, product.engine.quarantines().get(source))
            say_kept(session, product, source)


def say_quarantine(session: Session, source: str, found: Quarantine | None) -> None:
    """What the table lacks because it could not be read: the reasons, and where the first rows of each stand."""
    if found is None or not found.missing:
        return
    session.say(f"\n{found.missing} rows are put aside and not counted:")
    for group in found.groups:
        session.say(f"  {group.kind}: {group.rows} rows")
        for row in group.first[:3]:
            place = f"{row.file}:{row.line}" if row.file else f"record {row.line}"
            session.say(f"    {place}: {row.reason}")
    session.say(f"All of them: scorecard loads {source} --rows")


def print_rows_aside(session: Session, rows: list[dict[str, object]]) -> None:
    """Every row that is kept, as a table, CSV or JSON. ``missing``: whether the table still lacks it."""
    if session.options.format == "json":
        kept = [{**row, "column": row["column_name"], "row": row["text"]} for row in rows]
        print_json(session, {"rows": [{n: row[n] for n in ("column", *ROW_COLUMNS)} for row in kept]})
        return
    listed = [
        (
            row["load"],
            row["file"],
            row["line"],
            row["reason"],
            row["value"],
            row["text"],
            "yes" if row["missing"] else "no",
        )
        for row in rows
    ]
    if session.options.format == "table":
        print_rows(
            session, ("load", "file", "line", "missing", "reason", "row"), [(*x[:3], x[6], x[3], x[5]) for x in listed]
        )
    else:
        print_rows(session, ROW_COLUMNS, listed)


def record(load: Load) -> dict[str, object]:
    """A load with everything the history knows of it."""
    from scorecard.web.api.shapes import decision_json, move_json

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
        "decision": decision_json(load.decision),
        "moves": [move_json(move) for move in load.moves],
    }


def say_kept(session: Session, product: Product, source: str) -> None:
    """What waits of a source, and the earlier generations that can be put back, one a line."""
    for one in product.engine.holds.waiting():
        if one.load.source == source:
            session.say(
                f"\nload {one.load.id} waits for a person: `scorecard approve {one.load.id}` or `reject {one.load.id}`"
            )
    kept = product.engine.holds.kept(source)
    if kept:
        session.say(f"\nearlier generations (`scorecard rollback {source} --to LOAD`), newest first:")
    for past in kept:
        name = "–" if past.load is None else past.load
        session.say(
            f"  load {name}: {past.rows} rows, shown until {utc_text(past.until)}, takes {past.size_bytes} bytes"
        )
