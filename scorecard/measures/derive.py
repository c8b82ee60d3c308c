"""From states to values: pure arithmetic on the small grid.

A value is None where it cannot be said; nothing here divides by zero or lets an infinite number through.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence

import sqlglot.expressions as exp

from scorecard.book.model.metric import Change, Cohort, Cumulative, Mean, Ratio, Stock, Sum
from scorecard.measures.plan import Ages, Atom, Lowered, Plan
from scorecard.measures.states.additive import NOTHING, Amount, number
from scorecard.measures.values import Cell, Few

Number = float | None
Look = Callable[[str, str], Number]
"""(function, name) → a number: ``("", name)`` for a name itself, ``("previous", metric)`` for a function of it."""
NO_VALUES = "no values in this period"
NOT_FINITE = "a value in this period is not a finite number, or too large to be summed exactly"
NO_BASE = "nothing is below the line in this period"
NOTHING_OPEN = "nothing was open then"
NO_COMPARISON = "there is no value to compare with"


def finite(value: Number) -> float | None:
    """A float, or None where the number is none or infinite."""
    if value is None:
        return None
    try:
        made = float(value)
    except OverflowError:
        return None
    return made if math.isfinite(made) else None


def evaluate(tree: exp.Expression, look: Look) -> Number:
    """Arithmetic over named numbers; None as soon as one of them is missing or something is divided by zero."""
    return arithmetic(tree)(look)


def arithmetic(tree: exp.Expression) -> Callable[[Look], Number]:
    """``evaluate`` of one tree, made once for many periods."""
    if isinstance(tree, exp.Paren):
        return arithmetic(tree.this)
    name = tree.name
    if isinstance(tree, exp.Column):
        return lambda look: look("", name)
    if isinstance(tree, exp.Literal):
        constant = int(name) if name.isdigit() else float(name)
        return lambda _: constant
    if isinstance(tree, exp.Anonymous):
        function, of = name.lower(), tree.expressions[0].name
        return lambda look: look(function, of)
    inner = arithmetic(tree.this)
    if isinstance(tree, exp.Neg):
        return lambda look: None if (value := inner(look)) is None else -value
    other, kind = arithmetic(tree.args["expression"]), type(tree)
    if kind not in COMBINED:
        raise TypeError(f"{kind.__name__} is no arithmetic")
    combined = COMBINED[kind]

    def both(look: Look) -> Number:
        left = inner(look)
        right = None if left is None else other(look)
        if left is None or right is None or (right == 0 and kind is exp.Div):
            return None
        try:
            return combined(left, right)
        except OverflowError:
            return None

    return both


COMBINED: Mapping[type[exp.Expression], Callable[[float, float], float]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
}


def base_cell(one: Lowered, amounts: Sequence[Amount | None]) -> Cell:
    """The value of a metric that adds up, from its atoms' amounts in one period (None: nothing counted)."""
    return base_maker(one)(amounts)


def base_maker(one: Lowered) -> Callable[[Sequence[Amount | None]], Cell]:
    """``base_cell`` of one metric, made once for many periods: what its measure is need not be asked again for each."""
    measure, atom = one.metric.measure, one.atoms[0]
    if isinstance(measure, Ratio | Cohort):
        return _ratio_maker(one, measure.per if isinstance(measure, Ratio) else 1.0)
    if not isinstance(measure, Mean | Stock | Sum):  # a count
        return lambda amounts: _count_cell(amounts[0])

    def cell(amounts: Sequence[Amount | None]) -> Cell:
        first = amounts[0] or NOTHING
        if first.bad:
            return Cell(missing=NOT_FINITE)
        exact = number(atom, first)
        value = finite(exact)
        if isinstance(measure, Mean):  # of the exact sum, not of a float of it
            mean = None if not first.n or exact is None else finite(exact / first.n)
            return Cell(mean, value, float(first.n), first.n, NO_VALUES if mean is None else None)
        return Cell(value) if isinstance(measure, Stock) else Cell(value, n=first.n)

    return cell


def _count_cell(amount: Amount | None) -> Cell:
    if amount is None:
        return Cell(0.0, n=0)
    return Cell(missing=NOT_FINITE) if amount.bad else Cell(float(amount.n), None, None, amount.n)


def _ratio_maker(one: Lowered, per: float) -> Callable[[Sequence[Amount | None]], Cell]:
    assert one.above is not None  # noqa: S101 - a ratio was lowered with both
    assert one.below is not None  # noqa: S101
    above_of, below_of = _compiled(one.above, one.atoms), _compiled(one.below, one.atoms)
    measure, top = one.metric.measure, one.above
    scored = isinstance(measure, Ratio) and measure.sampling == "score"
    scored = scored and all(one.atoms[int(c.name[1:])].fold == "count" for c in top.find_all(exp.Column))

    def cell(amounts: Sequence[Amount | None]) -> Cell:
        found = [a or NOTHING for a in amounts]
        for amount in found:
            if amount.bad:
                return Cell(missing=NOT_FINITE)
        above, below = finite(above_of(found)), finite(below_of(found))
        if above is None or below is None:
            return Cell(None, above, below, missing=NO_VALUES)
        n = int(below) if below >= 0 else None
        if below == 0:
            return Cell(None, above, below, n, NO_BASE)
        value = finite(above * per / below)  # one rounding: 22 of 1000, per 100, are 2.2
        squares = finite(squared(top, _look_at(one.atoms, found))) if scored else None
        return Cell(value, above, below, n, None if value is not None else NOT_FINITE, squares)

    return cell


