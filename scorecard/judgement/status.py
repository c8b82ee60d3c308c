"""The status steps: can it be said, is there something to compare with, which colour; with a reason and a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from scorecard.ground.clock import utc_text
from scorecard.ground.numbers import print_value
from scorecard.judgement.colour import Ruling, by_chance, by_value
from scorecard.judgement.pace import Projection
from scorecard.judgement.samples import Range, conclusive
from scorecard.judgement.scaling import Elasticity
from scorecard.judgement.targets import Better as Better
from scorecard.judgement.targets import Limit as Limit

Status = Literal["green", "amber", "red", "neutral", "grey"]
STATUSES: tuple[Status, ...] = ("red", "amber", "grey", "green", "neutral")


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a verdict needs of one value in one period. Moments are aware; shares are fractions.

    ``problem``: the metric could not be computed. ``loaded``: a good load of its source(s) exists. ``fresh_until``: as
    computed by ``freshness``; None stays fresh. ``has_target``: an entry is in force (then ``target`` None means its
    comparison is missing). ``projection``: for a running period of a metric that adds up; None while there is no
    working time before ``data_until`` (then ``not_started``). ``missing``: a sentence on why there is no value.
    ``held``: a sentence on the load that waits for a person and touches this period; it matters where the period is not
    fresh without it. A ``min_sample`` of 1 is no minimum. ``too_young`` and ``too_few``: sentences, the latter where a
    part (of a formula) is too few.
    ``quiet_until``: as computed by ``freshness``, so that the sentence can tell a quiet source from a failing one.
    ``aimless``: a sentence on why no target is in force, where there is more to say. ``sampled``: where the true value
    lies, as computed by ``samples``; None where the value is no sample.
    """

    value: float | None
    now: datetime
    better: Better | None
    unit: str | None = None
    decimals: int | None = None
    n: int | None = None
    min_sample: int = 1
    running: bool = False
    adds_up: bool = False
    paced: bool = False
    loaded: bool = True
    loaded_at: datetime | None = None
    fresh_until: datetime | None = None
    has_target: bool = False
    target: Limit | None = None
    amber: Limit | None = None
    projection: Projection | None = None
    problem: str | None = None
    held: str | None = None
    missing: str | None = None
    too_young: str | None = None
    too_few: str | None = None
    data_until: datetime | None = None
    quiet_until: datetime | None = None
    elasticity: Elasticity | None = None
    sampled: Range | None = None
    aimless: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status, why, and in words.

    ``reason`` is one of error, held, stale, no_data, not_started, too_young, too_few, no_target, no_comparison, target
    and pace. ``text`` is the value as printed. ``trail``: the steps taken, each ``{"step", "applies", "detail"}``, the
    last ones with the numbers that decided. ``conclusive``: whether chance alone could not have given another colour; None
    where the value is no sample or has no colour.
    """

    status: Status
    reason: str
    because: str
    text: str
    provisional: bool
    trail: tuple[Mapping[str, object], ...] = ()
    conclusive: bool | None = None


Step = tuple[str, bool, str]
"""(reason code, whether it applies, a sentence)."""


def verdict(evidence: Evidence) -> Verdict:
    """The status of one value: the first step that applies decides. A value that is not finite never has a colour."""
    trail: list[Mapping[str, object]] = []
    for reason, applies, detail in _unsaid(evidence):
        trail.append({"step": reason, "applies": applies, "detail": detail, **_numbers(reason, evidence)})
        if applies:
            return _without_colour(evidence, "grey", reason, detail, trail)
    if evidence.elasticity is not None:
        found = evidence.elasticity
        trail.append({"step": "elasticity", "applies": True, "detail": found.because})
        colour: Status = "amber" if found.worse else _ELASTIC[found.word]
        return Verdict(colour, "elasticity", found.because, found.text, evidence.running, trail=tuple(trail))
    for reason, applies, detail in _incomparable(evidence):
        trail.append({"step": reason, "applies": applies, "detail": detail, **_numbers(reason, evidence)})
        if applies:
            return _without_colour(evidence, "neutral", reason, detail, trail)
    reason, ruling = _judged(evidence)
    trail.append({"step": reason, "applies": True, "detail": ruling.because, **_numbers(reason, evidence)})
    sure, because = _conclusive(evidence, reason), ruling.because
    if sure is not None:
        trail.append(_sample_step(evidence, sure))
        if not sure:
            because = f"{because}; n = {print_value(evidence.n)}, not conclusive"
    return Verdict(ruling.colour, reason, because, ruling.text, evidence.running, tuple(trail), sure)


def _conclusive(evidence: Evidence, reason: str) -> bool | None:
    """Whether the sample is large enough for its colour; None where the question makes no sense."""
    target, value, better = _limit(evidence.target), _finite(evidence.value), evidence.better
    if reason != "target" or evidence.sampled is None or target is None or value is None or better is None:
        return None
    return conclusive(evidence.sampled, value, target, _limit(evidence.amber), better)


def _sample_step(evidence: Evidence, sure: bool) -> Mapping[str, object]:
    low, high = evidence.sampled or (math.nan, math.nan)
    said = " to ".join(print_value(end, evidence.unit, evidence.decimals) for end in (low, high))
    outcome = "all of that has this colour" if sure else "some of that has another colour"
    detail = f"with n = {print_value(evidence.n)} the true value lies at {said}, nine times in ten: {outcome}"
    return {"step": "conclusive", "applies": not sure, "detail": detail, "n": evidence.n, "interval": [low, high]}


def _numbers(reason: str, evidence: Evidence) -> dict[str, object]:
    """What a step looked at, for machines; moments as texts, numbers unrounded."""
    if reason == "held":
        looked: dict[str, object] = {"now": utc_text(evidence.now), "fresh_until": utc_text(evidence.fresh_until)}
        return looked if evidence.held is None else {**looked, "waits": evidence.held}
    if reason == "stale":
        return {"now": utc_text(evidence.now), "fresh_until": utc_text(evidence.fresh_until)}
    if reason == "no_data":
        return {"value": _finite(evidence.value)}
    if reason == "too_few":
        return {"n": evidence.n, "min_sample": evidence.min_sample}
    if reason in ("no_comparison", "target", "pace"):
        target, amber = _limit(evidence.target), _limit(evidence.amber)
        found: dict[str, object] = {"value": _finite(evidence.value), "target": target, "amber": amber}
        heading = _projected(evidence) if reason == "pace" else None
        return found if heading is None else {**found, "projected": heading.value, "chance": heading.chance}
    return {}


def _without_colour(
    evidence: Evidence, status: Status, reason: str, because: str, trail: list[Mapping[str, object]]
) -> Verdict:
    found = evidence.elasticity
    text = print_value(_finite(evidence.value), evidence.unit, evidence.decimals) if found is None else found.text
    return Verdict(status, reason, because, text, evidence.running, tuple(trail))


def _unsaid(evidence: Evidence) -> Iterator[Step]:
    """Step 1, can it be said?"""
    for reason, look in _LOOKS:
        yield reason, *look(evidence)
    if evidence.elasticity is not None:
        yield "undecided", *_undecided(evidence.elasticity)


def _error(evidence: Evidence) -> tuple[bool, str]:
    if evidence.problem is None:
        return False, "it could be computed"
    return True, f"this metric could not be computed: {evidence.problem}"


def _is_stale(evidence: Evidence) -> bool:
    until = evidence.fresh_until
    return until is not None and evidence.now.astimezone(UTC) > until.astimezone(UTC)


def _held(evidence: Evidence) -> tuple[bool, str]:
    if evidence.held is None:
        return False, "no load that touches it waits for a person"
    if evidence.loaded and not _is_stale(evidence):
        return False, f"it is fresh without the load that waits: {evidence.held}"
    return True, f"a load waits for a person: {evidence.held}"


def _stale(evidence: Evidence) -> tuple[bool, str]:
    until = evidence.fresh_until
    if until is None:
        return False, "a good load came after its end" if evidence.loaded else "it was never loaded"
    if not _is_stale(evidence):
        return False, f"fresh until {utc_text(until)}"
    if evidence.quiet_until is not None and evidence.quiet_until <= until and evidence.data_until is not None:
        return True, f"no new data since {utc_text(evidence.data_until)}"
    return True, f"no good load since {utc_text(evidence.loaded_at) or 'ever'}"


def _no_data(evidence: Evidence) -> tuple[bool, str]:
    if not evidence.loaded:
        return True, evidence.missing or "its source was never loaded"
    if evidence.elasticity is not None:
        return False, "it has been estimated as far as it can be"
    if evidence.value is None:
        return True, evidence.missing or "there is no data in this period"
    if not math.isfinite(evidence.value):
        return True, "its value is no finite number"
    return False, "there is a value"


def _not_started(evidence: Evidence) -> tuple[bool, str]:
    if not _on_pace(evidence):
        return False, "the period is judged as it stands"
    if _projected(evidence) is None:
        return True, "no working time of this period lies before its newest data yet"
    return False, "working time has passed"


def _too_young(evidence: Evidence) -> tuple[bool, str]:
    return evidence.too_young is not None, evidence.too_young or "it is old enough"


def _too_few(evidence: Evidence) -> tuple[bool, str]:
    if evidence.n is not None and evidence.n < evidence.min_sample > 1:
        return True, f"only {print_value(evidence.n)} of the {print_value(evidence.min_sample)} needed"
    if evidence.too_few is not None:
        return True, evidence.too_few
    if evidence.n is None or evidence.min_sample <= 1:
        return False, "it needs no least number of observations"
    return False, f"{print_value(evidence.n)} observations, {print_value(evidence.min_sample)} are needed"


def _undecided(found: Elasticity) -> tuple[bool, str]:
    return (True, found.because) if found.word == "undecided" else (False, f"the interval says: {found.said}")


_ELASTIC: Mapping[str, Status] = {"scaling": "green", "replicating": "amber", "fragile": "red"}
_LOOKS: tuple[tuple[str, Callable[[Evidence], tuple[bool, str]]], ...] = (
    ("error", _error),
    ("held", _held),
    ("stale", _stale),
    ("no_data", _no_data),
    ("not_started", _not_started),
    ("too_young", _too_young),
    ("too_few", _too_few),
)


def _incomparable(evidence: Evidence) -> Iterator[Step]:
    """Step 2, is there something to compare with?"""
    if not evidence.has_target or evidence.better is None:
        why = "it has no better direction" if evidence.better is None else evidence.aimless or "no target is in force"
        yield "no_target", True, why
        return
    yield "no_target", False, "a target is in force"
    missing = _limit(evidence.target) is None
    yield "no_comparison", missing, "what the target refers to is missing" if missing else "the target is known"


def _judged(evidence: Evidence) -> tuple[str, Ruling]:
    """Step 3, the colour: of the projection where a running period adds up, else of the value."""
    target, value, better = _limit(evidence.target), _finite(evidence.value), evidence.better
    if target is None or value is None or better is None:
        raise ValueError("only a value that can be said and compared has a colour")
    amber = _limit(evidence.amber)
    scale = (evidence.unit, evidence.decimals)
    heading = _projected(evidence) if _on_pace(evidence) else None
    if heading is None:
        return "target", by_value(value, target, amber, better, scale, so_far=evidence.running)
    if heading.chance is None or not math.isfinite(heading.chance):
        return "pace", by_value(heading.value, target, amber, better, scale, reached=value, basis=heading.basis)
    return "pace", by_chance(heading, value, target, amber, better, scale)


def _on_pace(evidence: Evidence) -> bool:
    return evidence.running and evidence.adds_up and evidence.paced


def _projected(evidence: Evidence) -> Projection | None:
    heading = evidence.projection
    return heading if heading is not None and math.isfinite(heading.value) else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _limit(limit: Limit | None) -> Limit | None:
    """The limit, if all of it is finite."""
    edges = limit if isinstance(limit, tuple) else (limit,)
    return limit if all(edge is not None and math.isfinite(edge) for edge in edges) else None
