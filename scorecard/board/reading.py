"""A metric's value in one period for one team or process, judged; and the scorecard it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Literal

from scorecard.ground.clock import utc_text
from scorecard.judgement.override import Override, ended, stands
from scorecard.judgement.pace import Projection
from scorecard.judgement.status import Limit, Status
from scorecard.warehouse.engine import Quarantine


@dataclass(frozen=True, slots=True)
class Overridden:
    """An override that stands, and what it stands instead of, so that it can end by itself."""

    override: Override
    reason: str
    because: str
    conclusive: bool | None


@dataclass(frozen=True, slots=True)
class Restated:
    """A final value that has changed since: what it was, in words, and when the change was first seen (aware)."""

    value: float
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """The interval of an elasticity (95%), and the word for it."""

    low: float
    high: float
    word: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything `scorecard values`, the API and the pages carry of one value. Shares are fractions.

    ``quiet_until``: the part of ``fresh_until`` that a quiet source sets, for the sentence only.
    ``start`` and ``end`` are aware, in the organisation's zone, ``end`` exclusive. ``slice`` is None for the whole, else
    ("team", name) or ("process", name). ``fresh_until``: after that moment whoever shows it shows it grey; None: it stays.
    ``trail`` is the machine-readable list of the status steps, for `explain`; it is not part of the JSON. ``override`` is
    the one that stands: then ``status``, ``reason`` and ``because`` are its, and ``judged`` keeps the original status.
    """

    metric: str
    grain: str
    period: str
    slice: tuple[str, str] | None
    team: str | None
    process: str | None
    start: datetime
    end: datetime
    running: bool
    provisional: bool
    value: float | None
    text: str
    numerator: float | None
    denominator: float | None
    n: int | None
    target: Limit | None
    amber: Limit | None
    status: Status
    judged: Status
    reason: str
    because: str
    projected: Projection | None
    previous: float | None
    year_ago: float | None
    loaded_at: datetime | None
    data_until: datetime | None
    fresh_until: datetime | None
    as_of: datetime
    version: int
    signals: tuple[str, ...] = ()
    conclusive: bool | None = None
    interval: Interval | None = None
    quiet_until: datetime | None = None
    override: Overridden | None = None
    restated: Restated | None = None
    trail: tuple[Mapping[str, object], ...] = field(default=(), compare=False)

    def at(self, now: datetime) -> Reading:
        """This reading as it must be shown at ``now``: without an override that has ended, and grey once it is stale."""
        if self.override is not None and ended(self.override.override, now):
            return self._restored(now).at(now)
        grey = self.status == "grey" and self.override is None  # what somebody called grey turns stale like the rest
        if self.fresh_until is None or now <= self.fresh_until or grey:
            return self
        quiet = self.quiet_until is not None and self.quiet_until <= self.fresh_until
        since = (
            f"no new data since {utc_text(self.data_until)}"
            if quiet
            else f"no good load since {utc_text(self.loaded_at)}"
        )
        waits = next((str(said["waits"]) for said in self.trail if said["step"] == "held" and "waits" in said), None)
        if waits is not None:
            return self._held(waits, since, now)
        step = {"step": "stale", "applies": True, "detail": since}
        looked = {"now": utc_text(now), "fresh_until": utc_text(self.fresh_until)}
        names = [said["step"] for said in self.trail]
        before = self.trail[: names.index("stale")] if "stale" in names else ()
        trail = (*before, {**step, **looked})
        because = f"{since}; it was: {self.because}"
        return replace(
            self, status="grey", reason="stale", because=because, override=None, conclusive=None, trail=trail
        )

    def _held(self, waits: str, since: str, now: datetime) -> Reading:
        """Not fresh any more, while a load that touches it waits for a person."""
        names = [said["step"] for said in self.trail]
        looked = {"now": utc_text(now), "fresh_until": utc_text(self.fresh_until)}
        step = {
            "step": "held",
            "applies": True,
            "detail": f"a load waits for a person: {waits}",
            **looked,
            "waits": waits,
        }
        return replace(
            self,
            status="grey",
            reason="held",
            because=f"a load waits for a person: {waits}; {since}; it was: {self.because}",
            override=None,
            conclusive=None,
            trail=(*self.trail[: names.index("held")], step),
        )

    def overridden(self, override: Override, now: datetime) -> Reading:
        """This reading under an override, as far as that stands at ``now``; the trail says either way."""
        applies, detail = stands(override, self.judged, now)
        step = _override_step(override, self.judged, applies, detail)
        if not applies:
            return replace(self, trail=(*self.trail, step))
        return replace(
            self,
            status=override.status,
            reason="override",
            because=f"{detail}; judged {self.judged}: {self.because}",
            conclusive=None,
            override=Overridden(override, self.reason, self.because, self.conclusive),
            trail=(*self.trail, step),
        )

    def _restored(self, now: datetime) -> Reading:
        """The judged reading, once its override has ended."""
        held = self.override
        if held is None:
            return self
        _, detail = stands(held.override, self.judged, now)
        trail = (*self.trail[:-1], _override_step(held.override, self.judged, False, detail))
        return replace(
            self,
            status=self.judged,
            reason=held.reason,
            because=held.because,
            conclusive=held.conclusive,
            override=None,
            trail=trail,
        )

    def as_json(self) -> dict[str, object]:
        """The reading as `metrics-yaml` writes it."""
        return {
            "metric": self.metric,
            "grain": self.grain,
            "period": self.period,
            "slice": None if self.slice is None else {self.slice[0]: self.slice[1]},
            "team": self.team,
            "process": self.process,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "running": self.running,
            "provisional": self.provisional,
            "value": self.value,
            "text": self.text,
            "numerator": self.numerator,
            "denominator": self.denominator,
            "n": self.n,
            "target": list(self.target) if isinstance(self.target, tuple) else self.target,
            "amber": list(self.amber) if isinstance(self.amber, tuple) else self.amber,
            "status": self.status,
            "judged": self.judged,
            "reason": self.reason,
            "because": self.because,
            "projected": None
            if self.projected is None
            else {
                "value": self.projected.value,
                "low": self.projected.low,
                "high": self.projected.high,
                "chance": self.projected.chance,
            },
            "previous": self.previous,
            "year_ago": self.year_ago,
            "signals": list(self.signals),
            "conclusive": self.conclusive,
            "interval": None if self.interval is None else asdict(self.interval),
            "override": None if self.override is None else _override_json(self.override.override),
            "restated": None
            if self.restated is None
            else {"from": self.restated.value, "text": self.restated.text, "at": utc_text(self.restated.at)},
            "loaded_at": utc_text(self.loaded_at),
            "data_until": utc_text(self.data_until),
            "fresh_until": utc_text(self.fresh_until),
            "as_of": utc_text(self.as_of),
            "version": self.version,
        }


