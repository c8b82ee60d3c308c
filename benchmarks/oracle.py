"""What every cell of the benchmark must be, in plain SQL: one naive statement for each metric, and nothing of the product."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

Cells = dict[str, dict[tuple[str, str], Any]]
"""Metric → (team, Monday of the week) → value; None is no data."""
WEEK = "date_trunc('week', {})"
ORACLE = {
    # name: (time column, aggregate, what an empty week is once the team has begun)
    "tickets_created": ("created_at", "count(*)", 0),
    "tickets_high": ("created_at", "count(*) FILTER (WHERE priority <= 2)", 0),
    "tickets_phone": ("created_at", "count(*) FILTER (WHERE channel = 'phone')", 0),
    "resolved_cohort": ("created_at", "count(resolved_at)", 0),
    "open_cohort": ("created_at", "count(*) FILTER (WHERE resolved_at IS NULL)", 0),
    "reopened_n": ("created_at", "count(*) FILTER (WHERE reopened)", 0),
    "fast_resolved": ("created_at", "count(*) FILTER (WHERE resolved_at IS NOT NULL AND minutes <= 240)", 0),
    "score_answers": ("created_at", "count(score)", 0),
    "score_top2": ("created_at", "count(*) FILTER (WHERE score >= 4)", 0),
    "cost_total": ("created_at", "sum(cost)", 0),
    "minutes_total": ("created_at", "sum(minutes)", 0),
    "customers": ("created_at", "count(DISTINCT customer)", 0),
    "customers_high": ("created_at", "count(DISTINCT customer) FILTER (WHERE priority <= 2)", 0),
    "mean_minutes": ("created_at", "avg(minutes)", None),
    "mean_score": ("created_at", "avg(score)", None),
    "median_minutes": ("created_at", "quantile_cont(minutes, 0.5)", None),
    "p90_minutes": ("created_at", "quantile_cont(minutes, 0.9)", None),
    "median_minutes_high": ("created_at", "quantile_cont(minutes, 0.5) FILTER (WHERE priority <= 2)", None),
    "resolved_in_week": ("resolved_at", "count(*)", 0),
    "median_minutes_resolved": ("resolved_at", "quantile_cont(minutes, 0.5)", None),
    "reopen_rate": ("created_at", "count(*) FILTER (WHERE reopened) / nullif(count(resolved_at), 0)", None),
    "sla_rate": ("created_at", "count(*) FILTER (WHERE resolved_at IS NOT NULL AND minutes <= 240) / nullif(count(resolved_at), 0)", None),
    "top2_rate": ("created_at", "count(*) FILTER (WHERE score >= 4) / nullif(count(score), 0)", None),
    "phone_share": ("created_at", "count(*) FILTER (WHERE channel = 'phone') / nullif(count(*), 0)", None),
    "cost_per_resolved": ("created_at", "sum(cost)::DOUBLE / nullif(count(resolved_at), 0)", None),
    "high_share": ("created_at", "count(*) FILTER (WHERE priority <= 2) / nullif(count(*), 0)", None),
    "tickets_per_customer": ("created_at", "count(*) / nullif(count(DISTINCT customer), 0)", None),
}  # fmt: skip
OVER_WEEKS = {
    # what is made of other metrics: plain SQL over the dense weeks of one team, w(team, week, begun)
    "net_flow": "CASE WHEN w.week >= (SELECT date_trunc('week', min(resolved_at)) FROM t WHERE t.team = w.team) THEN "
    "(SELECT count(*) FROM t WHERE t.team = w.team AND date_trunc('week', t.created_at) = w.week) - "
    "(SELECT count(*) FROM t WHERE t.team = w.team AND date_trunc('week', t.resolved_at) = w.week) END",
    "tickets_change": "(SELECT count(*) FROM t WHERE t.team = w.team AND date_trunc('week', t.created_at) = w.week) / "
    "nullif((SELECT count(*) FROM t WHERE t.team = w.team AND date_trunc('week', t.created_at) = w.week - INTERVAL 7 DAY "
    "AND t.created_at <= (SELECT max(created_at) FROM t) - INTERVAL 7 DAY), 0) - 1",  # the running week: up to the same cut
    # 28 days, or the year, up to the last day of the week, or of the data; w.until is the midnight after it
    "cost_4w": "(SELECT coalesce(sum(cost), 0)::DOUBLE FROM t WHERE t.team = w.team AND t.created_at >= w.until - INTERVAL 28 DAY "
    "AND t.created_at < w.until)",
    "reopen_rate_4w": "(SELECT count(*) FILTER (WHERE reopened) / nullif(count(resolved_at), 0) FROM t WHERE t.team = w.team "
    "AND t.created_at >= w.until - INTERVAL 28 DAY AND t.created_at < w.until)",
    "tickets_year": "(SELECT count(*) FROM t WHERE t.team = w.team AND t.created_at < w.until "
    "AND t.created_at >= date_trunc('year', w.until - INTERVAL 1 DAY))",
}

AS_PEERS = {
    # what other layers understand by these: whole weeks by their Mondays, also where one runs or lies across two years
    "tickets_change": "n / nullif(lag(n) OVER (PARTITION BY team ORDER BY week), 0) - 1",
    "cost_4w": "sum(cost) OVER month",
    "reopen_rate_4w": "sum(reopened) OVER month / nullif(sum(resolved) OVER month, 0)",
    "tickets_year": "sum(n) OVER (PARTITION BY team, year(week) ORDER BY week)",
    "net_flow": "n - (SELECT count(*) FROM tickets AS r WHERE r.team = w.team AND date_trunc('week', r.resolved_at) = w.week)",
}


def plain(folder: Path) -> tuple[Cells, Cells]:
    """The cells of the product's metrics, and those of the peers where these mean something else by a name."""
    engine = duckdb.connect(str(folder / "peer.duckdb"), read_only=True)
    found, peers = Cells(), Cells()
    starts = engine.sql(
        "SELECT team, CAST(date_trunc('week', min(created_at)) AS DATE) FROM tickets GROUP BY team"
    ).fetchall()
    weeks = engine.sql(
        "SELECT CAST(unnest(generate_series(date_trunc('week', min(created_at)), date_trunc('week', max(created_at)), "
        "INTERVAL 7 DAY)) AS DATE) FROM tickets"
    ).fetchall()
    for name, (time, aggregate, empty) in ORACLE.items():
        grouped = f"SELECT team, CAST({WEEK.format(time)} AS DATE), {aggregate} FROM tickets WHERE {time} IS NOT NULL GROUP BY ALL"
        rows = {(team, week.isoformat()): value for team, week, value in engine.sql(grouped).fetchall()}
        peers[name] = rows
        begun: dict[str, str] = {}
        for team, week in rows:
            begun[team] = min(week, begun.get(team, week))
        # Nothing counted is 0 once the team has a row on the metric's own time.
        places = [(team, week.isoformat()) for team, _ in starts for (week,) in weeks]
        found[name] = {p: rows.get(p, empty if p[1] >= begun.get(p[0], "9") else None) for p in places}
    values = ", ".join(f"('{team}', TIMESTAMP '{begun} 00:00:00')" for team, begun in starts)
    last = weeks[-1][0]
    for name, expression in OVER_WEEKS.items():
        rows = engine.sql(
            f"WITH t AS (SELECT * FROM tickets), b(team, begun) AS (VALUES {values}), s AS ("
            f"SELECT unnest(generate_series(begun, TIMESTAMP '{last} 00:00:00', INTERVAL 7 DAY)) AS week, team FROM b), "
            "w AS (SELECT *, least(week + INTERVAL 7 DAY, (SELECT date_trunc('day', max(created_at)) FROM t) + INTERVAL 1 DAY) "
            f"AS until FROM s) SELECT w.team, CAST(w.week AS DATE), {expression} FROM w"
        ).fetchall()
        found[name] = {(team, week.isoformat()): value for team, week, value in rows}
    sums = (
        "SELECT team, date_trunc('week', created_at) AS week, count(*) AS n, sum(cost)::DOUBLE AS cost, "
        "count(*) FILTER (WHERE reopened) AS reopened, count(resolved_at) AS resolved FROM tickets GROUP BY ALL"
    )
    month = "PARTITION BY team ORDER BY week RANGE BETWEEN INTERVAL 21 DAY PRECEDING AND CURRENT ROW"
    for name, expression in AS_PEERS.items():
        rows = engine.sql(
            f"SELECT team, CAST(week AS DATE), {expression} FROM ({sums}) AS w WINDOW month AS ({month})"
        ).fetchall()
        peers[name] = {(team, week.isoformat()): value for team, week, value in rows}
    engine.close()
    return found, peers


def differing(given: Mapping[str, Mapping[tuple[str, str], Any]], wanted: Cells) -> Iterable[str]:
    """Where cells are not those of plain SQL; what plain SQL has no row for is not looked at."""
    for name, cells in given.items():
        for place, value in wanted[name].items():
            if place not in cells and value is None:
                continue
            seen = cells.get(place)
            alike = seen is None if value is None else seen is not None and close(float(seen), float(value))
            if not alike:
                yield f"{name} {' '.join(place)}: {seen}, plain SQL {value}"


def close(one: float, other: float) -> bool:
    """Equal but for the order in which doubles were added."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
