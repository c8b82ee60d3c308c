"""One pass over all rows of a time column for what does not add up, at all grains at once.

The rows come in portions of whole segments of days (``states.layout``), each read once, mostly as the numbers by which they are
sorted (``states.keys``). Values of quantiles are sorted within segments and split values; every period, of the whole and of any
slice, is found in some of these runs (``states.runs``). Distinct values are sorted period by period (``states.once``). What is
held at any time is what belongs to periods that are not over yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from scorecard.ground.periods import Grain
from scorecard.measures.place import Here
from scorecard.measures.plan import Bag
from scorecard.measures.ranges import Range, column, day_literal, day_of, joined, until_moment, within
from scorecard.measures.slices import Slice
from scorecard.measures.sql import ROWS, literal
from scorecard.measures.states.keys import Decimals, decimals_of
from scorecard.measures.states.layout import Coded, Days, coded, day_at, days_laid_out
from scorecard.measures.states.once import Once
from scorecard.measures.states.reading import Columns, Reading
from scorecard.measures.states.rows import Slices
from scorecard.measures.states.runs import Runs
from scorecard.measures.states.settled import Around, Asked, Most, Place
from scorecard.measures.states.stretches import Window
from scorecard.measures.store import BAGS
from scorecard.warehouse.engine import Engine

ROWS_IN_HAND = 1_000_000
"""About so many rows are read at once; where many times as many are of one segment, all is left to the engine."""
MOST_IN_HAND = 16_000_000
TABLE_BITS = 18
Sorted = tuple[str, str | None, Sequence[Grain]]
"""(value, condition, grains) of quantiles."""
Result = tuple[str, str, date, str, str, int, int, float | None]
"""A row as it is kept (``store.BAGS``), but for the bucket's time."""


def apart(bags: Mapping[Bag, Sequence[Grain]], split_values: int) -> list[dict[Bag, Sequence[Grain]]]:
    """Bags for one pass each: so many that their conditions, as bits beside the split value's number, fit into a small table."""
    most = max(1, TABLE_BITS - split_values.bit_length())
    parts: list[tuple[set[str], dict[Bag, Sequence[Grain]]]] = []
    for bag, grains in bags.items():
        asked = set[str]() if bag.condition is None else {bag.condition}
        fitting = next((one for one in parts if len(one[0] | asked) <= most), None)
        if fitting is None:
            parts.append(fitting := (set(), {}))
        fitting[0].update(asked)
        fitting[1][bag] = grains
    return [part for _, part in parts]


