"""After a network or lock error: when a source is tried again, and when it is left alone for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from zlib import crc32

State = Literal["closed", "open", "half_open"]
RETRY_AFTER_AT_MOST = 3600.0
"""Seconds: a server that asks to be left alone for longer is asked again after an hour all the same."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How errors are waited out. ``first_seconds`` doubles with every failure in a row, up to ``most_seconds``;
    after ``opens_after`` of them the breaker opens."""

    first_seconds: float = 5.0
    most_seconds: float = 300.0
    opens_after: int = 5

    def wait_seconds(self, name: str, failures: int, after: float | None = None) -> float:
        """Seconds until the next try after so many failures in a row, three quarters of them at least: names that failed
        together do not come back together. ``after``: what the server asked for; never less than that, within an hour."""
        wait = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        wait *= 0.75 + 0.25 * share_of(f"{name} {failures}")
        if after is None:
            return wait
        return max(wait, min(max(after, 0.0), RETRY_AFTER_AT_MOST) + share_of(name))


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether a source is tried as usual (closed), left alone (open), or tried once to see (half-open).

    Moments are steady seconds. ``since``: when it came into this state; None: it was never in another one. ``failures``:
    network and lock errors in a row. ``next_try``: nobody but a person or an upstream system tries before it.
    """

    state: State = "closed"
    since: float | None = None
    failures: int = 0
    next_try: float | None = None

    def failed(self, at: float, name: str, patience: Patience, after: float | None = None) -> Breaker:
        """One more network or lock error."""
        failures = self.failures + 1
        state: State = "open" if self.state != "closed" or failures >= patience.opens_after else "closed"
        since = self.since if state == "closed" or self.state == "open" else at
        return Breaker(state, since, failures, at + patience.wait_seconds(name, failures, after))

    def worked(self, at: float) -> Breaker:
        """The source answered: well, or with a mistake that no waiting mends."""
        return Breaker("closed", self.since if self.state == "closed" else at)

    def trying(self, at: float) -> Breaker:
        """A run begins: an open breaker lets this one through."""
        return replace(self, state="half_open", since=at) if self.state == "open" else self


def share_of(text: str) -> float:
    """A number in [0, 1) that looks like chance and is always the same for a text."""
    return crc32(text.encode()) / 2**32
