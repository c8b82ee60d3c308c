"""Numbers with the unit's rules: on percent metrics `85%` and `3pp`, elsewhere bare numbers and relative tolerances."""

from __future__ import annotations

import re

from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.scalars import number, number_hint
from scorecard.ground.paper import hundredth
from scorecard.ground.yamlfile import YamlNode, YamlText
from scorecard.judgement.targets import Tolerance

PERCENT_WORDS = {"percent", "%"}
MICROSECONDS = {"s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6}
_UNIT_NAMES = {
    "sec": "s", "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "mins": "min",
    "hour": "h", "hours": "h", "hrs": "h", "day": "d", "days": "d",
}  # fmt: skip
_MEANT_PERCENT = {"pct", "per cent", "percentage", "prozent"}


def unit_of(text: str | None) -> str | None:
    return "percent" if text in PERCENT_WORDS else text


def microseconds(unit: str | None) -> int | None:
    """The size of a unit of time; None for any other unit."""
    text = (unit or "").lower()
    return MICROSECONDS.get(_UNIT_NAMES.get(text, text))


def meant_percent(text: str) -> bool:
    return text.lower() in _MEANT_PERCENT or (text.lower() in PERCENT_WORDS and text not in PERCENT_WORDS)


def read_limit(node: YamlNode, key: str, owner: str, percent: bool, notes: Notes) -> float | None:
    """A limit in the metric's unit, shares as fractions; None after a report."""
    if not isinstance(node, YamlText):
        notes.error(
            node, f"'{key}' of {owner} is '{shown(node)}', expected a {'share such as 85%' if percent else 'number'}"
        )
        return None
    text = node.text.strip()
    if node.empty:
        return None
    share = text.endswith("%")
    value = number(text.removesuffix("%").strip() if share else text)
    if value is None:
        expected = "a share such as 85%" if percent else "a number"
        hint = number_hint(text) or (
            "the unit stands in 'unit'" if re.match(r"[-+]?\d+(\.\d+)?\s*[A-Za-z€$£]", text) else None
        )
        notes.error(node, f"'{key}' of {owner} is '{shown(node)}', expected {expected}", hint)
        return None
    if percent and not share:
        as_percent = f"{value * 100:g}%" if 0 < abs(value) <= 1 else f"{value:g}%"
        notes.error(
            node, f"'{key}' of {owner} is '{shown(node)}', a bare number on a percent metric", f"write {as_percent}"
        )
        return None
    if share and not percent:
        hint = f"write {value:g}, or add 'unit: percent'"
        notes.error(node, f"'{key}' of {owner} is '{shown(node)}', and its unit is not percent", hint)
        return None
    return hundredth(value) if share else value


def read_tolerance(node: YamlNode, owner: str, percent: bool, notes: Notes) -> Tolerance | None:
    """`3pp` on percent metrics (absolute, a fraction), `15%` (relative) or a bare number (absolute) elsewhere."""
    expected = "points such as 3pp" if percent else "a share such as 15%, or a number"
    text = node.text.strip() if isinstance(node, YamlText) else ""
    if isinstance(node, YamlText) and node.empty:
        return None
    found = re.fullmatch(r"\+?([0-9.eE+-]+?)\s*(%|pp)?", text)
    value = None if found is None else number(found[1])
    unit = None if found is None else found[2]
    if value is None or value < 0:
        notes.error(node, f"'tolerance' of {owner} is '{shown(node)}', expected {expected}")
        return None
    if percent and unit != "pp":
        message = f"'tolerance' of {owner} is '{shown(node)}', expected {expected}: on a percent metric it is in pp"
        notes.error(node, message, f"write {value:g}pp")
        return None
    if not percent and unit == "pp":
        notes.error(
            node,
            f"'tolerance' of {owner} is '{shown(node)}', and pp are for percent metrics",
            f"write {value:g}% or a number",
        )
        return None
    return Tolerance(hundredth(value) if unit else value, relative=unit == "%")


def read_materiality(node: YamlNode, owner: str, percent: bool, notes: Notes) -> Tolerance | None:
    """`5%`: of the number itself; `2pp` on percent metrics and a bare number on others: in its unit. None after a report."""
    text = node.text.strip() if isinstance(node, YamlText) else ""
    if isinstance(node, YamlText) and node.empty:
        return None
    found = re.fullmatch(r"([0-9.eE+-]+?)\s*(%|pp)?", text)
    value = None if found is None else number(found[1])
    unit = None if found is None else found[2]
    expected = "5% of the number, or points such as 2pp" if percent else "5% of the number, or a number"
    if value is None or value < 0 or (percent and unit is None) or (not percent and unit == "pp"):
        notes.error(node, f"'materiality' of {owner} is '{shown(node)}', expected {expected}")
        return None
    return Tolerance(hundredth(value) if unit else value, relative=unit == "%")


def read_change(node: YamlNode, owner: str, percent: bool, notes: Notes) -> tuple[float, bool] | None:
    """(change, in points): `+10%`, or `-2pp` on percent metrics; None after a report."""
    text = node.text.strip() if isinstance(node, YamlText) else ""
    found = re.fullmatch(r"([-+]?[0-9.]+)\s*(%|pp)", text)
    value = None if found is None else number(found[1])
    if found is None or value is None:
        hint = f"write {text}%" if number(text) is not None else None
        notes.error(node, f"'change' of {owner} is '{shown(node)}', expected a change such as +10%", hint)
        return None
    if found[2] == "pp" and not percent:
        notes.error(
            node, f"'change' of {owner} is '{shown(node)}', and pp are for percent metrics", f"write {found[1]}%"
        )
        return None
    return hundredth(value), found[2] == "pp"


_CURRENCIES = frozenset({
    "eur", "usd", "gbp", "chf", "jpy", "cny", "inr", "aud", "cad", "nzd", "sek", "nok", "dkk", "pln", "czk", "huf", "ron", "try",
    "brl", "mxn", "zar", "sgd", "hkd", "krw", "ils", "aed", "sar", "thb", "€", "$", "£", "¥", "₹", "euro", "euros", "dollars",
    "pounds", "keur", "kusd", "k€", "k$", "m€", "m$", "meur", "musd",
})  # fmt: skip


def is_currency(unit: str | None) -> bool:
    """Whether amounts in a unit are nominal money: ``EUR``, ``k€``, ``USD per month``."""
    return (
        unit is not None and unit.split()[0].split("/")[0].casefold() in _CURRENCIES if unit and unit.split() else False
    )
