"""Boards are made beside the loads that ask for them, one after the other, and never lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from scorecard.ground.clock import SystemClock
from scorecard.refresh.boards import Boards
from scorecard.warehouse.engine import Load

NOON = datetime(2026, 9, 28, 12, tzinfo=UTC)


def load_of(source: str, id_: int, outcome: str = "ok") -> Load:
    return Load(id_, source, outcome, "schedule", NOON, NOON, 1)


class Publishing:
    """Notes what it is called with; while ``closed`` it does not come back."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.entered, self.open = threading.Event(), threading.Event()
        self.open.set()
        self.fault: Exception | None = None

    def __call__(self, load: Load) -> None:
        self.seen.append(load.id)
        self.entered.set()
        assert self.open.wait(10)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    def wait_for(self, count: int) -> list[int]:
        until = time.monotonic() + 10
        while len(self.seen) < count and time.monotonic() < until:
            time.sleep(0.002)
        return self.seen


@contextmanager
def running(publishing: Publishing) -> Iterator[Boards]:
    boards = Boards(publishing, SystemClock(), lambda: None)
    try:
        yield boards
    finally:
        publishing.open.set()
        boards.stop()


def test_whoever_asks_while_a_board_is_made_is_in_the_next_and_does_not_wait() -> None:
    publishing = Publishing()
    publishing.open.clear()
    with running(publishing) as boards:
        boards.ask(load_of("a", 1))
        assert publishing.entered.wait(10)
        for id_, source in enumerate("bcdbcd", start=2):
            boards.ask(load_of(source, id_))
        assert publishing.seen == [1]
        publishing.open.set()
        assert publishing.wait_for(4) == [1, 5, 6, 7]  # of each source the newest


def test_a_fault_of_one_board_is_said_and_the_next_one_is_made(caplog: pytest.LogCaptureFixture) -> None:
    publishing = Publishing()
    publishing.fault = ZeroDivisionError("once")
    with caplog.at_level(logging.ERROR, "scorecard.refresh"), running(publishing) as boards:
        boards.ask(load_of("a", 1))
        publishing.wait_for(1)
        boards.ask(load_of("a", 2))
        assert publishing.wait_for(2) == [1, 2]
    assert "publishing failed by a fault of ours" in caplog.text


def test_after_a_long_board_the_next_one_waits_as_long() -> None:
    publishing = Publishing()
    publishing.open.clear()
    with running(publishing) as boards:
        boards.ask(load_of("a", 1))
        assert publishing.entered.wait(10)
        time.sleep(0.3)
        publishing.open.set()
        boards.ask(load_of("b", 2))
        ended = time.monotonic()
        publishing.wait_for(2)
        assert time.monotonic() - ended >= 0.25


def test_stopping_waits_for_the_board_under_way_and_makes_no_more() -> None:
    publishing = Publishing()
    publishing.open.clear()
    boards = Boards(publishing, SystemClock(), lambda: None)
    boards.ask(load_of("a", 1))
    assert publishing.entered.wait(10)
    boards.ask(load_of("b", 2))
    threading.Timer(0.1, publishing.open.set).start()
    began = time.monotonic()
    boards.stop()
    assert 0.05 < time.monotonic() - began < 5
    boards.ask(load_of("c", 3))
    time.sleep(0.02)
    assert publishing.seen == [1]
