"""The readings and colours that a change of metrics.yaml would turn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scorecard.board.reading import Reading
from scorecard.desk.definitions import Changes
from scorecard.judgement.status import STATUSES
from scorecard.judgement.targets import Limit

Key = tuple[str, str, tuple[str, str] | None]
"""(grain, period, slice) of a reading within its metric."""
TOLD = ("value", "text", "target", "amber", "status", "reason")


@dataclass(frozen=True, slots=True)
class Turn:
    """One reading that differs; ``old`` or ``new`` is None where the other book has no such slice or period."""

    old: Reading | None
    new: Reading | None

    @property
    def reading(self) -> Reading:
        found = self.new or self.old
        assert found is not None  # noqa: S101 - one of the two is always there
        return found

    @property
    def recoloured(self) -> bool:
        return _status(self.old) != _status(self.new)

    def as_json(self) -> dict[str, object]:
        r = self.reading
        return {
            "grain": r.grain,
            "period": r.period,
            "slice": None if r.slice is None else dict([r.slice]),
            "running": r.running,
            "old": _told(self.old),
            "new": _told(self.new),
        }


@dataclass(frozen=True, slots=True)
class Turned:
    """What became of one metric. ``keys`` differ in its definition, or it is ``made_of`` changed ones."""

    metric: str
    place: str | None
    grain: str
    keys: tuple[str, ...] = ()
    made_of: tuple[str, ...] = ()
    compared: int = 0
    turns: tuple[Turn, ...] = ()
    note: str | None = None

    @property
    def colours(self) -> tuple[tuple[str, str, int], ...]:
        """(from, to, how many readings), worst new colour first."""
        return counted((_status(t.old), _status(t.new)) for t in self.turns if t.recoloured)

    def as_json(self) -> dict[str, object]:
        return {
            "metric": self.metric,
            "place": self.place,
            "grain": self.grain,
            "keys": list(self.keys),
            "made_of": list(self.made_of),
            "note": self.note,
            "compared": self.compared,
            "colours": [{"from": a, "to": b, "readings": n} for a, b, n in self.colours],
            "readings": [t.as_json() for t in self.turns],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """``against``: how people know the older version. ``added``: metric → its newest closed reading."""

    against: str
    added: Mapping[str, Reading | None] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    metrics: tuple[Turned, ...] = ()

    @property
    def same(self) -> bool:
        return not (self.added or self.removed or self.metrics)

    @property
    def colours(self) -> tuple[tuple[str, str, int], ...]:
        totals: Counter[tuple[str, str]] = Counter()
        for metric in self.metrics:
            totals.update({(a, b): n for a, b, n in metric.colours})
        return counted(totals.elements())

    def as_json(self) -> dict[str, object]:
        return {
            "against": self.against,
            "added": [
                {"metric": name, "reading": None if r is None else r.as_json()} for name, r in self.added.items()
            ],
            "removed": list(self.removed),
            "colours": [{"from": a, "to": b, "readings": n} for a, b, n in self.colours],
            "metrics": [m.as_json() for m in self.metrics],
        }


def turned(
    changes: Changes,
    metric: str,
    place: str | None,
    grain: str,
    before: Sequence[Reading],
    after: Sequence[Reading],
    note: str | None = None,
) -> Turned:
    """A metric's readings of both books, paired by period and slice; those that differ, oldest first, the whole first."""
    old, new = ({_key(r): r for r in rows} for rows in (before, after))
    keys = sorted({*old, *new}, key=lambda k: ((new.get(k) or old[k]).start, k[2] is not None, k[2] or ("", "")))
    turns = [Turn(old.get(k), new.get(k)) for k in keys]
    return Turned(
        metric,
        place,
        grain,
        changes.changed.get(metric, ()),
        changes.carried.get(metric, ()),
        len(turns),
        tuple(t for t in turns if differ(t.old, t.new)),
        note,
    )


def differ(old: Reading | None, new: Reading | None) -> bool:
    """Whether the value, a limit or the colour is another one; a slice that says nothing is as good as none."""
    if old is None or new is None:
        there = old or new
        return there is not None and (there.value is not None or there.status != "grey")
    if (old.status, old.reason) != (new.status, new.reason):
        return True
    pairs = ((old.value, new.value), (old.target, new.target), (old.amber, new.amber))
    return any(not _equal(a, b) for a, b in pairs)


def counted(turns: Iterable[tuple[str, str]]) -> tuple[tuple[str, str, int], ...]:
    order: dict[str, int] = {status: place for place, status in enumerate(STATUSES)}
    found = Counter(turns).items()
    ranked = sorted(found, key=lambda item: (order.get(item[0][1], 9), order.get(item[0][0], 9)))
    return tuple((a, b, n) for (a, b), n in ranked)


def _equal(one: Limit | None, other: Limit | None) -> bool:
    """Equal but for the last digit, which the order of a sum can move."""
    if one is None or other is None:
        return one is other
    if isinstance(one, tuple) or isinstance(other, tuple):
        both = isinstance(one, tuple) and isinstance(other, tuple)
        return both and all(map(_close, one, other))  # type: ignore[arg-type]
    return _close(one, other)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-12)


def _key(reading: Reading) -> Key:
    return reading.grain, reading.period, reading.slice


def _status(reading: Reading | None) -> str:
    return "none" if reading is None else reading.status


def _told(reading: Reading | None) -> dict[str, object] | None:
    if reading is None:
        return None
    told = reading.as_json()
    return {key: told[key] for key in TOLD}
