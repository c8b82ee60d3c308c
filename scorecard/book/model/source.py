"""Where rows come from, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from scorecard.ground.errors import Place
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlText

ColumnType = Literal["timestamp", "date", "epoch_s", "epoch_ms", "double", "integer", "decimal", "text", "boolean"]


@dataclass(frozen=True, slots=True)
class Column:
    """A declared column. ``name`` is normalised, ``written`` is how the YAML writes it, ``format`` a strptime pattern."""

    name: str
    written: str
    type: ColumnType
    format: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exactly one is set: ``every_seconds``, or ``cron`` (five fields, in the organisation's time zone)."""

    every_seconds: int | None = None
    cron: str | None = None


@dataclass(frozen=True, slots=True)
class SourceCursor:
    """``start`` is the value of the first pull; ``lookback_seconds`` is taken off the newest value of later ones."""

    column: str
    start: Any = None
    lookback_seconds: int = 0
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A gate on the table as it would be after the load.

    ``node`` is where the SQL stands, for the places in it.
    ``rows``: ``drop_at_most`` (share 0..1) and/or ``at_least``; ``newest``: ``back_at_most`` and/or ``within``, in seconds;
    ``not_null``/``unique``: ``columns``; ``sql``: ``text``. ``apart``: it may run away, so it is asked in a process of its
    own, with ``tables`` and of these the columns that are ``named`` (None: all).
    """

    kind: Literal["rows", "newest", "not_null", "unique", "sql"]
    columns: tuple[str, ...] = ()
    drop_at_most: float | None = None
    at_least: int | None = None
    back_at_most: int | None = None
    within: int | None = None
    text: str | None = None
    apart: bool = False
    tables: tuple[str, ...] = ()
    named: frozenset[str] | None = None
    place: Place | None = None
    node: YamlText | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Keep:
    """Which earlier generations can be put back: those within all three limits. ``generations`` None: 20 whole tables, or
    1000 changes. Sizes are bytes, times seconds."""

    generations: int | None = None
    for_seconds: int = 7 * 86_400
    at_most: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class KeepRaw:
    """How long what a source gave is kept as it came, and the most bytes on the disk for it."""

    for_seconds: int
    at_most: int = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """``options`` are the kind's own keys as plain values, secrets filled in (``secrets`` lists those for redaction).

    ``mode``: ``upsert`` (a key), ``append`` (a cursor, no key), ``replace``. ``time`` and every other column name is
    normalised. ``quarantine_at_most`` is a share 0..1. Durations are seconds. ``deleted``: the column by which a row says
    that it is gone (with a key).
    """

    name: str
    kind: Literal["csv", "sql", "http", "external"]
    options: Mapping[str, Any]
    schedule: Schedule
    key: tuple[str, ...] = ()
    mode: Literal["replace", "upsert", "append"] = "replace"
    time: str | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    timezone: str = "UTC"
    cursor: SourceCursor | None = None
    fresh_for_seconds: int | None = None
    quiet_for_seconds: int | None = None
    full_schedule: Schedule | None = None
    quarantine_at_most: float = 0.01
    checks: tuple[Check, ...] = ()
    keep: Keep = field(default_factory=Keep)
    keep_raw: KeepRaw | None = None
    secrets: tuple[str, ...] = ()
    place: Place | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    deleted: str | None = None
