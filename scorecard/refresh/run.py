"""A tick: pull → load → measure → judge → publish."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from scorecard.board.board import Board
from scorecard.board.build import Ingredients, build
from scorecard.board.holds import Held
from scorecard.board.publish import Publisher
from scorecard.book.model import Book
from scorecard.ground.clock import Clock
from scorecard.ground.errors import NotFound, Problem, ScorecardError, Unavailable, did_you_mean
from scorecard.ground.periods.calendar import Calendar
from scorecard.journal.journal import Entry, Journal
from scorecard.landings.landings import Landings
from scorecard.measures.audit import Audited, recorded
from scorecard.measures.finals import Finals
from scorecard.measures.run import Meter
from scorecard.measures.store import take_over
from scorecard.measures.values import Measured
from scorecard.refresh.decide import Decider
from scorecard.refresh.explanations import Explanations
from scorecard.refresh.given import GivenRead
from scorecard.refresh.holds import HoldsRead
from scorecard.refresh.overrides import OverridesRead
from scorecard.refresh.pull import pull_again, pull_source
from scorecard.refresh.sources import states_of
from scorecard.refresh.still import Looks
from scorecard.refresh.weigh import Scales, material
from scorecard.warehouse.engine import NOTHING, Engine, Load, Touched

log = logging.getLogger("scorecard.refresh")
LOADS = 200
"""So many of the newest loads a board has."""
QUIET_PUBLISH_SECONDS = 20.0
"""How long a load that changed nothing may wait before its new freshness is published."""


def calendar_of(book: Book) -> Calendar:
    """The organisation's calendar."""
    o = book.organization
    return Calendar(
        timezone=o.timezone,
        week_starts=o.week_starts,
        fiscal_year_starts=o.fiscal_year_starts,
        fiscal_year_named=o.fiscal_year_named,
        pattern=o.pattern,
        workdays=o.workdays,
        holidays=o.holidays,
    )


