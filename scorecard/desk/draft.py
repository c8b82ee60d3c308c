"""A first metrics.yaml for a CSV file: a source, teams where a column names some, and metrics to keep, change or delete."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, pairwise
from statistics import median

from connectors.names import RESERVED, normalise
from scorecard.book.shapes.names import ENGINES_OWN
from scorecard.desk.profile import Column, Profile

CREATED = re.compile(
    r"creat|open|start|order|receiv|report|submit|issued|sent|occur|event|happen|day|date|time|period|month|week"
)
ENDED = re.compile(r"clos|resolv|finish|end|complet|deliver|paid|ship|solved|done|answered|replied|reply")
KEY = re.compile(r"(^|_)(id|key|no|nr|number|code|uuid|guid|ref|reference)(_|$)")
PLACES = re.compile(
    r"(^|_)(team|group|department|dept|queue|squad|region|branch|office|site|location|shop|store|borough|country)(_|$)"
)
MONEY = re.compile(r"(^|_)(amount|price|revenue|sales|cost|costs|net|gross|fee|paid|spend|turnover|eur|usd|gbp)(_|$)")
LASTS = re.compile(
    r"(^|_)(minutes|minute|mins|min|hours|hour|hrs|seconds|secs|sec|duration|days|lead_time|wait|waiting)(_|$)"
)
SCORES = re.compile(r"(^|_)(score|rating|stars|nps|csat|grade|satisfaction)(_|$)")
SHARES = re.compile(r"(^|_)(percent|pct|rate|share|of)(_|$)")
NOT_COUNTED = re.compile(
    r"(^|_)(lat|latitude|lon|lng|longitude|zip|postcode|phone|year|coordinate|week_no|week|month|x|y)(_|$)"
)
STATES = re.compile(r"(^|_)(status|state|stage|outcome|result|resolution)(_|$)")
GOOD = re.compile(r"done|closed|resolved|solved|complete|success|delivered|paid|won|ok|passed|yes", re.IGNORECASE)
YES = ("yes", "true", "y", "t", "1", "ja", "oui", "si")
NO = ("no", "false", "n", "f", "0", "nein", "non")
LATELY = 200
"""Days with rows, the last ones, whose gaps tell how often rows come."""
MOST_TEAMS = 20
MOST_SUMS = 12
UNITS = (("seconds", "s"), ("secs", "s"), ("sec", "s"), ("minutes", "min"), ("minute", "min"), ("mins", "min"), ("min", "min"),
         ("hours", "h"), ("hour", "h"), ("hrs", "h"), ("days", "d"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """``text``: the metrics.yaml. ``newest``: the last moment in the rows, None without times. ``metrics``: their names."""

    text: str
    newest: datetime | None
    metrics: tuple[str, ...]


def draft(profile: Profile, stem: str, path: str, zone: str, allow: str | None = None) -> Draft:
    """``stem``: what the source is called after; ``path`` as metrics.yaml will name the file; ``allow``: its folder, where
    that lies elsewhere."""
    source = name_for(stem)
    source += "_" if source in RESERVED | ENGINES_OWN else ""
    times = time_columns(profile)
    key = key_of(profile, times)
    split = split_of(profile)
    metrics = list(_metrics(profile, source, times, key, split)) if times else []
    moments = profile.moments(times[0]) if times else set()
    lines = [
        f"# Drafted from {one_line(path)}: what the columns look like decided; keep what is right, change the rest.",
        "# `scorecard check` finds mistakes, `scorecard refresh` loads the file, `scorecard preview METRIC` tries a change.",
        "version: 1",
        "",
        "organization:",
        f"  name: {quoted(stem.replace('_', ' ').replace('-', ' ').strip().capitalize() or 'Example')}",
        f"  timezone: {zone}   # every period begins at midnight here, and times without a zone are read as of here",
        *([] if allow is None else [f"  allow_paths: [{quoted(allow)}]   # the file lies outside of this folder"]),
        "",
        *_source(profile, source, path, times, key, quiet_for(moments)),
        *_teams(split),
        "",
        *(["metrics:", *(line for _, text in metrics for line in text)] if metrics else _no_metrics(profile)),
    ]
    return Draft("\n".join(lines) + "\n", max(moments, default=None), tuple(name for name, _ in metrics))


def name_for(text: str) -> str:
    """A word of a file's or column's name as names are written: letters, digits, underscores."""
    found = normalise(text).strip("_")
    return found if re.match(r"[a-z]", found) else f"c_{found}"


def quoted(text: str) -> str:
    """A text as YAML's double quotes hold it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def one_line(text: str) -> str:
    """A text for a comment: nothing in it ends the line or hides."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))


def literal(text: str) -> str:
    """A text as SQL holds it."""
    return "'" + text.replace("'", "''") + "'"


# -- what the columns are --------------------------------------------------------------------------------------


def quiet_for(moments: Collection[datetime]) -> int | None:
    """Days without a row after which something must be wrong: one more than ever before lately; None where rows are of a
    single day, or a year and more apart."""
    days = sorted({moment.date() for moment in moments})[-LATELY:]
    gap = max(((later - day).days for day, later in pairwise(days)), default=366)
    return gap + 1 if gap < 366 else None


def time_columns(profile: Profile) -> list[Column]:
    """The columns that hold times, the one that decides the period first: where something begins, and most filled."""
    found = [c for c in profile.columns if c.kind == "time"]
    rank = {c.name: place for place, c in enumerate(found)}
    fullest = max((c.filled for c in found), default=0)

    def order(c: Column) -> tuple[bool, bool, bool, int]:
        return (c.filled < 0.98 * fullest, bool(ENDED.search(c.name)), not CREATED.search(c.name), rank[c.name])

    return sorted(found, key=order)


def key_of(profile: Profile, times: Sequence[Column]) -> tuple[str, ...]:
    """The columns whose values name a row: one by its name, else the time, else the time with words; () for none."""
    rows = len(profile.rows)
    full = [c for c in profile.columns if c.filled == rows]
    alone = [c for c in full if c.distinct == rows and rows > 1 and c.kind in ("integer", "text")]
    named = [c for c in alone if KEY.search(c.name)]
    if named or (alone and alone[0] is profile.columns[0]):
        return ((named or alone)[0].name,)
    if not times or times[0] not in full or profile.cut:
        return ()
    words = [c for c in full if c.kind == "text" and c.distinct > 1 and not NOT_COUNTED.search(c.name)][:6]
    for count in range(4):
        for chosen in combinations(words, count):
            places = [profile.at(c.name) for c in (times[0], *chosen)]
            if len({tuple(row[p].strip() for p in places) for row in profile.rows}) == rows:
                return tuple(c.name for c in (times[0], *chosen))
    return ()


def split_of(profile: Profile) -> Column | None:
    """A column that names teams, sites or the like: a few values, each of some rows."""
    found = [c for c in words_of(profile) if PLACES.search(c.name) and 2 <= len(_slugs(c)) <= MOST_TEAMS]
    return found[0] if found else None


def words_of(profile: Profile) -> list[Column]:
    """Columns of a few words that come again and again."""
    rows = len(profile.rows)
    return [c for c in profile.columns if c.kind == "text" and 2 <= c.distinct <= max(2, min(30, rows // 3))]


def _slugs(column: Column) -> dict[str, str]:
    """A team's name for each value, as far as they differ."""
    found: dict[str, str] = {}
    for value in column.values:
        slug = name_for(value).replace("_", "-")
        if slug not in found and slug != "organization":
            found[slug] = value
    return found


