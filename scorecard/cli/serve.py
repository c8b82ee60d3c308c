"""`scorecard serve`: scheduler, warehouse and web in one process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorecard.cli import running
from scorecard.cli.doors import session_of
from scorecard.cli.session import Captured, Session
from scorecard.ground import heap
from scorecard.ground.errors import Problem, Refused, Unavailable

if TYPE_CHECKING:
    from scorecard.cli.product import Product
    from scorecard.journal.journal import Entry
    from scorecard.refresh.pulse import Pulse, Warned
    from scorecard.refresh.schedule import Schedule
    from scorecard.warehouse.engine import Load

log = logging.getLogger("scorecard")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8050, show_default=True, help="The port to listen on.")
@click.pass_context
def serve(context: click.Context, host: str, port: int) -> None:
    """Pull on schedule, compute, and show the pages, until stopped (Ctrl-C)."""
    session = session_of(context)
    if session.inside:
        raise Refused("this process serves already")
    found = running.find(session.options.data)
    if found is not None:
        raise Unavailable(
            Problem(
                f"process {found.pid} serves the data folder '{session.options.data}' already, at {found.address}",
                hint="open that address, or stop that process first",
            )
        )
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", stream=session.err)
    run(session, host, port)


def run(session: Session, host: str, port: int) -> None:
    """Serves until a signal; everything is closed again whatever happens."""
    from scorecard.cli.product import open_product
    from scorecard.refresh.breaker import Patience
    from scorecard.refresh.limits import Limits
    from scorecard.refresh.runs import Runs
    from scorecard.refresh.schedule import Schedule
    from scorecard.warehouse.history import no_later_than
    from scorecard.web.server import build, serve_until_stopped

    product = open_product(session.config_file(), session.options.data, session.clock())
    life = Life(product, session)
    settings = product.settings
    schedule = Schedule(
        life.pull,
        life.beat,
        product.clock,
        Limits(settings.workers, settings.per_host),
        Patience(most_seconds=settings.retry_at_most, opens_after=settings.breaker_after),
        audit=life.audit,
        audit_at=settings.audit_at,
        alarmed=product.publisher.nudge,
        stepped=life.clock_set,
        runs=Runs(product.engine.recent_loads()),
    )
    life.schedule = schedule
    product.refresher.heard = schedule.heard
    if session.options.now is None:  # beside a clock that stands still, the time of the next run would mislead
        product.refresher.next_run = schedule.next_run
        product.engine.write(no_later_than(product.clock.now()))
    try:
        product.refresher.publish()
        heap.settle()
        product.serving = True

        def ready(address: str) -> None:
            life.running = running.announce(product.data, address)
            schedule.start(dict(product.book.sources), product.refresher.calendar)
            session.say(f"Scorecard is at {address} (stop with Ctrl-C)")
            session.out.flush()

        serve_until_stopped(build(life), host, port, ready, product.publisher.close)
    finally:
        life.stopping = True
        product.refresher.stopping.set()
        schedule.stop()
        life.boards.stop()
        running.withdraw(product.data)
        product.close()


class Life:
    """One running product as the web sees it (``web.doors.Doors``), and what the schedule calls."""

    def __init__(self, product: Product, session: Session) -> None:
        from scorecard.cli.product import token_secret
        from scorecard.refresh.boards import Boards
        from scorecard.refresh.schedule import step_back

        self.product = product
        self.schedule: Schedule | None = None
        self.running: running.Running | None = None
        self.stopping = False
        self._session = session
        self._secret = token_secret(product.data)
        self.boards = Boards(product.refresher.publish_if_needed, product.clock, step_back)
        self._watched = product.book.watched or (str(product.config),)
        self._files: tuple[object, ...] = signature(self._watched)
        self._seen = self._files
        self._commands = threading.Lock()

    # -- what the web asks for ---------------------------------------------------------------------------------

    @property
    def publisher(self) -> Any:
        return self.product.publisher

    @property
    def clock(self) -> Any:
        return self.product.clock

    @property
    def journal(self) -> Any:
        return self.product.journal

    @property
    def settings(self) -> Any:
        return self.product.settings

    @property
    def token_secret(self) -> bytes:
        return self._secret

    @property
    def running_key(self) -> str:
        return "" if self.running is None else self.running.key

    def refresh(self, source: str, cause: str) -> None:
        """Asks for a pull at once, beside the rhythm; never two of one source at a time."""
        self.product.refresher.check_names([source])
        if self.schedule is not None:
            self.schedule.ask(source, cause)

    def pulse(self) -> Pulse:
        from scorecard.refresh.pulse import Pulse

        return Pulse(ticking=False) if self.schedule is None else self.schedule.pulse()

    def warned(self) -> tuple[Warned, ...]:
        return () if self.schedule is None else self.schedule.warned()

    def loads(self, source: str | None, limit: int, outcome: str | None = None) -> Sequence[Load]:
        return self.product.engine.loads(source, limit, outcome)

    def approve(self, load: int, by: str, why: str) -> Load:
        return self.product.refresher.approve(load, by, why)

    def reject(self, load: int, by: str, why: str) -> Load:
        return self.product.refresher.reject(load, by, why)

    def roll_back(self, source: str, to: int | None, by: str, why: str) -> Load:
        return self.product.refresher.roll_back(source, to, by, why)

    def journal_written(self, entry: Entry) -> None:
        """Publishes what is part of the readings, beside the answer to whoever wrote it."""
        work = self.product.refresher.journal_written
        if not self.stopping:
            threading.Thread(target=work, args=(entry,), name="journal-written", daemon=True).start()

    def explain(
        self,
        metric: str,
        grain: str | None,
        period: str | None,
        slice: tuple[str, str] | None,  # noqa: A002
    ) -> dict[str, Any]:
        from scorecard.desk.explain import explain

        return explain(self.publisher.current(), metric, grain, period, slice, self.clock.now())

    def alive(self) -> tuple[bool, list[str]]:
        reasons = []
        if not self.product.publisher.published:
            reasons.append("no board is published yet")
        if self.schedule is None or not self.schedule.ticking:
            reasons.append("the scheduler does not tick")
        if self.schedule is not None:
            reasons.extend(warned.message for warned in self.warned())
        return not reasons, reasons

    def command(self, argv: Sequence[str], files: Mapping[str, str]) -> dict[str, Any]:
        """Runs a command of the terminal in this process, on the open files."""
        from scorecard.cli.main import execute

        out, err = Captured(), Captured()
        session = Session(out=out, err=err, product=self.product, inside=True, files=files or None)
        with self._commands:
            status = execute(session, list(argv))
        return {"stdout": out.getvalue(), "stderr": err.getvalue(), "exit": status}

    # -- what the schedule calls -------------------------------------------------------------------------------

    def pull(self, source: str, full: bool, cause: str) -> None:
        refresher = self.product.refresher
        if source not in refresher.book.sources:
            return
        load = refresher.pull_one(source, cause=cause, full=full)
        if not self.stopping and refresher.wants_board(load):
            self.boards.ask(load)

    def beat(self) -> None:
        """Once a second: what the clock alone changes, a saved metrics.yaml, and what waits to be written down."""
        self.product.engine.write_down()
        self.product.refresher.publish_if_turned()
        now = signature(self._watched)
        if now not in (self._files, self._seen):
            self._seen = now  # perhaps half written: it is read when it has kept still from one beat to the next
        elif now != self._files:
            self._files = now
            self._reread()

    def clock_set(self) -> None:
        """Another wall clock, or every source has been pulled since: what the pages say of ages is made anew, and no load
        may seem to be newer than it is, or its numbers would stay fresh for too long."""
        from scorecard.warehouse.history import no_later_than

        if not self.stopping:
            self.product.engine.write(no_later_than(self.clock.now()))
            self.product.refresher.publish()

    def audit(self) -> None:
        """Once a night: what is kept against what the rows give."""
        for audited in () if self.stopping else self.product.refresher.audit():
            if (unsaid := audited.unsaid()) is not None:
                log.warning("%s", unsaid)

    def _reread(self) -> None:
        from scorecard.book.read import NoBook, read_book

        refresher = self.product.refresher
        try:
            book = read_book(self.product.config)
        except NoBook as refused:
            log.warning("metrics.yaml is not taken over, the book before stays: %s", refused)
            refresher.keep_book(refused.problems)
            self._watch((*refresher.book.watched, *refused.watched))
            return
        self._watch(book.watched)
        if book.means_the_same(refresher.book) and not refresher.file_problems:
            return
        self.product.book = book
        refresher.replace_book(book)
        heap.settle()
        if self.schedule is not None:
            self.schedule.replace(dict(book.sources), refresher.calendar)

    def _watch(self, paths: Sequence[str]) -> None:
        """Looks at these files from now on. Where they are others than before, they are read once more: one may have changed
        since."""
        if set(paths) != set(self._watched):
            self._watched = tuple(dict.fromkeys(paths))
            self._files = self._seen = ()


def signature(files: Sequence[str]) -> tuple[object, ...]:
    """What changes when one of the files is saved."""
    found: list[object] = []
    for name in files:
        try:
            state = Path(name).stat()
            found.append((name, state.st_mtime_ns, state.st_size, state.st_ino))
        except OSError:
            found.append((name, None))  # between two steps of an editor's save
    return tuple(found)
