"""Asking again: after network errors with growing, jittered waits, after "too many requests" as long as the server says."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from connectors.contract import SourceFailed

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_SECONDS = 60.0
"""A longer wait is the schedule's affair: the pull fails with ``after`` set, and nothing of it was used."""
Answered = TypeVar("Answered")


def patiently(ask: Callable[[], Answered], seconds_left: Callable[[], float]) -> Answered:
    """What ``ask`` gives; failures that may pass are waited for while a quarter of the time left allows. Raises SourceFailed."""
    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except SourceFailed as problem:
            if not problem.retry or attempt == ATTEMPTS - 1:
                raise
            # Jitter: many sources that one broken server threw out do not come back in step.
            share = random.uniform(0.5, 1)  # noqa: S311 (no secret hangs on it)
            wait = FIRST_WAIT_SECONDS * 2**attempt * share if problem.after is None else problem.after
            if wait > min(LONGEST_SECONDS, seconds_left() / 4):
                raise
            time.sleep(wait)
    raise AssertionError("the last attempt gives or raises")
