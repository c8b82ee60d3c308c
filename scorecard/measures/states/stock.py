"""What is open at the end of each period: openings minus closings up to there, exactly, from before the first period on.

A row is open from its opening until its closing. One that closes before it opens is never open; one without an opening is not
counted at all; closings after the moment asked for have not happened yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from scorecard.measures.states.additive import Amount

Key = TypeVar("Key")


def open_at_ends(opened: Mapping[Key, Amount], closed: Mapping[Key, Amount], keys: Sequence[Key]) -> list[Amount]:
    """The stock at the end of each period (``keys``, oldest first), from the openings and closings per period.

    What happened in periods before the first one is carried into it.
    """
    inside = set(keys)
    before = [(amount, 1) for key, amount in opened.items() if key not in inside]
    before += [(amount, -1) for key, amount in closed.items() if key not in inside]
    a = sum(amount.a * sign for amount, sign in before)
    b = sum(amount.b * sign for amount, sign in before)
    n = sum(amount.n * sign for amount, sign in before)
    bad = sum(amount.bad * sign for amount, sign in before)
    found = []
    for key in keys:
        for line, sign in ((opened, 1), (closed, -1)):
            amount = line.get(key)
            if amount is not None:
                a, b, n, bad = a + sign * amount.a, b + sign * amount.b, n + sign * amount.n, bad + sign * amount.bad
        found.append(Amount(a, b, n, bad))
    return found
