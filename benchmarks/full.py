"""Computing 32 metrics of 20 teams over 156 weeks from all rows, beside other metric layers, and every cell checked.

    python benchmarks/full.py [--rows 1000000 10000000] [--rounds 3] [--peers DIR]

Every engine computes on the same rows in a process of its own, in turns; CPU is that of all threads. The product runs twice:
`all` is what it does in service (weeks, months, quarters and years, the whole and the teams, and the running periods'
comparisons at the same cut), `weeks` is cut down to the weeks, which is all that the peers compute. Peers are taken from
environments of their own, DIR/sidemantic and DIR/boring (`python -m venv`, `pip install sidemantic` or
`boring-semantic-layer`); one that is not there is left out and named. First the cells of all metrics are compared with plain SQL, one
naive statement for each metric, on few rows (weeks without rows, teams that begin late) and on the first number of rows.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the tickets beside it are found
PEERS = {"sidemantic": "sidemantic", "boring-semantic-layer": "boring"}
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


# -- the product ---------------------------------------------------------------------------------------------------


def measured_here(folder: Path, *, weeks: bool = False, memory_limit: str = "2GB") -> tuple[Any, Callable[[], Any]]:
    """The opened warehouse, and what computes everything."""
    from benchmarks.tickets import NOW, book
    from scorecard.ground.clock import FixedClock
    from scorecard.measures import lowering
    from scorecard.measures.run import Meter
    from scorecard.refresh.run import calendar_of
    from scorecard.warehouse.duck import DuckWarehouse

    if weeks:
        lowering.coarser = lambda grain: (grain,)  # type: ignore[assignment]  # what the peers do not compute is left out
    made = book()
    engine = DuckWarehouse.open(folder, FixedClock(NOW), memory_limit=memory_limit, query_seconds=1200)
    meter = Meter(engine, made, calendar_of(made))
    return engine, lambda: meter.measure(NOW, None)


def check(folder: Path) -> int:
    """Compares every weekly cell of every team with plain SQL; the number of cells compared."""
    engine, compute = measured_here(folder)
    measured = compute()
    assert not measured.problems, measured.problems
    cells: dict[tuple[str, str, str], Any] = {}
    for (name, grain, slice_), series in measured.series.items():
        if grain == "week" and slice_ is not None:
            for period, cell in zip(series.periods, series.cells, strict=True):
                cells[name, slice_[1], period.first.isoformat()] = cell
    # As the product says it: nothing counted is 0 once the team has a row on the metric's own time.
    for name, (time_, aggregate, empty) in ORACLE.items():
        sql = f"SELECT team, CAST({WEEK.format(time_)} AS DATE) AS week, {aggregate} AS x FROM main.tickets WHERE {time_} IS NOT NULL GROUP BY ALL"
        found = {(team, week.isoformat()): x for team, week, x in engine.query(sql).rows()}
        first = min(w for _, w in found)
        begun: dict[str, str] = {}
        for team, week in found:
            begun[team] = min(week, begun.get(team, week))
        for (metric, team, week), cell in cells.items():
            if metric == name:
                nothing = empty if week >= begun.get(team, "9") else None
                expect(name, team, week, cell, found.get((team, week), nothing))
        assert first
    starts = engine.query("SELECT team, date_trunc('week', min(created_at)) AS begun FROM main.tickets GROUP BY team")
    values = ", ".join(f"('{t}', TIMESTAMP '{b}')" for t, b in starts.rows())
    for name, expression in OVER_WEEKS.items():
        weeks = "SELECT unnest(generate_series(begun, TIMESTAMP '2025-12-22', INTERVAL 7 DAY)) AS week, team FROM b"
        sql = (
            f"WITH t AS (SELECT * FROM main.tickets), b(team, begun) AS (VALUES {values}), s AS ({weeks}), "
            "w AS (SELECT *, least(week + INTERVAL 7 DAY, (SELECT date_trunc('day', max(created_at)) FROM t) + INTERVAL 1 DAY) "
            "AS until FROM s) "
            f"SELECT w.team, CAST(w.week AS DATE) AS week, {expression} AS x FROM w"
        )
        for team, week, x in engine.query(sql).rows():
            if (name, team, week.isoformat()) in cells:
                expect(name, team, week.isoformat(), cells[name, team, week.isoformat()], x)
    engine.close()
    assert {n for n, _, _ in cells} == {*ORACLE, *OVER_WEEKS}
    return len(cells)


def expect(name: str, team: str, week: str, cell: Any, wanted: Any) -> None:
    value = cell.value
    if (value is None) != (wanted is None) or (
        value is not None and not math.isclose(value, float(wanted), rel_tol=1e-12, abs_tol=1e-9)
    ):
        raise SystemExit(f"{name} {team} {week}: the product says {cell}, plain SQL {wanted}")


# -- the peers: the same metrics by week and team --------------------------------------------------------------------


def polars_peer(folder: Path) -> Callable[[], Any]:
    import polars as pl

    c = pl.col
    high = c("priority") <= 2

    def run() -> Any:
        rows = pl.scan_parquet(folder / "tickets.parquet")
        created = rows.group_by(c("created_at").dt.truncate("1w").alias("week"), "team").agg(
            tickets_created=pl.len(), tickets_high=high.sum(), tickets_phone=(c("channel") == "phone").sum(),
            resolved_cohort=c("resolved_at").count(), open_cohort=c("resolved_at").null_count(),
            reopened_n=c("reopened").sum(), fast_resolved=(c("resolved_at").is_not_null() & (c("minutes") <= 240)).sum(),
            score_answers=c("score").count(), score_top2=(c("score") >= 4).sum(), cost_total=c("cost").sum(),
            minutes_total=c("minutes").sum(), customers=c("customer").n_unique(),
            customers_high=c("customer").filter(high).n_unique(), mean_minutes=c("minutes").mean(),
            mean_score=c("score").mean(), median_minutes=c("minutes").quantile(0.5, "linear"),
            p90_minutes=c("minutes").quantile(0.9, "linear"),
            median_minutes_high=c("minutes").filter(high).quantile(0.5, "linear"),
        )  # fmt: skip
        resolved = (
            rows.filter(c("resolved_at").is_not_null())
            .group_by(c("resolved_at").dt.truncate("1w").alias("week"), "team")
            .agg(resolved_in_week=pl.len(), median_minutes_resolved=c("minutes").quantile(0.5, "linear"))
        )
        one, other = pl.collect_all([created, resolved])
        both = one.join(other, on=["week", "team"], how="full", coalesce=True).sort("team", "week")

        def four(name: str) -> Any:
            return c(name).cast(pl.Float64).rolling_sum_by("week", "28d").over("team")

        return both.with_columns(
            reopen_rate=c("reopened_n") / c("resolved_cohort"), sla_rate=c("fast_resolved") / c("resolved_cohort"),
            top2_rate=c("score_top2") / c("score_answers"), phone_share=c("tickets_phone") / c("tickets_created"),
            cost_per_resolved=c("cost_total").cast(pl.Float64) / c("resolved_cohort"),
            high_share=c("tickets_high") / c("tickets_created"),
            tickets_per_customer=c("tickets_created") / c("customers"),
            net_flow=c("tickets_created").cast(pl.Int64) - c("resolved_in_week").cast(pl.Int64),
            tickets_change=c("tickets_created") / c("tickets_created").shift(1).over("team") - 1,
            cost_4w=four("cost_total"), reopen_rate_4w=four("reopened_n") / four("resolved_cohort"),
            tickets_year=c("tickets_created").cum_sum().over("team", c("week").dt.year()),
        ).rows()  # fmt: skip

    return run


SIDEMANTIC = """
models:
  - name: tickets
    table: tickets
    primary_key: id
    default_time_dimension: created_at
    dimensions:
      - {name: team, type: categorical, sql: team}
      - {name: created_at, type: time, granularity: second, sql: created_at}
      - {name: resolved_at, type: time, granularity: second, sql: resolved_at}
    metrics:
      - {name: tickets_created, agg: count}
      - {name: tickets_high, agg: count, filters: ["priority <= 2"]}
      - {name: tickets_phone, agg: count, filters: ["channel = 'phone'"]}
      - {name: resolved_cohort, agg: count, sql: resolved_at}
      - {name: open_cohort, agg: count, filters: ["resolved_at IS NULL"]}
      - {name: reopened_n, agg: count, filters: ["reopened"]}
      - {name: fast_resolved, agg: count, filters: ["resolved_at IS NOT NULL", "minutes <= 240"]}
      - {name: score_answers, agg: count, sql: score}
      - {name: score_top2, agg: count, filters: ["score >= 4"]}
      - {name: cost_total, agg: sum, sql: cost}
      - {name: minutes_total, agg: sum, sql: minutes}
      - {name: customers, agg: count_distinct, sql: customer}
      - {name: customers_high, agg: count_distinct, sql: customer, filters: ["priority <= 2"]}
      - {name: mean_minutes, agg: avg, sql: minutes}
      - {name: mean_score, agg: avg, sql: score}
      - {name: median_minutes, agg: median, sql: minutes}
      - {name: p90_minutes, sql: "quantile_cont(minutes, 0.9)"}
      - {name: median_minutes_high, agg: median, sql: minutes, filters: ["priority <= 2"]}
