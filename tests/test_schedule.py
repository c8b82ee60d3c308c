"""The schedule: every source runs, runs never overlap, a doubled hour fires once, a stalled scheduler is started anew."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from scorecard.book.model.source import Schedule as Rhythm
from scorecard.book.model.source import Source
from scorecard.ground.clock import SystemClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.refresh.agenda import Start
from scorecard.refresh.limits import Limits
from scorecard.refresh.rhythm import At, Moment
from scorecard.refresh.schedule import PULLING_NICENESS, Schedule
from scorecard.refresh.turning import Turning
from scorecard.warehouse.engine import Load


def source(name: str, every: int = 1) -> Source:
    return Source(name, "csv", {}, Rhythm(every_seconds=every))


class Recorder:
    """What the schedule called, when."""

    def __init__(self, takes_seconds: float = 0.0) -> None:
        self.calls: list[str] = []
        self.causes: list[str] = []
        self.together = self.most = 0
        self.takes_seconds = takes_seconds
        self.lock = threading.Lock()

    def pull(self, name: str, full: bool, cause: str) -> None:
        with self.lock:
            self.calls.append(name)
            self.causes.append(cause)
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
    made = Schedule(recorder.pull, lambda: None, SystemClock(), Limits(workers=4))
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives threads a niceness of their own")
def test_pulls_let_pages_go_first() -> None:
    found: list[int] = []
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def pull(name: str, full: bool, cause: str) -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    made = Schedule(pull, lambda: None, SystemClock(), Limits(workers=1))
    made.start({"a": source("a", 600)}, Calendar("UTC"))
    assert wait_for(lambda: bool(found))
    made.stop()
    assert found[0] == mine + PULLING_NICENESS
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine


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
        rhythm, found = At(line, berlin), []
        rhythm.wait_for_line(Moment(0, begin))
        for _ in range(count):
            assert rhythm.at is not None
            found.append(rhythm.at.astimezone(UTC).strftime("%m-%d %H:%M"))
            assert rhythm.passed(Moment(0, rhythm.at)) == 0
        return found

    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert runs("30 2 * * *", autumn, 2) == ["10-25 00:30", "10-26 01:30"]
    assert runs("30 * * * *", datetime(2026, 10, 25, 0, tzinfo=UTC), 3) == ["10-25 00:30", "10-25 01:30", "10-25 02:30"]
    assert runs("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == ["03-29 01:30", "03-30 00:30"]
    assert runs("0 6 * * 1-5", datetime(2026, 9, 25, 12, tzinfo=UTC), 1) == ["09-28 04:00"]  # Friday noon, then Monday


def failed(name: str, *, retry: bool, after: float | None = None) -> Load:
    now = SystemClock().now()
    return Load(1, name, "failed", "schedule", now, now, 0, retry=retry, retry_after_seconds=after)


def test_a_push_goes_through_an_open_breaker_and_says_its_cause(schedule: Schedule, recorder: Recorder) -> None:
    schedule.start({"a": source("a", 600)}, Calendar("UTC"))
    assert wait_for(lambda: recorder.calls == ["a"])
    for _ in range(5):
        schedule.heard(failed("a", retry=True, after=900))
    turn = schedule.pulse().turns["a"]
    assert (turn.breaker, turn.failures) == ("open", 5)
    assert turn.next_try is not None
    assert turn.next_run == turn.next_try
    assert 890 < (turn.next_try - SystemClock().now()).total_seconds() < 902
    schedule.ask("a", "hook")
    assert wait_for(lambda: recorder.causes == ["schedule", "hook"], 1)


def test_a_run_that_takes_too_long_is_skipped_said_once_and_shown(
    schedule: Schedule, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.takes_seconds = 2.7
    schedule.start({"slow": source("slow")}, Calendar("UTC"))
    assert wait_for(lambda: schedule.pulse().turns["slow"].skipped >= 2, 6)
    turn = schedule.pulse().turns["slow"]
    assert turn.running_since is not None
    assert turn.skipped_at is not None
    said = [record.message for record in caplog.records if "skipped" in record.message]
    assert len(said) == 1
    assert "source 'slow' is still being pulled after" in said[0]


def test_a_fault_of_ours_ends_one_run_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []

    def pull(name: str, full: bool, cause: str) -> None:
        calls.append(name)
        raise RuntimeError("our own mistake")

    made = Schedule(pull, lambda: None, SystemClock())
    made.start({"a": source("a")}, Calendar("UTC"))
    assert wait_for(lambda: len(calls) >= 3, 6)
    made.stop()
    assert "failed by a fault of ours" in caplog.text


def test_the_watchdog_starts_a_scheduler_anew_whose_thread_died(recorder: Recorder) -> None:
    said: list[tuple[str, ...]] = []
    made = Schedule(
        recorder.pull, lambda: None, SystemClock(), alarmed=lambda: said.append(tuple(w.message for w in made.warned()))
    )
    made.start({"a": source("a")}, Calendar("UTC"))
    assert wait_for(lambda: recorder.calls)
    began, dead = time.monotonic(), made._turning._scheduler
    dead.shutdown(wait=False)  # it ends without a word
    assert wait_for(lambda: said, 3)
    assert made.stalls == 1
    assert time.monotonic() - began < 2, "within twice the interval"
    assert dead is not made._turning._scheduler
    assert said[0] == ("The scheduler has ended and is being started anew",)
    assert made.pulse().alarms[0].kind == "stalled"
    seen = len(recorder.calls)
    assert wait_for(lambda: len(recorder.calls) > seen, 3)
    assert made.ticking
    assert wait_for(lambda: not made.warned(), 8)
    assert wait_for(lambda: said[-1] == (), 1)
    made.stop()


def test_a_loop_that_hangs_is_replaced(recorder: Recorder) -> None:
    """A beat or a pull that hangs holds up nobody; a loop that hangs is left alone, and another one turns."""
    hung = threading.Event()
    made = Schedule(recorder.pull, lambda: None, SystemClock())
    pick = made._agenda.pick

    def hang(moment: Moment) -> list[Start]:
        made._agenda.pick = pick  # type: ignore[method-assign]
        made._lock.release()  # as if it hung outside of the lock
        hung.wait(20)
        made._lock.acquire()
        return []

    made.start({"a": source("a")}, Calendar("UTC"))
    assert wait_for(lambda: recorder.calls)
    made._agenda.pick = hang  # type: ignore[method-assign]
    assert wait_for(lambda: made.stalls == 1, 6)
    seen = len(recorder.calls)
    assert wait_for(lambda: len(recorder.calls) > seen, 3)
    hung.set()
    assert wait_for(lambda: sum(t.name == "APScheduler" for t in threading.enumerate()) == 1, 3)
    made.stop()
    assert wait_for(lambda: not any(t.name == "APScheduler" for t in threading.enumerate()), 3)


def test_apscheduler_turns_in_utc_and_whoever_wakes_it_is_heard_at_once() -> None:
    turns: list[float] = []
    slow = threading.Event()

    def turn() -> float:
        turns.append(time.monotonic())
        slow.wait(0.2)
        return 60.0

    made = Turning(turn)
    made.begin()
    assert str(made._scheduler.timezone) == "UTC"
    assert wait_for(lambda: turns)
    made.wake()  # while a turn is under way: another one right after it
    assert wait_for(lambda: len(turns) == 2, 1)
    assert turns[1] - turns[0] < 0.35
    slow.set()
    assert wait_for(lambda: len(turns) >= 5, 3), "it turns every half second anyway"
    seen, woken = len(turns), time.monotonic()
    made.wake()
    assert wait_for(lambda: len(turns) > seen, 1)
    assert turns[seen] - woken < 0.2
    made.end()
    assert not made.alive
    seen = len(turns)
    made.wake()
    time.sleep(0.7)
    assert len(turns) == seen
