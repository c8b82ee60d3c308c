"""Status by shape, word and colour; the two palettes. The stylesheets and the chart say the same values.

Colours are those that were computed for contrast (4.5:1 for text, 3:1 for graphics) and for the common kinds of colour
blindness: green leans to teal on light and to sky on dark backgrounds, so that it never meets red.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from scorecard.judgement.status import Status

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

WORDS: Mapping[str, str] = {
    "green": "On target",
    "amber": "Watch",
    "red": "Off target",
    "neutral": "No target",
    "grey": "No data",
}
REASON_WORDS: Mapping[str, str] = {
    "error": "Error",
    "held": "Held",
    "stale": "Stale",
    "no_data": "No data",
    "not_started": "Not started",
    "too_young": "Too young",
    "too_few": "Too few",
    "no_comparison": "No comparison",
}

COLOURS: Mapping[Theme, Mapping[str, str]] = {
    "light": {
        "red": "#A4161A",
        "amber": "#9A5B00",
        "green": "#006D77",
        "grey": "#5F6B7A",
        "neutral": "#46536B",
        "paper": "#FFFFFF",
        "ground": "#F3F5F8",
        "ink": "#10161F",
        "soft": "#566273",
        "edge": "#DDE3EA",
        "line": "#33415C",
    },
    "dark": {
        "red": "#FF7A6E",
        "amber": "#FFD166",
        "green": "#4FC3F7",
        "grey": "#9AA5B1",
        "neutral": "#B7C3D6",
        "paper": "#141920",
        "ground": "#0B0E13",
        "ink": "#F1F4F8",
        "soft": "#9AA5B1",
        "edge": "#262E39",
        "line": "#C9D4E5",
    },
}
"""Text-sized colours: each has at least 4.5:1 on ``paper`` and on ``ground``."""


def word(status: Status, reason: str) -> str:
    """The word that stands beside the shape: why, where it is not a colour."""
    if status in ("grey", "neutral"):
        return REASON_WORDS.get(reason, WORDS[status])
    return WORDS[status]
