"""What every way of fetching a result has in common: its columns' names, rows put aside, and limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.contract import Rejected, SourceFailed
from connectors.names import collisions, normalise_all

REJECTED_LIMIT = 100_000


class Aside:
    """Rows that cannot be counted with, so far."""

    def __init__(self, source: str) -> None:
        self.rows: list[Rejected] = []
        self._source = source

    def add(self, line: int, reason: str, row: Sequence[Any]) -> None:
        """Raises SourceFailed where there are too many to be an exception."""
        shown = ", ".join("null" if value is None else str(value) for value in row)[:500]
        self.rows.append(Rejected(self._source, line, reason, shown))
        if len(self.rows) > REJECTED_LIMIT:
            raise SourceFailed(f"more than {REJECTED_LIMIT:,} rows cannot be read", hint=self.rows[0].reason)


def column_names(written: Sequence[str]) -> tuple[str, ...]:
    """The result's columns, normalised. Raises SourceFailed for two that are the same then."""
    for normal, doubled in collisions(written).items():
        listed = " and ".join(repr(name) for name in doubled)
        hint = "give one of them another name with AS"
        raise SourceFailed(f"the query has columns {listed}, which both become '{normal}'", hint=hint)
    if "_line" in written:
        raise SourceFailed("a column may not be called '_line'", hint="give it another name with AS")
    return normalise_all(written)


def too_slow(seconds: float) -> SourceFailed:
    hint = "select less, or pull in steps with a cursor"
    return SourceFailed(f"the query took too long: more than {seconds:g} s", hint=hint)


def too_large(most: int) -> SourceFailed:
    hint = "select less, or pull in steps with a cursor"
    return SourceFailed(f"the query gives more than {most / 1024**3:.3g} GB", hint=hint)
