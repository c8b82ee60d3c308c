"""Definitions from their entries: each noun is built alone, then what only the whole shows is checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from scorecard.book.files import BookFile, Entry, Written
from scorecard.book.inlinetests import build_test
from scorecard.book.later import mark_later
from scorecard.book.metrics import build_metric, read_defaults
from scorecard.book.model import Book, InlineTest
from scorecard.book.model.metric import Formula, Metric
from scorecard.book.model.organization import Organization, Panel, Process, Review, Team
from scorecard.book.model.source import Source
from scorecard.book.notes import Notes, shown
from scorecard.book.organization import build_organization, build_panel, build_process, build_review, build_team
from scorecard.book.relations import (
    check_goals,
    check_names,
    check_parents,
    check_parts,
    check_references,
    settle_times,
)
from scorecard.book.scope import parts_of
from scorecard.book.sourceoptions import Surroundings
from scorecard.book.sources import build_source
from scorecard.ground.errors import Problem
from scorecard.ground.yamlfile import YamlMap, YamlText

T = TypeVar("T")


@dataclass(slots=True)
class Parts:
    """Everything that could be built, in the files' order."""

    organization: Organization
    sources: dict[str, Source] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    panels: dict[str, Panel] = field(default_factory=dict)
    reviews: dict[str, Review] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    tests: tuple[InlineTest, ...] = ()


def build_parts(written: Written, home: Path, notes: Notes) -> Parts:
    """Builds all definitions and checks them against each other."""
    for file in written.files:
        _check_version(file, file is written.files[0], notes)
        notes.subject = ("defaults", file.name)
        read_defaults(file, notes)
        notes.subject = None
    parts = Parts(build_organization(written.organization, next(iter(written.files), None), notes))
    around = Surroundings(parts.organization.timezone, parts.organization.allow_paths, home)
    teams = written.sections["teams"]
    parts.sources = _each(written, "sources", notes, lambda entry: build_source(entry, around, notes))
    parts.teams = _each(written, "teams", notes, lambda entry: build_team(entry, around.allowed, notes))
    parts.processes = _each(written, "processes", notes, lambda entry: build_process(entry, notes))
    parts.panels = _each(written, "panels", notes, lambda entry: build_panel(entry, teams, notes))
    parts.reviews = _each(written, "reviews", notes, lambda entry: build_review(entry, notes))
    parts.metrics = _metrics(written, notes)
    parts.tests = tuple(
        test for node, file in written.tests if (test := build_test(node, file, parts.metrics, notes)) is not None
    )
    check_references(written, notes)
    check_names(written, parts.teams, notes)
    check_parents(parts.teams, notes)
    settle_times(parts.metrics, parts.sources, notes)
    check_goals(parts.metrics, parts.sources, notes)
    check_parts(parts.metrics, notes)
    return parts


def _each(written: Written, section: str, notes: Notes, build: Callable[[Entry], T | None]) -> dict[str, T]:
    found: dict[str, T] = {}
    for entry in written.entries(section):
        notes.subject = (section, entry.name)
        if isinstance(entry.node, YamlText) and entry.node.empty:
            continue
        built = build(entry)
        if built is not None:
            found[entry.name] = built
    notes.subject = None
    return found


def _metrics(written: Written, notes: Notes) -> dict[str, Metric]:
    """All metrics, in the files' order. Those in the unit of another one, as their targets are, come after that one."""
    waiting = {entry.name: of for entry in written.entries("metrics") if (of := _unit_of_another(entry)) is not None}
    found = _each(written, "metrics", notes, lambda e: None if e.name in waiting else _metric(e, {}, notes))
    while waiting:
        # A circle is told elsewhere: then all that is left is ready.
        ready = {name for name, of in waiting.items() if of not in waiting} or set(waiting)
        found |= _each(written, "metrics", notes, partial(_if_ready, ready, found, notes))
        waiting = {name: of for name, of in waiting.items() if name not in ready}
    return {entry.name: found[entry.name] for entry in written.entries("metrics") if entry.name in found}


def _if_ready(ready: Collection[str], found: Mapping[str, Metric], notes: Notes, entry: Entry) -> Metric | None:
    return _metric(entry, found, notes) if entry.name in ready else None


def _unit_of_another(entry: Entry) -> str | None:
    """The metric that a cumulative one, or a change, is of."""
    for kind in ("cumulative", "change"):
        node = entry.node.entries.get(kind, (None, None))[1] if isinstance(entry.node, YamlMap) else None
        of = node.entries.get("of", (None, None))[1] if isinstance(node, YamlMap) else None
        if isinstance(of, YamlText):
            return of.text.strip()
    return None


def _metric(entry: Entry, others: Mapping[str, Metric], notes: Notes) -> Metric | None:
    metric = build_metric(entry, others, notes)
    if metric is None:
        return None
    if isinstance(metric.measure, Formula):
        for name, place in metric.measure.expression.spots:
            notes.refer(place, "metric", name)
    return mark_later(metric, notes)


def _check_version(file: BookFile, first: bool, notes: Notes) -> None:
    entry = file.root.entries.get("version")
    if entry is None:
        if first:
            notes.warn(file.root, "the file has no 'version'; 1 is assumed", "begin with 'version: 1'")
        return
    node = entry[1]
    if not isinstance(node, YamlText) or (node.text != "1" and not node.empty):
        notes.error(node, f"'version' is '{shown(node)}', expected 1")


def sound_metrics(
    parts: Parts,
    teams: Mapping[str, Team],
    processes: Mapping[str, Process],
    sources: Mapping[str, Source],
    notes: Notes,
) -> tuple[dict[str, Metric], dict[str, list[Problem]]]:
    """(metrics that rest on nothing in error, what is wrong with each of the others)."""
    reasons = {name: list(problems) for (section, name), problems in notes.broken.items() if section == "metrics"}
    metrics = {}
    for name, metric in parts.metrics.items():
        if name in reasons:
            continue
        lost = [
            f"{what} '{needed}'"
            for what, needed, known in (
                ("process", metric.process, processes),
                ("team", metric.team, teams),
                ("source", metric.source, sources),
            )
            if needed is not None and needed not in known
        ]
        if lost:
            reasons[name] = [Problem(f"metric '{name}' rests on {lost[0]}, which is in error", metric.place)]
        else:
            metrics[name] = metric
    while gone := [name for name, metric in metrics.items() if any(part not in metrics for part in parts_of(metric))]:
        for name in gone:
            part = next(part for part in parts_of(metrics[name]) if part not in metrics)
            reasons[name] = [
                Problem(f"metric '{name}' rests on metric '{part}', which is in error", metrics[name].place)
            ]
        for name in gone:
            del metrics[name]
    return metrics, reasons


def with_warnings(book: Book, warnings: tuple[Problem, ...]) -> Book:
    return replace(book, warnings=warnings)
