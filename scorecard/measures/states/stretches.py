"""Numbers of a long stretch of days: what is settled of it, and the rows of its tail; worked out when they are asked for."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from scorecard.measures.slices import Slice
from scorecard.measures.states.dayrows import Day, Tail, counted

Number = tuple[int, int, float | None]
"""(values counted, values not finite, the number)."""
Line = Mapping[Slice | None, Number]


MOST = 2**60
"""More values than there can be."""


@dataclass(frozen=True, slots=True)
class Window:
    """The settled values of a slice around a quantile: ``below`` lie under the first of them; ``n`` in all."""

    n: int
    bad: int
    below: int
    values: array[float]

    def holds(self, q: float, more: int) -> bool:
        """Whether the quantile stays inside with any values added, up to so many."""
        low, high = (self.n - 1) * q - self.below - more, (self.n + more - 1) * q - self.below
        return (self.below == 0 or low >= 1) and (
            self.below + len(self.values) == self.n or high <= len(self.values) - 2
        )

    def room(self, q: float, tail: Sequence[float]) -> int:
        """So many values more than those of the tail (sorted) leave the quantile inside, whatever they are; -1: it is outside."""
        if not self.n:
            return MOST
        all_above = self.below + len(self.values) == self.n
        if not self.values:
            return -1
        under = bisect_left(tail, self.values[0]) if self.below else 0
        size = len(self.values) - under + (len(tail) if all_above else bisect_right(tail, self.values[-1]))
        place = (self.n + len(tail) - 1) * q - self.below - under
        # All of them may lie below, or all above; where nothing settled lies there, they are near themselves.
        low = place / (1 - q) if self.below and q < 1 else MOST
        high = (size - 1 - place) / q if not all_above and q > 0 else MOST
        return -1 if place < 0 or math.ceil(place) >= size else max(0, math.floor(min(low, high, MOST)) - 1)

    def extended(self, more: array[float], bad: int) -> Window:
        """The window of these values and some more, sorted ones, with so many that are not finite; it lies where it lay."""
        if not self.n:
            return Window(len(more), self.bad + bad, 0, more)
        under = bisect_left(more, self.values[0]) if self.below else 0
        top = bisect_right(more, self.values[-1]) if self.below + len(self.values) < self.n else len(more)
        values = _together(self.values, more[under:top]) if top > under else self.values
        return Window(self.n + len(more), self.bad + bad, self.below + under, values)


@dataclass(frozen=True, slots=True)
class Seen:
    """The values of settled days, sorted, and in which slices each was seen (``m_0`` …); ``counts``: slice → (values
    counted, distinct ones). ``only``: it holds nothing but what the rows of these days are."""

    values: pl.DataFrame
    counts: Mapping[Slice | None, tuple[int, int]]
    only: tuple[Day, ...] | None


NOTHING = Window(0, 0, 0, array("d"))


class Quantile(Mapping[Slice | None, Number]):
    """A quantile of a stretch, slice by slice, each worked out when it is asked for."""

    __slots__ = ("_fused", "_known", "_name", "_q", "_tail", "_windows")

    def __init__(self, q: float, windows: Mapping[Slice | None, Window], tail: Tail, name: str, *, fused: bool) -> None:
        self._q, self._windows, self._tail, self._name, self._fused = q, windows, tail, name, fused
        self._known: dict[Slice | None, Number] = {}

    def __getitem__(self, slice_: Slice | None) -> Number:
        if slice_ not in self._tail.bits:
            raise KeyError(slice_)
        found = self._known.get(slice_)
        if found is None:
            found = self._number(slice_)
            assert found is not None  # noqa: S101 - the window was made for so many rows
            self._known[slice_] = found
        return found

    def _number(self, slice_: Slice | None) -> Number | None:
        window = self._windows.get(slice_, NOTHING)
        tail, bad = self._tail.numbers(self._name, slice_)
        n = window.n + len(tail)
        if n == 0:
            return 0, window.bad + bad, None
        place = (n - 1) * self._q
        low, high = math.floor(place), math.ceil(place)
        one, other = _ranked(window, tail, low), _ranked(window, tail, high)
        if one is None or other is None:
            return None
        x = one if low == high else between_values(one, other, place - low, fused=self._fused)
        return n, window.bad + bad, x

    def __iter__(self) -> Iterator[Slice | None]:
        return iter(self._tail.bits)

    def __len__(self) -> int:
        return len(self._tail.bits)


class Distinct(Mapping[Slice | None, Number]):
    """A distinct count of a stretch: the settled ones and those of the tail that were not there before. All slices are worked
    out when one is asked for: it is one pass."""

    __slots__ = ("_made", "_name", "_seen", "_tail")

    def __init__(self, seen: Seen, tail: Tail, name: str) -> None:
        self._seen, self._tail, self._name = seen, tail, name
        self._made: dict[Slice | None, Number] | None = None

    def _all(self) -> dict[Slice | None, Number]:
        found = self._made
        if found is None:
            values, bits = self._tail.values(self._name), self._tail.bits
            come, new = values.counts(bits.values()), counted(self._new(values.once()), bits.values())
            found = {}
            for slice_, bit in bits.items():
                n, known = self._seen.counts.get(slice_, (0, 0))
                found[slice_] = n + come[bit], 0, float(known + new[bit])
            self._made = found
        return found

    def _new(self, once: pl.DataFrame) -> pl.DataFrame:
        """Values without the slices in which they were seen before."""
        seen = self._seen.values
        words = [word for word in once.columns[1:] if word in seen.columns]
        if not len(once) or not len(seen) or not words:
            return once
        known = seen["v"]
        if (
            known.dtype.is_integer() and once["v"].dtype == known.dtype
        ):  # a search is quicker than a join with all of them
            places = known.search_sorted(once["v"]).clip(0, len(known) - 1)
            there = known.gather(places) == once["v"]
            masks = {word: seen[word].gather(places).zip_with(there, pl.Series([0])) for word in words}
        else:
            met = once.select("v").join(seen, on="v", how="left", maintain_order="left")
            masks = {word: met[word].fill_null(0) for word in words}
        return once.with_columns((once[word] & ~masks[word]).alias(word) for word in words)

    def __getitem__(self, slice_: Slice | None) -> Number:
        return self._all()[slice_]

    def __iter__(self) -> Iterator[Slice | None]:
        return iter(self._tail.bits)

    def __len__(self) -> int:
        return len(self._tail.bits)


def between_values(low: float, high: float, share: float, *, fused: bool) -> float:
    """The value a share of the way from one to another, rounded as the engine does: with or without fused multiply-add."""
    if fused:
        # In whole numbers, whose quotient is rounded once.
        (a, x), (b, y), (c, z) = (v.as_integer_ratio() for v in (low, 1 - share, high * share))
        return (a * b * z + c * x * y) / (x * y * z)
    return low * (1 - share) + high * share


def _together(some: array[float], more: array[float]) -> array[float]:
    """All of two sorted arrays, sorted: what lies between two of the shorter one's values is copied at once."""
    long, short = (some, more) if len(some) >= len(more) else (more, some)
    found, at = array("d"), 0
    for value in short:
        place = bisect_left(long, value, at)
        found += long[at:place]
        found.append(value)
        at = place
    found += long[at:]
    return found


def _ranked(window: Window, tail: Sequence[float], rank: int) -> float | None:
    """The value of a rank (from 0) among all settled values and the tail; None where it is not near the window."""
    if not window.values:
        return tail[rank] if not window.n else None
    # What lies outside is counted, not looked at, unless nothing settled lies there.
    under = bisect_left(tail, window.values[0]) if window.below else 0
    all_above = window.below + len(window.values) == window.n
    near = tail[under : len(tail) if all_above else bisect_right(tail, window.values[-1])]
    place = rank - window.below - under
    if not 0 <= place < len(window.values) + len(near):
        return None
    return _merged_rank(window.values, near, place)


def _merged_rank(a: Sequence[float], b: Sequence[float], rank: int) -> float:
    """The value of a rank in two sorted sequences together."""
    low, high = max(0, rank + 1 - len(b)), min(len(a), rank + 1)
    while low < high:
        middle = (low + high) // 2
        if a[middle] < b[rank - middle]:
            low = middle + 1
        else:
            high = middle
    taken = rank + 1 - low
    candidates = [s[i - 1] for s, i in ((a, low), (b, taken)) if i > 0]
    return max(candidates)
