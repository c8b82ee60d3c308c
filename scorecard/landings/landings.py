"""What sources gave, kept as it came: under ``raw/<source>`` in the data folder, each content once, until it is too old."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from connectors.contract import Given
from connectors.temporary import temporary_folder
from scorecard.book.model.source import Source
from scorecard.ground.clock import Clock
from scorecard.ground.errors import Problem, ScorecardError, Unavailable
from scorecard.landings.index import Index
from scorecard.landings.landing import FAILED, HELD, PENDING, PUBLISHED, REJECTED, Landing, Stock
from scorecard.landings.parts import Parts
from scorecard.landings.taking import FAULTS, Taking

FOLDER, INDEX = "raw", "index.sqlite"
SWEEP_SECONDS = 300.0
SEEN_EVERY = timedelta(hours=1)
"""How exactly it is known until when a source went on giving the same."""
Known = Callable[[str, datetime], tuple[int, str] | None]
"""(source, when its pull began) → the number of the load and what became of it."""


class Landings:
    """All sources' landings. ``notices``: what was found wrong when the folder was opened."""

    def __init__(self, data: Path, clock: Clock) -> None:
        self.notices: tuple[Problem, ...] = ()
        self._folder = data / FOLDER
        self._clock = clock
        self._index: Index | None = None
        self._lock = threading.Lock()
        self._sweeping = threading.Lock()
        self._missed: dict[str, int] = {}
        self._problems: dict[str, str] = {}
        self._sweeps: dict[str, tuple[float, int]] = {}
        self._totals: Mapping[str, tuple[int, int, datetime]] | None = None
        if (self._folder / INDEX).exists():
            with suppress(*FAULTS):
                self._opened()

    # -- while a source is pulled ------------------------------------------------------------------------------

    def begin(self, source: Source, started: datetime, *, complete: bool, definition: str) -> Taking:
        """What keeps a pull's landing."""
        missed = self._missed.get(source.name, 0)
        landing = Landing(0, source.name, started, started, PENDING, 0, complete, definition, missed)

        def write(whole: Landing) -> int:
            return self._opened().add(whole)

        return Taking(source, self._parts(source.name), landing, self._clock.now, write)

    def any_of(self, source: str) -> bool:
        """Whether something that was published is kept of a source."""
        return bool(self.listed(source, outcome=PUBLISHED, limit=1))

    def finish(self, source: Source, taking: Taking, load: int, outcome: str) -> None:
        """What became of the load. One that found nothing new leaves nothing, and the one before was seen again."""
        name = source.name
        try:
            if taking.problem is not None:
                if outcome in {"ok", "unchanged"}:
                    self._missed[name] = self._missed.get(name, 0) + (outcome == "ok")
                self._drop(taking.landing)
            elif outcome == "failed":
                self._keep_failed(taking, load)
            else:
                self._settle(taking.landing, load, PUBLISHED if outcome in {"ok", "unchanged"} else HELD, outcome)
                if outcome == "ok":
                    self._missed.pop(name, None)
            self._problems.pop(name, None)
            self._swept(source, taking)
        except FAULTS as fault:
            self._problems[name] = str(fault)
        if taking.problem is not None:
            self._problems[name] = taking.problem

    def _settle(self, landing: Landing, load: int, became: str, outcome: str) -> None:
        index, name = self._opened(), landing.source
        before = next(iter(index.of(name, outcome=became, limit=1)), None)
        if became == PUBLISHED:
            index.drop([one.id for one in index.of(name, outcome=HELD)])  # what waited waits no longer
        # A source that said in another way that nothing has changed gives nothing to keep.
        again = before is not None and (outcome == "unchanged" or _same(before, landing))
        if before is not None and (again or not landing.id):
            if landing.id:
                index.drop([landing.id])
            if landing.at - before.seen >= SEEN_EVERY:
                index.change(before.id, seen=landing.at)
            return
        if landing.id:
            index.change(landing.id, outcome=became, load=load)
            if became == HELD:  # at most one load of a source waits: the newest
                index.drop([one.id for one in index.of(name, outcome=HELD) if one.id != landing.id])

    def _keep_failed(self, taking: Taking, load: int) -> None:
        """The newest one alone: it shows what was wrong, and is never read again."""
        index, landing = self._opened(), taking.partial()
        index.drop([one.id for one in index.of(landing.source, outcome=FAILED)])
        if landing.id:
            index.change(landing.id, outcome=FAILED, load=load)
        elif landing.parts:
            index.add(replace(landing, outcome=FAILED, load=load))

    def _drop(self, landing: Landing) -> None:
        if landing.id:
            self._opened().drop([landing.id])

    def _swept(self, source: Source, taking: Taking) -> None:
        """Too old goes, then the oldest while all of it together is too much; then what nobody needs on the disk.

        It is looked for now and then: a source of half minutes leaves a hundred thousand landings in a month.
        """
        keep, name = source.keep_raw, source.name
        if keep is None:
            return
        at, fresh = self._sweeps.get(name, (-SWEEP_SECONDS, 0))
        fresh += taking.fresh
        self._sweeps[name] = at, fresh
        if self._clock.steady() - at < SWEEP_SECONDS and fresh * 20 < keep.at_most:
            count, size, since = self._stock(name)
            self._totals = {**(self._totals or {}), name: (count + bool(taking.fresh), size + taking.fresh, since)}
            return
        index, now = self._opened(), self._clock.now()
        index.drop(index.too_old(name, now - timedelta(seconds=keep.for_seconds)))
        index.drop(index.too_many(name, keep.at_most))
        if self._sweeping.acquire(blocking=False):  # else somebody copies what lies there: another time
            try:
                self._parts(name).clear(index.digests(name))
            finally:
                self._sweeping.release()
        self._sweeps[name] = self._clock.steady(), 0
        self._totals = None

    def _stock(self, name: str) -> tuple[int, int, datetime]:
        return (self._totals or {}).get(name, (0, 0, self._clock.now()))

    # -- what is decided ---------------------------------------------------------------------------------------

    def decided(self, what: str, source: str, load: int, to: int | None) -> None:
        """A person's decision: approve, reject, or rollback (``load`` is the one it made). Raises Unavailable."""
        if not self._there():
            return
        try:
            index = self._opened()
            if what == "rollback":
                index.taken_back(source, -1 if to is None else to, load)
            for one in index.of(source, outcome=HELD):
                if what == "rollback":
                    index.drop([one.id])
                elif one.load == load:
                    index.change(one.id, outcome=PUBLISHED if what == "approve" else REJECTED)
        except FAULTS as fault:
            hint = "it is tried again at the next start"
            raise Unavailable(Problem(f"what {source} gave cannot be marked as decided: {fault}", hint=hint)) from fault
        self._totals = None

    def settle(self, known: Known) -> None:
        """After a start: what became of the loads under which a process died; what it never finished goes."""
        if not self._there():
            return
        with suppress(*FAULTS):
            index = self._opened()
            for one in reversed(index.of(outcome=PENDING)):
                found = known(one.source, one.at)
                if found is None or found[1] not in {"ok", "unchanged", "held"}:
                    index.drop([one.id])
                else:
                    self._settle(one, found[0], HELD if found[1] == "held" else PUBLISHED, found[1])
            for folder in self._folder.iterdir():
                if folder.is_dir():
                    self._parts(folder.name).clear(index.digests(folder.name))

    # -- looking -----------------------------------------------------------------------------------------------

    def listed(self, source: str, *, outcome: str | None = None, limit: int = -1) -> tuple[Landing, ...]:
        """Newest first; nothing where nothing can be read."""
        if not self._there():
            return ()
        with suppress(*FAULTS):
            return self._opened().of(source, outcome=outcome, limit=limit)
        return ()

    def path_of(self, source: str, digest: str) -> Path | None:
        return self._parts(source).path_of(digest)

    def stocks(self) -> Mapping[str, Stock]:
        """Per source what is kept; asked at every publish, and remembered."""
        totals = self._totals
        if totals is None and self._there():
            with suppress(*FAULTS):
                totals = self._opened().totals()
        self._totals = totals = totals or {}
        found = {}
        for name in sorted({*totals, *self._problems}):
            count, size, since = totals.get(name, (0, 0, None))
            found[name] = Stock(count, size, since, self._problems.get(name))
        return found

    def chain(self, source: str, definition: str | None = None) -> tuple[Landing, ...]:
        """The landings that make the table, oldest first: from the newest complete one on. ``definition``: only those."""
        found: list[Landing] = []
        for one in self.listed(source, outcome=PUBLISHED):
            if one.masked or (definition is not None and one.definition != definition):
                continue
            found.append(one)
            if one.complete:
                break
        return tuple(reversed(found))

    @contextmanager
    def unpacked(self, landing: Landing, before: Landing | None = None) -> Iterator[tuple[Given, ...]]:
        """The parts as files, those that are not in the landing ``before``. Raises OSError: gone or damaged."""
        known = set() if before is None else {(part.name, part.digest) for part in before.parts}
        parts = self._parts(landing.source)
        with temporary_folder() as folder:
            given = []
            for number, part in enumerate(landing.parts):
                if (part.name, part.digest) in known:
                    continue
                path = Path(folder) / f"{number}"
                try:
                    parts.unpack(part.digest, path)
                except pa.ArrowException as fault:
                    raise OSError(f"{part.name}: {fault}") from fault
                given.append(Given(part.name, part.form, path, part.charset, part.rejected))
            yield tuple(given)

    # -- copies ------------------------------------------------------------------------------------------------

    @contextmanager
    def copying(self, data: Path) -> Iterator[Callable[[], None]]:
        """All of it for another data folder: the list when what is given is called, what it names at the end. Raises OSError."""
        path = data / FOLDER / INDEX
        with self._sweeping:

            def copy_list() -> None:
                if self._there():
                    path.parent.mkdir(mode=0o700)
                    try:
                        self._opened().copy_to(path)
                    except sqlite3.Error as fault:
                        raise OSError(f"the list of what sources gave: {fault}") from fault

            yield copy_list
            if not path.exists():
                return
            listed = Index(path)
            for name in listed.sources():
                found = (self._parts(name).path_of(digest) for digest in listed.digests(name))
                (path.parent / name).mkdir(mode=0o700)
                for part in found:
                    if part is not None:
                        shutil.copyfile(part, path.parent / name / part.name)

    @staticmethod
    def files_in(data: Path) -> list[Path]:
        """Every file below a data folder that is kept here."""
        folder = data / FOLDER
        if not (folder / INDEX).exists():
            return []
        places = [place for place in folder.iterdir() if place.is_dir()]
        return [*folder.glob(f"{INDEX}*"), *(path for place in places for path in Parts(place).files())]

    # -- the folder --------------------------------------------------------------------------------------------

    def _there(self) -> bool:
        return self._index is not None or (self._folder / INDEX).exists()

    def _parts(self, source: str) -> Parts:
        return Parts(self._folder / source)

    def _opened(self) -> Index:
        """The index; one that is damaged is set aside, and a new one begun. Raises OSError, sqlite3.Error."""
        with self._lock:
            if self._index is None:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                path = self._folder / INDEX
                try:
                    self._index = Index(path)
                except sqlite3.DatabaseError as fault:
                    if isinstance(fault, sqlite3.OperationalError):
                        raise
                    aside = path.with_name(f"{INDEX}.damaged-{self._clock.now():%Y%m%dT%H%M%S}")
                    path.rename(aside)
                    said = f"the list of what sources gave was damaged ({fault}); it was set aside as {aside.name}"
                    self.notices += (Problem(said, hint="what comes from now on is kept again", severity="warning"),)
                    self._index = Index(path)
            return self._index


def _same(one: Landing, other: Landing) -> bool:
    return [(p.name, p.digest) for p in one.parts] == [(p.name, p.digest) for p in other.parts]


def nothing_to_read(source: str) -> ScorecardError:
    """Why a source cannot be read again."""
    hint = "keep_raw: 30d in metrics.yaml keeps what it gives from the next load on"
    return ScorecardError(Problem(f"{source}: nothing that it gave is kept", hint=hint))
