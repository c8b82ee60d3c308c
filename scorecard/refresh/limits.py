"""How many pulls run at the same time: in all, and against one host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scorecard.book.model.source import Source

_AUTHORITY = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)", re.IGNORECASE)
_ELSEWHERE = re.compile(r"(?:[?&]host=|(?:^|[;=]|%3B|%3D)(?:server|data source)(?:=|%3D))([^&;%,\\]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """``workers``: pulls at the same time. ``per_host``: of them against one host; files of this machine are none."""

    workers: int = 8
    per_host: int = 4


def host_of(source: Source) -> str | None:
    """The host that a source is pulled from, in small letters and without its port; None for files and databases in files."""
    return _host(source.options)


def _host(options: Mapping[str, Any]) -> str | None:
    for name in ("url", "path", "dsn"):
        found = _AUTHORITY.match(str(options.get(name) or ""))
        if found is None or found[1].lower().startswith(("sqlite", "duckdb", "file")):
            continue
        host = found[2].rpartition("@")[2]
        host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if host:
            return host.lower().rstrip(".")
        elsewhere = _ELSEWHERE.search(str(options[name])[found.end() :])
        return elsewhere[1].strip().lower() if elsewhere is not None and elsewhere[1][:1] != "/" else "localhost"
    return None
