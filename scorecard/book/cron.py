"""Cron lines of five fields: minute hour day month weekday."""

from __future__ import annotations

import re

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "weekday": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}


def cron_mistake(text: str) -> tuple[int, str] | None:
    """(offset, what is wrong) of the first mistake, or None: lists, ranges, steps and English names are understood."""
    words = list(re.finditer(r"\S+", text))
    if len(words) != 5:
        return 0, f"{len(words)} fields, expected five"
    for word, (name, low, high) in zip(words, _FIELDS, strict=True):
        for part in word[0].split(","):
            if not _part(part.lower(), name, low, high):
                return word.start(), f"'{part}' is no {name} ({low} to {high})"
    if never(words[2][0], words[3][0].lower(), words[4][0]):
        return words[2].start(), f"none of these months has a day '{words[2][0]}', so it never runs"
    return None


def never(day: str, month: str, weekday: str) -> bool:
    """Whether no month that is named has a day that is. Where weekdays are named too, one of the two is enough."""
    if not weekday.startswith("*") or day.startswith("*"):
        return False
    first = min(int(re.split("[-/]", part)[0]) for part in day.split(","))
    months = {number for part in month.split(",") for number in _numbers(part, "month", 1, 12)}
    return all(first > _LONGEST[number - 1] for number in months)


def _numbers(part: str, name: str, low: int, high: int) -> range:
    span, _, step = part.partition("/")
    begin, _, end = span.partition("-")
    if span == "*":
        return range(low, high + 1, int(step or 1))
    first = _value(begin, name) or low
    last = _value(end, name) if end else (high if step else first)
    return range(first, (last or high) + 1, int(step or 1))


def _part(part: str, name: str, low: int, high: int) -> bool:
    found = re.fullmatch(r"(\*|([0-9a-z]+)(-([0-9a-z]+))?)(/([0-9]+))?", part)
    if found is None or (found[6] is not None and not 1 <= int(found[6]) <= high):
        return False
    if found[1] == "*":
        return True
    first, last = _value(found[2], name), _value(found[4] or found[2], name)
    return first is not None and last is not None and low <= first <= last <= high


def _value(text: str, name: str) -> int | None:
    if text.isdigit():
        return int(text)
    names = _NAMES.get(name, ())
    return names.index(text) + (name == "month") if text in names else None
