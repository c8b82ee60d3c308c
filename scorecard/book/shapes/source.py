"""The grammar of sources: what every kind takes, and what each kind takes besides."""

from __future__ import annotations

from scorecard.book.shapes.names import ColumnName
from scorecard.book.shapes.records import Either, Key, ListOf, MapOf, Raw, Record, Spot
from scorecard.book.shapes.scalars import Anything, Choice, Duration, Flag, Number, Share, Text, Timezone

KINDS = ("csv", "sql", "http", "external")
TYPES = ("timestamp", "date", "epoch_s", "epoch_ms", "double", "integer", "decimal", "text", "boolean")
COLUMN_TYPE = Choice(TYPES)
COLUMN = Either(
    COLUMN_TYPE,
    Record((
        Key("type", COLUMN_TYPE, "the column's type", required=True),
        Key("format", Text(), "how its times or dates are written, in strptime's signs", example="%m/%d/%Y %H:%M"),
    )),
)  # fmt: skip
CURSOR = Record((
    Key("column", ColumnName(), "the column that grows with every change", required=True, example="updated_at"),
    Key("start", Text(), "where the first pull begins (default 1970-01-01, in the column's type)"),
    Key("lookback", Duration(zero=True), "how far later pulls reach back behind the newest value"),
    Key("format", Text(), "how :cursor is written into the request: iso, epoch_s, epoch_ms or a strftime pattern"),
))  # fmt: skip
CHECK = Record((
    Key("rows", Record((
        Key("drop_at_most", Share(), "how many rows may be gone, as a share of those before", example="50%"),
        Key("at_least", Number(low=0, whole=True), "how many rows there must be"),
    )), "how many rows the table may have after the load"),
    Key("newest", Record((
        Key("back_at_most", Duration(zero=True), "how far the newest time may go back behind that of the last load"),
        Key("within", Duration(), "how old the newest time may be when it is loaded", example="2d"),
    )), "how new the newest row must be"),
    Key("not_null", ListOf(Spot(ColumnName()), single=True, at_least=1), "columns without a missing value"),
    Key("unique", ListOf(Spot(ColumnName()), single=True, at_least=1), "columns whose values together occur once"),
    Key("sql", Spot(Text("one SELECT that gives true")), "one SELECT over the loaded tables that gives true when all is well"),
))  # fmt: skip
CSV = Record((
    Key("delimiter", Text("one character", r"[^\n]|\\t", blank=True), "what separates the values (default: found out)",
        example=","),
    Key("encoding", Text(), "the file's encoding (default utf-8)", example="utf-8"),
    Key("header", Flag(), "whether the first line names the columns (default true)"),
    Key("skip", Number(low=0, whole=True), "lines to skip at the top (default 0)"),
    Key("nulls", ListOf(Text(blank=True), single=True), "texts that mean no value (default the empty text)", example=["", "NA"]),
    Key("decimal", Choice((".", ",")), "the decimal sign (default .)"),
    Key("quote", Text("one character", r".?", blank=True), "the quote sign (default \")"),
    Key("escape", Text("one character", r".?", blank=True), "the sign that escapes a quote (default: the quote doubled)"),
    Key("thousands", Text("one character", r".", blank=True), "the sign between thousands (default none)"),
    Key("comment", Text("one character", r".", blank=True), "lines that begin with it are passed over (default none)"),
    Key("members", Text("a name or a pattern"), "which files of a zip file are read (default: all CSV files)",
        example="calls-*.csv"),
))  # fmt: skip
PAGING_STYLES = ("link", "page", "offset", "cursor", "odata", "graphql", "keyset")
PAGING = Record((
    Key("style", Choice(PAGING_STYLES), "how the next page is asked for", required=True),
    Key("next", Text("where the next page's sign or address is, such as $.meta.next"), "where the answer says what comes next"),
    Key("param", Text(), "the parameter that takes the page, offset or cursor"),
    Key("start", Number(whole=True), "the first page or offset"),
    Key("size", Number(low=1, whole=True), "rows a page"),
    Key("size_param", Text(), "the parameter that takes the number of rows"),
    Key("limit", Number(low=1, whole=True), "rows a page"),
    Key("limit_param", Text(), "the parameter that takes the number of rows"),
    Key("total", Text(), "where the answer says how many rows or pages there are"),
    Key("more", Text(), "where the answer says whether more follows"),
    Key("into", Text(), "where the request's body takes the cursor: a variable (graphql), or a path such as page.after"),
    Key("query", Text(), "the GraphQL query of later pages, where it is another one"),
    Key("column", Text(), "the unique key that rows are sorted by; `:after` stands for the last one (keyset)"),
    Key("from", Text(), "the first `:after` (keyset; default 0)"),
    Key("url", Text(), "where later pages are asked for; `{$.job.id}` takes a value of the answer"),
    Key("params", Anything(("mapping",)), "the parameters of later pages at `url`"),
    Key("ready", Text(), "where the answer says that its rows are ready; until then it is asked again"),
    Key("max_pages", Number(low=1, whole=True), "stop after so many pages"),
))  # fmt: skip
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
AUTH_STYLES = ("bearer", "basic", "key", "oauth1", "oauth2", "sigv4", "google", "session")
AUTH = Record((
    Key("style", Choice(AUTH_STYLES), "how the request proves who asks", required=True),
    *(Key(name, Text(), describe) for name, describe in (
        ("token", "the token"), ("user", "the user's name"), ("password", "the password"), ("key", "the key"),
        ("name", "the name of the header or parameter that takes the key"), ("header", "the header that takes the key"),
        ("param", "the parameter that takes the key"), ("prefix", "what stands before the token (default Bearer)"),
        ("in", "where the key goes: header or query"), ("scheme", "the scheme's name in the Authorization header"),
        ("value", "the key's value"),
        ("token_url", "where tokens are given"), ("client_id", "the client's id"), ("client_secret", "the client's secret"),
        ("scope", "what is asked for"), ("audience", "whom the token is for"), ("grant", "client_credentials, refresh_token, jwt"),
        ("refresh_token", "the refresh token"), ("private_key", "the private key"), ("certificate_id", "the certificate's id"),
        ("consumer_key", "the consumer's key"), ("consumer_secret", "the consumer's secret"),
        ("token_secret", "the token's secret"),
        ("signature", "the signature method"), ("realm", "the account"),
        ("access_key", "the access key"), ("secret_key", "the secret key"), ("session_token", "the session's token"),
        ("region", "the region"), ("service", "the service"), ("credentials", "the service account's JSON file"),
        ("login_url", "where the session begins"), ("company", "the company to log in to"),
        ("logout_url", "where the session ends"), ("token_at", "where the login's answer holds a token, if not cookies"),
        ("subject", "the user on whose behalf a service account asks"),
    )),
    Key("body", Anything(("mapping",)), "what the login posts (default: username and password)"),
    Key("as", Choice(("json", "form")), "how the login posts it (default json)"),
    Key("algorithm", Choice(ALGORITHMS), "how a private key signs (default: by the key)"),
    Key("claims", Anything(("mapping",)), "further claims of a signed assertion"),
    Key("client_in", Choice(("body", "header")), "where the client's id and secret go (default body)"),
))  # fmt: skip
ROWS = Record((
    Key("carry", ListOf(Text(), single=True), "keys of the objects around a record that go along with it", example=["metric"]),
    Key("names", Text(), "where the columns' names stand, for records that are lists", example="$.schema.fields[*].name"),
    Key("values", Text(), "where a record's values are (default: the record itself)", example="$.f[*].v"),
    Key("zip", ListOf(Text()), "lists side by side whose nth members make a row", example=["Timestamps", "Values"]),
    Key("spread", Anything(("mapping",)), "names for the members of a list", example={"Keys": ["service"]}),
    Key("pairs", Anything(("mapping",)), "lists of named values: where name and value are",
        example={"fields": ["id", "text"]}),
    Key("join", Anything(("mapping",)), "one text of several keys, as a key of the rows", example={"series": ["metric"]}),
    Key("refuse", Anything(("mapping",)), "values that say the answer is not whole", example={"StatusCode": ["InternalError"]}),
    Key("sparse", Flag(), "what is empty is left out: a declared column that never comes is empty"),
    Key("drop", ListOf(Text(), single=True), "keys that nobody needs", example=["links"]),
    Key("pick", Anything(("mapping",)), "columns from paths in the record, the first with a value",
        example={"day": "Period.Start"}),
))  # fmt: skip
WINDOW = Record((
    Key("back", Duration(keep=True), "how far before now `:from` is (default 1d)", example="14d"),
    Key("ahead", Duration(keep=True), "how far behind now `:until` is (default now)", example="1d"),
    Key("timezone", Timezone(), "in whose days and hours they are written (default: the source's)"),
    Key("step", Duration(keep=True), "both are rounded down to whole ones", example="5m"),
    Key("format", Text(), "how they are written: iso (default), epoch_s, epoch_ms or a strftime pattern"),
))  # fmt: skip
LIMITS = Record((
    Key("per_minute", Number(low=1, whole=True), "so many requests a minute at most"),
))  # fmt: skip
SIZE = Text("a size such as 500MB", r"[0-9]{1,6}(\.[0-9]{1,3})?\s?(kB|KB|MB|GB|TB)")
KEEP = Either(
    Text("a number of generations such as 10, or a time such as 7d", r"[0-9]{1,6}|[0-9]{1,10}[smhdw]"),
    Record((
        Key("generations", Number(low=0, high=100_000, whole=True), "so many (default: 20 whole tables, or 1000 changes)"),
        Key("for", Duration(), "for so long (default 7d)"),
        Key("at_most", SIZE, "bytes on the disk (default 1GB)"),
    )),
)  # fmt: skip
KEEP_RAW = Either(
    Duration(),
    Record((
        Key("for", Duration(), "for so long", required=True, example="30d"),
        Key("at_most", SIZE, "bytes on the disk (default 5GB)"),
    )),
)  # fmt: skip
_SHARED = (
    Key("kind", Choice(KINDS), "where the rows come from", required=True),
    Key("every", Duration(), "how often it is pulled (or `cron`)", example="5m"),
    Key(
        "cron",
        Text(),
        "when it is pulled, in the organisation's time zone: minute hour day month weekday",
        example="*/5 * * * *",
    ),
    Key(
        "key",
        ListOf(Spot(ColumnName()), single=True, at_least=1),
        "columns that make a row unique: loads then update",
        example=["ticket_id"],
    ),
    Key("mode", Choice(("replace", "upsert", "append")), "append: new rows only, with a cursor; else `key` decides"),
    Key("time", ColumnName(), "default period column of its metrics, and the watermark", example="created_at"),
    Key(
        "columns",
        MapOf(COLUMN),
        "declared types; others are inferred once and then held",
        example={"minutes": "double"},
    ),
    Key("timezone", Timezone(), "of times that carry no zone (default: the organisation's)"),
    Key("cursor", CURSOR, "what makes a pull take only what is new; `:cursor` stands for the newest value"),
    Key("fresh_for", Duration(), "how long a load is fresh (default: two missed runs, at least 10m)"),
    Key("quiet_for", Duration(), "how much working time may pass without a new row"),
    Key("full_every", Text(), "pull everything on this schedule and remove keys that are gone", example="1d"),
    Key(
        "deleted",
        ColumnName(),
        "column by which a row says that it is gone (true, a time, a number but 0): its key is removed",
        example="deleted_at",
    ),
    Key("quarantine_at_most", Share(), "more unreadable rows than this hold the load (default 1%)"),
    Key(
        "checks",
        ListOf(Spot(CHECK)),
        "conditions on the table as it would be after the load",
        example=[{"unique": ["ticket_id"]}],
    ),
    Key(
        "keep",
        KEEP,
        "which earlier generations can be put back: so many, or for so long (default 7d, at most 1GB)",
        example="7d",
    ),
    Key(
        "keep_raw",
        KEEP_RAW,
        "what the source gave is kept as it came, for so long (default: not at all)",
        example="30d",
    ),
)
_TEXT_MAP = Raw({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}})
OF_KIND: dict[str, tuple[Key, ...]] = {
    "csv": (
        Key("path", Spot(Text("a path, a glob or an https address")), "file, glob, .gz, .zip, or https URL",
            example="data/tickets/*.csv"),
        Key("csv", CSV, "only where the file needs it"),
        Key("allow_hosts", ListOf(Text(), single=True), "other hosts that pages and redirects may lead to; no sign-in goes there"),
        Key("ca", Text(), "a file with the certificate to trust, for servers with one of their own"),
    ),
    "sql": (
        Key("url", Spot(Text("an SQLAlchemy URL")), "any SQLAlchemy URL", example="${ERP_URL}"),
        Key("query", Spot(Text("a SELECT")), "the SELECT; `:cursor` stands for the newest value"),
    ),
    "http": (
        Key("url", Spot(Text("an http(s) address")), "the address", example="https://api.example.com/v1/surveys"),
        Key("records", Text("a path such as $.data[*]"), "where the rows are", example="$.data[*]"),
        Key("format", Choice(("json", "ndjson", "csv")), "what the answer is (default: what it says it is)"),
        Key("params", Anything(("mapping",)), "parameters of the address", example={"since": ":cursor"}),
        Key("paging", PAGING, "how the pages follow each other"),
        Key("auth", AUTH, "how the request proves who asks"),
        Key("method", Choice(("GET", "POST")), "GET (default) or POST"),
        Key("body", Anything(), "the request's body: a mapping is sent as JSON, text as it stands"),
        Key("headers", Anything(("mapping",)), "headers of the request"),
        Key("query", Spot(Text("a GraphQL query")), "a GraphQL query; it is posted with `variables`"),
        Key("variables", Anything(("mapping",)), "the query's variables; `:cursor` stands for the newest value"),
        Key("errors", ListOf(Text(), single=True), "where an answer of status 200 carries errors (GraphQL: $.errors)"),
        Key("rows", ROWS, "how a record becomes rows, where it is not one already"),
        Key("window", WINDOW, "the stretch of time that is asked for, as `:from` and `:until`"),
        Key("limits", LIMITS, "what the server allows"),
        Key("allow_hosts", ListOf(Text(), single=True), "other hosts that pages and redirects may lead to; no sign-in goes there"),
        Key("ca", Text(), "a file with the certificate to trust, for servers with one of their own"),
        Key("csv", CSV, "how a CSV answer is written"),
        Key("preset", Spot(Text("the name of a preset")), "fills in url, paging, auth, records and limits", example="asana"),
        Key("with", Anything(("mapping",)), "what the preset needs"),
    ),
    "external": (
        Key("table", Spot(Text("a table")), "a table that the engine already has; looked at, not copied", example="payroll.hours"),
    ),
}  # fmt: skip
_NEEDED = {"csv": ("path",), "sql": ("url", "query"), "http": (), "external": ("table",)}


def _with_needs(kind: str) -> tuple[Key, ...]:
    own = (Key(k.name, k.shape, k.describe, k.name in _NEEDED[kind], k.example) for k in OF_KIND[kind])
    return (*_SHARED, *own)


def _elsewhere(kind: str) -> tuple[tuple[str, str], ...]:
    names = {key.name for key in OF_KIND[kind]}
    takers: dict[str, list[str]] = {}
    for other, keys in OF_KIND.items():
        for key in keys:
            takers.setdefault(key.name, []).append(other)
    return tuple(
        (name, f"only sources of kind {' and '.join(kinds)} take it")
        for name, kinds in takers.items()
        if name not in names
    )


SOURCE_OF_KIND = {kind: Record(_with_needs(kind), _elsewhere(kind)) for kind in KINDS}
ANY_SOURCE = Record((*_SHARED, *{key.name: key for keys in reversed(OF_KIND.values()) for key in keys}.values()))
"""What a source of an unknown kind is read by, so that its other mistakes show too."""