class Refresher:
    """Pulls sources and publishes boards. Pulls may run side by side; measuring and publishing is one at a time."""

    def __init__(
        self,
        book: Book,
        folder: Path,
        engine: Engine,
        journal: Journal,
        publisher: Publisher,
        clock: Clock,
        notices: Iterable[Problem] = (),
        workers: int = 8,
        landings: Landings | None = None,
    ) -> None:
        self.book = book
        self.engine = engine
        self.clock = clock
        self.publisher = publisher
        self.stopping = threading.Event()
        self.calendar = calendar_of(book)
        self.next_run: Callable[[str], datetime | None] = lambda _: None
        self.heard: Callable[[Load], None] = lambda _: None
        self.file_problems: tuple[Problem, ...] = ()
        self._folder = folder
        self._journal = journal
        self._overrides = OverridesRead(journal)
        self._given = GivenRead(journal)
        self.landings = landings
        self._holds = HoldsRead(engine, landings)
        self._workers = workers
        self._looks = Looks()
        self._notices = tuple(notices)
        self.decider = Decider(engine, journal, clock, landings)
        with suppress(Unavailable):
            self.decider.tell()  # of a process that died between the two
        self._meter = Meter(engine, book, self.calendar)
        self._finals = Finals(engine, book)
        self._pending: dict[str, Touched] = {}
        self._pending_lock = threading.Lock()
        self._publish_lock = threading.RLock()
        self._busy: dict[str, threading.Lock] = {}
        self.audits: Mapping[str, Audited] = recorded(engine)
        self._published_at = -1e9
        self._shown: tuple[Board, Mapping[str, str | None]] | None = None

    # -- pulling -----------------------------------------------------------------------------------------------

    def check_names(self, names: Iterable[str]) -> None:
        """NotFound, with suggestions, for every name that is no source."""
        wrong = [n for n in names if n not in self.book.sources]
        if wrong:
            raise NotFound(
                *(
                    Problem(f"no source is called '{n}'", hint=did_you_mean(n, self.book.sources) or self._known())
                    for n in wrong
                )
            )

    def _known(self) -> str:
        return f"known: {', '.join(self.book.sources)}" if self.book.sources else "metrics.yaml declares none"

    def pull(
        self,
        names: Iterable[str] = (),
        *,
        cause: str,
        full: bool = False,
        raw: bool = False,
        said: Callable[[Load], None] | None = None,
    ) -> tuple[Load, ...]:
        """Pulls the named sources (all by default) side by side; ``said`` hears of each as it ends. Publishes nothing.

        ``raw``: from what they gave earlier."""
        wanted = list(dict.fromkeys(names))
        self.check_names(wanted)
        wanted = wanted or list(self.book.sources)
        with ThreadPoolExecutor(max_workers=max(1, min(self._workers, len(wanted)))) as pool:
            jobs = [pool.submit(self.pull_one, name, cause=cause, full=full, raw=raw) for name in wanted]
            loads = []
            for job in jobs:
                loads.append(job.result())
                if said is not None:
                    said(loads[-1])
        return tuple(loads)

    def pull_one(self, name: str, *, cause: str, full: bool = False, raw: bool = False) -> Load:
        """Pulls one source; waits while the same source is being pulled."""
        with self._pending_lock:
            busy = self._busy.setdefault(name, threading.Lock())
        with busy:
            book, source, weigh = self.book, self.book.sources[name], self._scales(name)
            at = self.engine, book, source, self._folder, self.clock
            if raw and self.landings is not None:
                load, touched = pull_again(*at, self.landings, weigh)
            else:
                stop, kept = self.stopping, self.landings
                load, touched = pull_source(
                    *at, cause=cause, full=full, weigh=weigh, stop=stop, landings=kept, looks=self._looks
                )  # fmt: skip
        return self._await(load, touched)

    def _await(self, load: Load, touched: Touched) -> Load:
        """What a load has touched waits for the next board."""
        if load.outcome in {"ok", "unchanged"}:
            with self._pending_lock:
                before = self._pending.get(load.source)
                self._pending[load.source] = touched if before is None else joined(before, touched)
        self.heard(load)
        return load

    def _scales(self, name: str) -> Scales | None:
        """What weighs a load of a source, where a metric says how far it may be moved."""
        if not material(self.book, name):
            return None
        given = self._given.current(self.book, self.calendar)
        return Scales(self.engine, self.book, self.calendar, self.clock, given)

    # -- deciding ----------------------------------------------------------------------------------------------

    def approve(self, load: int, by: str, why: str) -> Load:
        """Publishes exactly the rows that a load has staged, and the board with them."""
        return self._decided(*self.decider.approve(self.book, load, by, why))

    def reject(self, load: int, by: str, why: str) -> Load:
        """Drops what a load has staged."""
        return self._decided(self.decider.reject(load, by, why), NOTHING)

    def roll_back(self, source: str, to: int | None, by: str, why: str) -> Load:
        """An earlier generation of a source as a new one, and the board with it."""
        return self._decided(*self.decider.roll_back(self.book, source, to, by, why))

    def _decided(self, load: Load, touched: Touched) -> Load:
        """Published, then told to the journal. Unavailable where that does not take it now: it stands all the same."""
        self._await(load, touched)
        self.publish()
        self.decider.tell()
        return load

    # -- publishing --------------------------------------------------------------------------------------------

    def publish(self, *, recompute: bool = False) -> Board:
        """Measures what was touched since the last board, judges, and publishes the next one."""
        with self._publish_lock:
            with self._pending_lock:
                touched, self._pending = self._pending, {}
            now = self.clock.now()
            measured = self._meter.measure(
                now, None if recompute else touched, self._given.current(self.book, self.calendar)
            )
            measured = self._finals.look(measured, measured.standings, now)
            before = self.publisher.current() if self.publisher.published and not recompute else None
            board = build(self._ingredients(now, measured, self.publisher.next_version), measured, before)
            self.publisher.publish(board)
            self._published_at = self.clock.steady()
            return board

    def look(self) -> Board:
        """The board as it is now, computed without publishing it: for a command that only reads."""
        now = self.clock.now()
        measured = self._meter.measure(now, {}, self._given.current(self.book, self.calendar))
        measured = self._finals.look(measured, measured.standings, now, keep=False)
        return build(self._ingredients(now, measured, self.publisher.next_version - 1), measured)

    @contextmanager
    def trial(self, book: Book) -> Iterator[Board]:
        """The board as it would be now under another book: computed aside, published to nobody, and nothing is kept of it."""
        self._meter.write_down()
        with self.engine.trial() as engine:
            take_over(engine, book.sources)
            other = Refresher(book, self._folder, engine, self._journal, self.publisher, self.clock, self._notices)
            yield other.look()

    def publish_if_needed(self, load: Load) -> None:
        """After a scheduled load: at once where rows or its outcome changed, else when the last board is getting old."""
        with self._publish_lock:  # whoever waits here is often served by the board that was being made meanwhile
            if self.wants_board(load):
                self.publish()

    def wants_board(self, load: Load) -> bool:
        """Whether a scheduled load would be published now. Does not wait for a board that is being made."""
        shown = self._outcome_shown(load.source)
        same = load.outcome != "held" or load.source in self._waiting_shown(load.id)
        if load.source not in self._pending and shown == load.outcome.replace("ok", "unchanged") and same:
            return False
        waits = self._pending.get(load.source, NOTHING)
        if load.outcome != "unchanged" or shown != "unchanged" or waits.everything or any(waits.days.values()):
            return True
        return self.clock.steady() - self._published_at >= self._patience(load.source)

    def _waiting_shown(self, load: int) -> frozenset[str]:
        """Sources of which the board shows what really waits, once a held load has ended."""
        held = self.publisher.current().held if self.publisher.published else Held()
        shown = {name: one.load.id for name, one in held.waiting.items()}
        now = {one.load.source: one.load.id for one in self.engine.holds.waiting()}
        return frozenset(name for name, id_ in now.items() if shown.get(name) == id_ != load)

    def _patience(self, source: str) -> float:
        fresh_for = self.book.sources[source].fresh_for_seconds
        return QUIET_PUBLISH_SECONDS if fresh_for is None else min(QUIET_PUBLISH_SECONDS, fresh_for / 4)

    def _outcome_shown(self, source: str) -> str | None:
        """The outcome on the current board; ok counts as unchanged."""
        if not self.publisher.published:
            return None
        board, shown = self.publisher.current(), self._shown
        if shown is None or shown[0] is not board:
            shown = self._shown = board, {s.name: s.outcome for s in board.sources}
        outcome = shown[1].get(source)
        return "unchanged" if outcome == "ok" else outcome

    def publish_if_turned(self) -> None:
        """Publishes when no load but the clock changes something (a period ended, a reading turned stale), or another process
        has written what is part of the readings."""
        if not self.publisher.published:
            return
        board = self.publisher.current()
        turn = board.next_turn(board.as_of)
        if (turn is not None and self.clock.now() >= turn) or self._overrides.changed() or self._given.changed():
            self.publish()

    def journal_written(self, entry: Entry) -> None:
        """Publishes at once where what somebody wrote is part of the readings."""
        if entry.kind in ("override", "value") or (entry.kind == "signoff" and entry.body.get("value") is not None):
            self.publish()

    def audit(self, sources: Iterable[str] = ()) -> tuple[Audited, ...]:
        """Compares what is kept with what the rows give, source by source; what differs is replaced, published and said.

        Pulls, ticks and readers go on meanwhile: only parts of it hold the meter.
        """
        self.publish()
        found = []
        for name in tuple(sources) or tuple(self.book.sources):
            audited = self._meter.audit(name, self.publish)
            if audited is not None:
                found.append(audited)
                self.audits = {**self.audits, name: audited}
                if audited.differences:
                    log.error("%s", audited.notice())
        self.publish()
        return tuple(found)

    def replace_book(self, book: Book) -> Board:
        """A new good book takes over. States are kept by definition, so only those that it defines anew are computed."""
        with self._publish_lock:
            self._meter.write_down()
            self.book, self.calendar = book, calendar_of(book)
            self._meter = Meter(self.engine, book, self.calendar)
            self._finals = Finals(self.engine, book)
            self.file_problems = ()
            return self.publish()

    def close(self) -> None:
        """Writes down what was counted, for the next start; what cannot be written then is counted again."""
        with suppress(ScorecardError):
            self._meter.write_down()

    def keep_book(self, problems: Iterable[Problem]) -> None:
        """A bad file never replaces a good book: it is said on /data, with its line."""
        self.file_problems = tuple(problems)
        self.publish()

    def _ingredients(self, now: datetime, measured: Measured, version: int) -> Ingredients:
        standings, loads = measured.standings, self.engine.loads(limit=LOADS)
        latest = {load.source: load for load in reversed(loads)}
        if len(loads) == LOADS and not latest.keys() >= standings.keys() | self.book.sources.keys():
            latest = dict(self.engine.latest())
        unread = {load.id for load in latest.values() if load.outcome in {"failed", "held"} and load.quarantined}
        aside = self.engine.quarantines(sorted(unread))
        held = self._holds.current(self.book.sources, standings)
        return Ingredients(
            book=self.book,
            calendar=self.calendar,
            now=now,
            version=version,
            standings=standings,
            sources=states_of(self.book, self.calendar, standings, latest, aside, measured, self.next_run),
            loads=loads,
            held=held,
            notices=(*self.file_problems, *held.notices(), *self._alarms(), *self._notices, *self.book.warnings),
            audits={name: audited for name, audited in self.audits.items() if name in self.book.sources},
            explanations=Explanations(self._meter),
            overrides=self._overrides.current(self.calendar),
            notes_of=self._notes,
        )

    def _alarms(self) -> tuple[Problem, ...]:
        """What the last audits found, until the next ones find nothing."""
        found = (audited.notice() for name, audited in self.audits.items() if name in self.book.sources)
        return tuple(notice for notice in found if notice is not None)

    def _notes(self, metric: str) -> tuple[Mapping[str, object], ...]:
        return tuple(e.as_json() for e in self._journal.entries("note", metric=metric, limit=100))


def joined(first: Touched, second: Touched) -> Touched:
    """What two loads in a row touched together."""
    if first.everything or second.everything:
        return Touched(everything=True)
    axes = {*first.days, *second.days}
    return Touched(
        days={a: first.days.get(a, frozenset()) | second.days.get(a, frozenset()) for a in axes},
        added_only=all(touched.added_only or not touched.days for touched in (first, second)),
    )
