"""What the doors of the network need from the rest of the house: one object, passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from scorecard.board.board import Board
from scorecard.ground.clock import Clock
from scorecard.ground.settings import Settings
from scorecard.journal.journal import Entry, Journal
from scorecard.refresh.pulse import Pulse, Warned
from scorecard.warehouse.engine import Load


class Published(Protocol):
    """Where boards come from."""

    def current(self) -> Board:
        """The current board; Unavailable while none has been published yet."""
        ...

    def wait(self, version: int, timeout: float) -> int:
        """The current version, once it is another one than this or ``timeout`` seconds are over."""
        ...


class Doors(Protocol):
    """One running product, as the web sees it. Every method may be called from any thread."""

    @property
    def publisher(self) -> Published: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def token_secret(self) -> bytes:
        """Signs wall and embed links; never empty, never a default."""
        ...

    @property
    def running_key(self) -> str:
        """What commands on this machine must show; from `running.json`, which only its owner can read."""
        ...

    def refresh(self, source: str, cause: str) -> None:
        """Asks for a pull now and returns at once. NotFound for an unknown source."""
        ...

    def pulse(self) -> Pulse:
        """How the schedule stands at this moment."""
        ...

    def warned(self) -> tuple[Warned, ...]:
        """What the watchdog says is wrong now; everybody who looks at numbers should know."""
        ...

    def loads(self, source: str | None, limit: int, outcome: str | None = None) -> Sequence[Load]:
        """The run history, newest first."""
        ...

    def approve(self, load: int, by: str, why: str) -> Load:
        """Publishes exactly the rows of a held load. NotFound for an unknown one, Conflict where it does not wait."""
        ...

    def reject(self, load: int, by: str, why: str) -> Load:
        """Drops a held load's rows. As ``approve``."""
        ...

    def roll_back(self, source: str, to: int | None, by: str, why: str) -> Load:
        """An earlier generation as a new one. NotFound for an unknown source, Conflict where it is not kept."""
        ...

    def journal_written(self, entry: Entry) -> None:
        """Hears of an entry that is on disk, and returns at once; what is part of the readings is published."""
        ...

    def explain(
        self,
        metric: str,
        grain: str | None,
        period: str | None,
        slice: tuple[str, str] | None,  # noqa: A002 - the noun of the format
    ) -> dict[str, Any]:
        """As `scorecard explain --format json`."""
        ...

    def alive(self) -> tuple[bool, list[str]]:
        """Whether a board is published and the scheduler ticks; else the reasons why not, one sentence each."""
        ...

    def command(self, argv: Sequence[str], files: Mapping[str, str]) -> dict[str, Any]:
        """Runs a command of the terminal here: ``{"stdout", "stderr", "exit"}``."""
        ...
