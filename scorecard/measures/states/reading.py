"""How a pass reads its rows: which columns of a portion are the numbers that are sorted, and which come as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from scorecard.ground.periods import Grain
from scorecard.measures.plan import Bag
from scorecard.measures.states.keys import Decimals, Key, steps
from scorecard.measures.states.layout import Coded, Days
from scorecard.measures.states.once import Once
from scorecard.measures.states.rows import guarded
from scorecard.measures.states.sorting import Cells, Portion, cells_of_keys, cells_sorted


@dataclass(frozen=True, slots=True)
class Columns:
    """What is read of the rows. ``flags``: condition → its number; ``numbers``: (value, condition) → (name, the flag where not all
    of the column counts); ``values``: what is counted once → name; ``sql``: name → SQL."""

    flags: Mapping[str, int]
    numbers: Mapping[tuple[str, str | None], tuple[str, int | None]]
    values: Mapping[str, str]
    sql: Mapping[str, str]

    def asked(self, name: str) -> list[int | None]:
        """The flags under which a column of doubles is asked for (None: all of it)."""
        return list(dict.fromkeys(flag for other, flag in self.numbers.values() if other == name))

    def doubles(self) -> dict[str, str]:
        """The columns of doubles: name → SQL."""
        return {name: self.sql[name] for name, _ in self.numbers.values()}

    @classmethod
    def of(cls, bags: Sequence[Bag]) -> Columns:
        """The columns for some bags; a value is read once, but where it may only be looked at under a condition."""
        pairs = dict.fromkeys((b.value, b.condition) for b in bags if b.q is not None)
        whole = {value: f"v_{n}" for n, value in enumerate(v for v, c in pairs if c is None)}
        shared = [c for v, c in pairs if c is not None and v in whole]
        shared += [b.condition for b in bags if b.q is None and b.condition is not None]
        flags = {c: n for n, c in enumerate(dict.fromkeys(shared))}
        sql = {name: f"CAST({value} AS DOUBLE)" for value, name in whole.items()}
        numbers: dict[tuple[str, str | None], tuple[str, int | None]] = {}
        for n, (value, condition) in enumerate(pairs):
            if value in whole:
                numbers[value, condition] = whole[value], None if condition is None else flags[condition]
            else:
                numbers[value, condition] = f"g_{n}", None
                sql[f"g_{n}"] = guarded(f"CAST({value} AS DOUBLE)", condition)
        values = {value: f"d_{n}" for n, value in enumerate(dict.fromkeys(b.value for b in bags if b.q is None))}
        return cls(flags, numbers, values, sql | {name: value for value, name in values.items()})


@dataclass(frozen=True, slots=True)
class Reading:
    """The columns of every portion. ``packed``: those of doubles that come as numbers with their cell and flags; ``counting``:
    what is counted once, of which each grain has such numbers of its own."""

    days: Days
    code: Coded
    columns: Columns
    counting: Mapping[tuple[str, Sequence[Grain]], Once]
    packed: Mapping[str, tuple[Key, Decimals]]

    @classmethod
    def of(
        cls,
        days: Days,
        portions: Sequence[tuple[int, int]],
        code: Coded,
        columns: Columns,
        counting: Mapping[tuple[str, Sequence[Grain]], Once],
        known: Mapping[str, Decimals | None],
    ) -> Self:
        """``known``: what is known of each column of doubles."""
        cells = max(until - begin for begin, until in portions) * code.size
        packed = {}
        for name, decimals in known.items():
            if decimals is not None:
                key = Key(cells, decimals.bits, len(_flags(columns, name)))
                if key.fits:
                    packed[name] = key, decimals
        return cls(days, code, columns, counting, packed)

    def cells(self, rows: pl.DataFrame, name: str, begin: int) -> dict[int | None, Cells]:
        """The values of a column of doubles, in rows from a segment on."""
        asked = self.columns.asked(name)
        if name in self.packed:
            return cells_of_keys(rows[name], *self.packed[name], begin * self.code.size, asked)
        of_day = self.days.of_day.slice(self.days.begins[begin])
        return cells_sorted(Portion(rows, of_day, self.code.size, len(self.columns.flags)), name, asked)

    def keys(self, rows: pl.DataFrame, place: tuple[str, Sequence[Grain]], grain: Grain) -> pl.Series:
        """The numbers of a value that is counted once."""
        return rows[f"o_{list(self.counting).index(place)}_{grain}"]

    def sql(self, source: str, begin: int, until: int) -> str:
        """The rows of some segments. ``source``: a SELECT of ``x`` (days since the first of them), ``code`` (of the split value),
        ``f_0`` … (the flags) and the columns."""
        begins, flags = self.days.begins, self.columns.flags
        first, size = begins[begin], begins[until] - begins[begin]
        places = [f"{steps('x', [b - first for b in begins[begin + 1 : until]], size)} AS segment"]
        shown = []
        for name in self.columns.doubles():
            if name in self.packed:
                key, decimals = self.packed[name]
                below = [(f"f_{flag}", bit) for bit, flag in enumerate(_flags(self.columns, name))]
                sorted_by = key.sql(f"segment * {self.code.size} + code", decimals.sql(name, key.type), below)
                shown.append(f"{sorted_by} AS {name}")
            else:
                shown.append(name)
        if len(self.packed) < len(shown):
            low = [f"(code * {1 << len(flags)})", *(f"(f_{flag} * {1 << flag})" for flag in flags.values())]
            shown += ["x AS day", f"{' | '.join(low)} AS low"]
        for number, ((value, _), once) in enumerate(self.counting.items()):
            for grain, grained in once.grains.items():
                starts = (begins[grained.begins[n]] - first for n in once.periods(grain, begin, until)[1:])
                places.append(f"{steps('x', list(starts), size)} AS p_{number}_{grain}")
                key = once.key(grain)
                below = [("code", len(once.conditions)), *((f"f_{flags[c]}", n) for n, c in enumerate(once.conditions))]
                counted = f"CAST(CAST({self.columns.values[value]} AS BIGINT) - ({once.least}) AS {key.type})"
                shown.append(f"{key.sql(f'p_{number}_{grain}', counted, below)} AS o_{number}_{grain}")
        return f"SELECT {', '.join(shown)} FROM (SELECT *, {', '.join(places)} FROM ({source}) AS i) AS m"


def _flags(columns: Columns, name: str) -> list[int]:
    """The flags under which a column is asked for, each a bit from the lowest on."""
    return [flag for flag in columns.asked(name) if flag is not None]
