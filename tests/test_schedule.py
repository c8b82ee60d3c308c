"""The schedule: every source runs, runs never overlap, a doubled hour fires once, a stalled scheduler is started anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from scorecard.book.model.source import Schedule as Rhythm
from scorecard.book.model.source import Source
from scorecard.ground.clock import SystemClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.refresh.schedule import LocalCron, Schedule


def source(name: str, every: int = 1) -> Source:
    return Source(name, "csv", {}, Rhythm(every_seconds=every))


class Recorder:
    """What the schedule called, when."""

    def __init__(self, takes_seconds: float = 0.0) -> None:
        self.calls: list[str] = []
        self.together = self.most = 0
        self.takes_seconds = takes_seconds
        self.lock = threading.Lock()

    def pull(self, name: str, full: bool) -> None:
        with self.lock:
            self.calls.append(name)
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(self.takes_seconds)
        with self.lock:
            self.together -= 1


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def schedule(recorder: Recorder) -> Iterator[Schedule]:
    made = Schedule(recorder.pull, lambda: None, SystemClock(), workers=4)
    yield made
    made.stop()


def wait_for(condition: object, seconds: float = 8.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_every_source_is_due_at_once_and_again(schedule: Schedule, recorder: Recorder) -> None:
    schedule.start({n: source(n) for n in ("a", "b", "c")}, Calendar("UTC"))
    assert wait_for(lambda: {"a", "b", "c"} <= set(recorder.calls), 2)
    assert wait_for(lambda: recorder.calls.count("a") >= 2, 4)
    assert schedule.ticking
    assert schedule.next_run("a") is not None
    assert schedule.next_run("nobody") is None


def test_runs_of_one_source_never_overlap(schedule: Schedule, recorder: Recorder) -> None:
    recorder.takes_seconds = 1.6
    schedule.start({"slow": source("slow")}, Calendar("UTC"))
    assert wait_for(lambda: recorder.calls.count("slow") >= 2, 6)
    assert recorder.most == 1


def test_other_sources_take_the_place_of_the_old_ones(schedule: Schedule, recorder: Recorder) -> None:
    schedule.start({"old": source("old", 600)}, Calendar("UTC"))
    assert wait_for(lambda: "old" in recorder.calls)
    schedule.replace({"new": source("new", 600)}, Calendar("UTC"))
    assert wait_for(lambda: "new" in recorder.calls)
    assert schedule.next_run("old") is None


def test_a_cron_line_fires_each_local_time_once() -> None:
    berlin = Calendar("Europe/Berlin")

    def runs(line: str, begin: datetime, count: int) -> list[str]:
        trigger, found, now = LocalCron(line, berlin), [], begin
        for _ in range(count):
            following = trigger.get_next_fire_time(None, now)
            assert following is not None
            found.append(following.astimezone(UTC).strftime("%m-%d %H:%M"))
            now = following
        return found

    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert runs("30 2 * * *", autumn, 2) == ["10-25 00:30", "10-26 01:30"]
    assert runs("30 * * * *", datetime(2026, 10, 25, 0, tzinfo=UTC), 3) == ["10-25 00:30", "10-25 01:30", "10-25 02:30"]
    assert runs("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == ["03-29 01:30", "03-30 00:30"]
    assert runs("0 6 * * 1-5", datetime(2026, 9, 25, 12, tzinfo=UTC), 1) == ["09-28 04:00"]  # Friday noon, then Monday


@pytest.mark.slow
def test_the_watchdog_starts_a_stalled_scheduler_anew(schedule: Schedule, recorder: Recorder) -> None:
    schedule.start({"a": source("a")}, Calendar("UTC"))
    assert wait_for(lambda: recorder.calls)
    assert schedule._scheduler is not None
    schedule._scheduler.pause()  # as good as a clock set back: no job is due any more
    seen = len(recorder.calls)
    assert wait_for(lambda: schedule.stalls == 1 and len(recorder.calls) > seen, 15)
    assert schedule.ticking