metrics:
  - {name: reopen_rate, type: ratio, numerator: tickets.reopened_n, denominator: tickets.resolved_cohort}
  - {name: sla_rate, type: ratio, numerator: tickets.fast_resolved, denominator: tickets.resolved_cohort}
  - {name: top2_rate, type: ratio, numerator: tickets.score_top2, denominator: tickets.score_answers}
  - {name: phone_share, type: ratio, numerator: tickets.tickets_phone, denominator: tickets.tickets_created}
  - {name: cost_per_resolved, type: ratio, numerator: tickets.cost_total, denominator: tickets.resolved_cohort}
  - {name: tickets_per_customer, type: ratio, numerator: tickets.tickets_created, denominator: tickets.customers}
  - {name: high_share, type: ratio, numerator: tickets.tickets_high, denominator: tickets.tickets_created}
  - {name: cost_4w, type: cumulative, sql: tickets.cost_total, window: 21 days}
  - {name: tickets_year, type: cumulative, sql: tickets.tickets_created, grain_to_date: year}
  - {name: tickets_change, type: time_comparison, base_metric: tickets.tickets_created, comparison_type: wow, calculation: percent_change}
"""


def sidemantic_peer(folder: Path) -> Callable[[], Any]:
    """30 of the 32: it has no rolling ratio, and no difference of two time axes."""
    import yaml
    from sidemantic import SemanticLayer

    file = folder / "sidemantic.yml"
    file.write_text(SIDEMANTIC)
    made = yaml.safe_load(SIDEMANTIC)
    base = [f"tickets.{m['name']}" for m in made["models"][0]["metrics"]]
    names = [*base, *(m["name"] for m in made["metrics"])]
    layer = SemanticLayer.from_yaml(str(file), connection=f"duckdb:///{folder / 'peer.duckdb'}")

    def run() -> Any:
        by = ["tickets.team"]
        created = layer.query(metrics=names, dimensions=["tickets.created_at__week", *by]).fetchall()
        both = ["tickets.tickets_created", "tickets.median_minutes"]
        return created, layer.query(metrics=both, dimensions=["tickets.resolved_at__week", *by]).fetchall()

    return run


def boring_peer(folder: Path) -> Callable[[], Any]:
    import ibis
    from boring_semantic_layer import to_semantic_table

    rows = ibis.duckdb.connect(folder / "peer.duckdb", read_only=True).table("tickets")
    created = (
        to_semantic_table(rows, name="created")
        .with_dimensions(team=lambda t: t.team, week=lambda t: t.created_at.truncate("W"))
        .with_measures(
            tickets_created=lambda t: t.count(), tickets_high=lambda t: t.count(where=t.priority <= 2),
            tickets_phone=lambda t: t.count(where=t.channel == "phone"), resolved_cohort=lambda t: t.resolved_at.count(),
            open_cohort=lambda t: t.count(where=t.resolved_at.isnull()), reopened_n=lambda t: t.count(where=t.reopened),
            fast_resolved=lambda t: t.count(where=t.resolved_at.notnull() & (t.minutes <= 240)),
            score_answers=lambda t: t.score.count(), score_top2=lambda t: t.count(where=t.score >= 4),
            cost_total=lambda t: t.cost.sum(), minutes_total=lambda t: t.minutes.sum(),
            customers=lambda t: t.customer.nunique(), customers_high=lambda t: t.customer.nunique(where=t.priority <= 2),
            mean_minutes=lambda t: t.minutes.mean(), mean_score=lambda t: t.score.mean(),
            median_minutes=lambda t: t.minutes.quantile(0.5), p90_minutes=lambda t: t.minutes.quantile(0.9),
            median_minutes_high=lambda t: t.minutes.quantile(0.5, where=t.priority <= 2),
        )
        .with_measures(
            reopen_rate=lambda t: t.reopened_n / t.resolved_cohort, sla_rate=lambda t: t.fast_resolved / t.resolved_cohort,
            top2_rate=lambda t: t.score_top2 / t.score_answers, phone_share=lambda t: t.tickets_phone / t.tickets_created,
            cost_per_resolved=lambda t: t.cost_total / t.resolved_cohort,
            tickets_per_customer=lambda t: t.tickets_created / t.customers,
            high_share=lambda t: t.tickets_high / t.tickets_created,
        )
    )  # fmt: skip
    resolved = (
        to_semantic_table(rows.filter(rows.resolved_at.notnull()), name="resolved")
        .with_dimensions(team=lambda t: t.team, week=lambda t: t.resolved_at.truncate("W"))
        .with_measures(resolved_in_week=lambda t: t.count(), median_minutes_resolved=lambda t: t.minutes.quantile(0.5))
    )
    wanted = [n for n in ORACLE if n not in ("resolved_in_week", "median_minutes_resolved")]

    def aggregated(table: Any, names: list[str]) -> Any:
        made = table.group_by("week", "team").aggregate(*names)
        return made.to_untagged() if hasattr(made, "to_untagged") else made.to_ibis()

    def run() -> Any:
        month = ibis.range_window(
            group_by="team", order_by="week", preceding=ibis.interval(days=21), following=ibis.interval(days=0)
        )
        one = aggregated(created, wanted).mutate(
            cost_4w=lambda t: t.cost_total.sum().over(month),
            reopen_rate_4w=lambda t: t.reopened_n.sum().over(month) / t.resolved_cohort.sum().over(month),
            tickets_year=lambda t: t.tickets_created.sum().over(
                ibis.cumulative_window(group_by=["team", t.week.year()], order_by="week")
            ),
            tickets_change=lambda t: (
                t.tickets_created / t.tickets_created.lag(1).over(ibis.window(group_by="team", order_by="week")) - 1
            ),
        )
        both = one.outer_join(aggregated(resolved, ["resolved_in_week", "median_minutes_resolved"]), ["week", "team"])
        return both.mutate(net_flow=both.tickets_created - both.resolved_in_week).to_pyarrow()

    return run


# -- running them ------------------------------------------------------------------------------------------------------


def one(what: str, folder: Path) -> None:
    """One engine in this process: prints seconds and the largest memory as JSON."""
    engine = None
    if what in ("all", "weeks"):
        engine, run = measured_here(folder, weeks=what == "weeks")
    else:
        run = {"polars": polars_peer, "sidemantic": sidemantic_peer, "boring-semantic-layer": boring_peer}[what](folder)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = run()
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    if engine is not None:
        assert not answer.problems, answer.problems
        engine.close()
    print(json.dumps({**spent, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def filled(folder: Path, rows: int, *, peers: bool) -> None:
    """A loaded warehouse; beside it the same rows as Parquet and as a plain table for the peers."""
    import duckdb

    from benchmarks.tickets import Tickets

    made = Tickets(folder, rows)
    made.engine.checkpoint()
    made.engine.close()
    if peers:
        plain = duckdb.connect(str(folder / "peer.duckdb"))
        plain.execute(f"ATTACH '{folder / 'warehouse.duckdb'}' AS w (READ_ONLY)")
        plain.execute("CREATE TABLE tickets AS SELECT COLUMNS('^[^_].*') FROM w.main.tickets")
        plain.execute(f"COPY tickets TO '{folder / 'tickets.parquet'}' (FORMAT parquet)")
        plain.close()


def race(folder: Path, rows: int, rounds: int, peers: Path) -> None:
    pythons = {"all": sys.executable, "weeks": sys.executable, "polars": sys.executable}
    for name, place in PEERS.items():
        python = peers / place / "bin" / "python"
        if python.exists():
            pythons[name] = str(python)
        else:
            print(f"{name} is not installed in {python.parent.parent}: left out", flush=True)
    spent: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for name, python in pythons.items():
            command = [python, str(Path(__file__)), "--one", name, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}", flush=True)
                continue
            spent.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))
    for name, runs in spent.items():
        cpu, wall = (statistics.median(r[k] for r in runs) for k in ("cpu", "wall"))
        print(
            f"{rows:>11,} rows  {name:<22}  cpu {cpu:7.2f} s  wall {wall:7.2f} s  "
            f"{max(r['megabytes'] for r in runs):6.0f} MB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "scorecard-peers")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--one", default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        one(given.one, given.folder)
        return
    for number, rows in enumerate([3_000, *given.rows]):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            filled(Path(folder), rows, peers=number > 0)
            if number < 2:
                print(f"{rows:>11,} rows  {check(Path(folder)):,} cells are those of plain SQL", flush=True)
            if number:
                race(Path(folder), rows, given.rounds, given.peers)


if __name__ == "__main__":
    main()
