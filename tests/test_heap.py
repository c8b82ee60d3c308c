"""What has come to stay is passed over by the garbage collector; what comes later, and is garbage, is found as ever."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from scorecard.ground import heap


class Node:
    """Something that may hold itself."""

    def __init__(self) -> None:
        self.other: Node | None = None


def test_what_stays_is_passed_over_and_garbage_before_and_after_goes() -> None:
    stays, before = Node(), Node()
    before.other = before
    gone = weakref.ref(before)
    del before
    try:
        heap.settle()
        assert gone() is None
        assert not any(found is stays for found in gc.get_objects())
        later = Node()
        later.other = later
        gone = weakref.ref(later)
        del later
        gc.collect()
        assert gone() is None
        freed = weakref.ref(stays)
        del stays
        assert freed() is None  # without the collector
    finally:
        gc.unfreeze()


def test_the_collector_is_left_out_until_the_last_has_done_growing() -> None:
    def failing() -> None:
        with heap.growing():
            assert not gc.isenabled()
            raise LookupError

    with heap.growing():
        with pytest.raises(LookupError):
            failing()
        assert not gc.isenabled()
    assert gc.isenabled()
    with heap.growing():
        garbage = Node()
        garbage.other = garbage
        gone = weakref.ref(garbage)
        del garbage
    gc.collect()
    assert gone() is None
    gc.disable()
    try:
        with heap.growing():
            pass
        assert not gc.isenabled()  # as it was
    finally:
        gc.enable()


def test_the_end_of_a_process_is_quiet() -> None:
    """duckdb's module complains on the terminal of what it finds frozen when the interpreter ends."""
    ended = "import duckdb; from scorecard.ground import heap; heap.settle()"
    done = subprocess.run([sys.executable, "-c", ended], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
