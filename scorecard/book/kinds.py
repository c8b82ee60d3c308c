"""The one measure of a metric, from its fields; and what of it cannot be meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from scorecard.book.files import Entry
from scorecard.book.model.metric import (
    Age,
    Change,
    Cohort,
    Count,
    Cumulative,
    Distinct,
    Expression,
    Formula,
    Level,
    Manual,
    Mean,
    Measure,
    Quantile,
    Ratio,
    Scaling,
    Stock,
    Sum,
)  # fmt: skip
from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.records import Fields
from scorecard.book.targets import versus_of
from scorecard.ground.yamlfile import YamlNode

NO_ROWS = {"formula", "change", "cumulative", "scaling", "manual"}
"""Measures that read no rows themselves."""


@dataclass(slots=True)
class Draft:
    """A metric being read: its own fields, the file's defaults, and its measure's key."""

    entry: Entry
    fields: Fields
    kind: str | None

    @property
    def owner(self) -> str:
        return self.fields.owner

    def own(self, key: str) -> bool:
        return key in self.fields.nodes

    def get(self, key: str) -> Any:
        """The metric's own value, else the default's; None where neither has one or the own one is wrong."""
        if self.own(key):
            return self.fields.get(key)
        defaults = self.entry.file.defaults
        if defaults is None or (key in {"source", "time", "split"} and self.kind in NO_ROWS):
            return None
        if key in {"process", "team"} and (self.own("team") or self.own("process")):
            return None
        return defaults.get(key)

    def node(self, key: str) -> YamlNode:
        defaults = self.entry.file.defaults
        if self.own(key) or defaults is None or key not in defaults.nodes:
            return self.fields.nodes.get(key, self.entry.key)
        return defaults.nodes[key]

    def named(self, key: str) -> str | None:
        value = self.get(key)
        return None if value is None else value[1]


def measure_of(draft: Draft, notes: Notes) -> Measure | None:
    """The metric's measure, or None where it cannot be made out; what is wrong with it is noted."""
    kind = draft.kind or ""
    read = draft.fields.get(kind)
    if read is None:
        return None
    if kind == "count":
        return Count(None if _is_rows(read) else read)
    simple: dict[str, Any] = {"sum": Sum, "mean": Mean, "distinct": Distinct, "formula": Formula}
    if kind in simple:
        if isinstance(read, Expression) and kind != "formula" and _is_rows(read):
            notes.error(draft.node(kind), f"'{kind}' of {draft.owner} takes a column or an expression, not 'rows'")
            return None
        found: Measure = simple[kind](read)
        return found
    if kind == "median" or kind[1:].isdigit():
        return Quantile(read, 0.5 if kind == "median" else int(kind[1:]) / 100)
    return _SIMPLE[kind](read) if kind in _SIMPLE else _BUILDERS[kind](read, draft, notes)


def _is_rows(expression: Expression) -> bool:
    return (expression.outline.form, expression.outline.name) == ("column", "rows")


def _calls(expression: Expression, name: str) -> bool:
    return (expression.outline.form, expression.outline.name) == ("call", name)


def _quantile(read: Fields, draft: Draft, notes: Notes) -> Measure | None:
    if "of" not in read or "q" not in read:
        return None
    if not 0 < read.get("q") < 1:
        notes.error(
            read.nodes["q"],
            f"'q' of {draft.owner} is '{shown(read.nodes['q'])}', expected a number over 0 and under 1, like 0.9",
        )
    return Quantile(read.get("of"), read.get("q"))


def _ratio(read: Fields, draft: Draft, notes: Notes) -> Measure | None:
    of, to = read.get("of"), read.get("to")
    if of is None or to is None:
        return None
    if read.get("per") == 0:
        notes.error(read.nodes["per"], f"'per' of {draft.owner} is 0", "write 1000 for so many of a thousand")
    sampling = read.get("sampling")
    return Ratio(of, to, float(read.get("per", 1.0)), _sampling(of, to) if sampling is None else sampling)


