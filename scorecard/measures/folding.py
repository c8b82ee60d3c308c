"""Days added up to the periods of all grains at once, for a grid that is read anew: of what is kept one statement, one pass over
its answer; of what was just counted no statement at all.

The whole is added up beside every raw split value; only where several values name one slice are amounts added here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import accumulate, compress, pairwise, repeat
from typing import Any, NamedTuple

import polars as pl

from scorecard.ground.periods import GRAINS, Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.keeping import Keeping
from scorecard.measures.place import Key
from scorecard.measures.slices import Slice
from scorecard.measures.sql import literal
from scorecard.measures.states.additive import Amount
from scorecard.measures.states.layout import PLACES

NOWHERE: Slice = ("", "")
"""Where values count that name nothing."""
Lines = dict[tuple[str, Grain], dict[Key, dict[Slice | None, Any]]]
SlicesOf = Callable[[str, str], Sequence[Slice]]
"""(state, raw split value) → the slices in which its rows count."""
EPOCH = date(1970, 1, 1)
LARGEST = 2**127
"""Sums are whole numbers below this."""


class Answer(NamedTuple):
    """All buckets of some states of a scan, as ``scan_sql`` gives them: those of the i-th state are ``a_i`` … ``high_i``."""

    states: Sequence[str]
    rows: pl.DataFrame


def read_whole(keeping: Keeping, asked: Mapping[Grain, Sequence[str]], slices_of: SlicesOf) -> Lines:
    """(state, grain) → key → slice → Amount of everything that is kept; ``asked``: the states at each grain."""
    names = list(dict.fromkeys(name for states in asked.values() for name in states))
    if not names:
        return {}
    frame = keeping.query(_sql(asked, {name: number for number, name in enumerate(names)})).sort("place", "day", "hour")
    found: Lines = {(name, grain): {} for grain, states in asked.items() for name in states}
    amounts = _amounts([_numbers(frame[key]) for key in Amount._fields])
    places, raws, keys = frame["place"].to_list(), frame["slice"].to_list(), _keys(frame)
    named = [_Named(partial(slices_of, name)) for name in names]
    for at, until in _stretches(frame.select("place", "day", "hour")):
        number, grain = divmod(places[at], len(GRAINS))
        line = named[number].line(raws[at:until], amounts[at:until])
        found[names[number], GRAINS[grain]][keys[at]] = line
    return found


def fold(
    answer: Answer, asked: Mapping[Grain, Collection[str]], calendar: Calendar, slices_of: SlicesOf
) -> Lines | None:
    """The same of what was just counted, without a way over what is kept; None where sums might be too large for that."""
    numbers = {state: n for n, state in enumerate(answer.states)}
    sums = [name for name in answer.rows.columns if name[:2] in ("a_", "b_")]
    rows = answer.rows.with_columns(pl.col(sums).cast(pl.Int128))
    found: Lines = {(state, grain): {} for grain, states in asked.items() for state in states if state in numbers}
    if not len(rows) or not found:
        return found
    largest = rows.select(pl.max_horizontal(pl.col(sums).abs().max())).item() if sums else 0
    if (largest or 0) * len(rows) >= LARGEST:
        return None
    named = _Named(partial(slices_of, next(iter(found))[0]))  # all are of one scan, so that they are split alike
    for grain, states in asked.items():
        mine = [state for state in states if state in numbers]
        some = _folded(rows, grain, [numbers[state] for state in mine], calendar) if mine else rows
        raws, keys = some["slice"].to_list(), some["key"].to_list() if mine else []
        places = list(_stretches(some.select("key"))) if mine else []
        for state in mine:
            columns = [_column(some, f"{key}_{numbers[state]}") for key in Amount._fields]
            amounts, lines = _amounts(columns), found[state, grain]
            says = [bool(n or bad) for n, bad in zip(columns[2], columns[3], strict=True)]
            if all(says):
                for at, until in places:
                    lines[keys[at]] = named.line(raws[at:until], amounts[at:until])
                continue
            for at, until in places:
                if any(says[at:until]):
                    own = (compress(part[at:until], says[at:until]) for part in (raws, amounts))
                    lines[keys[at]] = named.line(*map(list, own))
    return found


def _folded(rows: pl.DataFrame, grain: Grain, numbers: Collection[int], calendar: Calendar) -> pl.DataFrame:
    """Some states by ``key`` (of the grain) and ``slice`` (None: the whole), in the order of keys."""
    key = pl.col("bucket") if grain == "hour" else pl.col("bucket").cast(pl.Date)
    if grain not in ("hour", "day"):
        first, last = rows.select(pl.col("bucket").min(), last=pl.col("bucket").max()).row(0)
        days = calendar.day_rows(first.date(), last.date())
        key = key.replace_strict({day[0]: day[PLACES.index(grain)] for day in days}, return_dtype=pl.Date)
    how = {"low": pl.Expr.min, "high": pl.Expr.max}
    own = [name for n in numbers for k in Amount._fields if (name := f"{k}_{n}") in rows.columns]
    added = [how.get(name.split("_")[0], pl.Expr.sum)(pl.col(name)) for name in own]
    keyed = rows.select(key.alias("key"), "slice", *own)
    whole = keyed.group_by("key").agg(pl.lit(None, pl.String).alias("slice"), *added)
    sliced = keyed.drop_nulls("slice").group_by("key", "slice").agg(*added)
    return pl.concat([whole, sliced], how="vertical").sort("key")


def _column(frame: pl.DataFrame, name: str) -> Sequence[Any]:
    """One part of an atom's amounts; most atoms do not have all of them."""
    if name in frame.columns:
        return frame[name].to_list()
    return [None if name.startswith(("low", "high")) else 0] * len(frame)


def _amounts(columns: Iterable[Iterable[Any]]) -> list[Amount]:
    return list(map(tuple.__new__, repeat(Amount), zip(*columns, strict=True)))


def _stretches(keys: pl.DataFrame) -> Iterator[tuple[int, int]]:
    """From where to before where equal rows follow each other."""
    lengths = keys.select(pl.struct(pl.all()).rle_id()).to_series().rle().struct.field("len").to_list()
    return pairwise(accumulate(lengths, initial=0))


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
    return (
        f"SELECT place, CAST(day - DATE '{EPOCH}' AS INTEGER) AS day, hour, slice, {', '.join(sums)}, min(low) AS low, "
        f"max(high) AS high FROM ({' UNION ALL '.join(parts)}) AS p "
        f"GROUP BY GROUPING SETS (({by}, slice), ({by})) HAVING grouping(slice) = 1 OR slice IS NOT NULL"
    )


def _columns(table: str) -> str:
    return ", ".join(f"{table}.{key}" for key in Amount._fields)


def _numbers(column: pl.Series) -> list[Any]:
    """One part of the amounts, as Python's numbers: whole ones are far quicker than decimals."""
    return (column.cast(pl.Int128) if column.dtype.is_decimal() else column).to_list()


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
