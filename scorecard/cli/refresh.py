"""`scorecard refresh`: pull once, compute, publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json, print_rows
from scorecard.cli.session import Session

if TYPE_CHECKING:
    from scorecard.warehouse.engine import Load

COUNTS = ("read", "loaded", "unchanged", "duplicate", "quarantined", "removed")
SAID_AT_MOST = 20


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--full", is_flag=True, help="Ignore cursors and remove keys that are gone.")
@click.option(
    "--from-raw", is_flag=True, help="Load from what the sources gave earlier (keep_raw), without asking them."
)
@click.option(
    "--recompute", is_flag=True, help="Pull nothing; compute everything anew, and say where what was kept differed."
)
@click.pass_context
def refresh(context: click.Context, sources: tuple[str, ...], full: bool, from_raw: bool, recompute: bool) -> None:
    """Pull once (all sources by default), compute, publish; say what became of each source's rows."""
    session = session_of(context)
    if from_raw and (full or recompute or not sources):
        raise click.UsageError("--from-raw needs a SOURCE, and goes with neither --full nor --recompute")
    with opened(session) as product:
        refresher = product.refresher
        refresher.check_names(sources)
        loads: tuple[Load, ...] = ()
        if not recompute:
            said = progress(session, len(sources or product.book.sources))
            loads = refresher.pull(sources, cause="command", full=full, raw=from_raw, said=said)
        audits = refresher.audit() if recompute else ()
        for notice in (said for audited in audits for said in (audited.notice(), audited.unsaid())):
            if notice is not None:
                session.warn(str(notice))
        board = refresher.publish(recompute=recompute)
        say_problems(session, loads)
        for problem in board.problems.values():
            session.warn(str(problem))
        if session.options.format == "json":
            found = {"version": board.version, "loads": [as_json(load) for load in loads]}
            if recompute:
                found["differences"] = sum(audited.differences for audited in audits)
            print_json(session, found)
        else:
            rows = [(x.source, x.outcome, *(getattr(x, c) for c in COUNTS), round(x.seconds, 2)) for x in loads]
            print_rows(session, ("source", "outcome", *COUNTS, "seconds"), rows)
            if session.options.format == "table":
                session.say(f"version {board.version} published")
    if any(load.outcome in {"failed", "held"} for load in loads):
        raise click.exceptions.Exit(1)


def progress(session: Session, total: int) -> Callable[[Load], None] | None:
    """On a terminal: how many sources are done, on one line that is written over."""
    if not session.on_terminal:
        return None
    done = 0

    def said(load: Load) -> None:
        nonlocal done
        done += 1
        session.err.write(f"\r\x1b[K{done}/{total} {load.source}" if done < total else "\r\x1b[K")
        session.err.flush()

    return said


def say_problems(session: Session, loads: tuple[Load, ...]) -> None:
    """Failures and quarantined rows, one a line; a long list is cut and counted."""
    for load in loads:
        for problem in load.problems[:SAID_AT_MOST]:
            session.warn(str(problem))
        if len(load.problems) > SAID_AT_MOST:
            session.warn(
                f"{load.source}: {len(load.problems) - SAID_AT_MOST} more problems, see `scorecard loads {load.source}`"
            )


def as_json(load: Load) -> dict[str, object]:
    """A load as the interfaces write it."""
    return {
        "source": load.source,
        "outcome": load.outcome,
        **{name: getattr(load, name) for name in COUNTS},
        "seconds": round(load.seconds, 3),
        "problem": load.problem,
    }
