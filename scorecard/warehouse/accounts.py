"""What is on record of sources and their loads: what the file says, and what is not written into it yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

import duckdb

from scorecard.warehouse import decisions
from scorecard.warehouse.engine import Load, Standing
from scorecard.warehouse.glances import Glances, Renewal
from scorecard.warehouse.history import read_latest, read_loads, read_recent
from scorecard.warehouse.records import STANDING, aware, load_of, read_memory, standing_of, write_load
from scorecard.warehouse.remembering import Remembered

MOST_MISSED = 200


class Accounts:
    """For any thread; ``reading`` lends a cursor. What is in the file and waits as well is the same, and counts once."""

    def __init__(
        self, reading: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]], glances: Glances
    ) -> None:
        self._reading = reading
        self._glances = glances
        self._standings, self._latest = Remembered(standing_of), Remembered(load_of)
        self._history = Remembered(load_of)
        self._missed: list[Load] = []

    def standing(self, source: str) -> Standing | None:
        """None: never loaded."""
        if (known := self._glances.standing(source)) is not None:
            return known
        renewals = self._glances.waiting()[1]
        with self._reading() as cursor:
            memory = read_memory(cursor, source)
        return None if memory is None else _up_to_date(memory.standing, renewals)

    def standings(self) -> Mapping[str, Standing]:
        """Of every source that was ever loaded."""
        renewals = self._glances.waiting()[1]
        with self._reading() as cursor:
            rows = cursor.execute(STANDING).fetchall()
        # Ages change with every look, and what else there is to take apart seldom.
        ages = {source: aware(loaded_at) for source, loaded_at, *_ in rows}
        known = self._standings.of((source, None, *more) for source, _, *more in rows)
        return {x.source: _up_to_date(replace(x, loaded_at=ages[x.source]), renewals) for x in known}

    def latest(self) -> Mapping[str, Load]:
        """Source → its newest finished load."""
        waiting = self._waiting()
        with self._reading() as cursor:
            written = decisions.told(cursor, read_latest(cursor, self._latest))
        return {load.source: load for load in sorted([*written, *waiting], key=lambda load: load.id)}

    def loads(self, source: str | None, limit: int, outcome: str | None) -> tuple[Load, ...]:
        """The run history, newest first."""
        waiting = self._waiting()
        remembered = (
            self._history if source is outcome is None else Remembered(load_of)
        )  # each board asks for the newest
        with self._reading() as cursor:
            written = decisions.told(cursor, read_loads(cursor, source, limit, outcome, remembered))
        asked = [x for x in waiting if source in (None, x.source) and outcome in (None, x.outcome)]
        return tuple(_by_number([*asked, *written])[::-1][:limit])

    def recent(self, each: int) -> tuple[Load, ...]:
        """The newest loads of every source, and all since its last good one; oldest first."""
        waiting = self._waiting()
        with self._reading() as cursor:
            return tuple(_by_number([*waiting, *read_recent(cursor, each)]))

    def _waiting(self) -> list[Load]:
        """To be asked before the file is: in between some may be written down."""
        return [*self._glances.waiting()[0].values(), *self._missed]

    # -- failures that the disk refused ------------------------------------------------------------------------

    def miss(self, load: Load) -> None:
        """A failure that could not be written."""
        self._missed = [*self._missed, load][-MOST_MISSED:]

    def write_missed(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """In a transaction of the caller, who calls ``forget_missed`` once it is committed."""
        for load in self._missed:
            write_load(cursor, load)

    def forget_missed(self) -> None:
        self._missed = []


def _by_number(loads: Iterable[Load]) -> list[Load]:
    """Each load once, as it is said last; oldest first."""
    return sorted({load.id: load for load in loads}.values(), key=lambda load: load.id)


def _up_to_date(standing: Standing, renewals: Mapping[str, Renewal]) -> Standing:
    renewal = renewals.get(standing.source)
    return standing if renewal is None else renewal.of(standing)
