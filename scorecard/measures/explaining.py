"""How a metric is computed, for its page: the statements that read rows, and the states it shares with others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlglot

from scorecard.book.model.metric import Change, Cumulative, Formula, Manual, Scaling
from scorecard.measures.compare import versus_name
from scorecard.measures.place import Here
from scorecard.measures.plan import Lowered, Plan, state_id
from scorecard.measures.ranges import event_days_within, event_until, until_moment
from scorecard.measures.states.additive import bucket_of, readable
from scorecard.measures.states.age import ages_at_ends
from scorecard.measures.states.distinct import distinct_sql
from scorecard.measures.states.level import table_of
from scorecard.measures.states.quantile import quantile_sql
from scorecard.measures.states.rows import Piece, Rows


def explained(one: Lowered, plan: Plan, here: Mapping[str, Here]) -> dict[str, object]:
    """``sql``: the statements, laid out for people; ``states``: what is kept of them. Parts' statements come first."""
    return {"sql": list(dict.fromkeys(_statements(one, plan, here))), "states": list(_states(one, plan))}


def _statements(one: Lowered, plan: Plan, here: Mapping[str, Here]) -> Iterator[str]:
    for part in one.parts:
        if part in plan.lowered:
            yield from _statements(plan.lowered[part], plan, here)
    place = here.get(one.metric.source or "")
    if place is None or one.scan is None:
        return
    if one.bag is not None:
        axis = one.bag.time
        until = until_moment(axis, place.columns[axis], place.now, place.today)
        grain = one.metric.grain
        pieces = (Piece(None, grain),)
        rows = Rows(place.table, axis, pieces, until, place.calendar.timezone, place.whole_hours)
        sql = distinct_sql([one.bag], rows) if one.bag.q is None else quantile_sql([one.bag], rows)
        yield _laid_out(sql)
        return
    if one.ages is not None:
        last = place.calendar.latest_closed(place.now, one.metric.grain)
        yield _laid_out(ages_at_ends([one.ages], place, {}, [last]))
        return
    for scan, atoms in one.needed:
        real = plan.scan_of(scan, one.kept[0])
        bucket = bucket_of(real, place.calendar.timezone, whole_hours=place.whole_hours)
        rows_of = f"{event_days_within(real, None)} AND {event_until(real, place.columns, place.now, place.today)}"
        yield _laid_out(readable(scan, atoms, table_of(place, scan, None), rows_of, bucket))


def _states(one: Lowered, plan: Plan) -> Iterator[dict[str, object]]:
    measure = one.metric.measure
    if isinstance(measure, Formula):
        yield {"formula": measure.expression.text, "of": list(one.parts)}
    elif isinstance(measure, Change):
        yield {"change": measure.of, "versus": versus_name(measure.versus), "as": measure.as_}
    elif isinstance(measure, Scaling):
        yield {
            "elasticity": measure.input,
            "to": measure.output,
            "quality": measure.quality,
            "over": "12 closed quarters",
        }
    elif isinstance(measure, Manual):
        yield {"manual": "entered by people", "fold": measure.fold, "second_person": measure.second_person}
    elif isinstance(measure, Cumulative):
        over = measure.over or f"{measure.weeks}w"
        yield {"cumulative": measure.of, "over": over, "until": "the period's last day"}
    elif one.bag is not None:
        kind = "distinct values" if one.bag.q is None else f"quantile {one.bag.q:g}"
        yield {"id": one.bag.id, "kind": kind, "value": one.bag.value, "where": one.bag.condition, "kept": "per period"}
    elif one.ages is not None:
        ages = one.ages
        kind = f"older than {ages.over_seconds} s" if ages.q is None else f"quantile {ages.q:g} of the ages"
        yield {"id": ages.id, "kind": kind, "closed": ages.closed, "where": ages.condition, "kept": "per period"}
    elif one.scan is not None:
        for scan, atoms in one.needed:
            real = plan.scan_of(scan, one.kept[0])
            for atom in atoms:
                yield {
                    "id": state_id(real, atom),
                    "kind": {"low": "smallest", "high": "largest"}.get(atom.fold, atom.fold),
                    "closed": scan.closed,
                    "value": atom.value,
                    "where": atom.condition,
                    "kept": "per hour" if real.fine else "per day",
                }


def _laid_out(sql: str) -> str:
    return sqlglot.parse_one(sql, dialect="duckdb").sql(dialect="duckdb", pretty=True)