@dataclass(slots=True)
class Sweep:
    """The pass for some bags of one time column and split, each at its grains (no hours). ``fused``: see ``states.ranks``.

    ``by_day``: how many rows there are on each day, where that is known. ``stretches``: bag → days from one to before another;
    what is to be remembered of its quantile in them is then in ``windows``. ``decimals``: what is known of columns (SQL).
    """

    engine: Engine
    here: Here
    axis: str
    bags: Mapping[Bag, Sequence[Grain]]
    slices: Slices
    fused: bool
    stretches: Asked
    by_day: Mapping[date, int] | None = None
    decimals: dict[str, Decimals | None] = field(default_factory=dict)
    windows: dict[Place, Mapping[Slice | None, Window]] = field(default_factory=dict)
    _rows: list[Result] = field(default_factory=list)

    def numbers(self) -> tuple[pl.DataFrame, frozenset[Bag]]:
        """All their numbers, as they are kept, and the bags that it can say nothing about. Raises what the engine raises."""
        first, code = self.here.first_day(self.axis), coded(self.slices)
        if first is None:
            return pl.DataFrame(schema=BAGS), frozenset()
        if code is None:
            return pl.DataFrame(schema=BAGS), frozenset(self.bags)
        grains = tuple(dict.fromkeys(g for found in self.bags.values() for g in found))
        marks = {day for found in self.stretches.values() for stretch in found for day in stretch}
        days = days_laid_out(self.here.calendar, first, self.here.today, grains, marks)
        portions = self._portions(days)
        if portions is None:
            return pl.DataFrame(schema=BAGS), frozenset(self.bags)
        counting = self._counting(days, code, portions)
        left = frozenset(b for b in self.bags if b.q is None and (b.value, self.bags[b]) not in counting)
        mine = [bag for bag in self.bags if bag not in left]
        if mine:
            self._pass(days, portions, code, Columns.of(mine), mine, counting)
        return self._kept(), left

    def around(self) -> Around:
        """Only the windows of the stretches; no other rows are read. Nothing where it can say nothing about them. Raises what the
        engine raises."""
        code, marks = coded(self.slices), {day for found in self.stretches.values() for some in found for day in some}
        if code is None or not marks:
            return {}
        days = days_laid_out(self.here.calendar, min(marks), max(marks), (), marks)
        portions = self._portions(days)
        if portions is not None:
            mine = list(self.bags)
            self._pass(days, portions, code, Columns.of(mine), mine, {})
        return self.windows

    def _asked(self, bags: Sequence[Bag]) -> dict[Range, Most]:
        """The stretches of some bags, oldest first."""
        found: dict[Range, Most] = {}
        for bag in bags:
            found |= self.stretches.get(bag, {})
        return dict(sorted(found.items()))

    def _read(self, days: Days, begin: int, until: int) -> Sequence[Range]:
        """The days of some segments; where only windows are asked for, those that they rest on."""
        first, last = day_at(days, begin), day_at(days, until)
        if any(self.bags.values()):
            return ((first, last),)
        asked = joined(some for found in self.stretches.values() for some in found)
        return [(max(a, first), min(b, last)) for a, b in asked if a < last and b > first]

    def _counting(
        self, days: Days, code: Coded, portions: Sequence[tuple[int, int]]
    ) -> dict[tuple[str, Sequence[Grain]], Once]:
        """How each distinct value is counted (value and grains); not those that are no whole numbers, or too far apart."""
        asked: dict[tuple[str, Sequence[Grain]], dict[str | None, None]] = {}
        for bag, grains in self.bags.items():
            if bag.q is None:
                asked.setdefault((bag.value, grains), {})[bag.condition] = None
        values = list(dict.fromkeys(value for value, _ in asked))
        if not values:
            return {}
        rows = f"FROM {self.here.table} AS {ROWS}"
        shown = ", ".join(f"{value} AS d_{n}" for n, value in enumerate(values))
        types = self.engine.query(f"SELECT {shown} {rows} LIMIT 0").dtypes
        whole = [value for value, type_ in zip(values, types, strict=True) if type_.is_integer() and type_ != pl.Int128]
        if not whole:
            return {}
        ends = ", ".join(f"min({value}) AS a_{n}, max({value}) AS b_{n}" for n, value in enumerate(whole))
        found = self.engine.query(f"SELECT {ends} {rows}").row(0)
        spans = {value: (found[2 * n] or 0, found[2 * n + 1] or 0) for n, value in enumerate(whole)}
        made = {
            (value, grains): Once(*spans[value], code, {g: days.grains[g] for g in grains}, tuple(conditions), portions)
            for (value, grains), conditions in asked.items()
            if value in spans
        }
        return {place: once for place, once in made.items() if once.fits}

    def _pass(
        self,
        days: Days,
        portions: Sequence[tuple[int, int]],
        code: Coded,
        columns: Columns,
        bags: Sequence[Bag],
        counting: Mapping[tuple[str, Sequence[Grain]], Once],
    ) -> None:
        reading = Reading.of(days, portions, code, columns, counting, self._known(days, columns))
        states, runs = self._runs(reading, bags)
        by_name: dict[str, list[tuple[Sorted, int | None]]] = {}
        for place in runs:
            name, flag = columns.numbers[place[:2]]
            by_name.setdefault(name, []).append((place, flag))
        named = {(bag.value, bag.condition, self.bags[bag]): bag.id for bag in bags if bag.q is None}
        for begin, until in portions:  # nothing of one is left when the next comes
            self._take(reading, (begin, until), by_name, runs, states, named)
        for place, one in runs.items():
            for (begun, split), around in one.windows.items():
                for nth, state in enumerate(states[place]):
                    self.windows[state, begun, split] = {slice_: some[nth] for slice_, some in around.items()}

    def _take(
        self,
        reading: Reading,
        portion: tuple[int, int],
        by_name: Mapping[str, Sequence[tuple[Sorted, int | None]]],
        runs: Mapping[Sorted, Runs],
        states: Mapping[Sorted, Sequence[str]],
        named: Mapping[tuple[str, str | None, Sequence[Grain]], str],
    ) -> None:
        """The rows of some segments."""
        rows = self.engine.query(self._sql(reading, *portion), many=True)
        for name, wanted in by_name.items():
            cells = reading.cells(rows, name, portion[0])
            for place, flag in wanted:
                for grain, day, slice_, n, bad, xs in runs[place].take(cells[flag], portion[1]):
                    for state, x in zip(states[place], xs, strict=True):
                        self._keep(state, grain, day, slice_, n, bad, x)
            del cells
        for counted, once in reading.counting.items():
            for grain in counted[1]:
                for of, day, condition, slice_, n, x in once.take(grain, reading.keys(rows, counted, grain), *portion):
                    self._keep(named[counted[0], condition, counted[1]], of, day, slice_, n, 0, float(x))

    def _runs(self, reading: Reading, bags: Sequence[Bag]) -> tuple[dict[Sorted, list[str]], dict[Sorted, Runs]]:
        """The states of each sorted value, and what finds them."""
        sorting: dict[Sorted, list[Bag]] = {}
        for bag in bags:
            if bag.q is not None:
                sorting.setdefault((bag.value, bag.condition, self.bags[bag]), []).append(bag)
        made: dict[Sorted, Runs] = {}
        for place, alike in sorting.items():
            qs, packed = [bag.q or 0.0 for bag in alike], reading.packed.get(reading.columns.numbers[place[:2]][0])
            decimals, asked = None if packed is None else packed[1], self._asked(alike)
            made[place] = Runs(qs, place[2], reading.days, reading.code, self.fused, asked, decimals)
        return {place: [bag.id for bag in alike] for place, alike in sorting.items()}, made

    def _keep(
        self, state: str, grain: Grain, first: date, slice_: Slice | None, n: int, bad: int, x: float | None
    ) -> None:
        if n or bad:
            self._rows.append((state, grain, first, *(slice_ or ("", "")), n, bad, x))

    def _kept(self) -> pl.DataFrame:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in BAGS)
        found = pl.DataFrame(dict(zip(BAGS, columns, strict=True)), schema={**BAGS, "bucket": pl.Date})
        return found.with_columns(pl.col("bucket").cast(BAGS["bucket"]))

    def _portions(self, days: Days) -> Sequence[tuple[int, int]] | None:
        """Segments from one to before another that together are not too many rows; None where a single one is."""
        last = len(days.begins) - 1
        if self.here.standing.rows <= ROWS_IN_HAND:
            return [(0, last)]
        rows, of_day = [0] * last, days.of_day.to_list()
        for day, n in (self._days(days) if self.by_day is None else self.by_day).items():
            if 0 <= (place := (day - days.first).days) < len(of_day):
                rows[of_day[place]] += n
        if max(rows) > MOST_IN_HAND:
            return None
        found, begin, many = [], 0, 0
        for segment, n in enumerate(rows):
            if many and many + n > ROWS_IN_HAND:
                found.append((begin, segment))
                begin, many = segment, 0
            many += n
        return [*found, (begin, last)]

    def _days(self, days: Days) -> dict[date, int]:
        """How many rows there are on each day."""
        day, ranges = day_of(self.axis), ((days.first, day_at(days, len(days.begins) - 1)),)
        sql = f"SELECT {day} AS day, count(*) AS n FROM {self.here.table} AS {ROWS} WHERE {within(day, ranges)} GROUP BY 1"
        return dict(self.engine.query(sql).rows())

    def _known(self, days: Days, columns: Columns) -> Mapping[str, Decimals | None]:
        """What is known of the columns of doubles: name → that. Raises what the engine raises."""
        rows, doubles = f"FROM {self.here.table} AS {ROWS}", columns.doubles()
        if not any(self.bags.values()):  # not all rows are read
            rows += f" WHERE {within(day_of(self.axis), self._read(days, 0, len(days.begins) - 1))}"
        asked = [sql for sql in dict.fromkeys(doubles.values()) if sql not in self.decimals]
        self.decimals.update(decimals_of(self.engine, rows, asked))
        return {name: self.decimals[sql] for name, sql in doubles.items()}

    def _sql(self, reading: Reading, begin: int, until: int) -> str:
        """A portion."""
        here, day, number = self.here, day_of(self.axis), "0"
        code, columns = reading.code, reading.columns
        split = next(bag.split for bag in self.bags)
        if code.codes and split is not None:
            # As an enumeration they are told apart once for each block of rows, not for each row as by a join.
            known = ", ".join(literal(raw) for raw in code.codes)
            number = f"coalesce(enum_code(TRY_CAST({column(split.column)} AS ENUM({known}))) + 1, 0)"
        first = day_literal(day_at(reading.days, begin))
        shown = [f"CAST({day} - {first} AS UINTEGER) AS x", f"CAST({number} AS UINTEGER) AS code"]
        shown += [f"CAST(coalesce(({c}), false) AS UINTEGER) AS f_{n}" for c, n in columns.flags.items()]
        shown += [f"{sql} AS {name}" for name, sql in columns.sql.items()]
        ranges = self._read(reading.days, begin, until)
        chosen = within(day, ranges)
        if any(until > here.today for _, until in ranges):  # on earlier days nothing is ahead of the clock
            chosen += f" AND {until_moment(self.axis, here.columns[self.axis], here.now, here.today)}"
        source = f"SELECT {', '.join(shown)} FROM {here.table} AS {ROWS} WHERE {chosen}"
        return reading.sql(source, begin, until)


def windows_around(engine: Engine, here: Here, slices: Slices, asked: Asked) -> Around:
    """Windows around quantiles of one time column and split: bag → days. Those of which nothing can be said are left out."""
    axis = next(bag.time for bag in asked)
    found: dict[Place, Mapping[Slice | None, Window]] = {}
    for bags in apart(dict.fromkeys(asked, ()), len(slices) + 1):
        found |= Sweep(engine, here, axis, bags, slices, fused=False, stretches=asked).around()
    return found
