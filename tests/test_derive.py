"""Arithmetic on the small grid: nothing divides by zero, nothing infinite passes, sums are exact."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Mapping

import pytest

from scorecard.book.expressions import expression
from scorecard.book.model.metric import Change
from scorecard.judgement.targets import Versus
from scorecard.measures.compare import mean, versus_name
from scorecard.measures.derive import change_cell, evaluate, finite, open_names
from scorecard.measures.plan import Atom
from scorecard.measures.states.additive import HIGH, LOW, NOTHING, Amount, Totals, number
from scorecard.measures.states.stock import open_at_ends
from scorecard.measures.states.stretches import Window, _merged_rank, _ranked, between_values


def value(text: str, numbers: Mapping[str, float | None]) -> float | int | None:
    def look(function: str, name: str) -> float | None:
        return numbers.get(f"{function}({name})" if function else name)

    return evaluate(expression(text, "formula").tree, look)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 2", 8),
        ("(a + b) * 2", 10),
        ("-a - -b", 1),
        ("a / b", 2 / 3),
        ("a / (b - 3)", None),
        ("a / 0", None),
        ("0 / a", 0),
        ("a + lost", None),
        ("lost * 0", None),
        ("previous(a) - year_ago(b)", 3),
        ("a / 0.5", 4),
        ("1.5e2 * a", 300),
    ],
)
def test_evaluate(text: str, expected: float | None) -> None:
    assert value(text, {"a": 2, "b": 3, "previous(a)": 10, "year_ago(b)": 7}) == expected


def test_nothing_infinite_passes() -> None:
    assert [finite(v) for v in (math.inf, -math.inf, math.nan, None, 10**400)] == [None] * 5
    assert finite(value("a * a", {"a": 1e300})) is None
    assert finite(3) == 3.0


def test_open_names_lists_what_a_formula_looks_up() -> None:
    tree = expression("a / days + previous(b) - a", "formula").tree
    assert set(open_names(tree)) == {("", "a"), ("", "days"), ("previous", "b")}


@pytest.mark.parametrize(
    ("now", "other", "as_", "expected"),
    [
        (11.0, 10.0, "percent", 0.1),
        (-5.0, -10.0, "percent", 0.5),
        (1.0, 0.0, "percent", None),
        (1.0, 0.0, "points", 1.0),
        (None, 1.0, "points", None),
        (1.0, None, "percent", None),
    ],
)
def test_change(now: float | None, other: float | None, as_: str, expected: float | None) -> None:
    measure = Change("m", Versus("previous"), as_)  # type: ignore[arg-type]
    cell = change_cell(measure, now, other)
    assert cell.value == (None if expected is None else pytest.approx(expected))
    assert (cell.missing is None) == (expected is not None)


def test_a_mean_of_periods_needs_all_of_them() -> None:
    assert mean([1.0, 2.0, 3.0]) == 2.0
    assert mean([1.0, None]) is None
    assert mean([]) is None


def test_names_of_comparisons() -> None:
    names = [versus_name(v) for v in (Versus("previous"), Versus("364d"), Versus("back", 4), Versus("mean_of", 13))]
    assert names == ["previous", "364d", "back:4", "mean_of:13"]


def amount_of(values: list[float]) -> Amount:
    """A double's exact parts, as the statement cuts them."""
    a = b = 0
    for v in values:
        scaled = v * 2.0**HIGH
        whole = math.floor(abs(scaled) + 0.5) * (1 if scaled >= 0 else -1)
        a += whole
        b += int((scaled - whole) * 2.0 ** (LOW - HIGH))
    return Amount(a, b, len(values))


def test_sums_of_doubles_are_rounded_once() -> None:
    chance = random.Random(7)
    for _ in range(200):
        values = [chance.uniform(-1, 1) * 10.0 ** chance.randint(-6, 12) for _ in range(50)]
        assert number(Atom("sum", "x"), amount_of(values)) == math.fsum(values)
    assert number(Atom("sum", "x"), amount_of([0.1] * 10)) == 1.0


def test_numbers_of_states() -> None:
    assert number(Atom("sum", "x", digits=2), Amount(a=12345)) == 123.45
    assert number(Atom("sum", "x", digits=0), Amount(a=2**70)) == 2**70
    assert number(Atom("count"), Amount(n=3)) == 3
    assert number(Atom("low", "x"), Amount(low=1.5, high=2.5)) == 1.5
    assert number(Atom("high", "x"), Amount()) is None
    assert number(Atom("sum", "x"), Amount(a=1, bad=1)) is None


def test_a_stock_carries_what_was_open_before_the_first_period() -> None:
    opened = {-1: Amount(n=5), 0: Amount(n=2), 2: Amount(n=1)}
    closed = {-1: Amount(n=1), 1: Amount(n=3)}
    assert [a.n for a in open_at_ends(opened, closed, [0, 1, 2, 3])] == [6, 3, 4, 4]


def test_ranks_in_two_sorted_sequences() -> None:
    chance = random.Random(3)
    for _ in range(500):
        one = sorted(chance.randint(0, 9) for _ in range(chance.randint(0, 7)))
        other = sorted(chance.randint(0, 9) for _ in range(chance.randint(0, 7)))
        both = sorted(one + other)
        assert [_merged_rank(one, other, rank) for rank in range(len(both))] == both


def test_a_rank_outside_the_window_is_not_guessed() -> None:
    values = [float(v) for v in range(100)]
    window = Window(100, 0, 40, array("d", values[40:60]))
    assert _ranked(window, [], 39) is None
    assert _ranked(window, [], 40) == 40.0
    assert _ranked(window, [], 60) is None
    # Three values of the tail lie below the window, one in it: ranks move up by three, then by four.
    tail = [-1.0, 0.5, 3.0, 45.5, 99.5]
    assert sorted(values + tail)[49] == _ranked(window, tail, 49)
    assert sorted(values + tail)[44] == _ranked(window, tail, 44)
    assert _ranked(window, tail, 42) is None


def test_between_values_rounds_as_asked() -> None:
    assert between_values(1.1, 1.3, 9 * 0.1, fused=True) == 1.28
    assert between_values(1.1, 1.3, 9 * 0.1, fused=False) == 1.2800000000000002
    assert between_values(1.0, 2.0, 0.5, fused=True) == 1.5


def test_any_stretch_of_totals_is_its_buckets_added_up() -> None:
    drawn = random.Random(7)
    amounts = [
        None
        if drawn.random() < 0.3
        else Amount(drawn.randrange(-(10**30), 10**30), drawn.randrange(9), drawn.randrange(5), 1)
        for _ in range(40)
    ]
    totals = Totals(amounts)
    for first in range(0, 41, 3):
        for until in range(first, 41, 4):
            added = NOTHING
            for amount in amounts[first:until]:
                added = added if amount is None else added.plus(amount)
            assert totals.between(first, until) == added
