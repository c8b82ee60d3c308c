"""What expressions in metrics.yaml may call: the whitelist, and what each function is for."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["row", "condition", "aggregate", "formula"]

ROW_FUNCTIONS: Final = {
    "abs": "size without the sign", "ceil": "round up", "ceiling": "round up", "floor": "round down",
    "round": "round(x, digits)", "trunc": "cut the decimals", "sign": "-1, 0 or 1", "sqrt": "square root",
    "exp": "e to the power of x", "ln": "natural logarithm", "log10": "logarithm to base 10", "power": "power(x, y)",
    "pow": "power(x, y)", "mod": "remainder", "greatest": "largest of several", "least": "smallest of several",
    "coalesce": "the first that is not null", "ifnull": "ifnull(x, instead)", "nullif": "null where both are equal",
    "if": "if(condition, then, else)",
    "lower": "small letters", "upper": "capital letters", "trim": "without outer spaces", "ltrim": "without leading spaces",
    "rtrim": "without trailing spaces", "length": "number of characters", "left": "left(text, n)", "right": "right(text, n)",
    "substring": "substring(text, from, length)", "substr": "substring(text, from, length)",
    "replace": "replace(text, old, new)", "concat": "texts joined", "starts_with": "starts_with(text, beginning)",
    "ends_with": "ends_with(text, end)", "contains": "contains(text, part)", "split_part": "split_part(text, separator, n)",
    "regexp_matches": "regexp_matches(text, pattern)", "strip_accents": "letters without accents",
    "date_trunc": "date_trunc('day', time)", "date_part": "date_part('hour', time)", "extract": "extract(hour from time)",
    "date_diff": "date_diff('day', from, to)", "datediff": "date_diff('day', from, to)",
    "year": "year of a time", "quarter": "quarter of a time", "month": "month of a time", "week": "ISO week of a time",
    "day": "day of the month", "hour": "hour of the day", "minute": "minute of the hour", "second": "second of the minute",
    "dayofweek": "Sunday 0 to Saturday 6", "isodow": "Monday 1 to Sunday 7", "dayofyear": "day of the year",
    "last_day": "last day of the month", "epoch": "seconds since 1970", "cast": "cast(x as type)",
    "try_cast": "cast, null where it cannot be",
}  # fmt: skip
AGGREGATES: Final = {
    "count": "count(x): values that are not null", "count_if": "count_if(condition)", "sum": "sum(x)",
    "sum_if": "sum_if(x, condition)", "min": "smallest", "max": "largest", "mean": "arithmetic mean",
}  # fmt: skip
FORMULA_FUNCTIONS: Final = {"previous": "the period before", "year_ago": "the same period a year ago"}
FORMULA_WORDS: Final = {
    "days": "days of the period, elapsed if running",
    "workdays": "workdays of the period, elapsed if running",
}
TYPES: Final = frozenset(
    [
        "double",
        "float",
        "real",
        "integer",
        "int",
        "bigint",
        "smallint",
        "tinyint",
        "hugeint",
        "decimal",
        "numeric",
        "boolean",
        "bool",
        "text",
        "varchar",
        "char",
        "string",
        "date",
        "timestamp",
        "datetime",
        "time",
    ]
)
OTHER_NAMES: Final = {
    "avg": "mean", "average": "mean", "countif": "count_if", "sumif": "sum_if", "len": "length",
    "isnull": "coalesce",
    "nvl": "coalesce", "iif": "if", "ucase": "upper", "lcase": "lower", "char_length": "length", "timestampdiff": "date_diff",
    "weekday": "isodow", "day_of_week": "isodow", "dow": "dayofweek", "prev": "previous",
    "lag": "previous", "last_year": "year_ago",
}  # fmt: skip
"""What a person who knows another product would write."""


def allowed(kind: Kind) -> dict[str, str]:
    """The functions that an expression of this kind may call."""
    if kind == "formula":
        return dict(FORMULA_FUNCTIONS)
    return {**ROW_FUNCTIONS, **AGGREGATES} if kind == "aggregate" else dict(ROW_FUNCTIONS)


ALLOWED: Final = {kind: allowed(kind) for kind in ("row", "condition", "aggregate", "formula")}
