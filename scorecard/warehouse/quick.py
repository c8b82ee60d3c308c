"""Rows written in the usual way, typed with the least work. What is written otherwise is flagged, and left to ``shaping``.

Everything that is sure here is what ``shaping.read`` gives for it: the conditions are the first ones there.
"""

from __future__ import annotations

from collections.abc import Mapping

from scorecard.warehouse.quoting import quote
from scorecard.warehouse.shaping import MOVED, ODD, TYPICAL, Plan, Shape, axis_day, too_long, written_as_text
from scorecard.warehouse.zones import instant, moved_count

KINDS = {"text", "integer", "double", "decimal", "boolean", "timestamp", "date"}


def has_usual_way(plan: Plan, given: Mapping[str, str]) -> bool:
    """Whether all columns are text that can be of a kind with a usual way of writing it."""
    return all(
        shape.kind in KINDS and shape.format is None and given.get(shape.name, "VARCHAR") == "VARCHAR"
        for shape in plan.shapes
    )


def quickly(plan: Plan, relation: str, given: Mapping[str, str]) -> str:
    """The SELECT: typed columns, reporting days, clock changes, and ODD for rows that are not sure."""
    source, moved = _source(plan, relation, given)
    last = [f"{quote('_t_' + s.name)} AS {quote(s.name)}" for s in plan.shapes]
    last += [axis_day(plan, axis) for axis in plan.axes]
    last += [f"{moved} AS {quote(MOVED)}", f"{_unsure(plan, given)} AS {quote(ODD)}"]
    return f"SELECT {', '.join(last)} FROM {source}"


def unusual(plan: Plan, relation: str, given: Mapping[str, str]) -> str:
    """The SELECT of the rows, as they came, that ``quickly`` flags."""
    source, _ = _source(plan, relation, given)
    return f"SELECT {', '.join(f'r.{quote(name)}' for name in given)} FROM {source} WHERE {_unsure(plan, given)}"


def _source(plan: Plan, relation: str, given: Mapping[str, str]) -> tuple[str, str]:
    """The relation ``r`` with casts and typed columns beside, and how its rows' clock changes are counted."""
    casts, typed, moved = [], [], []
    for shape in plan.shapes:
        x, cast, value = f"r.{quote(shape.name)}", quote("_c_" + shape.name), quote("_t_" + shape.name)
        if shape.name not in given:
            typed.append(f"CAST(NULL AS {shape.type}) AS {value}")
        elif shape.kind == "text":
            typed.append(f"{x} AS {value}")
        elif shape.kind == "timestamp":
            casts.append(f"TRY_CAST({x} AS TIMESTAMP) AS {cast}")
            typed.append(f"{instant(cast, plan.source_zone)} AS {value}")
            count = moved_count(cast, value, plan.source_zone)
            moved += [] if count is None else [count]
        else:
            typed.append(f"TRY_CAST({x} AS {shape.type}) AS {value}")
    inner = f"(SELECT *, {', '.join(casts)} FROM {relation} r) r" if casts else f"{relation} r"
    return f"(SELECT *, {', '.join(typed)} FROM {inner}) r", " + ".join(moved) or "0"


def _unsure(plan: Plan, given: Mapping[str, str]) -> str:
    conditions = [c for shape in plan.shapes if (c := _sure(shape, given, plan)) is not None]
    return f"NOT coalesce({' AND '.join(conditions)}, FALSE)" if conditions else "FALSE"


def _sure(shape: Shape, given: Mapping[str, str], plan: Plan) -> str | None:
    x, cast, value = f"r.{quote(shape.name)}", quote("_c_" + shape.name), quote("_t_" + shape.name)
    if shape.name not in given:
        return "FALSE" if shape.key else None
    if shape.kind == "text":
        return f"{x} <> ''" if shape.key else None
    match shape.kind:
        case "integer":
            # One character that is a number is a digit; it takes half of the time to see that.
            usual = f"CASE WHEN strlen({x}) = 1 THEN {value} IS NOT NULL ELSE CAST({value} AS VARCHAR) = {x} END"
        case "double" | "decimal":
            finite = f"isfinite({value})" if shape.type == "DOUBLE" else f"{value} IS NOT NULL"
            usual = f"{finite} AND NOT contains({x}, '_')"
            usual += f" AND NOT contains({x}, '.')" if plan.comma else ""
            usual += f" AND NOT {written_as_text(x)} AND NOT {too_long(x)}" if shape.inferred else ""
        case "timestamp":
            usual = f"{TYPICAL.format(x=x)} AND {cast} IS NOT NULL"
        case "date":
            usual = f"{value} BETWEEN DATE '1000-01-01' AND DATE '9999-12-31'"
        case _:
            usual = f"{value} IS NOT NULL"
    return f"({usual})" if shape.key else f"({usual} OR {x} IS NULL)"
