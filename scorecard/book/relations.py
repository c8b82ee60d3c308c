"""What only the whole book shows: names that are nowhere, names used twice, circles, grains finer than their parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from scorecard.book.cumulative import check_cumulative
from scorecard.book.files import BookFile, Written
from scorecard.book.model.metric import Age, Change, Cumulative, Formula, Metric, Scaling, Stock
from scorecard.book.model.organization import ORGANIZATION, Team
from scorecard.book.model.source import Source
from scorecard.book.notes import Notes, Reference, Subject
from scorecard.book.scope import parts_of
from scorecard.book.shipped import missing_source
from scorecard.book.units import is_currency
from scorecard.ground.errors import Place, Problem, did_you_mean
from scorecard.ground.periods import GRAINS
from scorecard.judgement.targets import FromSource

SECTION_OF = {"team": "teams", "process": "processes", "metric": "metrics", "source": "sources"}
MEANT_IN_FORMULAS = {"days", "workdays", "previous", "year_ago"}


def check_references(written: Written, notes: Notes) -> None:
    """Every name that is used is defined; a definition in error counts, so that one mistake is not reported twice."""
    _check_pack_sources(written, notes)
    for reference in notes.references:
        if _of_pack(reference, written) is not None and reference.what == "source":
            continue  # said once for the pack
        if reference.what in SECTION_OF:
            known = set(written.sections[SECTION_OF[reference.what]])
        else:
            known = {*written.sections["teams"], *written.sections["processes"], ORGANIZATION}
        if reference.name in known:
            continue
        notes.subject = reference.subject
        hint = did_you_mean(reference.name, known)
        elsewhere = [word for word, section in SECTION_OF.items() if reference.name in written.sections[section]]
        if hint is None and elsewhere and reference.what in SECTION_OF:
            hint = f"there is a {elsewhere[0]} of that name"
        owner = "" if reference.subject is None else f" in {_noun(reference.subject)}"
        notes.error(
            reference.at,
            f"no {reference.what} is called '{reference.name}'{owner}",
            hint or _list(known, reference.what),
        )
    notes.subject = None


def _of_pack(reference: Reference, written: Written) -> BookFile | None:
    """The shipped file that holds the metric with this reference."""
    section, name = reference.subject or ("", "")
    entry = written.sections["metrics"].get(name) if section == "metrics" else None
    return entry.file if entry is not None and entry.file.pack is not None else None


def _check_pack_sources(written: Written, notes: Notes) -> None:
    """One error for each source that a pack needs and nobody has defined, whatever number of metrics reads it."""
    missing: dict[tuple[str, str], tuple[BookFile, list[str]]] = {}
    for reference in notes.references:
        file = _of_pack(reference, written)
        if file is None or reference.what != "source" or reference.name in written.sections["sources"]:
            continue
        metrics = missing.setdefault((file.name, reference.name), (file, []))[1]
        if reference.subject is not None and reference.subject[1] not in metrics:
            metrics.append(reference.subject[1])
    for (_, source), (file, metrics) in missing.items():
        if file.pack is None:
            continue
        message, hint = missing_source(file.root, file.pack, source, metrics)
        problem = Problem(message, file.pack.node.place, hint)
        notes.found.append(problem)
        for metric in metrics:
            notes.blame(problem, ("metrics", metric))


def _noun(subject: Subject) -> str:
    words = {
        "sources": "source",
        "teams": "team",
        "processes": "process",
        "panels": "panel",
        "reviews": "review",
        "metrics": "metric",
    }
    return f"{words[subject[0]]} '{subject[1]}'" if subject[0] in words else f"'{subject[0]}'"


def _list(known: set[str], what: str) -> str:
    names = sorted(known - {ORGANIZATION})
    return f"known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else f"define a {what} first"


def check_names(written: Written, teams: Mapping[str, Team], notes: Notes) -> None:
    """Teams and processes share one name space; words of formulas are no metrics; no value may match two teams."""
    for entry in written.entries("processes"):
        if entry.name in written.sections["teams"]:
            first = written.sections["teams"][entry.name].key.place
            notes.subject = ("processes", entry.name)
            message = f"'{entry.name}' is a team and a process: the team is at {first}"
            notes.error(entry.key, message, "teams and processes share one name space: rename one of the two")
    for entry in written.entries("metrics"):
        if entry.name in MEANT_IN_FORMULAS:
            notes.subject = ("metrics", entry.name)
            notes.error(
                entry.key, f"the metric name '{entry.name}' has a meaning of its own in formulas", "choose another name"
            )
    spelled: dict[str, Team] = {}
    for team in teams.values():
        for word in {text.strip().casefold() for text in (team.name, team.title, *team.aliases)}:
            if word in spelled:
                notes.subject = ("teams", team.name)
                hint = "change a title or an alias"
                notes.error(team.place, f"'{word}' means team '{team.name}' and team '{spelled[word].name}'", hint)
            spelled.setdefault(word, team)
    notes.subject = None


def check_parents(teams: Mapping[str, Team], notes: Notes) -> None:
    """A team is not above itself."""
    for team in teams.values():
        above, seen = team.parent, [team.name]
        while above is not None and above in teams and above not in seen:
            seen.append(above)
            above = teams[above].parent
        if above == team.name and team.name == min(seen):
            notes.subject = ("teams", team.name)
            notes.error(
                team.place, f"a circle of parents: {' → '.join([*seen, team.name])}", "one of them has no parent"
            )
    notes.subject = None


def settle_times(metrics: dict[str, Metric], sources: Mapping[str, Source], notes: Notes) -> None:
    """Gives every metric that reads rows its time column: its own, else its source's."""
    for name, metric in metrics.items():
        if metric.source is None or metric.source not in sources or metric.time is not None:
            continue
        time = sources[metric.source].time
        if time is not None:
            metrics[name] = replace(metric, time=time)
        elif not isinstance(metric.measure, Stock | Age):
            notes.subject = ("metrics", name)
            hint = f"add 'time: COLUMN' here or to source '{metric.source}'"
            notes.error(
                metric.place,
                f"nothing decides the period of metric '{name}': neither it nor its source has a 'time'",
                hint,
            )
    notes.subject = None


