"""How much the long random tests do: little by default, ``make long`` asks for more."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("SCORECARD_TEST_TIMES", "1"))


def times(number: int) -> int:
    """So many examples or rounds, times what the environment asks for."""
    return number * TIMES