def _sampling(of: Expression, to: Expression) -> Literal["binomial", "none"]:
    """How the noise of a share is judged where nobody says it: some of all that were counted."""
    counted = _calls(to, "count") or _is_rows(to)
    return "binomial" if _calls(of, "count_if") and counted else "none"


def _stock(read: Fields, draft: Draft, notes: Notes) -> Measure | None:
    owner = f"'stock' of {draft.owner}"
    if "level" in read.nodes:
        for key in ("opened", "closed", "sum"):
            if key in read.nodes:
                notes.error(
                    read.keys[key],
                    f"{owner} has both 'level' and '{key}'",
                    "a level is stated by rows, or counted from opened and closed",
                )
        if "level" not in read:
            return None
        return Level(read.get("level"), tuple(read.get("key", ())), read.get("fold", "last"), read.get("carry", False))
    for key in ("opened", "closed"):
        if key not in read.nodes:
            notes.error(
                read.node,
                f"{owner} has no '{key}'",
                "write {opened: COLUMN, closed: COLUMN}, or {level: EXPRESSION, key: [COLUMN]}",
            )
    for key in ("key", "fold", "carry"):
        if key in read.nodes:
            notes.error(read.keys[key], f"'{key}' of {owner} needs a 'level'")
    return (
        Stock(read.get("opened"), read.get("closed"), read.get("sum"))
        if "opened" in read and "closed" in read
        else None
    )


def _change(read: Fields, draft: Draft, notes: Notes) -> Measure | None:
    if "of" not in read or "versus" not in read:
        return None
    versus = versus_of(read.get("versus"), f"'change' of {draft.owner}", notes)
    return None if versus is None else Change(read.get("of")[1], versus, read.get("as", "percent"))


def _age(read: Fields, draft: Draft, notes: Notes) -> Measure | None:
    if "over" in read.nodes and "q" in read.nodes:
        notes.error(read.keys["over"], f"'age' of {draft.owner} has both 'q' and 'over'", "keep one of the two")
    if "q" in read and not 0 < read.get("q") < 1:
        notes.error(
            read.nodes["q"],
            f"'q' of {draft.owner} is '{shown(read.nodes['q'])}', expected a number over 0 and under 1, like 0.9",
        )
    if "opened" not in read or "closed" not in read:
        return None
    over = read.get("over")
    return Age(read.get("opened"), read.get("closed"), None if over is not None else read.get("q", 0.9), over)


def _cohort(read: Fields) -> Measure | None:
    if any(key not in read for key in ("of", "to", "matures_after")):
        return None
    of, to = read.get("of"), read.get("to")
    return Cohort(of, to, read.get("matures_after"), _sampling(of, to))


def _cumulative(read: Fields) -> Measure | None:
    if "of" not in read or "over" not in read:
        return None
    over = read.get("over")
    weeks = int(over[:-1]) if over.endswith("w") else None
    return Cumulative(read.get("of")[1], None if weeks is not None else over, weeks)


def _scaling(read: Fields) -> Measure | None:
    if "output" not in read or "input" not in read:
        return None
    quality = read.get("quality")
    return Scaling(read.get("output")[1], read.get("input")[1], None if quality is None else quality[1])


def _manual(read: Fields) -> Measure | None:
    return Manual(read.get("fold", "last"), read.get("second_person", False))


_BUILDERS: dict[str, Callable[[Fields, Draft, Notes], Measure | None]] = {
    "quantile": _quantile, "ratio": _ratio, "stock": _stock, "change": _change, "age": _age,
}  # fmt: skip
_SIMPLE: dict[str, Callable[[Fields], Measure | None]] = {
    "cohort": _cohort, "cumulative": _cumulative, "scaling": _scaling, "manual": _manual,
}  # fmt: skip
"""Those whose shape has said all that can be wrong."""
