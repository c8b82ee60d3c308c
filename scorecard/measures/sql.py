"""Row expressions of metrics.yaml, compiled to DuckDB SQL from their parsed trees; text is never pasted.

Time columns hold UTC instants. Two of them are compared and subtracted as instants; everywhere else an expression sees the
organisation's local clock. A difference of two times is a duration, counted in whole microseconds, and becomes a number in
the metric's unit only where a number is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import sqlglot.expressions as exp

from scorecard.book.model.metric import Expression
from scorecard.book.units import microseconds
from scorecard.ground.errors import Place, Problem, Refused, did_you_mean

Kind = Literal["instant", "clock", "date", "duration", "interval", "number", "boolean", "text", "other"]
Typed = tuple[exp.Expression, Kind]
Make = Callable[[exp.Expression, Expression], exp.Expression]
Made = dict[tuple[str, str, str | None, int], tuple[exp.Expression, str]]
"""(source, how, unit, the tree's id) → the tree and its SQL."""

ROWS = "r"
"""The alias of the source's table in every statement."""

NOTHING_YET = "NULL"
"""The type of a column that has never had a value: it goes with everything, as NULL does."""
_TIMES = ("instant", "clock", "date")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ALIKE = (exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif, exp.Abs)
_BOOLEAN = (exp.And, exp.Or, exp.Not, exp.Like, exp.ILike, exp.Is, exp.In, exp.Between, exp.Predicate)
_TEXTS = (
    exp.Lower,
    exp.Upper,
    exp.Trim,
    exp.Substring,
    exp.Concat,
    exp.DPipe,
    exp.Replace,
    exp.Left,
    exp.Right,
    exp.SplitPart,
)
_FINE = {"HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"}
_UNSTEADY = {"MONTH", "MONTHS", "QUARTER", "QUARTERS", "YEAR", "YEARS", "DECADE", "CENTURY"}


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string, as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def column_kind(type_: str) -> Kind:
    """What a column of that DuckDB type is to an expression."""
    upper = type_.upper()
    if upper.startswith("TIMESTAMP") or upper == "DATETIME":
        return "instant"
    if upper in {"DATE", "BOOLEAN", "INTERVAL"}:
        return {"DATE": "date", "BOOLEAN": "boolean", "INTERVAL": "interval"}[upper]  # type: ignore[return-value]
    if upper in {"VARCHAR", "TEXT", "STRING"}:
        return "text"
    numeric = ("DECIMAL", "NUMERIC", "DOUBLE", "FLOAT", "REAL", "HUGEINT", "UHUGEINT")
    if upper.startswith(numeric) or upper.endswith("INT") or upper == "INTEGER" or upper == "UINTEGER":
        return "number"
    return "other"


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles the expressions of one metric. ``columns``: column → DuckDB type of the live table; ``unit``: the metric's.

    ``made`` keeps what was compiled, for the other metrics of the same tables.
    """

    source: str
    columns: Mapping[str, str]
    timezone: str
    unit: str | None = None
    made: Made = field(default_factory=dict)

    def number(self, expression: Expression, tree: exp.Expression | None = None) -> str:
        """The expression as a number: durations in the metric's unit, booleans as 0 and 1."""
        return self._once("number", expression, tree, self._number)

    def value(self, expression: Expression, tree: exp.Expression | None = None) -> str:
        """The expression as any value: to be counted, or counted once."""
        return self._once("value", expression, tree, self._value)

    def condition(self, expression: Expression, tree: exp.Expression | None = None) -> str:
        """The expression as a condition; NULL is not true."""
        return self._once("condition", expression, tree, self._plain)

    def _once(self, how: str, whole: Expression, tree: exp.Expression | None, make: Make) -> str:
        """The SQL, made once for all metrics of the source: trees are shared between equal texts."""
        tree = whole.tree if tree is None else tree
        key = (self.source, how, self.unit, id(tree))
        if key not in self.made:
            self.made[key] = (tree, text_of(make(tree, whole)))  # with the tree, so that its id stays its own
        return self.made[key][1]

    def _number(self, tree: exp.Expression, whole: Expression) -> exp.Expression:
        node, kind = self._typed(tree, whole)
        if kind == "duration":
            return self._in_unit(node, whole)
        if kind == "boolean":
            return exp.cast(node, "INTEGER")
        if kind not in ("number", "other"):
            what = {"text": "a text", "interval": "an interval"}.get(kind, "a time")
            raise Refused(Problem(f"'{whole.text}' is {what}, where a number is needed", whole.place))
        return node

    def _value(self, tree: exp.Expression, whole: Expression) -> exp.Expression:
        node, kind = self._typed(tree, whole)
        return self._in_unit(node, whole) if kind == "duration" and self._unit() else node

    def _unit(self) -> int | None:
        return microseconds(self.unit)

    def unit_of_time(self, place: Place | None) -> int:
        """The metric's unit in microseconds; Refused where it is none of time."""
        size = self._unit()
        if size is None:
            seen = "the metric has no unit" if self.unit is None else f"the metric's unit is '{self.unit}'"
            raise Refused(Problem(f"an age is a length of time, and {seen}", place, "write 'unit: d' (or s, min, h)"))
        return size

    def _in_unit(self, node: exp.Expression, whole: Expression) -> exp.Expression:
        size = self._unit()
        if size is None:
            seen = "the metric has no unit" if self.unit is None else f"the metric's unit is '{self.unit}'"
            hint = "give the metric 'unit: min' (or s, h, d), or compare the difference with an interval: <= interval 8 hour"
            raise Refused(Problem(f"'{whole.text}' is a difference of two times, and {seen}", whole.place, hint))
        return exp.Paren(this=exp.Div(this=exp.cast(node, "DOUBLE"), expression=exp.Literal.number(f"{size}.0")))

    def _column(self, name: str, whole: Expression) -> Typed:
        if name not in self.columns:
            known = [c for c in self.columns if not c.startswith("_")]
            hint = did_you_mean(name, known) or f"it has {', '.join(known)}"
            place = dict(whole.spots).get(name, whole.place)
            raise Refused(Problem(f"source '{self.source}' has no column '{name}'", place, hint))
        node: exp.Expression = exp.column(exp.to_identifier(name, quoted=True), table=ROWS)
        type_ = self.columns[name].upper()
        if type_ == NOTHING_YET:
            return exp.Null(), "other"
        if "TIME ZONE" in type_ or type_ == "TIMESTAMPTZ":
            node = exp.AtTimeZone(this=node, zone=exp.Literal.string("UTC"))
        return node, column_kind(type_)

    def _local(self, node: exp.Expression) -> exp.Expression:
        """An instant on the organisation's clock."""
        utc = exp.AtTimeZone(this=node, zone=exp.Literal.string("UTC"))
        return exp.Paren(this=exp.AtTimeZone(this=utc, zone=exp.Literal.string(self.timezone)))

    def _plain(self, tree: exp.Expression, whole: Expression) -> exp.Expression:
        """As any function sees it: local clock, durations in the metric's unit."""
        return self._seen(self._typed(tree, whole), whole)

    def _seen(self, typed: Typed, whole: Expression) -> exp.Expression:
        node, kind = typed
        if kind == "instant":
            return self._local(node)
        return self._in_unit(node, whole) if kind == "duration" else node

    def _typed(self, tree: exp.Expression, whole: Expression) -> Typed:
        if isinstance(tree, exp.Column):
            return self._column(tree.name, whole)
        if isinstance(tree, exp.Paren | exp.Neg):
            node, kind = self._typed(tree.this, whole)
            return type(tree)(this=node), kind
        if isinstance(tree, exp.Sub | exp.Add):
            return self._sum(tree, whole)
        if isinstance(tree, exp.Mul | exp.Div | exp.Mod | exp.IntDiv):
            return self._product(tree, whole)
        if isinstance(tree, (*_COMPARISONS, exp.Between, exp.In)):
            return self._comparison(tree, whole), "boolean"
        if isinstance(tree, _ALIKE):
            extra = [e for key in ("expression", "expressions") for e in _many(tree.args.get(key))]
            nodes, kind = self._alike([tree.this, *extra], whole)
            return _refill(tree, [tree.this, *extra], nodes), kind
        if isinstance(tree, exp.Case | exp.If):
            return self._case(tree, whole)
        if isinstance(tree, exp.Interval):
            return tree.copy(), "interval"
        if isinstance(tree, exp.Is):
            node, _ = self._typed(tree.this, whole)
            return exp.Is(this=node, expression=tree.expression.copy()), "boolean"
        return self._other(tree, whole)

    def _other(self, tree: exp.Expression, whole: Expression) -> Typed:
        if isinstance(tree, exp.Literal):
            return tree.copy(), "text" if tree.is_string else "number"
        if isinstance(tree, exp.DateDiff):
            first, second = self._typed(tree.this, whole), self._typed(tree.expression, whole)
            unit = str(tree.args["unit"].name if tree.args.get("unit") else "DAY").upper().rstrip("S")
            nodes = [first[0], second[0]] if unit in _FINE else [self._clock(first), self._clock(second)]
            return _refill(tree, [tree.this, tree.expression], nodes), "number"
        if isinstance(tree, exp.TimeToUnix):
            return exp.TimeToUnix(this=self._typed(tree.this, whole)[0]), "number"
        node = tree.copy()
        for key, given in tree.args.items():
            if isinstance(given, list):
                node.set(key, [self._plain(g, whole) if _is_value(g) else g for g in given])
            elif _is_value(given):
                node.set(key, self._plain(given, whole))
        return node, _result_kind(tree)

    def _clock(self, typed: Typed) -> exp.Expression:
        return self._local(typed[0]) if typed[1] == "instant" else typed[0]

    def _case(self, tree: exp.Case | exp.If, whole: Expression) -> Typed:
        if isinstance(tree, exp.If):
            branches = [b for b in (tree.args.get("true"), tree.args.get("false")) if b is not None]
            nodes, kind = self._alike(branches, whole)
            built: exp.Expression = exp.If(
                this=self._plain(tree.this, whole), **dict(zip(("true", "false"), nodes, strict=False))
            )
            return built, kind
        ifs, default = tree.args["ifs"], tree.args.get("default")
        values = [i.args["true"] for i in ifs] + ([default] if default is not None else [])
        nodes, kind = self._alike(values, whole)
        subject = tree.args.get("this")
        arms = [exp.If(this=self._plain(i.this, whole), true=n) for i, n in zip(ifs, nodes[: len(ifs)], strict=True)]
        case = exp.Case(this=None if subject is None else self._plain(subject, whole), ifs=arms)
        if default is not None:
            case.set("default", nodes[-1])
        return case, kind

    def _alike(self, trees: Sequence[exp.Expression], whole: Expression) -> tuple[list[exp.Expression], Kind]:
        """Values that must be of one kind: kept as instants or durations if all are, else as functions see them."""
        typed = [self._typed(t, whole) for t in trees]
        kinds = {k for t, (_, k) in zip(trees, typed, strict=True) if not isinstance(t, exp.Null)}
        if len(kinds) == 1:
            return [n for n, _ in typed], kinds.pop()
        kinds -= {"other"}
        return [self._seen(t, whole) for t in typed], (
            "clock" if kinds & set(_TIMES) else "number" if kinds & {"number", "duration"} else "other"
        )

    def _micros(self, typed: Typed, whole: Expression) -> exp.Expression:
        """A duration or an interval in microseconds."""
        node, kind = typed
        if kind == "interval":
            if any(
                str(i.args["unit"].name).upper() in _UNSTEADY for i in node.find_all(exp.Interval) if i.args.get("unit")
            ):
                message = f"'{whole.text}' compares a length of time with months or years, which have no fixed length"
                raise Refused(Problem(message, whole.place, "use days: interval 30 day"))
            return exp.Anonymous(this="epoch_us", expressions=[node])
        return node

    def _sum(self, tree: exp.Sub | exp.Add, whole: Expression) -> Typed:
        left, right = self._typed(tree.this, whole), self._typed(tree.expression, whole)
        kinds = (left[1], right[1])
        make = type(tree)
        if isinstance(tree, exp.Sub):
            left, right = _as_time(left, right[1]), _as_time(right, left[1])
            kinds = (left[1], right[1])
            if kinds[0] in _TIMES and kinds[1] in _TIMES:
                sides = (
                    [left[0], right[0]] if kinds == ("instant", "instant") else [self._clock(left), self._clock(right)]
                )
                micros = [exp.Anonymous(this="epoch_us", expressions=[exp.cast(s, "TIMESTAMP")]) for s in sides]
                return exp.Paren(this=exp.Sub(this=micros[0], expression=micros[1])), "duration"
        if kinds[0] in _TIMES and kinds[1] == "interval":
            return exp.Paren(this=make(this=left[0], expression=right[0])), "instant" if kinds[
                0
            ] == "instant" else "clock"
        if kinds == ("interval", "instant") or (kinds[0] == "interval" and kinds[1] in _TIMES):
            return exp.Paren(this=make(this=left[0], expression=right[0])), "instant" if kinds[
                1
            ] == "instant" else "clock"
        if "duration" in kinds and set(kinds) <= {"duration", "interval"}:
            return exp.Paren(
                this=make(this=self._micros(left, whole), expression=self._micros(right, whole))
            ), "duration"
        if kinds == ("interval", "interval"):
            return make(this=left[0], expression=right[0]), "interval"
        nodes = [self._seen(t, whole) for t in (left, right)]
        times = any(k in _TIMES for k in kinds)
        return make(this=nodes[0], expression=nodes[1]), "clock" if times else "number"

    def _product(self, tree: exp.Expression, whole: Expression) -> Typed:
        left, right = self._typed(tree.this, whole), self._typed(tree.args["expression"], whole)
        kinds = (left[1], right[1])
        kind: Kind = "number"
        scales = isinstance(tree, exp.Mul | exp.Div)
        if isinstance(tree, exp.Mul) and "interval" in kinds:
            kind = "interval"
        elif isinstance(tree, exp.Div) and set(kinds) <= {"duration", "interval"}:
            left, right = (self._micros(left, whole), "number"), (self._micros(right, whole), "number")
        elif scales and (
            kinds == ("duration", "number") or (kinds == ("number", "duration") and isinstance(tree, exp.Mul))
        ):
            kind = "duration"
        nodes = [n if k == kind == "duration" else self._seen((n, k), whole) for n, k in (left, right)]
        if not isinstance(tree, exp.Mul):
            nodes[1] = exp.Nullif(this=nodes[1], expression=exp.Literal.number(0))
        return _refill(tree, [tree.this, tree.args["expression"]], nodes), kind

    def _comparison(self, tree: exp.Expression, whole: Expression) -> exp.Expression:
        if isinstance(tree, exp.Between):
            trees = [tree.this, tree.args["low"], tree.args["high"]]
        elif isinstance(tree, exp.In):
            trees = [tree.this, *tree.expressions]
        else:
            trees = [tree.this, tree.args["expression"]]
        typed = [self._typed(t, whole) for t in trees]
        kinds = {k for _, k in typed}
        if kinds == {"instant"}:
            nodes = [n for n, _ in typed]
        elif "duration" in kinds and kinds <= {"duration", "interval"}:
            nodes = [self._micros(t, whole) for t in typed]
        else:
            nodes = [self._seen(t, whole) for t in typed]
        return _refill(tree, trees, nodes)


def text_of(node: exp.Expression) -> str:
    """The SQL of a compiled tree."""
    return node.sql(dialect="duckdb")


def _as_time(typed: Typed, other: Kind) -> Typed:
    """A text beside a time is a time on the local clock: ``created_at - '2026-01-01'``; and so is nothing."""
    node, kind = typed
    timeless = kind == "text" or isinstance(node, exp.Null)
    return (exp.cast(node, "TIMESTAMP"), "clock") if timeless and other in _TIMES else typed


def _many(given: object) -> list[exp.Expression]:
    if isinstance(given, list):
        return given
    return [given] if isinstance(given, exp.Expression) else []


def _is_value(given: object) -> bool:
    return isinstance(given, exp.Expression) and not isinstance(
        given, exp.Identifier | exp.DataType | exp.Var | exp.Null | exp.Boolean | exp.Star
    )


def _refill(tree: exp.Expression, old: Sequence[exp.Expression], new: Sequence[exp.Expression]) -> exp.Expression:
    """A copy of a node with some of its children replaced."""
    places = {id(o): n for o, n in zip(old, new, strict=True)}
    args: dict[str, object] = {}
    for key, given in tree.args.items():
        if isinstance(given, list):
            args[key] = [places.get(id(g), g.copy() if isinstance(g, exp.Expression) else g) for g in given]
        elif isinstance(given, exp.Expression):
            args[key] = places.get(id(given), given.copy() if id(given) not in places else given)
        else:
            args[key] = given
    return type(tree)(**args)


def _result_kind(tree: exp.Expression) -> Kind:
    if isinstance(tree, exp.Cast | exp.TryCast):
        return {"instant": "clock"}.get(kind := column_kind(tree.to.sql("duckdb")), kind)  # type: ignore[return-value]
    if isinstance(tree, exp.TimestampTrunc | exp.DateTrunc):
        return "clock"
    if isinstance(tree, exp.LastDay):
        return "date"
    if isinstance(tree, (exp.Boolean, *_BOOLEAN)):
        return "boolean"
    if isinstance(tree, _TEXTS):
        return "text"
    return "other"
