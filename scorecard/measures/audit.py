"""Auditing what is kept: states computed again from the rows, in small parts, and compared with the kept ones to the last digit.

What is found and what was found last is kept in ``meter.audits``, so that an alarm outlives a restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from scorecard.ground.errors import Problem
from scorecard.measures.derive import finite
from scorecard.measures.keeping import Keeping
from scorecard.measures.place import Here
from scorecard.measures.plan import Atom, Plan, state_id
from scorecard.measures.ranges import moment_literal, utc_naive
from scorecard.measures.sql import literal
from scorecard.measures.states.additive import SCHEMA, Amount, number
from scorecard.measures.store import BAGS, Pending
from scorecard.warehouse.engine import Engine

TABLE = (
    "CREATE TABLE IF NOT EXISTS meter.audits (source VARCHAR, audited_at TIMESTAMP, states BIGINT, numbers BIGINT, "
    "differences BIGINT, said VARCHAR)"
)
KEPT_DAYS = 400
"""How long the record of an audit is kept."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A kept number that its rows do not give. ``period``: the label of the day, hour or period; ``slice`` is raw text."""

    state: str
    metrics: tuple[str, ...]
    period: str
    slice: str | None
    kept: float | None
    computed: float | None

    def __str__(self) -> str:
        names = ", ".join(f"'{m}'" for m in self.metrics) or f"state {self.state}"
        where = "" if self.slice is None else f" for '{self.slice}'"
        if self.kept == self.computed:
            return f"{names} in {self.period}{where}: kept more than once"
        return f"{names} in {self.period}{where}: kept {_said(self.kept)}, from the rows {_said(self.computed)}"


@dataclass(frozen=True, slots=True)
class Audited:
    """The last audit of a source. ``states`` and ``numbers`` compared; ``said``: the first difference, for people.

    ``clean_at``: the last audit before it that found nothing. ``runs`` and ``alarms`` count all that are remembered.
    ``moved``: the source was being loaded all the time, so that not everything could be compared. ``failed``: why a part could
    not be computed beside what is kept; it says nothing of what is kept, and is not remembered.
    """

    source: str
    at: datetime
    states: int
    numbers: int
    differences: int
    said: str = ""
    clean_at: datetime | None = None
    runs: int = 1
    alarms: int = 0
    moved: bool = False
    failed: Problem | None = None

    def notice(self) -> Problem | None:
        """The alarm; None where nothing differed."""
        if not self.differences:
            return None
        since = (
            "it was never audited before" if self.clean_at is None else f"the audit of {self.clean_at:%Y-%m-%d %H:%M} UTC was clean"
        )  # fmt: skip
        more = "" if self.differences == 1 else f" (and {self.differences - 1} more)"
        message = (
            f"{self.source}: kept numbers were not those of its rows at {self.at:%Y-%m-%d %H:%M} UTC: {self.said}{more}; "
            f"they have been replaced, {since}"
        )
        hint = "what was shown in between may have been wrong; this is said until an audit finds nothing"
        return Problem(message, hint=hint, severity="error")

    def unsaid(self) -> Problem | None:
        """What the audit cannot say of everything; None where it compared all there is."""
        if self.failed is None:
            return None
        message = f"{self.source}: not all kept numbers could be compared with its rows: {self.failed.message}"
        return Problem(message, hint=self.failed.hint, severity="warning")


def parts_of(plan: Plan, source: str) -> list[Plan]:
    """The plan of a source cut into small ones: each scan, and each quantile, distinct count or age at each grain, by itself."""
    scans = [
        replace(plan, scans={scan: atoms}, bags={}, ages={})
        for scan, atoms in plan.scans.items()
        if scan.source == source
    ]
    bags = [
        replace(plan, scans={}, bags={bag: (grain,)}, ages={})
        for bag, grains in plan.bags.items()
        if bag.source == source
        for grain in grains
    ]
    ages = [
        replace(plan, scans={}, bags={}, ages={one: (grain,)})
        for one, grains in plan.ages.items()
        if one.source == source
        for grain in grains
    ]
    return [*scans, *bags, *ages]


def kept_of(keeping: Keeping, part: Plan, states: Sequence[str], since: datetime | None = None) -> Pending:
    """What is kept of a part of a plan; of ages what is kept of buckets from ``since`` on: of older hours and days none is
    counted any more."""
    names = ", ".join(literal(s) for s in states)
    found = Pending()
    if part.scans:
        sql = f"SELECT {', '.join(SCHEMA)} FROM meter.additive WHERE state IN ({names})"
        found.additive.append(keeping.query(sql))
    for grains in (*part.bags.values(), *part.ages.values()):
        only = f"grain IN ({', '.join(literal(g) for g in grains)})"
        only += "" if since is None else f" AND bucket >= {moment_literal(since)}"
        found.bags.append(
            keeping.query(f"SELECT {', '.join(BAGS)} FROM meter.bags WHERE state IN ({names}) AND {only}")
        )
    return found


