"""Column names as the warehouse and metrics.yaml write them: the same for every kind of source."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

RESERVED = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "default",
        "deferrable",
        "desc",
        "describe",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "group",
        "having",
        "in",
        "initially",
        "intersect",
        "into",
        "lambda",
        "lateral",
        "leading",
        "limit",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "pivot",
        "pivot_longer",
        "pivot_wider",
        "placing",
        "primary",
        "qualify",
        "references",
        "returning",
        "select",
        "show",
        "some",
        "summarize",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "unpivot",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
    ]
)
"""SQL words that cannot be a bare name (a test compares them with the installed DuckDB)."""

_RUN = re.compile(r"[^a-z0-9]+")
# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"}
)


def normalise(name: str, position: int = 1) -> str:
    """``Created Date`` → ``created_date``. ``position`` (from 1) names a column whose name leaves nothing: ``column_3``.

    Accents are dropped, every run of other characters becomes one ``_``, outer ``_`` go; a leading digit gets ``c_`` in
    front, a reserved word ``_`` behind.
    """
    plain = name.casefold().translate(_LETTERS)
    if not plain.isascii():
        parts = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in parts if not unicodedata.combining(c)).casefold().translate(_LETTERS)
    plain = _RUN.sub("_", plain).strip("_")
    if not plain:
        return f"column_{position}"
    if plain[0].isdigit():
        plain = "c_" + plain
    return plain + "_" if plain in RESERVED else plain


def normalise_all(names: Iterable[str]) -> tuple[str, ...]:
    """All names of one table, in order; they may collide (``collisions`` tells)."""
    return tuple(normalise(name, position) for position, name in enumerate(names, start=1))


def collisions(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Normalised name → the written names that share it, for those that are not alone."""
    written: dict[str, list[str]] = {}
    for position, name in enumerate(names, start=1):
        written.setdefault(normalise(name, position), []).append(name)
    return {name: tuple(found) for name, found in written.items() if len(found) > 1}
