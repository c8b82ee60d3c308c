"""Metrics from their fields: the one measure, defaults, and what cannot be meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlglot.expressions as exp

from scorecard.book.files import BookFile, Entry
from scorecard.book.model.metric import (
    Change,
    Count,
    Distinct,
    Expression,
    Formula,
    Lead,
    Mean,
    Measure,
    Metric,
    NotYet,
    Quantile,
    Ratio,
    Split,
    Stock,
    Sum,
)  # fmt: skip
from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.metric import DEFAULTS, MEASURE_NAMES, METRIC
from scorecard.book.shapes.names import check_name
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import MISSING
from scorecard.book.targets import Judged, build_targets, versus_of
from scorecard.book.units import meant_percent, unit_of
from scorecard.ground.errors import Place
from scorecard.ground.yamlfile import YamlMap, YamlNode

NO_ROWS = {"formula", "change", "cumulative", "scaling", "manual"}
"""Measures that read no rows themselves."""
SAMPLED = {"ratio", "mean", "median", "age", "cohort"}
_LEAST_OF_QUANTILES = 10


def read_defaults(file: BookFile, notes: Notes) -> None:
    """The file's `defaults`, kept with it."""
    found = file.root.entries.get("defaults")
    if found is not None:
        fields = DEFAULTS.fields(found[1], "'defaults'", notes)
        file.defaults = None if fields is MISSING else fields


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


def build_metric(entry: Entry, notes: Notes) -> Metric | None:
    """The metric, or None where it has too little to be one; all its mistakes are noted."""
    check_name(entry.key, "metric", notes, dashes=False)
    fields = METRIC.fields(entry.node, f"metric '{entry.name}'", notes, entry.key)
    if fields is MISSING:
        return None
    draft = Draft(entry, fields, _kind(entry, fields, notes))
    _check_required(draft, notes)
    measure = None if draft.kind is None else _measure(draft, notes)
    unit = _unit(draft, measure, notes)
    split = _split(draft, notes)
    grain = draft.get("grain")
    judged = Judged(draft.owner, unit == "percent", draft.get("better"), "week" if grain is None else grain, split,
                    draft.get("better") is not None or draft.own("better"))  # fmt: skip
    targets = build_targets(fields, judged, notes)
    team, min_sample = _team(draft, notes), _min_sample(draft, notes)
    if measure is None:
        return None
    weight = draft.get("weight")
    return Metric(
        name=entry.name, title=fields.get("title", entry.name), measure=measure, role=draft.get("role") or "lagging",
        better=judged.better, describe=fields.get("describe"), process=draft.named("process"), team=team,
        split=split, owner=draft.get("owner"), source=draft.named("source"), time=draft.get("time"), where=fields.get("where"),
        grain=judged.grain, unit=unit, targets=targets, min_sample=min_sample, pace=draft.get("pace") or "profile",
        fresh_for_seconds=draft.get("fresh_for"), final_after_seconds=draft.get("final_after") or 0, leads=_leads(fields),
        counter=tuple(name for _, name in fields.get("counter", ())), weight=1.0 if weight is None else weight,
        decimals=draft.get("decimals"), tags=tuple(draft.get("tags") or ()), definition=_definition(entry), place=entry.key.place,
        places=_places(fields),
    )  # fmt: skip


def _kind(entry: Entry, fields: Fields, notes: Notes) -> str | None:
    kinds = [name for name in MEASURE_NAMES if name in fields.nodes]
    if len(kinds) > 1:
        second = sorted((fields.keys[name] for name in kinds), key=lambda key: key.start)[1]
        message = (
            f"{fields.owner} has {len(kinds)} measures: {', '.join(sorted(kinds, key=lambda n: fields.keys[n].start))}"
        )
        notes.error(second, message, "keep one, and make another metric of the other")
    if not kinds and isinstance(entry.node, YamlMap):
        hint = f"add one of {', '.join(name for name in MEASURE_NAMES if not name[1:].isdigit())}, or p75 to p99"
        notes.error(entry.key, f"{fields.owner} has no measure", hint)
    return kinds[0] if kinds else None


def _check_required(draft: Draft, notes: Notes) -> None:
    at, owner = draft.entry.key, draft.owner
    if draft.get("role") is None and not draft.own("role"):
        notes.error(at, f"{owner} has no 'role'", "add 'role: leading' or 'role: lagging'")
    if draft.kind != "scaling" and draft.get("better") is None and not draft.own("better"):
        notes.error(at, f"{owner} has no 'better'", "add 'better: higher', 'lower' or 'within'")
    if draft.kind is None:
        return
    if draft.kind not in NO_ROWS:
        if draft.named("source") is None and not draft.own("source"):
            notes.error(at, f"{owner} has no 'source'", "add the source whose rows it reads")
        return
    for key in ("source", "time", "where", "split"):
        if draft.own(key):
            notes.error(
                draft.fields.keys[key],
                f"'{key}' of {owner} has no meaning: '{draft.kind}' reads no rows",
                f"delete '{key}'",
            )


