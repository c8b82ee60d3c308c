"""The same metrics by week and team in other metric layers, each as its documentation has it.

Run in environments of their own, in which nothing of the product is installed. A peer gives a function that computes and fetches
everything, and a reader of its answer: metric → (team, Monday of the week) → value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

Cells = dict[str, dict[tuple[str, str], Any]]
Peer = tuple[Callable[[], Any], Callable[[Any], Cells]]
RESOLVED = {"resolved_in_week": "tickets_created", "median_minutes_resolved": "median_minutes"}
"""By the time of resolution: what they are called by that of creation."""
CREATED = (
    "tickets_created", "tickets_high", "tickets_phone", "resolved_cohort", "open_cohort", "reopened_n", "fast_resolved",
    "score_answers", "score_top2", "cost_total", "minutes_total", "customers", "customers_high", "mean_minutes", "mean_score",
    "median_minutes", "p90_minutes", "median_minutes_high", "reopen_rate", "sla_rate", "top2_rate", "phone_share",
    "cost_per_resolved", "high_share", "tickets_per_customer",
)  # fmt: skip


def monday(moment: date | datetime) -> str:
    """The day of a moment, as ISO writes it."""
    return (moment.date() if isinstance(moment, datetime) else moment).isoformat()


def cells_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Cells:
    """Rows with the columns week, team and metrics."""
    week, team = columns.index("week"), columns.index("team")
    found: Cells = {name: {} for name in columns if name not in ("week", "team")}
    for row in rows:
        if row[week] is not None and row[team] is not None:
            for name, value in zip(columns, row, strict=True):
                if name in found:
                    found[name][row[team], monday(row[week])] = value
    return found


def polars_peer(folder: Path) -> Peer:
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

        made = both.with_columns(
            reopen_rate=c("reopened_n") / c("resolved_cohort"), sla_rate=c("fast_resolved") / c("resolved_cohort"),
            top2_rate=c("score_top2") / c("score_answers"), phone_share=c("tickets_phone") / c("tickets_created"),
            cost_per_resolved=c("cost_total").cast(pl.Float64) / c("resolved_cohort"),
            high_share=c("tickets_high") / c("tickets_created"),
            tickets_per_customer=c("tickets_created") / c("customers"),
            net_flow=c("tickets_created").cast(pl.Int64) - c("resolved_in_week").cast(pl.Int64),
            tickets_change=c("tickets_created") / c("tickets_created").shift(1).over("team") - 1,
            cost_4w=four("cost_total"), reopen_rate_4w=four("reopened_n") / four("resolved_cohort"),
            tickets_year=c("tickets_created").cum_sum().over("team", c("week").dt.year()),
        )  # fmt: skip
        return made.columns, made.rows()

    return run, lambda answer: cells_of(*answer)


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


def sidemantic_peer(folder: Path) -> Peer:
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
        created = layer.query(metrics=names, dimensions=["tickets.created_at__week", *by])
        first = ([c[0] for c in created.description], created.fetchall())
        both = [f"tickets.{name}" for name in RESOLVED.values()]
        resolved = layer.query(metrics=both, dimensions=["tickets.resolved_at__week", *by])
        return first, ([c[0] for c in resolved.description], resolved.fetchall())

    def read(answer: Any) -> Cells:
        (names, rows), (others, other_rows) = answer
        back = {"resolved_at__week": "week", **{known: name for name, known in RESOLVED.items()}}
        found = cells_of(["week" if n == "created_at__week" else n for n in names], rows)
        for place, value in found["tickets_change"].items():  # it gives percents
            found["tickets_change"][place] = None if value is None else value / 100
        return found | cells_of([back.get(n, n) for n in others], other_rows)

    return run, read


def boring_peer(folder: Path) -> Peer:
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

    def aggregated(table: Any, names: list[str]) -> Any:
        made = table.group_by("week", "team").aggregate(*names)
        return made.to_untagged() if hasattr(made, "to_untagged") else made.to_ibis()

    def run() -> Any:
        month = ibis.range_window(
            group_by="team", order_by="week", preceding=ibis.interval(days=21), following=ibis.interval(days=0)
        )
        one = aggregated(created, list(CREATED)).mutate(
            cost_4w=lambda t: t.cost_total.sum().over(month),
            reopen_rate_4w=lambda t: t.reopened_n.sum().over(month) / t.resolved_cohort.sum().over(month),
            tickets_year=lambda t: t.tickets_created.sum().over(
                ibis.cumulative_window(group_by=["team", t.week.year()], order_by="week")
            ),
            tickets_change=lambda t: (
                t.tickets_created / t.tickets_created.lag(1).over(ibis.window(group_by="team", order_by="week")) - 1
            ),
        )
        both = one.outer_join(aggregated(resolved, list(RESOLVED)), ["week", "team"])
        return both.mutate(net_flow=both.tickets_created - both.resolved_in_week).to_pyarrow()

    def read(answer: Any) -> Cells:
        names = [n for n in answer.column_names if n not in ("week", "team", "week_right", "team_right")]
        rows = [
            (row["week"] or row["week_right"], row["team"] or row["team_right"], *(row[n] for n in names))
            for row in answer.to_pylist()
        ]
        return cells_of(["week", "team", *names], rows)

    return run, read


PEERS: Mapping[str, Callable[[Path], Peer]] = {
    "polars": polars_peer,
    "sidemantic": sidemantic_peer,
    "boring-semantic-layer": boring_peer,
}
"""Name in the package index → what opens it on a folder with ``tickets.parquet`` and ``peer.duckdb``."""