# -- the file's sections ---------------------------------------------------------------------------------------


def _source(
    p: Profile, source: str, path: str, times: Sequence[Column], key: Sequence[str], quiet: int | None
) -> Iterator[str]:
    yield "sources:"
    yield f"  {source}:"
    yield "    kind: csv"
    yield f"    path: {quoted(path)}"
    yield "    every: 5m                    # looked at so often; read again only when it has changed"
    if key:
        yield f"    key: [{', '.join(key)}]   # a row with a known key replaces the old one"
    else:
        yield "    # no column names a row for sure: each load replaces the table. A key would be: key: [COLUMN]"
    if times:
        yield f"    time: {times[0].name}   # decides the period, where a metric does not say otherwise"
    if quiet is not None:
        yield f"    quiet_for: {quiet}d   # so long without a newer row, and later periods are grey: 0 may only mean that none came"
    if times:
        yield "    columns:"
    for column in times:
        kind = "date" if column.whole_days else "timestamp"
        pattern = "" if column.format is None else f", format: {quoted(column.format)}"
        doubt = (
            "   # or is the month first? both fit every row"
            if column.ambiguous and "%d/%m" in (column.format or "")
            else ""
        )
        doubt = doubt or ("   # or is the day first? both fit every row" if column.ambiguous else "")
        yield f"      {column.name}: {{type: {kind}{pattern}}}{doubt}"
    options = []
    if p.delimiter != ",":
        options.append(f"delimiter: {quoted(p.delimiter)}")
    if p.encoding != "utf-8":
        options.append(f"encoding: {p.encoding}")
    if p.nulls:
        options.append(f"nulls: [{', '.join(quoted(n) for n in ('', *p.nulls))}]")
    if p.decimal != ".":
        options.append(f"decimal: {quoted(p.decimal)}")
    if p.thousands:
        options.append(f"thousands: {quoted(p.thousands)}")
    if options:
        yield f"    csv: {{{', '.join(options)}}}"