def _unit(draft: Draft, measure: Measure | None, notes: Notes) -> str | None:
    unit = draft.get("unit")
    if unit is not None and meant_percent(unit):
        notes.error(draft.node("unit"), f"'unit' of {draft.owner} is '{unit}'", "write percent")
        return "percent"
    unit = unit_of(unit)
    if isinstance(measure, Change) and measure.as_ == "percent":
        if draft.own("unit") and unit != "percent":
            hint = "delete 'unit', or write 'as: points'"
            notes.error(
                draft.node("unit"), f"'unit' of {draft.owner} is '{unit}', and a change in percent is in percent", hint
            )
        return "percent"
    return unit


def _team(draft: Draft, notes: Notes) -> str | None:
    if draft.own("team") and draft.own("process"):
        hint = "delete 'team': a process's metrics also stand on its team's scorecard"
        notes.error(draft.fields.keys["team"], f"{draft.owner} has both 'process' and 'team'", hint)
        return None
    return None if draft.get("process") is not None else draft.named("team")


def _split(draft: Draft, notes: Notes) -> Split | None:
    read = draft.get("split")
    if read is None:
        return None
    if len(read.nodes) != 1:
        notes.error(
            read.node,
            f"'split' of {draft.owner} takes one of team and process",
            "write {team: COLUMN} or {process: COLUMN}",
        )
        return None
    kind = next(iter(read.nodes))
    return Split(kind, read.get(kind)) if kind in read else None


def _min_sample(draft: Draft, notes: Notes) -> int:
    kind = draft.kind or ""
    quantile = kind[1:].isdigit() or kind == "quantile"
    sampled = quantile or kind in SAMPLED
    asked = draft.get("min_sample")
    if draft.own("min_sample") and kind and not sampled:
        hint = "it is for ratio, mean, quantiles, age and cohort"
        notes.error(
            draft.fields.keys["min_sample"], f"'min_sample' of {draft.owner} has no meaning for '{draft.kind}'", hint
        )
    if sampled and asked is not None:
        return int(asked)
    return _LEAST_OF_QUANTILES if quantile else 1


def _leads(fields: Fields) -> tuple[Lead, ...]:
    return tuple(
        Lead(read.get("metric")[1], read.get("lag"), read.get("sign"))
        for read in fields.get("leads", ())
        if all(key in read for key in ("metric", "lag", "sign"))
    )


def _definition(entry: Entry) -> str:
    """The metric's own YAML, its lines moved to the left edge; values from the environment stay as `${NAME}`."""
    text = entry.key.file.text
    begin = text.rfind("\n", 0, entry.key.start) + 1
    end = entry.node.end
    lines = text[begin:end].rstrip().splitlines()
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    indent = entry.key.column - 1
    return "\n".join(line[indent:] if not line[:indent].strip() else line.lstrip() for line in lines)


def _places(fields: Fields) -> dict[str, Place]:
    found = fields.places()
    for key in ("stock", "split", "ratio", "quantile", "age", "cohort", "change", "cumulative", "scaling"):
        inner = fields.get(key)
        if isinstance(inner, Fields):
            found.update({f"{key}.{name}": place for name, place in inner.places().items()})
    return found


def _measure(draft: Draft, notes: Notes) -> Measure | None:
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
    builders = {"quantile": _quantile, "ratio": _ratio, "stock": _stock, "change": _change}
    return builders[kind](read, draft, notes) if kind in builders else _not_yet(kind, read, draft, notes)


def _is_rows(expression: Expression) -> bool:
    return isinstance(expression.tree, exp.Column) and expression.tree.name == "rows"


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
    if sampling is None:
        counted = isinstance(to.tree, exp.Count) or _is_rows(to)
        sampling = "binomial" if isinstance(of.tree, exp.CountIf) and counted else "none"
    return Ratio(of, to, float(read.get("per", 1.0)), sampling)


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
        return NotYet("level", _options(read)) if "level" in read else None
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


def _not_yet(kind: str, read: Fields, draft: Draft, notes: Notes) -> Measure | None:
    if kind == "age" and "over" in read.nodes and "q" in read.nodes:
        notes.error(read.keys["over"], f"'age' of {draft.owner} has both 'q' and 'over'", "keep one of the two")
    needed = {
        "age": ("opened", "closed"),
        "cohort": ("of", "to", "matures_after"),
        "cumulative": ("of", "over"),
        "scaling": ("output", "input"),
    }
    if any(key not in read for key in needed.get(kind, ())):
        return None
    names = tuple(
        read.get(key)[1]
        for key in ("of", "output", "input", "quality")
        if kind in {"cumulative", "scaling"} and key in read
    )
    return NotYet(kind, _options(read), names)  # type: ignore[arg-type]  # the shape has checked the word


def _options(read: Fields) -> dict[str, object]:
    """Plain values; references by name."""
    return {k: v[1] if isinstance(v, tuple) and v and isinstance(v[0], YamlNode) else v for k, v in read.values.items()}
