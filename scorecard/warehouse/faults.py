"""What DuckDB complains of, said for people."""

from __future__ import annotations

import re

import duckdb

from scorecard.ground.errors import Problem, Refused, ScorecardError, Unavailable

DAMAGE = re.compile(
    r"checksum|corrupt|not a valid DuckDB|deserializ|serialization error|truncated|magic bytes|Could not read enough bytes",
    re.IGNORECASE,
)
SECONDS_TEXT = "it ran longer than {seconds:g} s and was stopped"


def first_lines(error: BaseException) -> str:
    """DuckDB's own words without its kind of error, the caret drawing and the link to its manual."""
    text = str(error).split("\n\nLINE ")[0].split("\n\nStack Trace")[0].split("\n\nPossible solutions")[0]
    text = re.sub(r"^[A-Za-z ]*Error: ", "", text.strip())
    text = re.sub(r"\s*See also https?://\S+", "", text)
    return re.sub(r"\s+", " ", text).strip()


def is_damage(error: BaseException) -> bool:
    """Whether the file itself is broken (not merely locked, full or of another version)."""
    # Only what storage itself says: a query may name a column `checksum`, and its complaint must not condemn the file.
    of_query = duckdb.ProgrammingError | duckdb.DataError | duckdb.IntegrityError | duckdb.NotSupportedError
    return not isinstance(error, of_query) and bool(DAMAGE.search(str(error))) and "version number" not in str(error)


def is_full(error: BaseException) -> bool:
    return "No space left on device" in str(error) or "failed to offload data block" in str(error)


def as_problem(error: BaseException) -> Problem:
    """The error in one sentence, with what to do next."""
    words = first_lines(error)
    if is_full(error):
        return Problem(f"the disk is full: {words}", hint="free some space; nothing was changed")
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return Problem(f"not enough memory: {words}", hint="raise the warehouse's memory limit or load less at once")
    if is_damage(error):
        return Problem(
            f"the warehouse file is damaged: {words}",
            hint="restart: the file is then set aside and filled again from the sources; notes are kept elsewhere",
        )
    return Problem(words)


def as_error(error: duckdb.Error) -> ScorecardError:
    """What a reader or writer outside this room gets to see."""
    problem = as_problem(error)
    # A statement that takes more memory than there is has itself to blame: the next one finds the memory free again.
    broken = duckdb.IOException | duckdb.FatalException | duckdb.InternalException
    if isinstance(error, broken) or is_full(error) or is_damage(error):
        return Unavailable(problem)
    return Refused(problem)
