"""What a database says when it cannot, in words for the person who wrote the source; secrets taken out."""

from __future__ import annotations

import re
from typing import Any

from connectors.contract import SourceFailed
from connectors.redaction import Redaction

CHECK_NAME = "the user name and password in the url"
BY_STATE: dict[str, tuple[str, str, bool]] = {
    "28": ("the database refused the sign-in", f"check {CHECK_NAME}", False),
    "3D": ("there is no such database", "check the name at the end of the url", False),
    "42P01": (
        "the query names a table that is not there",
        "check its name and schema, and what this user may see",
        False,
    ),
    "42703": ("the query names a column that is not there", "was it renamed?", False),
    "42601": ("the query is not valid SQL", "try it in a database client", False),
    "42501": ("this user may not read that", "grant SELECT to it", False),
    "25006": ("the query would change data", "a source only reads: write one SELECT", False),
    "57014": ("the query took too long", "make it faster (an index?), or pull in steps with a cursor", False),
    "53300": ("the database has no connection free", "it will be tried again", True),
    "40": ("another transaction was in the way", "it will be tried again", True),
    "55P03": ("a lock was in the way", "it will be tried again", True),
    "57P": ("the database is shutting down or starting", "it will be tried again", True),
    "08": ("the connection to the database broke", "it will be tried again", True),
}
UNREACHABLE = "is the database up, and are host and port in the url right?"
UNREACHED = (
    r"refused|timed? ?out|timeout expired|could not translate|name or service|no route|unreachable|getaddrinfo|resolve"
    r"|connection is closed|can't connect"
)
BROKEN = (
    r"closed (the connection|unexpectedly)|connection (was )?(killed|reset|lost)|lost connection|gone away|broken pipe"
    r"|eof detected|server shutdown|could not (receive|send) data"
)
BY_WORDS: tuple[tuple[str, str, str, bool], ...] = (
    (r"authentication failed|access denied|login failed|no password supplied|role .* does not exist", *BY_STATE["28"]),
    (r"database \S+ does not exist|unknown database", *BY_STATE["3D"]),
    (r"no such table|doesn't exist|invalid object name", *BY_STATE["42P01"]),
    (r"no such column|unknown column|invalid column name", *BY_STATE["42703"]),
    (r"syntax error|error in your sql syntax|incomplete input|unrecognized token", *BY_STATE["42601"]),
    (r"interrupted|statement timeout|execution was interrupted|maximum statement execution time", *BY_STATE["57014"]),
    (r"database is locked|database table is locked|lock wait timeout|deadlock", *BY_STATE["55P03"]),
    (r"readonly database|read-only transaction|not authorized", *BY_STATE["25006"]),
    (r"file is not a database|malformed", "the file is not a sound SQLite database", "check the path in the url", False),
    (r"could not decode", "a text in the database is not UTF-8", "cast the column to blob, or mend it", False),
    (r"system is (starting up|shutting down|in recovery|not yet accepting)|in recovery mode", *BY_STATE["57P"]),
    (r"too many (connections|clients)|connection slots", *BY_STATE["53300"]),
    (BROKEN, *BY_STATE["08"]),
    (UNREACHED, "the database cannot be reached", UNREACHABLE, True),
)  # fmt: skip


def as_failure(error: BaseException, redaction: Redaction, address: str) -> SourceFailed:
    """A driver's error as SourceFailed: what it means, what the database said, what to do."""
    original: Any = getattr(error, "orig", None) or error
    said = _said(original)
    state = str(getattr(original, "sqlstate", None) or "")
    found = next((BY_STATE[key] for key in (state, state[:3], state[:2]) if key in BY_STATE), None)
    if found is None:
        text = str(original).lower()
        found = next(((what, hint, retry) for words, what, hint, retry in BY_WORDS if re.search(words, text)), None)
    what, hint, retry = found or ("the database reports an error", "try the query in a database client", False)
    return SourceFailed(redaction.clean(f"{what} ({address}): {said}"), hint=hint, retry=retry)


def _said(original: Any) -> str:
    """The first line of what the database said."""
    diagnosis = getattr(original, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    if not primary:
        words = [str(part) for part in original.args] if getattr(original, "args", None) else [str(original)]
        primary = next((line.strip() for line in words[-1].splitlines() if line.strip()), type(original).__name__)
    return str(primary)
