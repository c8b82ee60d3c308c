"""What types compiled row expressions have: the engine is asked for many at once, and for each only once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from scorecard.ground.errors import ScorecardError, Unavailable
from scorecard.measures.sql import ROWS
from scorecard.warehouse.engine import Engine


class Types:
    """For one planning. First every metric is compiled with ``note``, then the engine is asked by ``ask``, then ``of`` tells."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wanted: dict[str, dict[str, None]] = {}
        self._known: dict[tuple[str, str], pl.DataType] = {}

    def note(self, source: str, values: tuple[str, ...]) -> tuple[pl.DataType, ...]:
        """Notes what will be asked for; answers as if all were numbers."""
        self._wanted.setdefault(source, {}).update(dict.fromkeys(values))
        return tuple(pl.Float64() for _ in values)

    def ask(self) -> None:
        """Learns the types of all that was noted. What does not compile stays unknown, so that ``of`` says why."""
        for source, values in self._wanted.items():
            self._learn(source, list(values))

    def of(self, source: str, values: tuple[str, ...]) -> tuple[pl.DataType, ...]:
        """The types of the values; raises what the engine raises where one does not compile."""
        missing = [value for value in values if (source, value) not in self._known]
        if missing:
            self._known.update(zip([(source, value) for value in missing], self._asked(source, missing), strict=True))
        return tuple(self._known[source, value] for value in values)

    def _learn(self, source: str, values: Sequence[str]) -> None:
        """In one question; where it fails, in halves, until only the wrong ones are left."""
        try:
            types = self._asked(source, values)
        except Unavailable:
            raise
        except ScorecardError:
            if len(values) > 1:
                middle = len(values) // 2
                self._learn(source, values[:middle])
                self._learn(source, values[middle:])
        else:
            self._known.update(zip([(source, value) for value in values], types, strict=True))

    def _asked(self, source: str, values: Sequence[str]) -> Sequence[pl.DataType]:
        chosen = ", ".join(f"{value} AS c_{i}" for i, value in enumerate(values))
        return self._engine.query(f"SELECT {chosen} FROM {self._engine.table(source)} AS {ROWS} LIMIT 0").dtypes
