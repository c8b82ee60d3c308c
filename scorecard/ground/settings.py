"""Settings that are not analysts': `settings.toml` beside metrics.yaml; the environment overrides."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from scorecard.ground.errors import Place, Problem, Refused, did_you_mean

PREFIX = "SCORECARD_"


@dataclass(frozen=True, slots=True)
class Settings:
    """``journal``: a SQLAlchemy URL, or empty for `journal.sqlite` in the data folder. ``memory_limit``: DuckDB's, e.g. 2GB.

    ``hosts``: names besides loopback under which the pages may be reached. ``embed_from``: origins that may frame
    `/embed/…`. ``audit_at``: the local time at which kept numbers are compared with their rows each night, empty for
    never. ``workers``: pulls at the same time, ``per_host`` of them against one host. After a network or lock error a source is
    tried again after 5 s, 10 s, 20 s …, ``retry_at_most`` seconds at the longest; ``breaker_after`` of them in a row open its
    breaker. ``origin`` says where each value came from.
    """

    journal: str = ""
    memory_limit: str = "2GB"
    threads: int = 2
    workers: int = 8
    per_host: int = 4
    retry_at_most: int = 300
    breaker_after: int = 5
    hosts: tuple[str, ...] = ()
    embed_from: tuple[str, ...] = ()
    address: str = ""
    audit_at: str = "03:30"
    origin: Mapping[str, str] = field(default_factory=dict, compare=False)


def read_settings(folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a folder: defaults, then `settings.toml`, then SCORECARD_<NAME>. Refused with all mistakes at once."""
    environment = os.environ if environment is None else environment
    path = folder / "settings.toml"
    written: dict[str, object] = {}
    if path.exists():
        try:
            written = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Refused(Problem(f"not TOML: {error}", Place(str(path)), "see https://toml.io")) from None
    known = {f.name: f.default for f in fields(Settings) if f.name != "origin"}
    problems = [
        Problem(
            f"unknown setting '{name}'", Place(str(path)), did_you_mean(name, known) or f"known: {', '.join(known)}"
        )
        for name in written
        if name not in known
    ]
    values: dict[str, object] = {}
    origin = dict.fromkeys(known, "default")
    for name, default in known.items():
        for value, where in (
            (written.get(name), str(path)),
            (environment.get(PREFIX + name.upper()), PREFIX + name.upper()),
        ):
            if value is None:
                continue
            try:
                values[name] = _shaped(value, default)
                _check(name, values[name])
                origin[name] = where
            except (TypeError, ValueError):
                kind = _WANTED.get(name) or _kind(default)
                problems.append(Problem(f"setting '{name}': {value!r} is not {kind}", Place(where)))
    if problems:
        raise Refused(*problems)
    return Settings(**values, origin=origin)  # type: ignore[arg-type]  # each value was shaped like its default


def _shaped(value: object, default: object) -> object:
    if isinstance(default, tuple):
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(isinstance(p, str) for p in parts):
            raise TypeError
        return tuple(p.strip() for p in parts if p.strip())
    if isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise TypeError
        return int(value)
    if not isinstance(value, str):
        raise TypeError
    return value


_COUNTS = ("threads", "workers", "per_host", "retry_at_most", "breaker_after")
_WANTED = {"audit_at": "a time of day such as 03:30", **dict.fromkeys(_COUNTS, "a whole number of at least 1")}


def _check(name: str, value: object) -> None:
    """ValueError for what is no time of day (empty is none), and for a count below 1."""
    if name == "audit_at" and value and not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", str(value)):
        raise ValueError(value)
    if name in _COUNTS and isinstance(value, int) and value < 1:
        raise ValueError(value)


def _kind(default: object) -> str:
    return {"tuple": "a list of texts", "int": "a whole number"}.get(type(default).__name__, "a text")
