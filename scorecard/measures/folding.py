"""Kept days added up to the periods of all grains at once, for a grid that is read anew: one statement, one pass over its answer.

The engine adds up the whole beside every raw split value; only where several values name one slice are amounts added here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from scorecard.ground.periods import GRAINS, Grain
from scorecard.measures.keeping import Keeping
from scorecard.measures.place import Key
from scorecard.measures.slices import Slice
from scorecard.measures.sql import literal
from scorecard.measures.states.additive import Amount

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
    frame = keeping.query(_sql(asked, {name: number for number, name in enumerate(names)}))
    found: Lines = {}
    memory: dict[tuple[int, str], Sequence[Slice]] = {}
    lines: dict[int, dict[Key, dict[Slice | None, Any]]] = {}
    for place, grain, name in (
        (len(GRAINS) * n + GRAINS.index(g), g, names[n]) for n in range(len(names)) for g in asked
    ):
        if name in asked[grain]:
            lines[place] = found[name, grain] = {}
    amounts = map(Amount._make, zip(*(_numbers(frame, key) for key in Amount._fields), strict=True))
    places, raws = frame["place"].to_list(), frame["slice"].to_list()
    for place, key, raw, amount in zip(places, _keys(frame), raws, amounts, strict=True):
        at = lines[place]
        line = at.get(key)
        if line is None:
            line = at[key] = {}
        if raw is None:
            line[None] = amount
            continue
        number = place // len(GRAINS)
        slices = memory.get((number, raw))
        if slices is None:
            slices = memory[number, raw] = slices_of(names[number], raw)
        for slice_ in slices:
            before = line.get(slice_)
            line[slice_] = amount if before is None else before.plus(amount)
    return found


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
