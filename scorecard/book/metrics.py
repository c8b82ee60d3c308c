"""Metrics from their fields: what all have in common, defaults, and what cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scorecard.book.files import BookFile, Entry
from scorecard.book.kinds import NO_ROWS, Draft, measure_of
from scorecard.book.model.metric import Age, Change, Cumulative, Lead, Measure, Metric, Split
from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.metric import DEFAULTS, MEASURE_NAMES, METRIC
from scorecard.book.shapes.names import check_name
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import MISSING
from scorecard.book.targets import Judged, build_targets
from scorecard.book.units import meant_percent, microseconds, read_materiality, unit_of
from scorecard.ground.errors import Place
from scorecard.ground.periods import Grain
from scorecard.ground.yamlfile import YamlMap
from scorecard.judgement.targets import Tolerance

SAMPLED = {"ratio", "mean", "median", "age", "cohort"}
_LEAST_OF_QUANTILES = 10


def read_defaults(file: BookFile, notes: Notes) -> None:
    """The file's `defaults`, kept with it."""
    found = file.root.entries.get("defaults")
    if found is not None:
        fields = DEFAULTS.fields(found[1], "'defaults'", notes)
        file.defaults = None if fields is MISSING else fields


def build_metric(entry: Entry, others: Mapping[str, Metric], notes: Notes) -> Metric | None:
    """The metric, or None where it has too little to be one; all its mistakes are noted.

    ``others``: what a cumulative metric or a change in points may be of; it has the unit and decimals of that, unless it says
    otherwise.
    """
    check_name(entry.key, "metric", notes, dashes=False)
    fields = METRIC.fields(entry.node, f"metric '{entry.name}'", notes, entry.key)
    if fields is MISSING:
        return None
    draft = Draft(entry, fields, _kind(entry, fields, notes))
    _check_required(draft, notes)
    measure = None if draft.kind is None else measure_of(draft, notes)
    unit, decimals = _unit(draft, measure, notes), draft.get("decimals")
    _check_per(draft, unit, notes)
    takes_unit = isinstance(measure, Cumulative) or (isinstance(measure, Change) and measure.as_ == "points")
    of = others.get(measure.of) if isinstance(measure, Cumulative | Change) and takes_unit else None
    if of is not None:
        unit, decimals = of.unit if unit is None else unit, of.decimals if decimals is None else decimals
    split = _split(draft, notes)
    grain = _grain(draft, notes)
    judged = Judged(draft.owner, unit == "percent", draft.get("better"), "week" if grain is None else grain, split,
                    draft.get("better") is not None or draft.own("better"), sliced=draft.kind in NO_ROWS)  # fmt: skip
    unknown = takes_unit and of is None and unit is None  # what it is of is reported elsewhere
    targets = () if unknown else build_targets(fields, judged, notes)
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
        decimals=decimals, tags=tuple(draft.get("tags") or ()), definition=_definition(entry), place=entry.key.place,
        places=_places(fields), materiality=_materiality(draft, unit == "percent", notes),
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
    if isinstance(measure, Age) and measure.q is not None and microseconds(unit) is None:
        seen = f"'unit' of {draft.owner} is '{unit}'" if unit is not None else f"{draft.owner} has no 'unit'"
        hint = "write unit: d (or s, min, h), or 'over: 2d' for the share of older ones"
        notes.error(draft.node("unit"), f"{seen}, and an age is a length of time", hint)
    if isinstance(measure, Age) and measure.q is None and draft.own("unit") and microseconds(unit) is not None:
        hint = "write unit: percent, or 'q: 0.9' for the age that nine of ten do not exceed"
        notes.error(
            draft.node("unit"), f"'unit' of {draft.owner} is '{unit}', and the part that is older is a share", hint
        )
    if isinstance(measure, Change) and measure.as_ == "percent":
        if draft.own("unit") and unit != "percent":
            hint = "delete 'unit', or write 'as: points'"
            notes.error(
                draft.node("unit"), f"'unit' of {draft.owner} is '{unit}', and a change in percent is in percent", hint
            )
        return "percent"
    return unit


def _check_per(draft: Draft, unit: str | None, notes: Notes) -> None:
    """Percent is a share x 100 already."""
    ratio = draft.fields.get("ratio") if draft.kind == "ratio" else None
    if unit == "percent" and isinstance(ratio, Fields) and ratio.get("per", 1) not in (0, 1):
        per = ratio.nodes["per"]
        hint = f"delete 'per', or write another unit, such as 'per {shown(per)}'"
        notes.error(per, f"'per' of {draft.owner} is '{shown(per)}', and percent shows a share x 100", hint)


def _grain(draft: Draft, notes: Notes) -> Grain | None:
    if draft.kind != "scaling":
        return draft.get("grain")  # type: ignore[no-any-return]
    if draft.own("grain") and draft.get("grain") != "quarter":
        message = f"'grain' of {draft.owner} has no meaning: scaling looks at quarters"
        notes.error(draft.fields.keys["grain"], message, "delete 'grain'")
    for key in ("target", "targets", "amber", "tolerance"):
        if draft.own(key):
            message = f"'{key}' of {draft.owner} has no meaning: the elasticity is judged by its interval"
            notes.error(draft.fields.keys[key], message, f"delete '{key}'")
    return "quarter"


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


def _materiality(draft: Draft, percent: bool, notes: Notes) -> Tolerance | None:
    node = draft.get("materiality")
    return None if node is None else read_materiality(node, draft.owner, percent, notes)


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
    own = [line[indent:] if not line[:indent].strip() else line.lstrip() for line in lines]
    return "\n".join([*own, *_adjusted(entry)])


def _adjusted(entry: Entry) -> Iterator[str]:
    """What the include of a pack says otherwise, as comments with their places."""
    for name, (key, value) in entry.node.entries.items() if isinstance(entry.node, YamlMap) else ():
        if key.file is not entry.key.file:
            yield f"# {name}: {' '.join(value.written().split())} ({key.place})"


def _places(fields: Fields) -> dict[str, Place]:
    found = fields.places()
    for key in ("stock", "split", "ratio", "quantile", "age", "cohort", "change", "cumulative", "scaling"):
        inner = fields.get(key)
        if isinstance(inner, Fields):
            found.update({f"{key}.{name}": place for name, place in inner.places().items()})
    return found
