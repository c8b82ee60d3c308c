"""Watches the scheduler by the monotonic clock: a loop that no longer turns, and a wall clock that somebody set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from scorecard.ground.clock import span_text
from scorecard.refresh.rhythm import Moment

LOOK_SECONDS = 0.25
STALLED_AFTER_SECONDS = 5.0
"""At most; twice the shortest interval where that is less, but never under two seconds."""
STEP_SECONDS = 2.5
"""What the wall clock may gain or lose from one look to the next; more is a step."""
SHOWN_SECONDS = 5.0
"""An alarm stands for at least so long, or nobody would see it."""
STEP_SHOWN_SECONDS = 600.0
"""A step is forgotten after this, also where a source that hangs has not been pulled since."""
LONGEST_PAUSE_SECONDS = 60.0

Kind = Literal["stalled", "clock"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something about the scheduler that everybody who looks at numbers should know. ``since``: steady seconds."""

    kind: Kind
    since: float
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. ``restart``: the loop must be started anew. ``step``: how far the wall clock was set."""

    restart: bool = False
    step: timedelta | None = None


class Watchdog:
    """The eyes only: ``look`` is called again and again with both clocks and when the loop last turned."""

    def __init__(self, moment: Moment, stalled_after_seconds: float = STALLED_AFTER_SECONDS) -> None:
        self.stalled_after_seconds = stalled_after_seconds
        self.stalls = 0
        self.steps = 0
        self._before = moment
        self._restarted: float | None = None
        self._pause = 0.0
        self._stalled: Alarm | None = None
        self._stepped: Alarm | None = None

    def look(self, moment: Moment, ticked: float, *, alive: bool, settled: bool) -> Look:
        """``ticked``: the steady second at which the loop last turned. ``alive``: its thread runs. ``settled``: every source
        has been pulled since the last step of the wall clock."""
        passed = moment.steady - self._before.steady
        step = moment.wall - self._before.wall - timedelta(seconds=passed)
        self._before = moment
        stepped = abs(step.total_seconds()) >= STEP_SECONDS
        if stepped:
            self.steps += 1
            self._stepped = _step_alarm(moment, step)
        elif self._stepped is not None:
            age = moment.steady - self._stepped.since
            if age >= STEP_SHOWN_SECONDS or (settled and age >= SHOWN_SECONDS):
                self._stepped = None
        # Where this look itself comes late, the whole process was held up and nothing can be said of the loop.
        restart = passed < self.stalled_after_seconds / 2 and self._see_loop(moment, ticked, alive)
        return Look(restart, step if stepped else None)

    def alarms(self) -> tuple[Alarm, ...]:
        """What is wrong now, or was a moment ago."""
        return tuple(alarm for alarm in (self._stalled, self._stepped) if alarm is not None)

    def _see_loop(self, moment: Moment, ticked: float, alive: bool) -> bool:
        """Whether the loop must be started anew; after each time in vain the pause doubles."""
        still = moment.steady - ticked
        if alive and still < self.stalled_after_seconds:
            if (
                self._stalled is not None
                and moment.steady - max(self._stalled.since, self._restarted or 0.0) > SHOWN_SECONDS
            ):
                self._stalled, self._restarted, self._pause = None, None, 0.0
            return False
        if self._restarted is not None and moment.steady - self._restarted < self._pause:
            return False
        self._pause = min(LONGEST_PAUSE_SECONDS, max(self.stalled_after_seconds, 2 * self._pause))
        self._restarted = moment.steady
        self.stalls += 1
        if self._stalled is None:
            self._stalled = _stall_alarm(ticked, alive)
        return True


def _stall_alarm(ticked: float, alive: bool) -> Alarm:
    what = "has stopped moving" if alive else "has ended"
    return Alarm(
        "stalled",
        ticked,
        f"The scheduler {what} and is being started anew",
        "no source is pulled meanwhile; if this stays, look in the log and restart scorecard",
    )


def _step_alarm(moment: Moment, step: timedelta) -> Alarm:
    seconds = step.total_seconds()
    by = span_text(abs(seconds))
    return Alarm(
        "clock",
        moment.steady,
        f"This machine's clock was set back by {by}" if seconds < 0 else f"This machine's clock jumped forward by {by}",
        "ages are right again once every source has been pulled; each is, in the next moments",
    )


def stalled_after(shortest_interval_seconds: float | None) -> float:
    """Seconds without a turn of the loop after which it counts as stalled."""
    if shortest_interval_seconds is None:
        return STALLED_AFTER_SECONDS
    return min(STALLED_AFTER_SECONDS, max(2.0, 2.0 * shortest_interval_seconds))
