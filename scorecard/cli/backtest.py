"""`scorecard backtest`: how often each colour would have shown, in which runs, how often it turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.filters import Filters, filtered
from scorecard.cli.output import print_json, print_rows, say_wrapped, status
from scorecard.cli.session import Session

if TYPE_CHECKING:
    from scorecard.desk.backtest import Backtest
WIDEST = 30
"""Characters of the longest bar."""
SHOWN = 10


@click.command()
@click.argument("metric", metavar="METRIC")
@filtered
@click.pass_context
def backtest(context: click.Context, metric: str, chosen: Filters) -> None:
    """How often each colour would have shown in all closed periods, its runs, and how often it turned."""
    from scorecard.desk.backtest import backtest as looked_back

    session = session_of(context)
    with opened(session) as product:
        board, now = product.board(), product.clock.now()
        readings = chosen.select(board, [metric], now)
        if not chosen.in_time and readings:
            one = readings[0]
            readings = board.series(metric, one.grain, one.slice, now, last=None)
        show(session, looked_back(board.book.metric(metric), readings))


def show(session: Session, answer: Backtest) -> None:
    """The answer in the format asked for; CSV has a row for each status."""
    if session.options.format == "json":
        print_json(session, answer.as_json())
        return
    whole, longest = len(answer.readings), answer.longest
    rows = []
    for name, count in answer.counts.items():
        run = longest[name]
        rows.append((name, count, count / whole if whole else None, None if run is None else run.periods))
    if session.options.format == "csv":
        print_rows(session, ("status", "periods", "share", "longest_run"), rows)
        return
    metric = answer.metric
    session.say(f"{metric.title} ({metric.name})")
    if not answer.readings:
        session.say("no closed period has a value yet")
        return
    first, last = answer.readings[0], answer.readings[-1]
    where = "" if first.slice is None else f", {first.slice[0]} {first.slice[1]}"
    session.say(f"{whole} closed periods by {first.grain}, {first.period} to {last.period}{where}\n")
    lines = []
    for name, count, share, run_length in rows:
        said = longest[name]
        where = "" if said is None else f"{run_length} ({said.first}{'' if run_length == 1 else f' to {said.last}'})"
        lines.append((status(session, name), count, f"{share or 0:.0%}", where, "█" * round(WIDEST * (share or 0))))
    print_rows(session, ("status", "periods", "share", "longest run", ""), lines, right=("share",))
    current = answer.current
    session.say("")
    if current is not None:
        session.say(f"now {status(session, current.status)} for {current.periods}, since {current.first}")
    session.say(f"its colour turned {answer.flips} time{'s' * (answer.flips != 1)}")
    runs = [f"{r.status} {r.periods}" for r in answer.runs[-SHOWN:]]
    say_wrapped(session, f"the last runs: {' · '.join(runs)}")
    if set(answer.reasons) <= {"no_target"}:
        session.say("no target was in force: nothing could be coloured")
