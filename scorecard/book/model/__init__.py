"""The frozen Book: everything metrics.yaml says, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import ORGANIZATION, Organization, Panel, Person, Process, Review, Team
from scorecard.book.model.source import Source
from scorecard.ground.errors import NotFound, Place, Problem, did_you_mean
from scorecard.ground.values import dataclass

__all__ = ["Book", "Broken", "Expectation", "InlineTest"]


@dataclass(frozen=True, slots=True)
class Expectation:
    """The reading that a test expects. ``wanted``: value (in the metric's unit, shares as fractions; None: there is none),
    n, status, reason, because, as far as they are written; ``places``: where. ``decimals``: digits behind the point that
    the value is written with; none are compared exactly."""

    metric: str
    period: str
    grain: str | None
    slice: tuple[str, str] | None
    wanted: Mapping[str, object]
    decimals: int
    places: Mapping[str, Place]
    place: Place


@dataclass(frozen=True, slots=True)
class InlineTest:
    """One entry of ``tests:``; run by ``check``. ``given``: source → path of a CSV file, from ``folder``. ``at``: the
    clock, ISO 8601 with an offset. ``given_places``: where each source is named."""

    name: str
    given: Mapping[str, str]
    at: str
    expect: tuple[Expectation, ...]
    folder: str
    place: Place
    given_places: Mapping[str, Place]
    at_place: Place


@dataclass(frozen=True, slots=True)
class Broken:
    """A metric that could not be read, as far as it can be shown: in its own cell, grey, with its problems."""

    name: str
    title: str
    process: str | None
    team: str | None
    problems: tuple[Problem, ...]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """All definitions. Mappings keep the file's order. ``digest`` changes when any definition does.

    ``broken`` names metrics that could not be read (only in a lenient read), with their problems; they are not in ``metrics``.
    ``watched``: every file and folder whose change may change the book: the files, holidays, `.env`, folders of globs.
    ``texts``: the files' absolute paths → what was read from them (``${NAME}`` as written), the main file first.
    """

    organization: Organization
    sources: Mapping[str, Source] = field(default_factory=dict)
    teams: Mapping[str, Team] = field(default_factory=dict)
    processes: Mapping[str, Process] = field(default_factory=dict)
    panels: Mapping[str, Panel] = field(default_factory=dict)
    reviews: Mapping[str, Review] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tests: tuple[InlineTest, ...] = ()
    warnings: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    digest: str = ""
    watched: tuple[str, ...] = ()
    broken: Mapping[str, Broken] = field(default_factory=dict)

    def metric(self, name: str) -> Metric:
        """The metric of that name; NotFound with a suggestion otherwise."""
        if name not in self.metrics:
            raise NotFound(Problem(f"no metric is called '{name}'", hint=did_you_mean(name, self.metrics)))
        return self.metrics[name]

    def team_of(self, metric: Metric) -> str | None:
        """The team on whose scorecard the metric stands: its own, or its process's."""
        if metric.process is not None:
            return self.processes[metric.process].team
        return metric.team

    def owner_of(self, metric: Metric) -> Person | None:
        """One person: the metric's own, else that of its process, team or organisation."""
        if metric.owner is not None:
            return metric.owner
        if metric.process is not None:
            return self.processes[metric.process].owner
        if metric.team is not None and self.teams[metric.team].owner is not None:
            return self.teams[metric.team].owner
        return self.organization.owner

    def family(self, team: str) -> tuple[str, ...]:
        """The team and all teams below it."""
        found = [team]
        for name in found:
            found.extend(t.name for t in self.teams.values() if t.parent == name)
        return tuple(found)

    def scorecards(self) -> tuple[str, ...]:
        """Every name that has a scorecard: the organisation, teams, processes."""
        return (ORGANIZATION, *self.teams, *self.processes)

    def means_the_same(self, other: Book) -> bool:
        """Whether nothing differs that matters: comments and places do not, holidays and values of `.env` do."""
        return self._meant() == other._meant()

    def _meant(self) -> tuple[object, ...]:
        holidays = {name: team.holidays for name, team in self.teams.items()}
        options = {name: source.options for name, source in self.sources.items()}
        return self.digest, self.organization, holidays, options, self.secrets