def _compiled(tree: exp.Expression, atoms: Sequence[Atom]) -> Callable[[Sequence[Amount]], Number]:
    """An aggregate over ``_0``, ``_1``, … as a function of the atoms' amounts; equal to ``evaluate``."""
    if isinstance(tree, exp.Column):
        place = int(tree.name[1:])
        atom = atoms[place]
        if atom.fold == "count":  # by far the most
            return lambda amounts: amounts[place].n
        return lambda amounts: number(atom, amounts[place])
    made = arithmetic(tree)
    return lambda amounts: made(_look_at(atoms, amounts))


def squared(tree: exp.Expression, look: Look, times: float = 1.0) -> Number:
    """The sum of the squared scores that add up to an aggregate: ``count_if(s >= 9) - count_if(s <= 6)`` scores 1 and -1.

    Each part counts rows that no other part counts, times its number; None where the aggregate is no such sum.
    """
    if isinstance(tree, exp.Column):
        found = look("", tree.name)
        return None if found is None else found * times * times
    if isinstance(tree, exp.Paren | exp.Neg):
        return squared(tree.this, look, times)
    if isinstance(tree, exp.Add | exp.Sub):
        left, right = squared(tree.this, look, times), squared(tree.expression, look, times)
        return None if left is None or right is None else left + right
    if isinstance(tree, exp.Mul | exp.Div):
        inner, other = tree.this, tree.expression
        if isinstance(tree, exp.Mul) and inner.find(exp.Column) is None:
            inner, other = other, inner
        factor = evaluate(other, look) if other.find(exp.Column, exp.Anonymous) is None else None
        if not factor:
            return None
        return squared(inner, look, times * factor if isinstance(tree, exp.Mul) else times / factor)
    return None


def _look_at(atoms: Sequence[Atom], amounts: Sequence[Amount]) -> Look:
    def look(function: str, name: str) -> Number:
        index = int(name[1:])
        found = number(atoms[index], amounts[index])
        if function == "_mean":
            return None if found is None or not amounts[index].n else found / amounts[index].n
        return found

    return look


def bag_cell(one: Lowered, found: tuple[int, int, float | None] | None) -> Cell:
    """The value of a quantile, a distinct count or an age."""
    n, bad, x = found or (0, 0, None)
    if one.ages is not None:
        return _age_cell(one.ages, n, x)
    if bad:
        return Cell(n=n, missing=NOT_FINITE)
    if one.bag is not None and one.bag.q is None:
        return Cell(float(x or 0), n=n)
    value = finite(x)
    return Cell(value, n=n, missing=None if value is not None else NO_VALUES)


def _age_cell(ages: Ages, n: int, x: float | None) -> Cell:
    """A quantile of the ages, or the share of the open items that are older."""
    if not n or x is None:
        return Cell(n=n, missing=NOTHING_OPEN)
    if ages.q is not None:
        return Cell(finite(x), n=n)
    return Cell(finite(x / n), x, float(n), n)


def change_cell(measure: Change, value: float | None, other: float | None) -> Cell:
    """A value against another; as a share of the other's size, or the plain difference."""
    if value is None:
        return Cell(missing="the metric has no value here")
    if other is None:
        return Cell(missing=NO_COMPARISON)
    if measure.as_ == "points":
        return Cell(finite(value - other))
    if other == 0:
        return Cell(missing="the value to compare with is 0")
    return Cell(finite((value - other) / abs(other)))


def formula_cell(formula: Callable[[Look], Number], look: Look, missing: Callable[[], str]) -> Cell:
    """The value of a formula (``arithmetic``); ``missing`` says which part is not there."""
    value = finite(formula(look))
    return Cell(value, missing=None if value is not None else missing())


def too_few(plan: Plan, name: str, cell: Cell) -> Few | None:
    """What a metric's cell has too few observations of: itself, or a part of it. A cumulative one needs as many as what it
    runs up."""
    metric = plan.lowered[name].metric
    if isinstance(metric.measure, Cumulative):
        metric = plan.lowered[metric.measure.of].metric
    if cell.few is None and cell.n is not None and cell.n < metric.min_sample > 1:
        return name, cell.n, metric.min_sample
    return cell.few


def made_of(plan: Plan, cell: Cell, parts: Iterable[tuple[str, Cell]]) -> Cell:
    """The cell of a metric that was made of others' cells: too few where one of them is."""
    found = next((few for name, part in parts if (few := too_few(plan, name, part)) is not None), None)
    return cell if found is None else cell._replace(few=found)


def lost_in(names: Iterable[tuple[str, str]], look: Look) -> str:
    """Why a formula has no value: which of its names (``open_names``) have none."""
    lost = [f"{f}({n})" if f else n for f, n in names if look(f, n) is None]
    return f"there is no value of {', '.join(lost)}" if lost else "it divides by 0"


def open_names(tree: exp.Expression) -> tuple[tuple[str, str], ...]:
    """What a formula looks up: (function, name), in order, each once."""
    found = []
    for node in tree.walk():
        if isinstance(node, exp.Anonymous):
            found.append((node.name.lower(), node.expressions[0].name))
        elif isinstance(node, exp.Column) and not isinstance(node.parent, exp.Anonymous):
            found.append(("", node.name))
    return tuple(dict.fromkeys(found))
