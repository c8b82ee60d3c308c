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
    from scorecard.landings.landing import Landing
    from scorecard.landings.landings import Landings
    from scorecard.warehouse.engine import Load, Quarantine

OUTCOMES = ("ok", "unchanged", "held", "failed", "rejected", "superseded")
ROWS_AT_MOST = 10_000
ROW_COLUMNS = ("load", "file", "line", "reason", "value", "row", "missing")


@click.command()
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True, help="At most so many.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only loads that ended so.")
@click.option("--rows", is_flag=True, help="The rows that the source's loads put aside, instead of the loads.")
@click.option(
    "--raw", is_flag=True, help="What the source gave and is kept as it came (keep_raw), instead of the loads."
)
@click.pass_context
def loads(context: click.Context, source: str | None, limit: int, outcome: str | None, rows: bool, raw: bool) -> None:
    """What every load (of all sources by default) did with its rows, newest first."""
    session = session_of(context)
    for name, wanted in (("--rows", rows), ("--raw", raw)):
        if wanted and source is None:
            raise click.UsageError(f"{name} needs a SOURCE")
    with opened(session) as product:
        if source is not None:
            product.refresher.check_names([source])
            if rows:
                print_rows_aside(session, product.engine.quarantine(source, ROWS_AT_MOST).to_dicts())
                return
            if raw:
                print_raw(session, product, source, limit)
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
            say_raw(session, product, source)


def print_raw(session: Session, product: Product, source: str, limit: int) -> None:
    """What a source gave, newest first: each file, answer or result, where it lies, and what became of the load."""
    landings = product.landings
    found = landings.listed(source, limit=limit)
    if session.options.format == "json":
        print_json(session, {"landings": [landing_json(one, landings) for one in found]})
        return
    rows = [
        (one.load or None, one.outcome, utc_text(one.at), utc_text(one.seen), part.name, part.form, part.status, part.size,
         str(landings.path_of(source, part.digest) or "gone"))
        for one in found
        for part in one.parts
    ]  # fmt: skip
    print_rows(session, ("load", "outcome", "at", "seen", "name", "form", "status", "bytes", "path"), rows)


def landing_json(one: Landing, landings: Landings) -> dict[str, object]:
    """A landing and its parts. ``masked``: secrets that were taken out of a part."""
    return {
        "load": one.load or None,
        "outcome": one.outcome,
        "at": utc_text(one.at),
        "seen": utc_text(one.seen),
        "complete": one.complete,
        "missed": one.missed,
        "parts": [
            {
                "name": part.name,
                "form": part.form,
                "status": part.status,
                "at": utc_text(part.at),
                "bytes": part.size,
                "sha256": part.digest,
                "masked": part.masked,
                "path": None if (path := landings.path_of(one.source, part.digest)) is None else str(path),
            }
            for part in one.parts
        ],
    }


def say_raw(session: Session, product: Product, source: str) -> None:
    """How much is kept of what the source gave."""
    stock = product.landings.stocks().get(source)
    if stock is not None and stock.landings:
        since = utc_text(stock.since)
        said = f"\nwhat it gave in {stock.landings} loads since {since} is kept as it came: {stock.size_bytes} bytes"
        session.say(f"{said} (`scorecard loads {source} --raw`, `refresh {source} --from-raw`)")
    if stock is not None and stock.problem is not None:
        session.say(f"what it gave last is not kept: {stock.problem}")


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
