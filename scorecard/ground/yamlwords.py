"""YAML's own errors in words that say what to do."""

from __future__ import annotations

from typing import Any

from scorecard.ground.errors import Place, Problem

QUOTE = "put the whole value in quotes"
SPACES = "indent with spaces"


def translate(wrong: Any, text: str, name: str) -> Problem:
    """One syntax error as a Problem at the place that a person would look at."""
    found = str(wrong.problem or wrong)
    mark, begin = wrong.problem_mark or wrong.context_mark, wrong.context_mark or wrong.problem_mark
    if mark is None:
        return Problem(f"this is not YAML: {found}", Place(name))

    def at(spot: Any, message: str, hint: str | None) -> Problem:
        return Problem(message, Place(name, spot.line + 1, spot.column + 1), hint)

    character = text[mark.index : mark.index + 1]
    before = text[mark.index - mark.column : mark.index]
    if "tab character" in found or (character == "\t" and "cannot start" in found):
        return at(mark, "a tab stands where spaces are expected", SPACES)
    if "cannot start any token" in found:
        return at(mark, f"a value cannot begin with '{character}'", QUOTE)
    if "block scalar" in str(wrong.context):
        return at(begin, f"a value cannot begin with '{text[begin.index : begin.index + 1]}'", QUOTE)
    if "block sequence entries are not allowed" in found:
        return at(mark, "a value cannot begin with '-' and a space", QUOTE)
    if "mapping values are not allowed" in found:
        if ": " in before:
            return at(mark, "a second ': ' on this line", QUOTE)
        return at(
            mark, "this line is indented under a line that has a value already", "line it up with the keys around it"
        )
    if "did not find expected ','" in found:
        opening = text[begin.index : begin.index + 1]
        if mark.line > begin.line:
            return at(
                begin,
                f"the '{opening}' is not closed",
                f"a missing '{']' if opening == '[' else '}'}', or a value to be quoted",
            )
        return at(
            mark,
            f"unexpected '{character}' inside '{opening}'",
            "quote any value that holds a comma, bracket, brace or colon",
        )
    if "quoted scalar" in str(wrong.context) and ("end of stream" in found or "document indicator" in found):
        return at(begin, "the quote is never closed", "end the value with the same quote")
    if "escape" in found:
        return at(
            mark, "in double quotes a backslash begins an escape, and this is none", "use single quotes, or write \\\\"
        )
    if "could not find expected ':'" in found:
        return at(
            begin,
            "this line is not 'key: value'",
            "a missing colon, a space after it, or a quote that is not closed above",
        )
    return _unexpected(found, mark, before, character, at)


def _unexpected(found: str, mark: Any, before: str, character: str, at: Any) -> Problem:
    if "did not find expected node content" in found:
        seen = f"a value cannot begin with '{character}'" if character.strip() else "a value is missing here"
        problem: Problem = at(mark, seen, QUOTE)
    elif "did not find expected key" in found or "expected '-' indicator" in found:
        if before.strip(" -"):
            problem = at(mark, f"unexpected '{character}' after the end of the value", QUOTE)
        else:
            problem = at(mark, "this line lines up with nothing above it", "check its indentation")
    else:
        problem = at(mark, f"this is not YAML: {found}", QUOTE)
    return problem
