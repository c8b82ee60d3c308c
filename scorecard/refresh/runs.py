"""What has run since the start, and how it went lately, for all sources: counters that only grow, and strips."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from scorecard.refresh.recent import Recent
from scorecard.warehouse.engine import Load

Seen = tuple[Mapping[str, Recent], Mapping[tuple[str, str], int], Mapping[str, float]]
"""(recent runs by source, loads by (source, outcome), seconds by source)."""


class Runs:
    """Hears of every load as it ends. ``before``: loads of earlier lives of the process, oldest first; not counted."""

    def __init__(self, before: Iterable[Load] = ()) -> None:
        self._lock = threading.Lock()
        self._recent: dict[str, Recent] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, float] = {}
        for load in before:
            self._recent[load.source] = self._recent.get(load.source, Recent()).heard(load)

    def heard(self, load: Load) -> None:
        with self._lock:
            self._recent[load.source] = self._recent.get(load.source, Recent()).heard(load)
            self._counts[load.source, load.outcome] += 1
            self._seconds[load.source] = self._seconds.get(load.source, 0.0) + load.seconds

    def forget_all_but(self, sources: Collection[str]) -> None:
        """Sources that are gone from the book; their counters stay, since counters only grow."""
        with self._lock:
            self._recent = {name: recent for name, recent in self._recent.items() if name in sources}

    def seen(self) -> Seen:
        """As of now; what is given out does not change any more."""
        with self._lock:
            return dict(self._recent), dict(self._counts), dict(self._seconds)
