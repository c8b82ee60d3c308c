"""What sources lack because it could not be read: asked at every publish, changed by few loads, and therefore remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import duckdb

from scorecard.warehouse.engine import Load, Quarantine
from scorecard.warehouse.quarantine import read_quarantines, write_quarantine
from scorecard.warehouse.records import Counts


class Asides:
    """For any thread; ``reading`` lends a cursor."""

    def __init__(self, reading: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]) -> None:
        self._reading = reading
        self._known: tuple[tuple[int, ...], Mapping[str, Quarantine]] | None = None
        self._changes = 0

    def known(self, failed: tuple[int, ...]) -> Mapping[str, Quarantine]:
        """Per source the rows that its table lacks, and those for which one of the ``failed`` loads failed."""
        kept = self._known
        if kept is not None and kept[0] == failed:
            return kept[1]
        changes = self._changes
        with self._reading() as cursor:
            found = read_quarantines(cursor, failed)
        if changes == self._changes:  # else a load was committed that this cursor may not have seen
            self._known = failed, found
        return found

    def write(self, cursor: duckdb.DuckDBPyConnection, load: Load, counts: Counts) -> bool:
        """In the load's transaction: rows it puts aside, and those it settles. False where there can be neither."""
        kept = self._known
        if not counts.aside and kept is not None and load.source not in kept[1]:
            return False
        write_quarantine(cursor, load, counts.aside, counts.settled)
        return True

    def forget(self) -> None:
        """Something was written, and is committed."""
        self._changes += 1
        self._known = None
