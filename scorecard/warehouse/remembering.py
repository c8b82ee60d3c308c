"""Records that are read again and again, of which few change: each row is taken apart once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class Remembered(Generic[T]):
    """What rows stand for, remembered for as long as they are among those that are read. For any thread."""

    def __init__(self, make: Callable[[Row], T]) -> None:
        self._make = make
        self._known: dict[Row, T] = {}

    def of(self, rows: Iterable[Row]) -> list[T]:
        """What each of the rows stands for."""
        known, kept = self._known, {}
        for row in rows:
            found = known.get(row)
            kept[row] = self._make(row) if found is None else found
        self._known = kept
        return list(kept.values())
