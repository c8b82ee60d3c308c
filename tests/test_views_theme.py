"""Colours are the same everywhere, and can be read; words say what colours say."""

from __future__ import annotations

import re

import pytest

from scorecard.judgement.status import STATUSES
from scorecard.views.element import ASSETS
from scorecard.views.theme import COLOURS, REASON_WORDS, THEMES, WORDS, Theme, word


def styles(theme: Theme) -> dict[str, str]:
    """The variables that the stylesheet sets for a theme."""
    text = (ASSETS / "base.css").read_text()
    block = re.search(
        r":root\[data-theme=\"dark\"\] \{(.*?)\}" if theme == "dark" else r":root \{(.*?)\}", text, re.DOTALL
    )
    assert block is not None
    return dict(re.findall(r"--([a-z-]+): (#[0-9A-Fa-f]{6});", block.group(1)))


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_the_stylesheet_and_the_chart_have_the_same_colours(theme: Theme) -> None:
    assert {name: value for name, value in styles(theme).items() if name in COLOURS[theme]} == dict(COLOURS[theme])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("status", STATUSES)
def test_every_status_can_be_read_as_text_on_its_grounds(theme: Theme, status: str) -> None:
    shown = styles(theme)
    for ground in ("paper", "ground", f"{status}-tint"):
        assert contrast(shown[status], shown[ground]) >= 4.5, (theme, status, ground)
    assert contrast(shown["soft"], shown["ground"]) >= 4.5
    assert contrast(shown["accent"], shown["paper"]) >= 4.5
    assert contrast(shown["paper"], shown["red"]) >= 4.5  # the alarm of a wall


def test_every_status_and_reason_has_a_word_of_its_own() -> None:
    assert set(WORDS) == set(STATUSES)
    assert len(set(WORDS.values())) == len(WORDS)
    assert word("grey", "stale") == "Stale"
    assert word("grey", "something new") == "No data"
    assert word("neutral", "no_comparison") == "No comparison"
    assert word("red", "pace") == "Off target"
    assert set(REASON_WORDS) >= {"error", "held", "stale", "no_data", "not_started", "too_young", "too_few"}


def test_the_scripts_hold_nothing_that_the_policy_forbids() -> None:
    for script in ASSETS.glob("*.js"):
        text = script.read_text()
        assert not re.search(
            r"dangerouslySetInnerHTML|innerHTML|srcDoc|\beval\(|new Function|document\.write|javascript:(?!\|)", text
        ), script.name
        assert len(text.splitlines()) <= 400, script.name
    for style in ASSETS.glob("*.css"):
        assert not re.search(r"@import|url\((?!data:)", style.read_text()), style.name
