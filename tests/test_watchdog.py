"""The watchdog's eyes, with clocks that only the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from scorecard.refresh.rhythm import Moment
from scorecard.refresh.watchdog import LOOK_SECONDS, Look, Watchdog, stalled_after

BEGIN = datetime(2026, 9, 28, 8, tzinfo=UTC)


class Bench:
    """Looks every quarter of a second. ``ticks``: the loop turns. ``offset``: how far the wall clock was set."""

    def __init__(self) -> None:
        self.steady, self.offset = 0.0, timedelta()
        self.ticked, self.ticks, self.alive, self.settled = 0.0, True, True, True
        self.watch = Watchdog(self.moment, 2.0)

    @property
    def moment(self) -> Moment:
        return Moment(self.steady, BEGIN + self.offset + timedelta(seconds=self.steady))

    def look(self, seconds: float, every: float = LOOK_SECONDS) -> list[Look]:
        found = []
        for _ in range(round(seconds / every)):
            self.steady += every
            if self.ticks:
                self.ticked = self.steady
            found.append(self.watch.look(self.moment, self.ticked, alive=self.alive, settled=self.settled))
        return found


def test_all_is_well_and_nothing_is_said() -> None:
    bench = Bench()
    assert set(bench.look(3600)) == {Look()}
    assert bench.watch.alarms() == ()


def test_a_loop_that_stands_still_is_seen_within_its_time_and_tried_again_ever_more_rarely() -> None:
    bench = Bench()
    bench.look(10)
    bench.ticks = False
    looks = bench.look(120)
    restarts = [index * LOOK_SECONDS for index, look in enumerate(looks) if look.restart]
    assert restarts[0] <= 2.0
    gaps = [after - before for before, after in pairwise(restarts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] <= 60
    (alarm,) = bench.watch.alarms()
    assert (alarm.kind, alarm.since) == ("stalled", 10.0)
    bench.ticks = True
    bench.look(6)
    assert bench.watch.alarms() == ()


def test_a_dead_thread_is_seen_at_the_next_look() -> None:
    bench = Bench()
    bench.alive = False
    assert bench.look(LOOK_SECONDS)[0].restart
    assert "has ended" in bench.watch.alarms()[0].message


def test_a_process_that_was_stopped_as_a_whole_is_no_stalled_loop() -> None:
    bench = Bench()
    bench.look(5)
    bench.ticks = False
    assert bench.look(30, every=30) == [Look()]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (timedelta(hours=-1), "set back by 1 h"),
        (timedelta(days=1), "jumped forward by 24 h"),
        (timedelta(seconds=-40), "set back by 40 s"),
    ],
)
def test_a_step_of_the_wall_clock_is_said_until_everything_was_pulled(step: timedelta, said: str) -> None:
    bench = Bench()
    bench.look(5)
    bench.offset, bench.settled = step, False
    (look,) = bench.look(LOOK_SECONDS)
    assert look.step == step
    assert not look.restart
    assert said in bench.watch.alarms()[0].message
    assert {found.step for found in bench.look(60)} == {None}
    assert bench.watch.alarms()
    bench.settled = True
    bench.look(1)
    assert bench.watch.alarms() == ()
    assert bench.watch.steps == 1


def test_a_step_is_forgotten_where_a_source_hangs_for_good() -> None:
    bench = Bench()
    bench.offset, bench.settled = timedelta(days=1), False
    bench.look(599)
    assert bench.watch.alarms()
    bench.look(2)
    assert bench.watch.alarms() == ()


def test_slewing_by_time_servers_is_no_step() -> None:
    bench = Bench()
    for _ in range(4000):
        bench.offset += timedelta(milliseconds=2)
        assert bench.look(LOOK_SECONDS) == [Look()]


def test_the_limit_is_twice_the_shortest_interval_within_reason() -> None:
    assert [stalled_after(s) for s in (None, 0.5, 1, 2, 3600)] == [5.0, 2.0, 2.0, 4.0, 5.0]
