"""`scorecard set`: a value that a person gives, checked exactly as through the API."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json
from scorecard.ground.errors import Problem, Refused
from scorecard.ground.paper import hundredth

if TYPE_CHECKING:
    from scorecard.book.model.metric import Metric
_NUMBER = re.compile(r"[+-]?(\d{1,3}(([ \u202f\u00a0_])\d{3})+|\d+)?(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_SPACES = re.compile("[ \u202f\u00a0_]")


@click.command("set", context_settings={"ignore_unknown_options": True})  # so that -3 is a value
@click.argument("metric", metavar="METRIC")
@click.argument("period", metavar="PERIOD")
@click.argument("value", metavar="VALUE")
@click.option("--team", help="That team's value; else the whole's, which is that of the metric's own team.")
@click.option("--process", help="That process's value, in the same way.")
@click.option("--text", help="A remark: how it was found out.")
@click.option("--by", required=True, help="Who says so.")
@click.pass_context
def set_value(
    context: click.Context,
    metric: str,
    period: str,
    value: str,
    team: str | None,
    process: str | None,
    text: str | None,
    by: str,
) -> None:
    """Give a value to a metric whose values come from people: 12, 85%, "27.5 min". A later one replaces it."""
    from scorecard.book.model.metric import Manual
    from scorecard.web.api.forms import KINDS, filled

    session = session_of(context)
    if team is not None and process is not None:
        raise Refused(Problem("--team and --process were both given", hint="leave out one of the two"))
    with opened(session) as product:
        board, now = product.board(), product.clock.now()
        known = board.book.metrics.get(metric)
        number = None if known is None or not isinstance(known.measure, Manual) else read_number(value, known)
        own = known is not None and known.team == team and known.process == process
        where = (
            None
            if own
            else {"team": team}
            if team is not None
            else {"process": process}
            if process is not None
            else None
        )
        kind = next(kind for kind in KINDS if kind.name == "value")
        sent = {
            "metric": metric, "period": period, "slice": where, "by": by,
            "value": 0.0 if number is None else number,  # then the metric is what is wrong
            **({} if text is None else {"text": text}),
        }  # fmt: skip
        by, body = filled(kind, sent, board, product.journal, now)
        entry = product.journal.add("value", by, body)
        if product.serving:
            product.refresher.journal_written(entry)
        if session.options.format == "json":
            print_json(session, entry.as_json())
        else:
            session.say(entry.id)
        if known is not None and isinstance(known.measure, Manual) and known.measure.second_person:
            session.warn(
                f"it counts once another person than {by} has signed it off: `scorecard signoff {entry.id} --by NAME`"
            )


def read_number(text: str, metric: Metric) -> float:
    """A number as it is written for a metric: with its unit or without, a share with %. Refused for anything else."""
    said = text.strip()
    if metric.percent:
        if not said.endswith("%"):
            hint = f"write {said}% (or 100 times that)" if _NUMBER.fullmatch(said) and said else "such as 85%"
            raise Refused(Problem(f"'{text}' is no share, and '{metric.name}' is in percent", hint=hint))
        said = said[:-1].rstrip()
    elif metric.unit is not None and said.casefold().endswith(metric.unit.casefold()):
        said = said[: -len(metric.unit)].rstrip()
    number = float(_SPACES.sub("", said)) if _NUMBER.fullmatch(said) and re.search(r"\d", said) else math.nan
    if not math.isfinite(number):
        unit = "%" if metric.percent else "" if metric.unit is None else f" {metric.unit}"
        raise Refused(
            Problem(f"'{text}' is no number", hint=f"such as 1200 or 27.5{unit}, with a point for the decimals")
        )
    return hundredth(number) if metric.percent else number
