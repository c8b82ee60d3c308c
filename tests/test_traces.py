"""What a source remembers of the days that its loads have touched is what they have touched, or it says that it does not know."""

from __future__ import annotations

from datetime import date, timedelta
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.warehouse import traces
from scorecard.warehouse.traces import Traces, noted, packed, touched_since, unpacked

FIRST = date(2026, 1, 1)
DAYS = st.frozensets(st.integers(0, 12).map(lambda n: FIRST + timedelta(days=n)), max_size=4)
LOADS = st.lists(st.tuples(st.sets(st.sampled_from(["created", "closed"]), min_size=1), DAYS, st.integers(0, 9)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LOADS, st.integers(2, 8))
def test_all_days_that_were_touched_since_a_generation_are_known_or_none(
    loads: list[tuple[set[str], frozenset[date], int]], most: int
) -> None:
    kept: Traces = {}
    told: list[tuple[set[str], dict[str, frozenset[date]], bool]] = []
    with mock.patch.object(traces, "MOST_DAYS", most):
        for number, (axes, days, chance) in enumerate(loads):
            by_axis = dict.fromkeys(axes, days)
            told.append((axes, by_axis, chance == 0))
            kept = unpacked(packed(noted(kept, axes, by_axis, number + 1, everything=chance == 0)))
    for axis in ("created", "closed"):
        for generation in range(len(loads) + 1):
            found = touched_since(kept, [axis], generation, len(loads))
            since = told[generation:]
            followed = all(axis in axes and not everything for axes, _, everything in since)
            days = frozenset[date]().union(*(by_axis.get(axis, frozenset()) for _, by_axis, _ in since))
            if found is not None:
                assert followed
                assert found == {axis: days}
            elif followed and axis in kept and generation < len(loads):  # it forgets only where there are too many days
                everything = frozenset[date]().union(*(by_axis.get(axis, frozenset()) for _, by_axis, _ in told))
                assert len(everything) > most


def test_an_axis_that_was_not_followed_all_the_time_is_not_known() -> None:
    kept = noted({}, ["created", "closed"], {"created": frozenset({FIRST})}, 1, everything=False)
    kept = noted(kept, ["created"], {"created": frozenset({FIRST})}, 2, everything=False)
    kept = noted(kept, ["created", "closed"], {}, 3, everything=False)
    assert touched_since(kept, ["created"], 0, 3) == {"created": frozenset({FIRST})}
    assert touched_since(kept, ["created", "closed"], 1, 3) is None
    assert touched_since(kept, ["created", "closed"], 2, 3) == {"created": frozenset(), "closed": frozenset()}
    assert touched_since(kept, ["created"], 2, 4) is None  # a generation came that nobody has noted
    assert touched_since(noted(kept, ["created"], {}, 5, everything=False), ["created"], 2, 5) is None
