"""What a metric rests on, and where its targets hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Age,
    Change,
    Cohort,
    Cumulative,
    Formula,
    Level,
    Manual,
    Mean,
    Metric,
    Quantile,
    Ratio,
    Scaling,
    SliceKind,
    Stock,
)
from scorecard.book.outline import Outline
from scorecard.judgement.targets import FromSource


def parts_of(metric: Metric) -> tuple[str, ...]:
    """The names of the metrics that a metric is made of, directly."""
    measure = metric.measure
    if isinstance(measure, Formula):
        return tuple(sorted(measure.expression.columns))
    if isinstance(measure, Change | Cumulative):
        return (measure.of,)
    if isinstance(measure, Scaling):
        named = (measure.output, measure.input, measure.quality)
        return tuple(dict.fromkeys(name for name in named if name is not None))
    return ()


def rests_on(book: Book, metric: Metric) -> tuple[Metric, ...]:
    """Every metric below this one, through all levels; each once. Circles were refused when the book was read."""
    found: dict[str, Metric] = {}
    waiting = list(parts_of(metric))
    while waiting:
        name = waiting.pop(0)
        if name not in found and name in book.metrics:
            found[name] = book.metrics[name]
            waiting.extend(parts_of(book.metrics[name]))
    return tuple(found.values())


def sliced_by(book: Book, metric: Metric) -> SliceKind | None:
    """By what a metric has slices: as its own split says, or as all that it is made of agrees in."""
    if metric.split is not None:
        return metric.split.kind
    kinds = {sliced_by(book, book.metrics[name]) if name in book.metrics else None for name in parts_of(metric)}
    return kinds.pop() if len(kinds) == 1 else None


def built_on(book: Book, name: str) -> tuple[Metric, ...]:
    """Every metric above this one, through all levels, in the book's order."""
    return tuple(m for m in book.metrics.values() if name in {part.name for part in rests_on(book, m)})


def narrowed(book: Book, names: Iterable[str]) -> Book:
    """The book of some metrics: with all that they rest on, the metrics beside which they are judged, and their sources.

    Panels and reviews, which show others too, are left out.
    """
    kept: dict[str, Metric] = {}
    for name in names:
        metric = book.metric(name)
        beside = [
            book.metrics[n] for n in (*metric.counter, *(lead.metric for lead in metric.leads)) if n in book.metrics
        ]
        for one in (metric, *beside):
            kept.update({m.name: m for m in (one, *rests_on(book, one))})
    metrics = {
        n: replace(
            m,
            counter=tuple(c for c in m.counter if c in kept),
            leads=tuple(lead for lead in m.leads if lead.metric in kept),
        )
        for n, m in book.metrics.items()
        if n in kept
    }
    read = {s for m in metrics.values() for s in sources_of(book, m)}
    read |= {t.aim.source for m in metrics.values() for t in m.targets if isinstance(t.aim, FromSource)}
    sources = {n: s for n, s in book.sources.items() if n in read}
    return replace(book, metrics=metrics, sources=sources, panels={}, reviews={}, tests=())


def sources_of(book: Book, metric: Metric) -> tuple[str, ...]:
    """The sources whose rows a metric reads, through all its parts."""
    names = (m.source for m in (metric, *rests_on(book, metric)) if m.source is not None)
    return tuple(dict.fromkeys(names))


def adds_up(book: Book, metric: Metric) -> bool:
    """Whether the values of shorter periods add up to the longer one's, so that the running period has a pace.

    Counts and sums do; so does a formula that only adds and subtracts such metrics, or multiplies them by numbers.
    """
    if isinstance(metric.measure, Formula):
        return _linear(metric.measure.expression.outline, book)
    return metric.adds_up


def _linear(node: Outline, book: Book) -> bool:
    if node.form in {"group", "minus"}:
        return _linear(node.parts[0], book)
    if node.form == "arithmetic":
        left, right = node.parts
        if node.name in {"+", "-"}:
            return _linear(left, book) and _linear(right, book)
        if node.name == "*" and _linear(right, book) and left.form == "number":
            return True
        return _linear(left, book) and right.form == "number"
    part = book.metrics.get(node.name) if node.form == "column" else None
    return part is not None and adds_up(book, part)


def inherits_target(metric: Metric, book: Book, grain: str, slice_: tuple[str, str] | None) -> bool:
    """Whether a target without grain and slice holds away from the metric's own grain and level.

    What adds up (and distinct) does not: a week's target says nothing about a month or about one team. Means, ratios,
    quantiles and ages do; so does a formula whose outermost operator is a division, and a change in percent. A stock
    keeps it at other grains, not in slices, and so does a manual value that does not fold by sum. A change in points
    follows its metric. A cumulative metric is read at the period's last day, so its target holds at every grain; in slices
    as its metric's would.
    """
    measure = metric.measure
    if isinstance(measure, Mean | Ratio | Quantile | Age | Cohort):
        return True
    if isinstance(measure, Stock | Level) or (isinstance(measure, Manual) and measure.fold != "sum"):
        return slice_ is None
    if isinstance(measure, Cumulative):
        return slice_ is None or inherits_target(book.metrics[measure.of], book, grain, slice_)
    if isinstance(measure, Formula):
        return measure.expression.outline.bare().name == "/"
    if isinstance(measure, Change):
        return measure.as_ == "percent" or inherits_target(book.metrics[measure.of], book, grain, slice_)
    return False
