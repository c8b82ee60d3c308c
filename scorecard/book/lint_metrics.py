"""What is allowed and probably not meant: warnings about single metrics and their targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from scorecard.book.columns import expressions_of
from scorecard.book.model import Book
from scorecard.book.model.metric import Expression, Formula, Level, Mean, Metric, Quantile, Ratio, Stock, Sum
from scorecard.book.notes import Notes
from scorecard.book.outline import Outline
from scorecard.book.scope import inherits_target
from scorecard.ground.errors import Place
from scorecard.judgement.targets import Glide, Target

_CURRENCIES = (
    "eur usd gbp chf jpy cny inr aud cad nzd sek nok dkk isk pln czk huf ron bgn try ils aed sar zar brl mxn clp cop ars krw sgd"
    " hkd twd thb idr myr php vnd € $ £ ¥ euro euros dollar dollars"
)
MONEY = frozenset(_CURRENCIES.split())
_SHARE = re.compile(r"(^|_)(rate|ratio|pct|percent|percentage|share|average|avg)$")
_AMOUNTS = frozenset({"sum", "sum_if", "min", "max", "mean"})
"""Aggregates that do not count rows."""
_OUTLANDISH = 10.0
"""A target of over 1,000 % is a slip of the percent sign."""


def lint_metric(metric: Metric, book: Book, notes: Notes) -> None:
    """Every warning about one metric."""
    for expression in expressions_of(metric):
        _warn_of_not(expression, metric, notes)
        _warn_of_types(expression, metric, book, notes)
    _warn_of_averages(metric, book, notes)
    _warn_of_money(metric, book, notes)
    _warn_of_shares(metric, notes)
    _warn_of_sampling(metric, notes)
    _warn_of_idle_targets(metric, book, notes)
    if metric.name in metric.counter:
        notes.warn(
            metric.places.get("counter"), f"metric '{metric.name}' is its own counter metric", "name another one"
        )
    if any(lead.metric == metric.name for lead in metric.leads):
        notes.warn(metric.places.get("leads"), f"metric '{metric.name}' leads itself", "name another one")


def _place(expression: Expression, name: str) -> Place | None:
    return dict(reversed(expression.spots)).get(name, expression.place)


def _warn_of_not(expression: Expression, metric: Metric, notes: Notes) -> None:
    """`NOT flag` is null where flag is, and null does not count: rows vanish without a word."""
    for found in expression.outline.walk():
        inner = found.parts[0].bare() if found.form == "not" else found
        if found.form == "not" and inner.form == "column":
            message = f"'not {inner.name}' of metric '{metric.name}' leaves out the rows where {inner.name} is empty"
            notes.warn(_place(expression, inner.name), message, f"write {inner.name} is not true")


def _warn_of_types(expression: Expression, metric: Metric, book: Book, notes: Notes) -> None:
    """A declared text beside a number, or a declared number beside a text that is none."""
    source = book.sources.get(metric.source or "")
    if source is None or not source.columns:
        return
    for node in expression.outline.walk():
        if node.form not in {"compare", "in", "between"}:
            continue
        names = [part.bare().name for part in node.parts if part.bare().form == "column"]
        for name in names:
            column = source.columns.get(name)
            other = (
                None
                if column is None
                else next((p for p in map(Outline.bare, node.parts) if _strange(column.type, p)), None)
            )
            if column is None or other is None:
                continue
            seen = f"the number {other.name}" if other.form == "number" else f"the text '{other.name}'"
            hint = f"write '{other.name}' in quotes" if other.form == "number" else "write a number without quotes"
            message = f"metric '{metric.name}' compares '{name}', declared {column.type}, with {seen}"
            notes.warn(_place(expression, name), message, hint)


def _strange(type_: str, part: Outline) -> bool:
    if type_ == "text":
        return part.form == "number"
    return (
        type_ in {"integer", "double", "decimal"}
        and part.form == "text"
        and not re.fullmatch(r"[-+]?\d+(\.\d+)?", part.name)
    )


def _warn_of_averages(metric: Metric, book: Book, notes: Notes) -> None:
    """Shares and averages do not average: each would count alike, however much stands behind it."""
    hint = "divide sums instead: ratio: {of: sum(…), to: sum(…)}"
    measure = metric.measure
    if isinstance(measure, Mean):
        inner = measure.of.outline.bare()
        if inner.form == "column" and _SHARE.search(inner.name):
            notes.warn(
                measure.of.place, f"metric '{metric.name}' averages '{inner.name}', which is an average itself", hint
            )
    elif isinstance(measure, Formula):
        averaged = _averaged(measure.expression.outline.bare())
        kinds = [book.metrics[name].measure for name in averaged if name in book.metrics]
        if len(kinds) > 1 and all(isinstance(kind, Ratio | Mean | Quantile) for kind in kinds):
            message = f"metric '{metric.name}' averages {', '.join(averaged)}: each counts alike, however much stands behind it"
            notes.warn(measure.expression.place, message, "make one metric over all rows, with 'split' for the parts")


def _averaged(node: Outline) -> list[str]:
    """a, b and c of `(a + b + c) / 3`; nothing otherwise."""
    if node.name != "/" or node.parts[1].form != "number":
        return []
    names, waiting = [], [node.parts[0].bare()]
    while waiting:
        part = waiting.pop().bare()
        if part.form == "arithmetic" and part.name == "+":
            waiting.extend(part.parts)
        elif part.form == "column":
            names.append(part.name)
        else:
            return []
    return sorted(names) if float(node.parts[1].name) == len(names) else []


def _summed(metric: Metric) -> Iterator[Expression]:
    measure = metric.measure
    if isinstance(measure, Sum | Level):
        yield measure.of
    elif isinstance(measure, Stock) and measure.sum is not None:
        yield measure.sum


def _warn_of_money(metric: Metric, book: Book, notes: Notes) -> None:
    """A sum of doubles drifts by fractions of a cent; decimals are exact."""
    source = book.sources.get(metric.source or "")
    if source is None or metric.unit is None or metric.unit.lower().split("/")[0].strip() not in MONEY:
        return
    for expression in _summed(metric):
        for name in sorted(expression.columns):
            column = source.columns.get(name)
            if column is not None and column.type == "double":
                message = f"metric '{metric.name}' sums '{name}' in {metric.unit}, and its column is declared double"
                notes.warn(column.place, message, f"sums of decimals are exact to the cent: {column.written}: decimal")


def _warn_of_shares(metric: Metric, notes: Notes) -> None:
    if metric.unit != "percent":
        return
    counted = isinstance(metric.measure, Ratio) and metric.measure.sampling == "binomial" and metric.measure.per == 1
    for target in metric.targets:
        highest = max(_ends(target), default=0.0)
        if (counted and highest > 1) or highest > _OUTLANDISH:
            seen = f"{highest * 100:g}%"
            message = f"a target of metric '{metric.name}' is {seen}" + (
                ", and no share is over 100%" if counted else ""
            )
            notes.warn(target.place, message, None if counted else f"is {highest:g}% meant?")


def _warn_of_sampling(metric: Metric, notes: Notes) -> None:
    """Binomial noise is that of cases, some of which are hits: said of anything else it would promise too much, or nothing."""
    place, measure = metric.places.get("ratio.sampling"), metric.measure
    if place is None or not isinstance(measure, Ratio) or measure.sampling != "binomial":
        return
    owner = f"'sampling' of metric '{metric.name}' is binomial"
    if measure.per != 1:
        message = f"{owner}, and with 'per' its number is no share any more: the noise is not judged"
        notes.warn(place, message, "delete 'per', or write poisson for a rate of events")
        return
    for side in (measure.of, measure.to):
        found = next((n.name for n in side.outline.walk() if n.form == "call" and n.name in _AMOUNTS), None)
        if found is not None:
            message = f"{owner}, and it has a {found}: that is the noise of counted rows"
            notes.warn(place, message, "right only where what is summed are counts themselves; else write none")
            return


def _ends(target: Target) -> tuple[float, ...]:
    aim = target.aim
    if isinstance(aim, Glide):
        return aim.start_value, aim.end_value
    return aim if isinstance(aim, tuple) else (aim,) if isinstance(aim, float | int) else ()


def _warn_of_idle_targets(metric: Metric, book: Book, notes: Notes) -> None:
    """Entries that change nothing, or that a more specific one always hides."""
    scopes: dict[tuple[str | None, str | None, str | None], list[Target]] = {}
    for target in metric.targets:
        scopes.setdefault((target.team, target.process, target.grain), []).append(target)
    for entries in scopes.values():
        dated = sorted(entries, key=lambda t: t.since or date.min)
        for before, after in pairwise(dated):
            if (before.aim, before.amber, before.tolerance) == (after.aim, after.amber, after.tolerance):
                message = f"this target of metric '{metric.name}' is the one that was in force before it"
                notes.warn(after.place, message, "delete it, or write what changes")
    own = [t for t in scopes.get((None, None, metric.grain), ()) if t.since is None]
    inherits = inherits_target(metric, book, "year", None)
    for target in scopes.get((None, None, None), ()):
        if own and not inherits:
            message = f"this target of metric '{metric.name}' is never used: the one for the {metric.grain} always stands before it"
            notes.warn(target.place, message, "delete one of the two")
