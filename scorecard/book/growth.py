"""How long an expression can make a text. A statement is interrupted between portions of rows, never within one value: what
makes a value ever longer would run, and take memory, for as long as it likes."""

from __future__ import annotations

from scorecard.book.outline import Outline

TIMES_AT_MOST, CHARACTERS_AT_MOST = 100.0, 100_000.0
SHORT = (0.0, 40.0)
"""What numbers, times and conditions take as texts."""
KEEPS_TEXT = frozenset(
    {"lower", "upper", "trim", "ltrim", "rtrim", "left", "right", "substring", "substr", "concat", "split_part", "strip_accents",
     "coalesce", "ifnull", "nullif", "if", "greatest", "least", "cast", "try_cast", "min", "max"}
)  # fmt: skip
FORMS = frozenset({"group", "joined", "case", "cast"})


def growing(outline: Outline) -> tuple[int, str, str] | None:
    """(offset, what is wrong, hint) of the first ``replace`` by which a value may become more than a hundred times as long
    as what it is made of; None: there is none."""
    for node in outline.walk():
        if node.name != "replace" or len(node.parts) != 3:
            continue
        if _longest(node.parts[2])[0]:
            hint = "write it out: replace(text, '-', ' ')"
            return node.at, "the new text of 'replace' must not come from the rows", hint
        times, characters = _longest(node)
        if times > TIMES_AT_MOST or characters > CHARACTERS_AT_MOST:
            much = f"{TIMES_AT_MOST:g} times as long"
            return node.at, f"'replace' could make a text more than {much}", "replace by something shorter"
    return None


def _longest(node: Outline) -> tuple[float, float]:
    """(so many times the longest value of the rows, and so many characters besides) is the longest that can come of it."""
    if node.form == "text":
        return 0.0, float(len(node.name))
    if node.form == "column":
        return 1.0, 0.0
    if node.name == "replace" and len(node.parts) == 3:
        text, old, new = node.parts
        (times, characters), (_, longer) = _longest(text), _longest(new)
        shorter = len(old.name) if old.form == "text" else 1
        grows = max(1.0, longer / max(1, shorter))
        return times * grows, characters * grows
    if node.form in FORMS or node.name in KEEPS_TEXT:
        parts = [_longest(part) for part in node.parts]
        return sum(times for times, _ in parts), sum(characters for _, characters in parts) + SHORT[1]
    return SHORT
