"""A small house behind the doors of the network: a real board, publisher and journal, served over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import requests

from scorecard.board.build import Ingredients, build
from scorecard.board.publish import Publisher
from scorecard.board.reading import SourceState
from scorecard.book.model import Book
from scorecard.book.model.metric import Count, Manual, Metric, Split
from scorecard.book.model.organization import Organization, Panel, Person, Process, Review, Shown, Team
from scorecard.book.model.source import Schedule, Source
from scorecard.ground.errors import Conflict, NotFound, Problem, did_you_mean
from scorecard.ground.periods.calendar import Calendar
from scorecard.ground.settings import Settings
from scorecard.journal.journal import Entry, Journal
from scorecard.judgement.targets import Target, Tolerance
from scorecard.measures.values import Cell, Measured, Series
from scorecard.refresh.overrides import newest_of
from scorecard.refresh.pulse import Pulse, Turn, Warned
from scorecard.refresh.runs import Runs
from scorecard.warehouse.engine import Decision, Load, Quarantine, QuarantineGroup, QuarantineRow, Standing
from scorecard.web.listen import Listener
from scorecard.web.push import Streams
from scorecard.web.server import STREAMS, listen
from scorecard.web.server import build as build_server

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)  # a Monday
CALENDAR = Calendar("Europe/Berlin")
WEEKS = CALENDAR.between("week", date(2026, 8, 3), date(2026, 9, 28))
ANA = Person("Ana Ruiz")
SECRET = "canary-7f1e-password"


@dataclass
class HandClock:
    """A clock that stands until a test moves it."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def steady(self) -> float:
        return self.moment.timestamp()


def book() -> Book:
    def metric(name: str, **more: Any) -> Metric:
        basis: dict[str, Any] = {
            "title": name.title(), "measure": Count(), "role": "leading", "better": "higher",
            "source": "tickets", "time": "at",
        }  # fmt: skip
        return Metric(name=name, **{**basis, **more})

    metrics = (
        metric(
            "solved",
            process="desk",
            targets=(Target(100.0, tolerance=Tolerance(0.1, True)),),
            split=Split("team", "team"),
        ),
        metric("=grown", team="support", role="lagging", title="=HYPERLINK(1)", unit="-units"),
        metric("mood", team="support", measure=Manual(), source=None, time=None),
    )
    return Book(
        organization=Organization("Test", ANA, "Europe/Berlin"),
        sources={"tickets": Source("tickets", "csv", {}, Schedule(every_seconds=60), time="at")},
        teams={
            "support": Team("support", "Support", ANA),
            "night": Team("night", "Night shift", None, parent="support"),
        },
        processes={"desk": Process("desk", "Desk", "support", ANA)},
        panels={
            "floor": Panel("floor", "The floor", (Shown("team", "support"),)),
            "hall": Panel("hall", "The hall", (Shown("process", "desk"),)),
        },
        reviews={"weekly": Review("weekly", "weekly", ("support",), 0, time(9))},
        metrics={m.name: m for m in metrics},
        secrets=(SECRET,),
    )


BOOK = book()
LOADS = (
    Load(
        2, "tickets", "failed", "schedule", NOW, NOW, 3, seconds=0.5, problems=(Problem("no such file", hint="look"),)
    ),
    Load(
        1,
        "tickets",
        "ok",
        "start",
        NOW - timedelta(hours=1),
        NOW,
        3,
        read=9,
        loaded=7,
        duplicate=1,
        quarantined=1,
        seconds=1.5,
    ),
)


def measured() -> Measured:
    def series(values: Sequence[float]) -> Series:
        return Series(WEEKS, tuple(Cell(float(v), n=int(v)) for v in values))

    return Measured(
        {
            ("solved", "week", None): series([90, 95, 100, 105, 99, 89, 120, 130, 10]),
            ("solved", "week", ("team", "night")): series([9, 9, 9, 9, 9, 9, 9, 9, 1]),
            ("=grown", "week", None): series([-1, -2, -3, -4, -5, -6, -7, -8, -9]),
        }
    )


ASIDE = Quarantine(
    1, 1, (QuarantineGroup("column 'n' is not a double", "n", 1, None, (QuarantineRow(1, "a.csv", 3, "no", "x", "{}"),)),)
)  # fmt: skip


