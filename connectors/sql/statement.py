"""One SELECT and its ``:cursor``: a look at the text that any dialect can stand, strings and comments left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PARTS = re.compile(
    r"""
    (?P<aside>  '(?:[^']|'')*'            # a string
              | "(?:[^"]|"")*"            # a name
              | `(?:[^`]|``)*`            # a name in MySQL
              | \[(?=[A-Za-z_ ])[^\]\n:]*\] # a name in SQL Server; an array's brackets do no harm here
              | --[^\n]*
              | /\*.*?\*/
              | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$
    )
    | (?P<cast>::)
    | :(?P<name>[A-Za-z_]\w*)
    | (?P<colon>:)
    | (?P<end>;)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<rest>.)
    """,
    re.VERBOSE | re.DOTALL,
)
BEGINNINGS = {"select", "with", "values", "table"}
WRITING = {"insert", "update", "delete", "merge", "truncate", "drop", "alter", "create", "grant", "attach", "copy"}
READS_ONLY = "a source only reads: write one SELECT"
INTO_FILES = {"outfile", "dumpfile"}
"""MySQL's SELECT INTO OUTFILE changes no data, so that no read-only transaction stops it."""


@dataclass(slots=True)
class Statement:
    """A query as it is read: what is sent, whether it uses ``:cursor``, and (what is wrong, hint) where something is."""

    written: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    uses: bool = False
    wrong: tuple[str, str] | None = None


def prepare_statement(query: str, *, has_cursor: bool) -> tuple[str, bool]:
    """The query with every colon but the cursor's escaped for SQLAlchemy, and whether it uses ``:cursor``.

    Raises SourceFailed: empty, more than one statement, anything but a SELECT, ``:cursor`` without a cursor.
    """
    from connectors.contract import SourceFailed  # with pyarrow, which a look at the text does not need

    read = _read(query)
    if read.wrong is not None:
        raise SourceFailed(f"the query {read.wrong[0]}", hint=read.wrong[1])
    if read.uses and not has_cursor:
        hint = "add cursor: {column: ...}, or take :cursor out of the query"
        raise SourceFailed("the query uses :cursor, and the source declares no cursor", hint=hint)
    return "".join(read.written), read.uses


def statement_mistake(query: str) -> tuple[str, str] | None:
    """(what is wrong with the query, hint), to be read behind its name; None where it is one SELECT."""
    return _read(query).wrong


def _read(query: str) -> Statement:
    read = Statement()
    ended = bracket = False
    for match in PARTS.finditer(query.strip()):
        kind, text = match.lastgroup, match.group()
        if kind == "tag":
            kind = "aside"
        comment = kind == "aside" and text.startswith(("--", "/*"))
        if ended and not comment and text.strip():
            read.wrong = "holds more than one statement", "write one SELECT; joins and WITH are fine"
            return read
        if kind == "end":
            ended = True
            continue
        if kind == "word":
            word = text.lower()
            if bracket and word in WRITING:
                read.wrong = _writing(word)
                return read
            if word in INTO_FILES:
                read.wrong = "would write a file (INTO OUTFILE)", READS_ONLY
                return read
            read.words.append(word)
        bracket = text == "(" or (bracket and (comment or not text.strip()))
        if kind == "name" and text.lower() == ":cursor":
            read.uses = True
            read.written.append(":cursor")
        else:
            read.written.append(text.replace(":", "\\:"))
    read.wrong = _beginning(read.words)
    return read


def _beginning(words: list[str]) -> tuple[str, str] | None:
    if not words:
        return "is missing", "write one SELECT"
    if words[0] not in BEGINNINGS:
        return f"begins with {words[0].upper()}", READS_ONLY
    does = {"select", "values", "table", "insert", "update", "delete", "merge"}
    main = next((word for word in words if word in does), None)
    return _writing(main) if main in WRITING else None


def _writing(word: str | None) -> tuple[str, str]:
    return f"would change data ({(word or '').upper()})", READS_ONLY
