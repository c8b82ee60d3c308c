"""Where a metric's number comes from and where it goes: source, columns, metric, metrics made of it, cards, panels, reviews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from scorecard.book.columns import columns_read
from scorecard.book.model import Book
from scorecard.book.model.metric import Expression, Metric
from scorecard.book.model.organization import ORGANIZATION
from scorecard.book.scope import built_on, parts_of, sliced_by
from scorecard.desk.definitions import measure_key
from scorecard.judgement.targets import FromSource


@dataclass(frozen=True, slots=True)
class Reads:
    """Rows that a metric itself reads. ``columns``: name → what for (time, where, split, targets, or the measure's key)."""

    source: str
    kind: str
    place: str | None
    columns: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, object]:
        return {
            "source": self.source,
            "kind": self.kind,
            "place": self.place,
            "columns": [{"column": name, "used_as": list(uses)} for name, uses in self.columns.items()],
        }


@dataclass(frozen=True, slots=True)
class Lineage:
    """``made_of`` is direct, ``used_by`` goes through all levels. ``split``: the slices stand on cards of their own."""

    metric: str
    title: str
    owner: str | None
    place: str | None
    reads: tuple[Reads, ...]
    made_of: tuple[str, ...]
    used_by: tuple[str, ...]
    scorecards: tuple[str, ...]
    split: str | None
    panels: tuple[str, ...]
    reviews: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "metric": self.metric,
            "title": self.title,
            "owner": self.owner,
            "place": self.place,
            "sources": [r.as_json() for r in self.reads],
            "made_of": list(self.made_of),
            "used_by": list(self.used_by),
            "scorecards": list(self.scorecards),
            "split": self.split,
            "panels": list(self.panels),
            "reviews": list(self.reviews),
        }

    def edges(self) -> Iterator[tuple[str, str, str, str, str]]:
        """(kind, from, kind, to, how): one for each step up to this metric, and from it to where it is seen."""
        for read in self.reads:
            for column, uses in read.columns.items():
                yield "column", f"{read.source}.{column}", "metric", self.metric, ", ".join(uses)
        for part in self.made_of:
            yield "metric", part, "metric", self.metric, "part"
        for kind, names in (("scorecard", self.scorecards), ("panel", self.panels), ("review", self.reviews)):
            for name in names:
                yield "metric", self.metric, kind, name, ""


def lineage(book: Book, metric: Metric) -> Lineage:
    """The way of one metric through the whole book."""
    owner = book.owner_of(metric)
    cards = _cards(book, metric)
    # A slice may stand on the card of any team (or process); which ones do is only known from the rows.
    split = sliced_by(book, metric)
    seen = {*cards, *(() if split is None else book.teams if split == "team" else book.processes)}
    panels = [
        p.name
        for p in book.panels.values()
        if any(s.name == metric.name if s.kind == "metric" else s.name in seen for s in p.show)
    ]
    return Lineage(
        metric=metric.name,
        title=metric.title,
        owner=None if owner is None else owner.name,
        place=None if metric.place is None else str(metric.place),
        reads=_reads(book, metric),
        made_of=parts_of(metric),
        used_by=tuple(m.name for m in built_on(book, metric.name)),
        scorecards=cards,
        split=split,
        panels=tuple(panels),
        reviews=tuple(r.name for r in book.reviews.values() if seen & set(r.scorecards)),
    )


def _cards(book: Book, metric: Metric) -> tuple[str, ...]:
    team = book.team_of(metric)
    found = [name for name in (metric.process, team) if name is not None]
    return tuple(found) or (ORGANIZATION,)


def _reads(book: Book, metric: Metric) -> tuple[Reads, ...]:
    used: dict[str, dict[str, list[str]]] = {}
    if metric.source is not None:
        mine = used.setdefault(metric.source, {})
        for column, use in _uses(metric):
            mine.setdefault(column, []).append(use)
        alone = replace(book, metrics={metric.name: replace(metric, targets=())})
        for column in sorted(columns_read(alone, metric.source) - mine.keys()):
            mine[column] = ["read"]
    for target in metric.targets:
        if isinstance(target.aim, FromSource):
            aim = target.aim
            theirs = used.setdefault(aim.source, {})
            for name in (aim.value, aim.amber, aim.team, aim.process):
                if name is not None:
                    theirs.setdefault(name, []).append("targets")
    return tuple(_read(book, name, columns) for name, columns in used.items())


def _read(book: Book, name: str, columns: Mapping[str, Sequence[str]]) -> Reads:
    source = book.sources.get(name)
    place = None if source is None or source.place is None else str(source.place)
    kind = "" if source is None else source.kind
    return Reads(name, kind, place, {c: tuple(dict.fromkeys(uses)) for c, uses in columns.items()})


def _uses(metric: Metric) -> Iterator[tuple[str, str]]:
    """(column, what for) of a metric's own rows."""
    for field in fields(metric.measure):
        value = getattr(metric.measure, field.name)
        if isinstance(value, Expression):
            yield from ((column, measure_key(metric)) for column in sorted(value.columns))
        elif field.name in {"opened", "closed"}:
            yield value, field.name
        elif field.name == "key":
            yield from ((column, "key") for column in value)
    if metric.where is not None:
        yield from ((column, "where") for column in sorted(metric.where.columns))
    if metric.split is not None:
        yield metric.split.column, f"split by {metric.split.kind}"
    if metric.time is not None:
        yield metric.time, "time"