def compared(
    plan: Plan, here: Here, kept: Pending, computed: Pending, sound: Collection[str]
) -> tuple[int, list[Difference]]:
    """How many numbers were compared, and those that differ; of the ``sound`` states: what could be computed of others is half."""
    atoms = {state_id(scan, atom): atom for scan, found in plan.scans.items() for atom in found}
    metrics: dict[str, list[str]] = {}
    for name, one in plan.lowered.items():
        for state in plan.states_of(one):
            metrics.setdefault(state, []).append(name)
    count, found = 0, []
    for ours, theirs, schema, keys in (
        (kept.additive, computed.additive, SCHEMA, ("state", "bucket", "slice")),
        (kept.bags, computed.bags, BAGS, ("state", "grain", "bucket", "kind", "name")),
    ):
        old, new = (_alike(each, schema).filter(pl.col("state").is_in(list(sound))) for each in (ours, theirs))
        count += max(old.height, new.height)
        for key, (was, is_) in _differing(old, new, keys).items():
            named = dict(zip(keys, key, strict=True))
            state = str(named["state"])
            slice_ = named["slice"] if "slice" in named else named["name"] or None
            grain, atom = named.get("grain"), atoms.get(state)
            found.append(
                Difference(
                    state,
                    tuple(metrics.get(state, ())),
                    _label(here, named["bucket"], grain),
                    None if slice_ is None else str(slice_),
                    _number(atom, was),
                    _number(atom, is_),
                )
            )
    return count, found


def _alike(frames: Iterable[pl.DataFrame], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Rows in the same types: exact sums as text, since no two engines agree on how wide a decimal is."""
    parts = [f.select(list(schema)) for f in frames]
    types = {c: pl.String if c in ("a", "b") else t for c, t in schema.items()}
    whole = {c: pl.Decimal(38, 0) for c in ("a", "b") if c in schema}
    cast = [p.cast(whole).cast(types) for p in parts]  # type: ignore[arg-type]
    return pl.concat(cast) if cast else pl.DataFrame(schema=types)


Row = tuple[Any, ...]


def _differing(
    old: pl.DataFrame, new: pl.DataFrame, keys: Sequence[str]
) -> dict[tuple[Any, ...], tuple[Row | None, Row | None]]:
    """Key → the kept and the computed row where they are not the same; a row that is kept twice differs as well."""
    columns = [c for c in old.columns if c not in keys]
    gone = old.join(new, on=old.columns, how="anti", nulls_equal=True)
    came = new.join(old, on=old.columns, how="anti", nulls_equal=True)
    twice = old.filter(old.select(keys).is_duplicated()) if old.height != new.height else old.clear()
    found: dict[tuple[Any, ...], tuple[Row | None, Row | None]] = {}
    for row in twice.select([*keys, *columns]).rows():
        found[row[: len(keys)]] = (row[len(keys) :], row[len(keys) :])
    for row in gone.select([*keys, *columns]).rows():
        found[row[: len(keys)]] = (row[len(keys) :], None)
    for row in came.select([*keys, *columns]).rows():
        was = found.get(row[: len(keys)], (None, None))[0]
        found[row[: len(keys)]] = (was, row[len(keys) :])
    return found


def _number(atom: Atom | None, row: Row | None) -> float | None:
    """The number that a row of a state stands for."""
    if row is None:
        return None
    if atom is None:  # n, bad, x
        return finite(row[2])
    a, b, n, bad, low, high = row
    return finite(number(atom, Amount(int(a), int(b), n, bad, low, high)))


def _label(here: Here, bucket: datetime, grain: object) -> str:
    if grain is None:
        midnight = bucket.time() == datetime.min.time()
        return f"{bucket:%Y-%m-%d}" if midnight else f"{bucket:%Y-%m-%dT%H:%M} UTC"
    if grain == "hour":
        return here.calendar.period(bucket.replace(tzinfo=UTC), "hour").label
    return here.calendar.period(bucket.date(), str(grain)).label


def _said(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.15g}"


# -- the record ----------------------------------------------------------------------------------------------------


def record(engine: Engine, audited: Audited) -> None:
    """Writes down an audit."""
    at = utc_naive(audited.at)
    values = (
        f"{literal(audited.source)}, {moment_literal(at)}, {audited.states}, {audited.numbers}, "
        f"{audited.differences}, {literal(audited.said)}"
    )
    old = f"DELETE FROM meter.audits WHERE audited_at < {moment_literal(at)} - INTERVAL {KEPT_DAYS} DAY"
    engine.write([(TABLE, ()), (old, ()), (f"INSERT INTO meter.audits VALUES ({values})", ())])


def recorded(engine: Engine) -> dict[str, Audited]:
    """The last audit of each source that was ever audited."""
    engine.write([("CREATE SCHEMA IF NOT EXISTS meter", ()), (TABLE, ())])
    rows = engine.query(
        "SELECT source, arg_max(audited_at, rowid) AS audited, arg_max(states, rowid) AS states, "
        "arg_max(numbers, rowid) AS numbers, arg_max(differences, rowid) AS differences, arg_max(said, rowid) AS said, "
        "max(audited_at) FILTER (WHERE differences = 0) AS clean_at, count(*) AS runs, "
        "count_if(differences > 0) AS alarms "
        "FROM meter.audits GROUP BY source ORDER BY source"
    ).rows()
    return {
        source: Audited(
            source, at.replace(tzinfo=UTC), states, numbers, differences, said,
            None if clean_at is None else clean_at.replace(tzinfo=UTC), runs, int(alarms),
        )
        for source, at, states, numbers, differences, said, clean_at, runs, alarms in rows
    }  # fmt: skip
