"""Questions for quantiles and distinct counts: what is asked together, and how the answers are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from scorecard.book.model.metric import Split
from scorecard.measures.plan import Bag
from scorecard.measures.slices import Slicing
from scorecard.measures.states.distinct import MOST_SLICES, distinct_columns, distinct_sql
from scorecard.measures.states.quantile import quantile_columns, quantile_sql
from scorecard.measures.states.rows import Rows, Slices

ANSWER: dict[str, Any] = {
    "state": pl.String,
    "part": pl.Int32,
    "bucket": pl.Datetime("us"),
    "kind": pl.String,
    "name": pl.String,
    "n": pl.Int64,
    "bad": pl.Int64,
    "x": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class Question:
    """Bags (all quantiles, or distinct counts of one value) of some rows."""

    bags: tuple[Bag, ...]
    rows: Rows

    def sql(self, number: int) -> str:
        """The statement; its rows carry the number, so that several can be asked with UNION ALL BY NAME."""
        write = quantile_sql if self.bags[0].q is not None else distinct_sql
        return write(self.bags, self.rows, number)

    def read(self, answer: pl.DataFrame, number: int) -> pl.DataFrame:
        """The part of the answer that is its own, as in ``ANSWER``; rows that say nothing are left out."""
        own = answer.filter(pl.col("job") == number)
        columns = (quantile_columns if self.bags[0].q is not None else distinct_columns)(self.bags)
        frames = [pl.DataFrame(schema=ANSWER)]
        for bag, (n, bad, x) in zip(self.bags, columns, strict=True):
            given = {"state": pl.lit(bag.id), "n": n.fill_null(0), "bad": bad.fill_null(0), "x": x}
            chosen = own.select(given.get(k, pl.col(k)).cast(t).alias(k) for k, t in ANSWER.items())
            frames.append(chosen.filter((pl.col("n") > 0) | (pl.col("bad") > 0)))
        return pl.concat(frames)


def slices_for(slicing: Slicing, raws: Mapping[str, set[str]], split: Split | None) -> Slices:
    """The raw values of a split column that name a slice, and which."""
    if split is None:
        return {}
    return {raw: named for raw in raws.get(split.column, ()) if (named := slicing.slices_of(split.kind, raw))}


def by_split(bags: Sequence[Bag]) -> list[list[Bag]]:
    """Bags that are split alike, together."""
    groups: dict[Split | None, list[Bag]] = {}
    for bag in bags:
        groups.setdefault(bag.split, []).append(bag)
    return list(groups.values())


def questions(slicing: Slicing, raws: Mapping[str, set[str]], bags: Sequence[Bag], rows: Rows) -> list[Question]:
    """What to ask for some bags of one axis: the whole of all, and the slices of those that are split."""
    whole = list(bags)
    reads: list[tuple[Rows, list[Bag]]] = []
    for split in dict.fromkeys(b.split for b in bags if b.split is not None):
        slices = slices_for(slicing, raws, split)
        if slices and split is not None:
            alike = [b for b in bags if b.split == split]
            sliced = replace(rows, split=split.column, slices=slices)
            if len(sliced.named) <= MOST_SLICES:  # distinct values: the whole and the slices in one pass
                reads.append((replace(sliced, masked=True), [b for b in alike if b.q is None]))
                whole = [b for b in whole if b.q is not None or b.split != split]
                alike = [b for b in alike if b.q is not None]
            reads.append((sliced, alike))
    reads.insert(0, (rows, whole))
    found = []
    for some, wanted in reads:
        groups: dict[str, list[Bag]] = {}
        for bag in wanted:  # all quantiles together; of distinct values those of the same value
            groups.setdefault("" if bag.q is not None else bag.value, []).append(bag)
        found += [Question(tuple(alike), some) for alike in groups.values()]
    return found


def together(asked: Sequence[Question]) -> str:
    """One statement for several questions."""
    return " UNION ALL BY NAME ".join(question.sql(number) for number, question in enumerate(asked))
