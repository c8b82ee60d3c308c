"""What is asked again and again and seldom changes: read once, and again after something was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recalled(Generic[T]):
    """For any thread. ``forget`` is to be called once what was written is committed."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._changes = 0
        self._known: tuple[int, T] | None = None

    def get(self) -> T:
        """What was read last, or what is there now."""
        known, changes = self._known, self._changes
        if known is not None and known[0] == changes:
            return known[1]
        found = self._read()
        self._known = changes, found  # of before a write that was committed meanwhile: then it is read once more
        return found

    @property
    def known(self) -> T | None:
        """What was read last, as far as nothing was written since."""
        known = self._known
        return known[1] if known is not None and known[0] == self._changes else None

    def forget(self) -> None:
        self._changes += 1