def check_goals(metrics: Mapping[str, Metric], sources: Mapping[str, Source], notes: Notes) -> None:
    """Where targets are rows, their time picks the period; and a team's or process's own are for slices."""
    for metric in metrics.values():
        notes.subject = ("metrics", metric.name)
        for target in metric.targets:
            source = sources.get(target.aim.source) if isinstance(target.aim, FromSource) else None
            if source is not None and source.time is None:
                message = f"source '{source.name}' has no 'time', and the row's time picks the period of the targets of"
                hint = f"add 'time: COLUMN' to source '{source.name}'"
                notes.error(target.place or metric.place, f"{message} metric '{metric.name}'", hint)
    notes.subject = None


def check_parts(metrics: Mapping[str, Metric], notes: Notes) -> None:
    """Circles, and what a metric over others may not do."""
    for circle in _circles(metrics):
        metric = metrics[circle[0]]
        notes.subject = ("metrics", metric.name)
        place = _part_place(metric, circle[1])
        notes.error(place, f"a circle: {' → '.join(circle)}", "one of them must not name the other")
        for other in circle[1:-1]:
            notes.blame(notes.found[-1], ("metrics", other))
    for metric in metrics.values():
        notes.subject = ("metrics", metric.name)
        parts = [metrics[name] for name in parts_of(metric) if name in metrics and name != metric.name]
        _check_grain(metric, parts, notes)
        if isinstance(metric.measure, Scaling):
            _check_scaling(metric, parts, notes)
        if isinstance(metric.measure, Cumulative):
            check_cumulative(metric, metrics, _part_place(metric, metric.measure.of), notes)
    notes.subject = None


def _check_grain(metric: Metric, parts: list[Metric], notes: Notes) -> None:
    if not isinstance(metric.measure, Formula | Change) or not parts:
        return
    coarsest = max(parts, key=lambda part: GRAINS.index(part.grain))
    if GRAINS.index(metric.grain) < GRAINS.index(coarsest.grain):
        part = f"its part '{coarsest.name}', which is by {coarsest.grain}"
        message = f"metric '{metric.name}' is by {metric.grain}, finer than {part}"
        notes.error(metric.places.get("grain", metric.place), message, f"write grain: {coarsest.grain}")


def _check_scaling(metric: Metric, parts: list[Metric], notes: Notes) -> None:
    measure = metric.measure
    assert isinstance(measure, Scaling)  # noqa: S101 - the caller has looked
    for part in parts:
        if part.grain == "year" or isinstance(part.measure, Scaling):
            what = "by year" if part.grain == "year" else "an elasticity itself"
            message = f"metric '{metric.name}' looks at quarters, and its part '{part.name}' is {what}"
            notes.error(_part_place(metric, part.name), message, "name a metric that has quarters")
        if part.name == measure.input and is_currency(part.unit):
            message = f"the input of '{metric.name}' is in {part.unit}: rising prices look like a lack of scale"
            hint = "take hours or heads, or deflate the money first (divide it by a price index)"
            notes.warn(_part_place(metric, part.name), message, hint)


def _part_place(metric: Metric, part: str) -> Place | None:
    """Where a metric names its part."""
    measure = metric.measure
    if isinstance(measure, Formula):
        return next((place for name, place in measure.expression.spots if name == part), metric.place)
    if isinstance(measure, Change):
        return metric.places.get("change.of", metric.place)
    if isinstance(measure, Cumulative):
        return metric.places.get("cumulative.of", metric.place)
    if isinstance(measure, Scaling):
        key = next(k for k in ("output", "input", "quality") if getattr(measure, k) == part)
        return metric.places.get(f"scaling.{key}", metric.place)
    return metric.place


def _circles(metrics: Mapping[str, Metric]) -> Iterator[list[str]]:
    """Each circle once, begun at its first metric in the file."""
    done: set[str] = set()
    for first in metrics:
        path: list[str] = []
        waiting: list[tuple[str, int]] = [(first, 0)]
        while waiting:
            name, depth = waiting.pop()
            del path[depth:]
            if name in path:
                at = path.index(name)
                yield [*path[at:], name]
                continue
            if name in done or name not in metrics:
                continue
            path.append(name)
            done.add(name)
            waiting += [(part, depth + 1) for part in reversed(parts_of(metrics[name]))]
