"""Targets from their fields: every form, and what cannot be meant."""

from __future__ import annotations

from datetime import date

from connectors.names import normalise
from scorecard.book.model.metric import Split
from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.metric import AIM
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import MISSING
from scorecard.book.units import read_change, read_limit, read_tolerance
from scorecard.ground.errors import Place
from scorecard.ground.periods import GRAINS, Grain
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlList, YamlMap, YamlNode, YamlText
from scorecard.judgement.targets import Better, FromSource, Glide, Relative, Target, Tolerance, Versus

Aim = float | tuple[float, float] | Glide | Relative | FromSource
Limit = float | tuple[float, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a target needs to know of its metric. ``better`` None: not given (reported once). ``sliced``: it has slices
    without a split of its own."""

    owner: str
    percent: bool
    better: Better | None
    grain: Grain
    split: Split | None
    has_better_key: bool
    sliced: bool = False


def build_targets(fields: Fields, metric: Judged, notes: Notes) -> tuple[Target, ...]:
    """The metric's targets, in the order in which they are written."""
    direct = [key for key in ("target", "amber", "tolerance") if key in fields.nodes]
    found = []
    if direct and "targets" in fields.nodes:
        hint = f"move '{direct[0]}' into an entry of 'targets'"
        notes.error(fields.keys[direct[0]], f"{metric.owner} has both '{direct[0]}' and 'targets'", hint)
    if direct:
        if "target" not in fields.nodes:
            notes.error(fields.keys[direct[0]], f"{metric.owner} has '{direct[0]}' without a target", "add 'target'")
        target = _entry(fields, metric, notes, fields.place(direct[0]), direct=True)
        found += [target] if target is not None else []
    seen: dict[tuple[object, ...], Place] = {}
    for node, entry in fields.get("targets", ()):
        found += _listed(node, entry, metric, seen, notes)
    return tuple(found)


def _listed(
    node: YamlNode, entry: Fields, metric: Judged, seen: dict[tuple[object, ...], Place], notes: Notes
) -> list[Target]:
    if "target" not in entry.nodes and "from" not in entry.nodes:
        notes.error(
            node, f"an entry of 'targets' of {metric.owner} has no 'target'", "add 'target', or 'from' a source"
        )
        return []
    target = _entry(entry, metric, notes, node.place)
    scope = ("team", "process", "grain")
    same = (entry.get("since"), "from" in entry.nodes, *(entry.get(key, (None, None))[1] for key in scope))
    if {"since", *scope} & set(entry.nodes) - set(entry.values):
        return []  # in force when and for whom is not known
    if same in seen:
        message = f"two targets of {metric.owner} are in force from the same day for the same scope"
        notes.error(node, message, f"the other is on line {seen[same].line}; give one a 'since'")
    seen.setdefault(same, node.place)
    return [] if target is None else [target]


def _entry(entry: Fields, metric: Judged, notes: Notes, place: Place, *, direct: bool = False) -> Target | None:
    """``direct``: the entry is the metric itself, whose `team`, `process` and `grain` narrow nothing."""
    owner = metric.owner
    if "from" in entry.nodes:
        return _from_source(entry, metric, notes, place)
    if "value" in entry.nodes:
        notes.error(
            entry.keys["value"],
            f"'value' of a target of {owner} names a column, and there is no 'from'",
            "write target: …",
        )
    if "target" not in entry.nodes:
        return None
    aim = _aim(entry.nodes["target"], metric, notes)
    amber = _limit(entry.nodes["amber"], "amber", metric, notes) if "amber" in entry.nodes else None
    tolerance = (
        read_tolerance(entry.nodes["tolerance"], owner, metric.percent, notes) if "tolerance" in entry.nodes else None
    )
    if "amber" in entry.nodes and "tolerance" in entry.nodes:
        later = max((entry.keys[key] for key in ("amber", "tolerance")), key=lambda key: key.start)
        notes.error(later, f"a target of {owner} has both 'amber' and 'tolerance'", "keep the limit or the distance")
    if aim is None:
        return None
    _check_direction(entry, aim, metric, notes)
    if tolerance is not None:
        _check_tolerance(entry.nodes["tolerance"], aim, tolerance, owner, notes)
    if amber is not None:
        _check_amber(entry.nodes["amber"], aim, amber, metric, notes)
    scope = (None, None, None) if direct else _scope(entry, metric, notes)
    return Target(aim, amber, tolerance, entry.get("since"), *scope, place=place)


def _scope(entry: Fields, metric: Judged, notes: Notes) -> tuple[str | None, str | None, str | None]:
    """(team, process, grain) of an entry of the list."""
    team = entry.get("team")[1] if _listed_scope(entry, "team") else None
    process = entry.get("process")[1] if _listed_scope(entry, "process") else None
    grain = entry.get("grain")[1] if _listed_scope(entry, "grain") else None
    for kind, name in (("team", team), ("process", process)):
        if name is not None:
            notes.refer(entry.nodes[kind], kind, name)
    if team is not None and process is not None:
        notes.error(
            entry.keys["process"], f"a target of {metric.owner} is for a team and a process", "one of the two each"
        )
    for kind, name in (("team", team), ("process", process)):
        if name is not None and not metric.sliced and (metric.split is None or metric.split.kind != kind):
            notes.warn(entry.nodes[kind], f"this target of {metric.owner} is never used: the metric is not split by {kind}",
                       f"add split: {{{kind}: COLUMN}}")  # fmt: skip
    if grain is not None and GRAINS.index(grain) < GRAINS.index(metric.grain):
        notes.error(
            entry.nodes["grain"],
            f"a target of {metric.owner} is for the {grain}, which is finer than its grain, the {metric.grain}",
        )
    return team, process, grain


def _listed_scope(entry: Fields, key: str) -> bool:
    return key in entry and isinstance(entry.get(key), tuple)


def _aim(node: YamlNode, metric: Judged, notes: Notes) -> Aim | None:
    if not isinstance(node, YamlMap):
        return _limit(node, "target", metric, notes)
    read = AIM.fields(node, f"'target' of {metric.owner}", notes)
    if read is MISSING:
        return None
    wrong = [key for key in ("amber", "tolerance") if key in node.entries]
    if wrong:
        return None  # reported as an unknown key: they stand beside the target
    if "glide" in read.nodes:
        if "versus" in read.nodes or "change" in read.nodes:
            notes.error(node, f"'target' of {metric.owner} is both a glide and a comparison", "keep one of the two")
        return _glide(read.get("glide"), metric, notes)
    if "versus" not in read.nodes or "change" not in read.nodes:
        missing = "versus" if "versus" not in read.nodes else "change"
        notes.error(node, f"'target' of {metric.owner} has no '{missing}'", "write {versus: year_ago, change: +10%}")
        return None
    if "versus" not in read or "change" not in read:
        return None
    change = read_change(read.get("change")[0], metric.owner, metric.percent, notes)
    versus = versus_of(read.get("versus"), f"'target' of {metric.owner}", notes)
    return None if change is None or versus is None else Relative(versus, change[0], change[1])


def versus_of(read: tuple[YamlNode, object], owner: str, notes: Notes) -> Versus | None:
    """A comparison: a word, `{back: 4}` or `{mean_of: 4}`."""
    node, value = read
    if isinstance(value, Fields):
        if len(value.nodes) != 1:
            notes.error(node, f"'versus' of {owner} is '{shown(node)}', expected {{back: 4}} or {{mean_of: 4}}")
            return None
        kind = next(iter(value.nodes))
        return Versus(kind, value.get(kind)) if kind in value else None  # type: ignore[arg-type]  # the shape has checked the word
    return Versus(str(value))  # type: ignore[arg-type]  # the shape has checked the word


def _glide(read: Fields | None, metric: Judged, notes: Notes) -> Glide | None:
    if read is None:
        return None
    ends = [
        read_limit(read.nodes[key], key, read.owner, metric.percent, notes) if key in read.nodes else None
        for key in ("from", "to")
    ]
    since, by = read.get("since"), read.get("by")
    if isinstance(since, date) and isinstance(by, date) and by <= since:
        notes.error(read.nodes["by"], f"the glide of {metric.owner} ends on {by}, not after it begins on {since}")
        return None
    if ends[0] is None or ends[1] is None or since is None or by is None:
        return None
    return Glide(ends[0], since, ends[1], by)


def _limit(node: YamlNode, key: str, metric: Judged, notes: Notes) -> Limit | None:
    if not isinstance(node, YamlList):
        return read_limit(node, key, metric.owner, metric.percent, notes)
    if len(node.items) != 2:
        notes.error(node, f"'{key}' of {metric.owner} is '{shown(node)}', expected [low, high]")
        return None
    ends = [read_limit(item, key, metric.owner, metric.percent, notes) for item in node.items]
    if ends[0] is None or ends[1] is None:
        return None
    if ends[0] >= ends[1]:
        notes.error(node, f"'{key}' of {metric.owner} is '{shown(node)}', and its low end is not below its high end")
        return None
    return ends[0], ends[1]


def _check_direction(entry: Fields, aim: Aim, metric: Judged, notes: Notes) -> None:
    node = entry.nodes["target"]
    if not metric.has_better_key:
        if metric.better is None:
            notes.error(
                node, f"{metric.owner} has a target and no direction", "add 'better: higher' or 'better: lower'"
            )
    elif isinstance(aim, tuple) and metric.better in {"higher", "lower"}:
        notes.error(
            node,
            f"'target' of {metric.owner} is a band, and better is {metric.better}",
            "write 'better: within', or one number",
        )
    elif not isinstance(aim, tuple | FromSource) and metric.better == "within":
        notes.error(node, f"better is within, and 'target' of {metric.owner} is no band", "write [low, high]")


def _check_tolerance(node: YamlNode, aim: Aim, tolerance: Tolerance, owner: str, notes: Notes) -> None:
    ends = (aim.start_value, aim.end_value) if isinstance(aim, Glide) else aim if isinstance(aim, tuple) else (aim,)
    if tolerance.relative and any(end == 0 for end in ends):
        hint = "write a distance in the metric's unit, or 'amber: …'"
        notes.error(node, f"'tolerance' of {owner} is '{shown(node)}' of a target of 0, which is nothing", hint)


def _check_amber(node: YamlNode, aim: Aim, amber: Limit, metric: Judged, notes: Notes) -> None:
    message = None
    if isinstance(aim, tuple) and isinstance(amber, tuple):
        if amber[0] > aim[0] or amber[1] < aim[1]:
            message = "does not hold the target's band"
    elif isinstance(aim, tuple):
        message = "is one number, and the target is a band: write [low, high]"
    elif isinstance(amber, tuple):
        message = "is a band, and the target is none"
    else:
        ends = (
            (aim.start_value, aim.end_value)
            if isinstance(aim, Glide)
            else (aim,)
            if isinstance(aim, float | int)
            else ()
        )
        if metric.better == "higher" and any(amber > end for end in ends):
            message = "lies above the target, and higher is better"
        elif metric.better == "lower" and any(amber < end for end in ends):
            message = "lies below the target, and lower is better"
    if message is not None:
        hint = "amber is the limit between amber and red, beyond the target"
        notes.error(node, f"'amber' of {metric.owner} is '{shown(node)}', which {message}", hint)


def _from_source(entry: Fields, metric: Judged, notes: Notes, place: Place) -> Target | None:
    owner = metric.owner
    for key in ("target", "tolerance", "since"):
        if key in entry.nodes and key != "tolerance":
            notes.error(
                entry.keys[key],
                f"'{key}' of a target of {owner} has no place beside 'from'",
                "the source's rows say it",
            )
    if "value" not in entry.nodes:
        notes.error(entry.nodes["from"], f"a target of {owner} from a source has no 'value'", "add 'value: COLUMN'")
    if "from" not in entry or "value" not in entry:
        return None
    tolerance = (
        read_tolerance(entry.nodes["tolerance"], owner, metric.percent, notes) if "tolerance" in entry.nodes else None
    )
    amber = entry.nodes.get("amber")
    column = normalise(amber.text) if isinstance(amber, YamlText) else None
    team, process = (normalise(entry.get(key)[1]) if key in entry else None for key in ("team", "process"))
    aim = FromSource(entry.get("from")[1], entry.get("value"), column, team, process)
    grain = entry.get("grain")
    return Target(aim, None, tolerance, None, None, None, None if grain is None else grain[1], place)
