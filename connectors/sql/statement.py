"""One SELECT and its ``:cursor``: a look at the text that any dialect can stand, strings and comments left out."""

from __future__ import annotations

import re

from connectors.contract import SourceFailed

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
INTO_FILES = {"outfile", "dumpfile"}
"""MySQL's SELECT INTO OUTFILE changes no data, so that no read-only transaction stops it."""


def prepare_statement(query: str, *, has_cursor: bool) -> tuple[str, bool]:
    """The query with every colon but the cursor's escaped for SQLAlchemy, and whether it uses ``:cursor``.

    Raises SourceFailed: empty, more than one statement, anything but a SELECT, ``:cursor`` without a cursor.
    """
    written: list[str] = []
    words: list[str] = []
    ended = uses = False
    bracket = False
    for match in PARTS.finditer(query.strip()):
        kind, text = match.lastgroup, match.group()
        if kind == "tag":
            kind = "aside"
        comment = kind == "aside" and text.startswith(("--", "/*"))
        if ended and not comment and text.strip():
            raise SourceFailed(
                "the query holds more than one statement", hint="write one SELECT; joins and WITH are fine"
            )
        if kind == "end":
            ended = True
            continue
        if kind == "word":
            word = text.lower()
            if bracket and word in WRITING:
                raise SourceFailed(
                    f"the query would change data ({word.upper()})", hint="a source only reads: write one SELECT"
                )
            if word in INTO_FILES:
                raise SourceFailed(
                    "the query would write a file (INTO OUTFILE)", hint="a source only reads: write one SELECT"
                )
            words.append(word)
        bracket = text == "(" or (bracket and (comment or not text.strip()))
        if kind == "name" and text.lower() == ":cursor":
            uses = True
            written.append(":cursor")
        else:
            written.append(text.replace(":", "\\:"))
    first = next(iter(words), None)
    if first is None:
        raise SourceFailed("query: missing", hint="write one SELECT")
    if first not in BEGINNINGS:
        raise SourceFailed(f"the query begins with {first.upper()}", hint="a source only reads: write one SELECT")
    main = next(
        (word for word in words if word in {"select", "values", "table", "insert", "update", "delete", "merge"}), None
    )
    if main in WRITING:
        raise SourceFailed(
            f"the query would change data ({main.upper()})", hint="a source only reads: write one SELECT"
        )
    if uses and not has_cursor:
        hint = "add cursor: {column: ...}, or take :cursor out of the query"
        raise SourceFailed("the query uses :cursor, and the source declares no cursor", hint=hint)
    return "".join(written), uses
