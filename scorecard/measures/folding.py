"""Kept days added up to the periods of all grains at once, for a grid that is read anew: one statement, one pass over its answer.

The engine adds up the whole beside every raw split value; only where several values name one slice are amounts added here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import repeat
from typing import Any

import polars as pl

from scorecard.ground.periods import GRAINS, Grain
from scorecard.measures.keeping import Keeping
from scorecard.measures.place import Key
from scorecard.measures.slices import Slice
from scorecard.measures.sql import literal
from scorecard.measures.states.additive import Amount

NOWHERE: Slice = ("", "")
"""Where values count that name nothing."""
Lines = dict[tuple[str, Grain], dict[Key, dict[Slice | None, Any]]]
SlicesOf = Callable[[str, str], Sequence[Slice]]
"""(state, raw split value) → the slices in which its rows count."""
EPOCH = date(1970, 1, 1)
SMALL = 2**63 - 1
"""Sums up to this size come as plain integers, which is far quicker than as decimals."""


def read_whole(keeping: Keeping, asked: Mapping[Grain, Sequence[str]], slices_of: SlicesOf) -> Lines:
    """(state, grain) → key → slice → Amount of everything that is kept; ``asked``: the states at each grain."""
    names = list(dict.fromkeys(name for states in asked.values() for name in states))
    if not names:
        return {}
    frame = keeping.query(_sql(asked, {name: number for number, name in enumerate(names)})).sort("place", "day", "hour")
    found: Lines = {(name, grain): {} for grain, states in asked.items() for name in states}
    columns = [_numbers(frame, key) for key in Amount._fields]
    amounts: list[Amount] = list(map(tuple.__new__, repeat(Amount), zip(*columns, strict=True)))
    places, raws, keys = frame["place"].to_list(), frame["slice"].to_list(), _keys(frame)
    named = [_Named(partial(slices_of, name)) for name in names]
    at = 0
    for size in (
        frame.select(pl.struct("place", "day", "hour").rle_id()).to_series().rle().struct.field("len").to_list()
    ):
        number, grain = divmod(places[at], len(GRAINS))
        line = named[number].line(raws[at : at + size], amounts[at : at + size])
        found[names[number], GRAINS[grain]][keys[at]] = line
        at += size
    return found


class _Named:
    """The slices of one state's raw split values. Nearly always each names one, and no two the same."""

    __slots__ = ("_known", "_of", "_single")

    def __init__(self, slices_of: Callable[[str], Sequence[Slice]]) -> None:
        self._of = slices_of
        self._known: dict[str | None, Sequence[Slice | None]] = {None: (None,)}
        self._single: dict[str | None, Slice | None] = {None: None}

    def line(self, raws: Sequence[str | None], amounts: Sequence[Amount]) -> dict[Slice | None, Any]:
        """What some raw values (None: the whole) come to, by slice."""
        for raw in raws:
            if raw is not None and raw not in self._known:
                slices = self._known[raw] = self._of(raw)
                if not slices or (len(slices) == 1 and slices[0] not in self._single.values()):
                    self._single[raw] = slices[0] if slices else NOWHERE
        line: dict[Slice | None, Any]
        try:
            line = dict(zip(map(self._single.__getitem__, raws), amounts, strict=True))
        except KeyError:
            line = {}
        else:
            line.pop(NOWHERE, None)
            return line
        for raw, amount in zip(raws, amounts, strict=True):
            for slice_ in self._known[raw]:
                before = line.get(slice_)
                line[slice_] = amount if before is None else before.plus(amount)
        return line


def _sql(asked: Mapping[Grain, Sequence[str]], numbers: Mapping[str, int]) -> str:
    """``place`` (of the state and grain), ``day`` (days since 1970) or ``hour``, ``slice`` (None: the whole) and the amounts."""
    parts = []
    for grain, states in asked.items():
        pairs = ", ".join(f"({literal(s)}, {len(GRAINS) * numbers[s] + GRAINS.index(grain)})" for s in states)
        known = f"(VALUES {pairs}) AS k(state, place)"
        rows = f"SELECT k.place, s.* EXCLUDE (state) FROM meter.additive AS s JOIN {known} USING (state)"
        day, hour, days = "CAST(s.bucket AS DATE)", "CAST(NULL AS TIMESTAMP)", ""
        if grain == "hour":
            hour = "s.bucket"
        elif grain != "day":
            day, days = f"d.{grain}", " JOIN meter.days AS d ON CAST(s.bucket AS DATE) = d.bucket"
        parts.append(f"SELECT s.place, {day} AS day, {hour} AS hour, s.slice, {_columns('s')} FROM ({rows}) AS s{days}")
    sums = [f"CAST(sum({key}) AS HUGEINT) AS {key}" for key in ("a", "b")]
    sums += [f"CAST(sum({key}) AS BIGINT) AS {key}" for key in ("n", "bad")]
    by = "place, day, hour"
    folded = (
        f"SELECT {by}, slice, {', '.join(sums)}, min(low) AS low, max(high) AS high FROM ({' UNION ALL '.join(parts)}) AS p "
        f"GROUP BY GROUPING SETS (({by}, slice), ({by})) HAVING grouping(slice) = 1 OR slice IS NOT NULL"
    )
    shown = []
    for key in ("a", "b"):
        small = f"{key} BETWEEN -{SMALL} AND {SMALL}"
        shown += [
            f"CASE WHEN {small} THEN CAST({key} AS BIGINT) END AS {key}",
            f"CASE WHEN NOT {small} THEN {key} END AS large_{key}",
        ]
    since = f"CAST(day - DATE '{EPOCH}' AS INTEGER) AS day"
    return f"SELECT place, {since}, hour, slice, {', '.join(shown)}, n, bad, low, high FROM ({folded}) AS f"


def _columns(table: str) -> str:
    return ", ".join(f"{table}.{key}" for key in Amount._fields)


def _numbers(frame: pl.DataFrame, key: str) -> list[Any]:
    """One part of the amounts, as Python's numbers."""
    small = frame[key].to_list()
    large = frame[f"large_{key}"] if key in ("a", "b") else None
    if large is None or large.null_count() == len(large):
        return small
    return [int(big) if plain is None else plain for plain, big in zip(small, large.to_list(), strict=True)]


def _keys(frame: pl.DataFrame) -> list[Key]:
    """Hours as moments, all else as days."""
    known: dict[int, date] = {}
    keys: list[Key] = []
    for day, hour in zip(frame["day"].to_list(), frame["hour"].to_list(), strict=True):
        if hour is not None:
            keys.append(hour)
            continue
        key = known.get(day)
        if key is None:
            key = known[day] = EPOCH + timedelta(days=day)
        keys.append(key)
    return keys