def _teams(split: Column | None) -> Iterator[str]:
    if split is None:
        return
    yield ""
    yield f"teams:   # the values of {split.name}; give each an owner: 'owner: Ana Ruiz <ana@example.com>'"
    for slug, value in _slugs(split).items():
        yield f"  {slug}: {{title: {quoted(value)}}}"


def _no_metrics(profile: Profile) -> Iterator[str]:
    yield "# No column holds dates or times that are known here, and a metric needs one that decides its period."
    yield (
        "# Declare it in the source, for instance:  columns: {"
        + profile.columns[0].name
        + ': {type: timestamp, format: "%d.%m.%Y"}}'
    )


# -- metrics ---------------------------------------------------------------------------------------------------


def _metrics(
    p: Profile, source: str, times: Sequence[Column], key: Sequence[str], split: Column | None
) -> Iterator[tuple[str, list[str]]]:
    """(name, its lines) of each metric."""
    grain = grain_of(times[0])
    known: set[str] = {source}

    def metric(name: str, title: str, measure: str, better: str, note: str, *more: str) -> tuple[str, list[str]]:
        unique = name
        while unique in known:
            unique += "_"
        known.add(unique)
        lines = [
            f"  {unique}:   # {note}",
            f"    title: {quoted(title)}",
            "    role: lagging",
            f"    source: {source}",
            f"    {measure}",
            *(f"    {line}" for line in more),
            *([f"    split: {{team: {split.name}}}"] if split is not None else []),
            *([f"    grain: {grain}"] if grain != "week" else []),
            f"    better: {better}",
            "    # target: …   # where green begins; amber: … where red does",
        ]
        return unique, lines

    by_row = times[0].name not in key
    if by_row:
        yield metric(
            f"{source}_count", f"Rows of {source.replace('_', ' ')}", "count: rows", "higher", "every row counts"
        )
    for column in p.columns:
        yield from (metric(*drafted) for drafted in _of_column(p, column, key, split))
    for end in times[1:]:
        yield from (metric(*drafted) for drafted in _of_pair(p, times[0], end))
    sums = [
        c
        for c in _amounts(p, key)
        if not MONEY.search(c.name) and not LASTS.search(c.name) and not SCORES.search(c.name)
    ]
    for column in sums[:MOST_SUMS]:
        title = column.written.strip()
        if SHARES.search(column.name) or "%" in column.written:
            yield metric(
                f"{column.name}_mean", f"{title}, mean", f"mean: {column.name}", "higher", "the mean over the rows"
            )
        else:
            yield metric(f"{column.name}_sum", title, f"sum: {column.name}", "higher", "added up; or mean, median, p90")


def grain_of(time: Column) -> str:
    """week, or month where the rows are a month apart."""
    days = sorted({time.moment(text).date() for text in time.values})
    gaps = [(later - day).days for day, later in pairwise(days)]
    return "month" if len(gaps) >= 2 and median(gaps) >= 27 else "week"


def _amounts(p: Profile, key: Sequence[str]) -> list[Column]:
    """Numbers that say how much, not which."""
    return [
        c
        for c in p.columns
        if c.kind in ("number", "integer")
        and c.name not in key
        and not NOT_COUNTED.search(c.name)
        and not KEY.search(c.name)
        and not _flag(c)
    ]