def _override_step(override: Override, judged: Status, applies: bool, detail: str) -> Mapping[str, object]:
    said = {**_override_json(override), "status": override.status, "judged": judged}
    return {"step": "override", "applies": applies, "detail": detail, **said}


def _override_json(override: Override) -> dict[str, object]:
    return {
        "by": override.by,
        "text": override.text,
        "until": utc_text(override.until),
        "at": utc_text(override.at),
    }


SeriesKey = tuple[str, str, tuple[str, str] | None]
"""(metric, grain, slice): what a series of readings is of."""
Overrides = Mapping[SeriesKey, Mapping[str, Override]]
"""Series → period → the override that counts there."""


NO_ROWS = Quarantine()


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source as the board shows it: freshness, the last load and what is wrong, if anything is.

    ``good_until``: the moment after which its last good load is too old; ``quiet_until``: after which its newest row is.
    ``quarantined``: rows that the table lacks because they could not be read, by whichever load; ``quarantine`` shows them.
    """

    name: str
    kind: str
    outcome: str | None
    loaded_at: datetime | None
    data_until: datetime | None
    good_until: datetime | None
    next_run: datetime | None
    problem: str | None
    hint: str | None
    rows: int | None
    generation: int | None
    quarantined: int = 0
    quarantine: Quarantine = NO_ROWS
    future_rows: int = 0
    undated_rows: int = 0
    unassigned: tuple[str, ...] = ()
    quiet_until: datetime | None = None

    @property
    def fresh_until(self) -> datetime | None:
        """The moment after which its numbers of now are grey, whichever of the two ages passes first."""
        return min((m for m in (self.good_until, self.quiet_until) if m is not None), default=None)

    def fresh(self, now: datetime) -> bool:
        """Whether its numbers of now are believed at that moment; one that was never loaded is not fresh."""
        return self.loaded_at is not None and (self.fresh_until is None or now <= self.fresh_until)

    def quiet(self, now: datetime) -> bool:
        """Whether its loads are good, and its rows too old."""
        good = self.good_until is None or now <= self.good_until
        return good and self.quiet_until is not None and now > self.quiet_until


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The readings of one team, process or the organisation in one period; ``readings`` worst first within a role."""

    name: str
    kind: Literal["organization", "team", "process"]
    title: str
    owner: str | None
    period: str | None
    grain: str | None
    status: Status | None
    counts: Mapping[Status, int]
    readings: tuple[Reading, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "kind": self.kind,
            "title": self.title,
            "owner": self.owner,
            "period": self.period,
            "grain": self.grain,
            "status": self.status,
            "counts": dict(self.counts),
            "readings": [r.as_json() for r in self.readings],
        }
