"""The grammar of metrics, their measures and targets, defaults and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scorecard.book.functions import Kind
from scorecard.book.notes import Notes
from scorecard.book.shapes.names import ColumnName, Name, PersonShape
from scorecard.book.shapes.records import Either, Key, ListOf, Raw, Record, Spot
from scorecard.book.shapes.scalars import MISSING, Choice, Day, Duration, Flag, Label, Number, Text, kind_of, named
from scorecard.ground.periods import GRAINS
from scorecard.ground.yamlfile import YamlNode, YamlText


@dataclass(eq=False, repr=False)
class Sql:
    """A SQL expression of one kind; read as an Expression."""

    kind: Kind

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        from scorecard.book.expressions import read_expression  # sqlglot loads only where there is SQL

        if not isinstance(node, YamlText):
            notes.error(node, f"{named(label)} is {kind_of(node)}, expected an expression", "quote the whole value")
            return MISSING
        if node.empty:
            return MISSING
        found = read_expression(node, self.kind, named(label), notes)
        return MISSING if found is None else found

    def schema(self) -> dict[str, object]:
        examples = {
            "row": ["minutes", "first_reply_at - created_at"], "condition": ["status = 'done'"],
            "aggregate": ["rows", "count_if(score >= 4)"], "formula": ["paid_hours / tickets_resolved"],
        }  # fmt: skip
        return {"type": ["string", "number"] if self.kind != "formula" else "string", "examples": examples[self.kind]}


VERSUS_WORDS = ("previous", "year_ago", "364d")
VERSUS = Either(
    Choice(VERSUS_WORDS, "or {back: 4}, {mean_of: 4}"),
    Record((
        Key("back", Number(low=1, high=1000, whole=True), "so many periods back"),
        Key("mean_of", Number(low=2, high=1000, whole=True), "the mean of so many periods before"),
    )),
)  # fmt: skip
_LIMIT: dict[str, object] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[-+]?\d+(\.\d+)?%$"}],
}  # fmt: skip
_BAND: dict[str, object] = {"type": "array", "items": _LIMIT, "minItems": 2, "maxItems": 2}
GLIDE = Record((
    Key("from", Raw(_LIMIT), "the target on the first day", required=True),
    Key("since", Day(), "the first day", required=True),
    Key("to", Raw(_LIMIT), "the target on the last day", required=True),
    Key("by", Day(), "the last day", required=True),
))  # fmt: skip
AIM = Record((
    Key("versus", Spot(VERSUS), "what it is compared with"),
    Key("change", Spot(Text("a change such as +10%")), "how much higher or lower it should be: +10%, or +2pp on percent metrics"),
    Key("glide", GLIDE, "a line from one value to another"),
))  # fmt: skip
_AIM_SCHEMA: dict[str, object] = {"anyOf": [_LIMIT, _BAND, AIM.schema()]}
_AMBER: dict[str, object] = {"anyOf": [_LIMIT, _BAND]}
_TOLERANCE: dict[str, object] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s?(%|pp)$"}]
}
_TARGET_KEYS = (
    Key(
        "target",
        Raw(_AIM_SCHEMA),
        "where green begins: a number, a share on percent metrics, [low, high], {versus, change} or {glide}",
    ),
    Key("amber", Raw({"anyOf": [_LIMIT, _BAND]}), "where amber ends: a limit beside the target"),
    Key(
        "tolerance",
        Raw(_TOLERANCE),
        "where amber ends: a distance from the target, in pp on percent metrics, else % or a number",
    ),
)
TARGET = Record((
    Key("since", Day(), "in force from the first period that begins on this day or later"),
    Key("team", Spot(Text("a team's name")), "only for this team's slice (with `from`: the column that names the team)"),
    Key("process", Spot(Text("a process's name")),
        "only for this process's slice (with `from`: the column that names the process)"),
    Key("grain", Spot(Choice(GRAINS)), "only at this grain"),
    *_TARGET_KEYS[:1],
    Key("amber", Raw({"anyOf": [_LIMIT, _BAND, {"type": "string"}]}), "where amber ends (with `from`: the column that holds it)"),
    *_TARGET_KEYS[2:],
    Key("from", Spot(Name("source")), "the source whose rows hold the targets"),
    Key("value", ColumnName(), "with `from`: the column that holds the target"),
))  # fmt: skip
SPLIT = Record((
    Key("team", ColumnName(), "the column that names the team"),
    Key("process", ColumnName(), "the column that names the process"),
))  # fmt: skip
LEAD = Record((
    Key("metric", Spot(Name("metric")), "the metric that this one runs ahead of", required=True),
    Key("lag", Duration(keep=True), "how far ahead", required=True),
    Key("sign", Choice(("same", "opposite")), "whether both go the same way", required=True),
))  # fmt: skip

SHARED = (
    Key("title", Text(), "the name that pages show (default: the metric's name)", example="Satisfied customers"),
    Key("describe", Text(), "what counts and what does not, for people"),
    Key("process", Spot(Name("process")), "the process on whose scorecard it stands"),
    Key("team", Spot(Name("team")), "the team on whose scorecard it stands, where it belongs to no process"),
    Key("split", SPLIT, "besides the whole, one reading per value of a column", example={"team": "assigned_team"}),
    Key("owner", PersonShape(), "one person (default: that of its process, team or organisation)"),
    Key("role", Choice(("leading", "lagging")), "whether it tells early what comes, or afterwards what came"),
    Key("source", Spot(Name("source")), "the table that it reads"),
    Key("time", ColumnName(), "the column that decides the period (default: the source's)"),
    Key("where", Sql("condition"), "the rows that count", example="status = 'done'"),
    Key("grain", Choice(GRAINS), "the shortest period that it is shown in (default week)"),
    Key("unit", Text(), "what is counted: min, EUR, tickets; percent shows a share times 100", example="min"),
    Key("better", Choice(("higher", "lower", "within")), "which way is good"),
    *_TARGET_KEYS,
    Key("targets", ListOf(Spot(TARGET), at_least=1), "several targets: dated, for a team, a process or a grain"),
    Key("min_sample", Number(low=1, whole=True), "fewer observations are grey (ratio, mean, quantiles, age, cohort)"),
    Key("pace", Choice(("profile", "workdays", "none")), "how the running period is judged, where it adds up"),
    Key("fresh_for", Duration(), "how long a load is fresh for this metric"),
    Key("final_after", Duration(zero=True), "how long after its end a period still changes"),
    Key(
        "leads",
        ListOf(LEAD),
        "metrics that this one runs ahead of: a hypothesis",
        example=[{"metric": "csat", "lag": "2w", "sign": "opposite"}],
    ),
    Key(
        "counter",
        ListOf(Spot(Name("metric")), single=True),
        "metrics that must not get worse while this one gets better",
    ),
    Key(
        "materiality",
        Raw({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s?(%|pp)$"}]}),
        "a load that would move a closed period's number by more than this waits for a person: 5%, 2pp or a number",
        example="5%",
    ),
    Key("weight", Number(low=0), "0 is shown and not rolled up; others order the list (default 1)"),
    Key("decimals", Number(low=0, high=10, whole=True), "digits after the point"),
    Key("tags", ListOf(Text(), single=True), "free labels"),
)
STOCK = Record((
    Key("opened", ColumnName(), "when it was opened"),
    Key("closed", ColumnName(), "when it was closed, empty while it is open"),
    Key("sum", Sql("row"), "what is summed instead of counting the open ones"),
    Key("level", Sql("row"), "the level that a row states, instead of opened and closed"),
    Key("key", ListOf(ColumnName(), single=True), "what a level belongs to"),
    Key("fold", Choice(("last", "mean", "max")), "which of a period's levels counts (default last)"),
    Key("carry", Flag(), "false: daily snapshots; true: a change log, where each key keeps its last level"),
))  # fmt: skip
MEASURES: tuple[Key, ...] = (
    Key("count", Sql("row"), "how many rows, or values that are not null", example="rows"),
    Key("sum", Sql("row"), "the sum of a row expression", example="amount"),
    Key("mean", Sql("row"), "the arithmetic mean of a row expression", example="minutes"),
    Key("median", Sql("row"), "the median of a row expression", example="minutes"),
    *(Key(f"p{n}", Sql("row"), f"the value that {n} of 100 do not exceed", example="minutes") for n in range(75, 100)),
    Key("quantile", Record((
        Key("of", Sql("row"), "a row expression", required=True),
        Key("q", Number(low=0, high=1), "the share below, from 0 to 1", required=True),
    )), "any quantile", example={"of": "minutes", "q": 0.25}),
    Key("distinct", Sql("row"), "how many different values", example="customer_id"),
    Key("ratio", Record((
        Key("of", Sql("aggregate"), "above the line", required=True),
        Key("to", Sql("aggregate"), "below the line", required=True),
        Key("per", Number(low=0), "times this: 1000 gives so many of a thousand (default 1)"),
        Key("sampling", Choice(("binomial", "poisson", "score", "none")), "how its noise is judged"),
    )), "one aggregate divided by another", example={"of": "count_if(score >= 4)", "to": "count(score)"}),
    Key("stock", STOCK, "what is open at the period's end", example={"opened": "created_at", "closed": "resolved_at"}),
    Key("age", Record((
        Key("opened", ColumnName(), "when it was opened", required=True),
        Key("closed", ColumnName(), "when it was closed", required=True),
        Key("q", Number(low=0, high=1), "which quantile of the ages"),
        Key("over", Duration(), "the share of open items older than this, instead"),
    )), "how old the open items are", example={"opened": "created_at", "closed": "resolved_at", "q": 0.9}),
    Key("cohort", Record((
        Key("of", Sql("aggregate"), "above the line", required=True),
        Key("to", Sql("aggregate"), "below the line", required=True),
        Key("matures_after", Duration(), "how long a cohort needs until it can be judged", required=True),
    )), "a ratio dated by the cohort's start",
        example={"of": "count_if(returned_at is not null)", "to": "rows", "matures_after": "7d"}),
    Key("cumulative", Record((
        Key("of", Spot(Name("metric")), "the metric that runs up", required=True),
        Key("over", Text("month, quarter, year or a number of weeks such as 4w", r"month|quarter|year|[1-9]\d{0,2}w"),
            "where it restarts", required=True),
    )), "a metric running up from the start of a longer period", example={"of": "revenue", "over": "year"}),
    Key("formula", Sql("formula"), "arithmetic over metrics, previous(m), year_ago(m), days, workdays"),
    Key("change", Record((
        Key("of", Spot(Name("metric")), "the metric that changes", required=True),
        Key("versus", Spot(VERSUS), "what it is compared with", required=True),
        Key("as", Choice(("percent", "points")), "a share of the other value's size (default), or the difference"),
    )), "a metric against its own history", example={"of": "revenue", "versus": "year_ago", "as": "percent"}),
    Key("scaling", Record((
        Key("output", Spot(Name("metric")), "what comes out", required=True),
        Key("input", Spot(Name("metric")), "what goes in", required=True),
        Key("quality", Spot(Name("metric")), "what must not suffer"),
    )), "whether output grows faster than input", example={"output": "tickets_resolved", "input": "paid_hours", "quality": "csat"}),
    Key("manual", Record((
        Key("fold", Choice(("last", "sum", "mean")), "how shorter periods make a longer one (default last)"),
        Key("second_person", Flag(), "whether a second person must confirm a value (default false)"),
    )), "values come from people", example={"fold": "last"}),
)  # fmt: skip
MEASURE_NAMES = tuple(key.name for key in MEASURES)
_MEANT = {
    "p50": "write median", "avg": "write mean", "average": "write mean", "percentile": "write quantile: {of: …, q: 0.9}",
    "unique": "write distinct", "count_distinct": "write distinct",
    **{f"p{n}": f"write quantile: {{of: …, q: {n / 100:g}}}" for n in range(1, 75) if n != 50},
}  # fmt: skip
"""What people write who know other tools."""
METRIC = Record((*SHARED, *MEASURES), tuple(_MEANT.items()))
_NOT_DEFAULT = {"title", "describe", "where", "target", "amber", "tolerance", "targets", "leads", "counter"}
DEFAULTS = Record(
    tuple(key for key in SHARED if key.name not in _NOT_DEFAULT),
    tuple((name, "every metric has its own") for name in sorted(_NOT_DEFAULT)),
)
EXPECTED = Record((
    Key("metric", Spot(Name("metric")), "the metric", required=True),
    Key("period", Text(), "the period's label", required=True, example="2026-W10"),
    Key("grain", Choice(GRAINS), "the grain, where the label does not tell"),
    Key("team", Spot(Name("team")), "the team's slice"),
    Key("process", Spot(Name("process")), "the process's slice"),
    Key("value", Raw({"anyOf": [_LIMIT, {"type": "null"}]}), "the value; a share as 50%"),
    Key("n", Number(low=0, whole=True), "the number of observations"),
    Key("status", Choice(("green", "amber", "red", "neutral", "grey")), "the colour"),
    Key("reason", Text(), "the reason's code"),
    Key("because", Text(), "the sentence"),
))  # fmt: skip
TEST = Record((
    Key("name", Text(), "what is tested, in words", required=True),
    Key("given", Raw({"type": "object", "additionalProperties": {"type": "string"}}),
        "source: CSV file; those not given are empty and fresh", required=True),
    Key("at", Text("a moment such as 2026-03-10T09:00:00Z", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})"),
        "the clock", required=True, example="2026-03-10T09:00:00Z"),
    Key("expect", ListOf(EXPECTED, at_least=1), "the readings that must come out", required=True),
))  # fmt: skip