def _flag(column: Column) -> tuple[str, str] | None:
    """(yes, no) as a column of two words writes them."""
    if len(column.values) != 2:
        return None
    first = [v for v in column.values if v.lower() in YES]
    other = [v for v in column.values if v.lower() in NO]
    return (first[0], other[0]) if first and other else None


Drafted = tuple[str, str, str, str, str]


def _of_column(p: Profile, column: Column, key: Sequence[str], split: Column | None) -> Iterator[tuple[str, ...]]:
    """(name, title, measure, better, note, more lines…) of what one column suggests."""
    name, title = column.name, column.written.strip()
    flag = _flag(column)
    if flag is not None:
        condition = (
            f"{name} = 1"
            if column.kind == "integer"
            else name
            if flag[0].lower() in ("true", "t")
            else f"{name} = {literal(flag[0])}"
        )
        of = quoted(f"count_if({condition})")
        yield (
            f"{name}_share",
            f"{title}, share",
            f"ratio: {{of: {of}, to: count({name})}}",
            "higher",
            "yes among yes and no",
            "unit: percent",
        )
    elif column in _amounts(p, key) and MONEY.search(name):
        yield f"{name}_sum", title, f"sum: {name}", "higher", "added up", *_currency(name)
        yield f"{name}_mean", f"{title}, mean", f"mean: {name}", "higher", "the mean over the rows", *_currency(name)
    elif column in _amounts(p, key) and LASTS.search(name):
        unit = next((unit for word, unit in UNITS if re.search(rf"(^|_){word}(_|$)", name)), None)
        more = [] if unit is None else [f"unit: {unit}"]
        yield (
            f"{name}_p90",
            f"{title}, nine of ten",
            f"p90: {name}",
            "lower",
            "nine of ten rows are at or under it",
            *more,
        )
    elif column in _amounts(p, key) and SCORES.search(name):
        yield f"{name}_mean", f"{title}, mean", f"mean: {name}", "higher", "the mean over the rows that have one"
    elif column in words_of(p) and STATES.search(name) and column is not split:
        good = next((v for v in column.values if GOOD.search(v)), next(iter(column.values)))
        of = quoted(f"count_if({name} = {literal(good)})")
        note = f"{one_line(good)} among all that have a {one_line(title).lower()}"
        yield (
            f"{name}_share",
            f"{title}: {good}",
            f"ratio: {{of: {of}, to: count({name})}}",
            "higher",
            note,
            "unit: percent",
        )


def _currency(name: str) -> list[str]:
    found = re.search(r"(^|_)(eur|usd|gbp)(_|$)", name)
    return [f"unit: {found[2].upper()}"] if found else ["# unit: EUR"]


def _of_pair(p: Profile, begin: Column, end: Column) -> Iterator[tuple[str, ...]]:
    """Two times of a row, the later one after the first: how long it takes, and what is still open."""
    if not ENDED.search(end.name):
        return
    pairs = [(row[p.at(begin.name)].strip(), row[p.at(end.name)].strip()) for row in p.rows[:20_000]]
    empty = {"", *p.nulls}
    taken = [(end.moment(b) - begin.moment(a)).total_seconds() for a, b in pairs if a not in empty and b not in empty]
    if not taken or sum(seconds >= 0 for seconds in taken) < 0.9 * len(taken):
        return
    usual = median(seconds for seconds in taken if seconds >= 0)
    unit = "d" if usual >= 2 * 86400 or begin.whole_days else "h" if usual >= 2 * 3600 else "min"
    what = f"{begin.written.strip()} to {end.written.strip()}"
    yield (
        f"{end.name}_p90", f"{what}, nine of ten", f"p90: {end.name} - {begin.name}", "lower",
        "nine of ten take at most so long", f"time: {end.name}", f"unit: {unit}",
    )  # fmt: skip
    if end.filled < begin.filled:
        yield (
            f"open_until_{end.name}", f"Open: no {end.written.strip()} yet",
            f"stock: {{opened: {begin.name}, closed: {end.name}}}", "lower", "how many are open at the period's end",
        )  # fmt: skip
