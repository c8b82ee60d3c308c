"""`scorecard approve`, `reject` and `rollback`: what a person decides of loads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.loads import record
from scorecard.cli.output import print_json
from scorecard.cli.session import Session

if TYPE_CHECKING:
    from scorecard.refresh.run import Refresher
    from scorecard.warehouse.engine import Load


def _who(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--by`` and ``--why``, which go into the journal."""
    why = click.option("--why", default="", metavar="TEXT", help="The reason, for whoever reads the history.")
    return click.option("--by", metavar="NAME", help="Who decides (default: whoever is logged in).")(why(command))


def _named(session: Session, by: str | None) -> str:
    """The name given, else the login's; said to a running process, which is somebody else's."""
    if by is not None:
        return by
    import getpass

    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        raise click.UsageError("nobody is named who decides: add --by NAME") from None
    line = list(session.arguments)
    end = line.index("--") if "--" in line else len(line)
    session.arguments = (*line[:end], "--by", name, *line[end:])
    return name


@click.command()
@click.argument("load", type=click.IntRange(1), metavar="LOAD")
@_who
@click.pass_context
def approve(context: click.Context, load: int, by: str | None, why: str) -> None:
    """Let a held load in: exactly the rows that were staged, whatever the source says by now."""
    who = _named(session_of(context), by)
    _decide(context, lambda refresher: refresher.approve(load, who, why), "is published: generation {0.generation}")


@click.command()
@click.argument("load", type=click.IntRange(1), metavar="LOAD")
@_who
@click.pass_context
def reject(context: click.Context, load: int, by: str | None, why: str) -> None:
    """Drop a held load: its rows go, and the last good load stays."""
    who = _named(session_of(context), by)
    _decide(context, lambda refresher: refresher.reject(load, who, why), "is dropped; the last good load stays")


@click.command()
@click.argument("source", metavar="SOURCE")
@click.option(
    "--to", type=click.IntRange(1), metavar="LOAD", help="Back to what that load made it (default: one back)."
)
@_who
@click.pass_context
def rollback(context: click.Context, source: str, to: int | None, by: str | None, why: str) -> None:
    """Put an earlier generation of a source back. Its further loads wait until one of them is approved."""
    session = session_of(context)
    who = _named(session, by)
    with opened(session) as product:
        done = product.refresher.roll_back(source, to, who, why)
        goal = "" if done.decision is None or done.decision.to is None else f" what load {done.decision.to} made it"
        said = f"{source} is again{goal}, as generation {done.generation}; its loads wait until you approve one"
        _say(session, done, said)


def _decide(context: click.Context, decide: Callable[[Refresher], Load], became: str) -> None:
    """``became``: what is said of the load, which is ``{0}`` in it."""
    session = session_of(context)
    with opened(session) as product:
        done = decide(product.refresher)
        _say(session, done, f"load {done.id} of {done.source} {became.format(done)}")


def _say(session: Session, load: Load, text: str) -> None:
    if session.options.format == "json":
        print_json(session, record(load))
    else:
        session.say(text)
