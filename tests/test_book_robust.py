"""Whatever a file holds, reading it gives a book or problems with places: never a traceback, never a secret."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from scorecard.book.read import check_columns, read_book, read_lenient
from scorecard.ground.errors import Refused
from tests.bookfiles import COMPLETE, ENVIRONMENT, GOOD, complete_folder

PIECES = (
    *"{}[]: \n'\"*&!|>-#~%(),;\\\t",
    "${X}", "${ERP_URL}", "null", "0", "-1", "1e400", "99999999999999999999w", "()", "select", "é", "ﷺ", "²", "٣", "pp", "[[", "{a: b}", "? ",
    "'''", "\x85", "\u2028", "p90", "inf", "nan", "organization", "{a: 1}", "[1, 2]", "[]", "{}",
)  # fmt: skip


def spoilt(text: str, dice: random.Random) -> str:
    """The text with a few characters, lines or values changed."""
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(text))
        until = min(len(text), at + dice.randint(0, 12))
        choice = dice.random()
        if choice < 0.6:
            text = text[:at] + dice.choice((*PIECES, "")) + text[until:]
        elif choice < 0.8:
            lines = text.split("\n")
            lines[dice.randrange(len(lines))] = dice.choice(lines)
            text = "\n".join(lines)
        elif values := list(re.finditer(r": ([^\n{\[]+)", text)):
            value = dice.choice(values)
            text = text[: value.start(1)] + dice.choice(PIECES) + text[value.end(1) :]
    return text


@pytest.mark.parametrize("seed", range(8))
def test_spoilt_files_give_problems_and_nothing_else(seed: int, tmp_path: Path) -> None:
    path = complete_folder(tmp_path)
    dice = random.Random(seed)
    refused = 0
    for _ in range(25):
        text = spoilt(dice.choice((GOOD, COMPLETE)), dice)
        try:
            check_columns(read_book(path, environment=ENVIRONMENT, text=text), {"tickets": {"score": "BIGINT"}})
        except Refused as wrong:
            refused += 1
            said, severities = str(wrong), {problem.severity for problem in wrong.problems}
        else:
            said, severities = "", {"error"}
        assert "error" in severities
        assert "canary" not in said
        try:
            book, problems = read_lenient(path, environment=ENVIRONMENT, text=text)
        except Refused:
            continue
        assert "canary" not in " ".join(map(str, (*problems, *book.warnings)))
        assert all(metric.process is None or metric.process in book.processes for metric in book.metrics.values())
        assert all(metric.source is None or metric.source in book.sources for metric in book.metrics.values())
    assert refused > 5