@dataclass
class House:
    """What stands behind the doors (``web.doors.Doors``)."""

    folder: Path
    settings: Settings = field(default_factory=Settings)
    clock: HandClock = field(default_factory=HandClock)
    token_secret: bytes = b"0123456789abcdef0123456789abcdef"
    running_key: str = "the-key-of-this-process"
    refreshed: list[tuple[str, str]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    broken: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.publisher = Publisher(self.folder)
        self.journal = Journal.open(self.folder, self.clock)

    def publish(self, book: Book = BOOK) -> int:
        """The next board; its version."""
        at, version = self.clock.now(), self.publisher.next_version
        standing = Standing("tickets", at, at, 3, 1000, {"at": "TIMESTAMP"})
        state = SourceState(
            "tickets", "csv", "failed", at, at, at + timedelta(hours=2), None, "no such file", "look", 1000, 3, 1, ASIDE
        )
        made_of = Ingredients(book, CALENDAR, at, version, {"tickets": standing}, (state,), LOADS)
        made_of = replace(made_of, overrides=newest_of(self.journal.entries("override", limit=None), CALENDAR))
        self.publisher.publish(build(made_of, measured()))
        return version

    def refresh(self, source: str, cause: str) -> None:
        known = self.publisher.current().book.sources
        if source not in known:
            raise NotFound(Problem(f"no source is called '{source}'", hint=did_you_mean(source, known)))
        self.refreshed.append((source, cause))

    def pulse(self) -> Pulse:
        turn = Turn("tickets", None, NOW + timedelta(seconds=30), failures=1, next_try=NOW + timedelta(seconds=30))
        runs = Runs()
        for load in reversed(LOADS):
            runs.heard(load)
        recent, counts, seconds = runs.seen()
        return Pulse(turns={"tickets": turn}, recent=recent, counts=counts, seconds=seconds, workers=8)

    def warned(self) -> tuple[Warned, ...]:
        return ()

    def loads(self, source: str | None, limit: int, outcome: str | None = None) -> Sequence[Load]:
        found = [x for x in LOADS if source in (None, x.source) and outcome in (None, x.outcome)]
        return found[:limit]

    def approve(self, load: int, by: str, why: str) -> Load:
        return self._decided("approve", load, by, why)

    def reject(self, load: int, by: str, why: str) -> Load:
        return self._decided("reject", load, by, why)

    def roll_back(self, source: str, to: int | None, by: str, why: str) -> Load:
        if source not in self.publisher.current().book.sources:
            raise NotFound(Problem(f"no source is called '{source}'"))
        return self._decided("rollback", to or 1, by, why)

    def _decided(self, what: str, load: int, by: str, why: str) -> Load:
        found = next((x for x in LOADS if x.id == load), None)
        if found is None:
            raise NotFound(Problem(f"there is no load {load}"))
        if found.outcome == "failed":
            raise Conflict(Problem(f"load {load} of tickets does not wait: it is failed"))
        self.heard.append(what)
        return replace(found, decision=Decision("d", what, "tickets", load, by, why, self.clock.now()))

    def journal_written(self, entry: Entry) -> None:
        self.heard.append(entry.kind)
        if entry.kind == "override":
            self.publish()

    def explain(
        self,
        metric: str,
        grain: str | None,
        period: str | None,
        slice: tuple[str, str] | None,  # noqa: A002
    ) -> dict[str, Any]:
        if self.broken:
            raise RuntimeError(f"cannot reach postgresql://user:{SECRET}@host/db")
        label = period or self.publisher.current().latest_closed("week", self.clock.now()).label
        reading = self.publisher.current().reading(metric, grain, label, slice, self.clock.now())
        return {"metric": metric, "reading": reading.as_json(), "sql": [], "steps": [dict(s) for s in reading.trail]}

    def alive(self) -> tuple[bool, list[str]]:
        return self.publisher.published, [] if self.publisher.published else ["no board is published yet"]

    def command(self, argv: Sequence[str], files: Mapping[str, str]) -> dict[str, Any]:
        return {"stdout": " ".join(argv), "stderr": "", "exit": len(files)}


@dataclass
class Site:
    """A served house. ``get`` and ``post`` are requests over a socket of their own each."""

    house: House
    listener: Listener
    streams: Streams

    @property
    def url(self) -> str:
        return self.listener.url

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=10, allow_redirects=False, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=10, allow_redirects=False, **more)


@contextmanager
def served(house: House, *, threads: int = 32, most_streams: int = 16) -> Iterator[Site]:
    """The house on a free port of this machine, until the block ends."""
    server = build_server(house, most_streams=most_streams)
    listener = listen(server, "127.0.0.1", 0, threads=threads)
    thread = threading.Thread(target=listener.run, name="web")
    thread.start()
    try:
        yield Site(house, listener, server.extensions[STREAMS])
    finally:
        listener.stop(5)
        thread.join(5)
        house.journal.close()
        assert not thread.is_alive()


def renamed(old: Book, name: str) -> Book:
    """The same book under another organisation's name: something to publish that can be told apart."""
    return replace(old, organization=replace(old.organization, name=name))
