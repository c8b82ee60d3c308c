"""When a source is due: every so many seconds by the steady clock, or by a cron line in the organisation's time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import ceil, floor

from scorecard.book.model.source import Schedule
from scorecard.ground.periods.calendar import Calendar
from scorecard.ground.periods.cron import cron_runs
from scorecard.refresh.breaker import share_of

LOOKED_AGAIN_SECONDS = 60.0
"""The steady and the wall clock drift apart: a cron line's distance is measured anew this often."""
JUST_RUN = timedelta(minutes=15)
"""A clock that is set back by less does not run a cron line's last run a second time."""
USUAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by both clocks: ``steady`` in monotonic seconds, ``wall`` aware and in UTC."""

    steady: float
    wall: datetime

    def wall_at(self, steady: float) -> datetime:
        """What the wall clock shows at a steady second, as far as can be told now."""
        return self.wall + timedelta(seconds=steady - self.steady)


@dataclass(slots=True)
class Every:
    """Runs on a grid of the steady clock, which nobody sets: ``share`` of the interval is this one's place on it.

    So runs do not drift, neither a clock step nor a change of summer time moves them, and sources of the same interval
    are spread over it.
    """

    seconds: float
    share: float
    at: float = 0.0

    def begin(self, moment: Moment, delay: float = 0.0) -> None:
        """Due after ``delay`` seconds, and then on the grid, at least half an interval later."""
        self.at = moment.steady + delay

    def reset(self, moment: Moment) -> None:
        """The wall clock was set: nothing to a steady one."""

    def late(self, moment: Moment) -> float:
        """Seconds since it was due; below zero: until it is."""
        return moment.steady - self.at

    def wait(self, moment: Moment) -> float:
        """Seconds after which to look again."""
        return self.at - moment.steady

    def passed(self, moment: Moment) -> int:
        """Moves on to the next place on the grid; how many were passed over."""
        late = self.late(moment)
        if late < 0:
            return 0
        place = self.share * self.seconds
        on_grid = abs((self.at - place) / self.seconds - round((self.at - place) / self.seconds)) < 1e-6
        earliest = moment.steady if on_grid else moment.steady + self.seconds / 2
        self.at = place + (floor((earliest - place) / self.seconds + 1e-9) + 1) * self.seconds
        return floor(late / self.seconds)

    def next_run(self, moment: Moment) -> datetime | None:
        return moment.wall_at(self.at)

    def gap(self) -> float:
        """Seconds from one run to the next."""
        return self.seconds


@dataclass(slots=True)
class At:
    """Runs at the times of a cron line, each local time once, also where the clocks change."""

    line: str
    calendar: Calendar
    at: datetime | None = None
    done: datetime | None = None
    following: datetime | None = None

    def begin(self, moment: Moment, delay: float = 0.0) -> None:
        """Due after ``delay`` seconds, and then by the line."""
        self.at = moment.wall + timedelta(seconds=delay)

    def wait_for_line(self, moment: Moment) -> None:
        """Due when the line says so, and not before."""
        self._look(moment.wall)

    def reset(self, moment: Moment) -> None:
        """The wall clock was set: the next run is looked up anew, and the one before not repeated if it was just now."""
        done = self.done
        self._look(done if done is not None and moment.wall < done <= moment.wall + JUST_RUN else moment.wall)

    def late(self, moment: Moment) -> float:
        return float("-inf") if self.at is None else (moment.wall - self.at).total_seconds()

    def wait(self, moment: Moment) -> float:
        return min(LOOKED_AGAIN_SECONDS, -self.late(moment))

    def passed(self, moment: Moment) -> int:
        if self.late(moment) < 0 or self.at is None:
            return 0
        self.done = max(self.at, self.done or self.at)
        over = sum(1 for _ in self._runs_until(self.at, moment.wall))
        self._look(max(moment.wall, self.done))
        return over

    def next_run(self, moment: Moment) -> datetime | None:  # noqa: ARG002 - asked as of Every
        return self.at

    def gap(self) -> float:
        if self.at is None or self.following is None:
            return USUAL_SECONDS
        return max(1.0, (self.following - self.at).total_seconds())

    def _look(self, after: datetime) -> None:
        found = list(islice(cron_runs(self.line, after, self.calendar), 2))
        self.at, self.following = (*found, None, None)[:2]

    def _runs_until(self, after: datetime, until: datetime) -> list[datetime]:
        """The runs after one moment and up to another, at most a thousand: more are as many as anybody wants to know."""
        found = []
        for run in islice(cron_runs(self.line, after, self.calendar), 1000):
            if run > until:
                break
            found.append(run)
        return found


Rhythm = Every | At


def rhythm_of(schedule: Schedule, name: str, calendar: Calendar) -> Rhythm:
    """The rhythm of a source's schedule."""
    if schedule.cron is not None:
        return At(schedule.cron, calendar)
    return Every(float(ceil(schedule.every_seconds or USUAL_SECONDS)), share_of(name))
