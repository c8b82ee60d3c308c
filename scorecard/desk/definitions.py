"""What two books say differently: metrics that came, went or changed, and by which keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.book.scope import rests_on, sources_of

UNSAID = frozenset({"place", "places", "spots", "node", "definition", "later", "outline"})
"""Fields that say where something is written, or the same once more."""
FOR_PEOPLE = frozenset({"title", "describe", "owner", "tags", "decimals", "weight", "role"})
"""Keys that change what a page says, and no number and no colour."""
OWN = FOR_PEOPLE | {"target", "amber", "tolerance", "targets", "better", "pace", "leads", "counter", "process", "team"}
"""Keys that matter to the metric itself, and not to those that are made of it."""
CALENDAR = (
    "timezone", "week_starts", "fiscal_year_starts", "fiscal_year_named", "pattern", "workdays", "holidays",
)  # fmt: skip
_KEYS = {"fresh_for_seconds": "fresh_for", "final_after_seconds": "final_after"}


@dataclass(frozen=True, slots=True)
class Changes:
    """Names in the order of the newer book. ``changed``: metric → the keys that differ; ``carried``: metric → the changed
    metrics that it is made of, where nothing of its own that counts differs."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    carried: Mapping[str, tuple[str, ...]]

    @property
    def judged(self) -> tuple[str, ...]:
        """The metrics of both books whose readings may differ."""
        own = (name for name, keys in self.changed.items() if not FOR_PEOPLE.issuperset(keys))
        return (*own, *self.carried)


def compare(before: Book, after: Book) -> Changes:
    """What changed from one book to the other. Where something is written, and comments, make no difference."""
    added = tuple(n for n in after.metrics if n not in before.metrics)
    removed = tuple(n for n in before.metrics if n not in after.metrics and n not in after.broken)
    calendar = tuple(
        f"organization.{key}"
        for key in CALENDAR
        if getattr(before.organization, key) != getattr(after.organization, key)
    )
    changed: dict[str, tuple[str, ...]] = {}
    for name, metric in after.metrics.items():
        old = before.metrics.get(name)
        keys = () if old is None else (*_own_keys(old, metric), *calendar, *_around(before, after, old, metric))
        if keys:
            changed[name] = tuple(dict.fromkeys(keys))
    moved = {*added, *(n for n, keys in changed.items() if not OWN.issuperset(keys))}
    judged = {n for n, keys in changed.items() if not FOR_PEOPLE.issuperset(keys)}
    carried = {}
    for name, metric in after.metrics.items():
        below = tuple(m.name for m in rests_on(after, metric) if m.name in moved)
        if below and name in before.metrics and name not in judged:
            carried[name] = below
    return Changes(added, removed, changed, carried)


def _own_keys(old: Metric, new: Metric) -> list[str]:
    """The keys of a metric that differ, as the YAML calls them."""
    found: list[str] = []
    for field in fields(Metric):
        if field.name in UNSAID or _said(getattr(old, field.name)) == _said(getattr(new, field.name)):
            continue
        if field.name == "measure":
            found += sorted({measure_key(old), measure_key(new)})
        elif field.name == "targets":
            found += _target_keys(old, new)
        else:
            found.append(_KEYS.get(field.name, field.name))
    return found


def measure_key(metric: Metric) -> str:
    """The key under which the YAML writes a metric's measure: ratio, p90, formula."""
    from scorecard.book.shapes.metric import MEASURE_NAMES

    return next((key for key in MEASURE_NAMES if key in metric.places), type(metric.measure).__name__.lower())


def _target_keys(old: Metric, new: Metric) -> list[str]:
    written: list[str] = [k for k in ("target", "amber", "tolerance", "targets") if k in {*old.places, *new.places}]
    if len(old.targets) == len(new.targets) == 1 and "targets" not in written:
        one, other = old.targets[0], new.targets[0]
        parts = {"target": "aim", "amber": "amber", "tolerance": "tolerance"}
        keys: list[str] = [k for k, part in parts.items() if _said(getattr(one, part)) != _said(getattr(other, part))]
        return keys or written
    return written or ["targets"]


def _around(before: Book, after: Book, old: Metric, new: Metric) -> list[str]:
    """What differs in the sources a metric reads, and in the teams or processes that it is split by."""
    found: list[str] = []
    for name in dict.fromkeys((*sources_of(before, old), *sources_of(after, new))):
        one, other = before.sources.get(name), after.sources.get(name)
        if one is None or other is None:
            found.append(f"sources.{name}")
            continue
        found += [
            f"sources.{name}.{field.name.removesuffix('_seconds')}"
            for field in fields(one)
            if field.name not in {*UNSAID, "secrets"}
            and _said(getattr(one, field.name)) != _said(getattr(other, field.name))
        ]
    if new.split is not None and old.split is not None:
        names = "teams" if new.split.kind == "team" else "processes"
        if _named(getattr(before, names)) != _named(getattr(after, names)):
            found.append(names)
    if new.process is not None and before.team_of(old) != after.team_of(new):
        found.append(f"processes.{new.process}.team")
    return found


def _named(groups: Mapping[str, Any]) -> dict[str, tuple[object, ...]]:
    """What decides which row belongs to which slice."""
    return {n: (g.title, g.aliases, getattr(g, "parent", None), getattr(g, "team", None)) for n, g in groups.items()}


def _said(value: Any) -> Any:
    """A value without the places in it, to be compared."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {f.name: _said(getattr(value, f.name)) for f in fields(value) if f.name not in UNSAID}
        return type(value).__name__, told
    if isinstance(value, Mapping):
        return {k: _said(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_said(v) for v in value]
    return value
