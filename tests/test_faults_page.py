"""docs/faults.md: every fault of the list stands there, with tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<numbers>[\d, -]+) \| (?P<fault>[^|]+) \| (?P<then>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE
)


def numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_every_fault_is_there_once() -> None:
    faults, inputs = PAGE.split("## Bad input")
    for text, wanted in ((faults, {*range(1, 37), 41, 42}), (inputs, {*range(1, 59), 67})):
        listed = [number for row in ROW.finditer(text) for number in sorted(numbers(row["numbers"]))]
        assert sorted(listed) == sorted(wanted)


def test_every_test_that_is_named_exists() -> None:
    known = {
        f"{path.name}::{node.name}"
        for path in (ROOT / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    rows = list(ROW.finditer(PAGE))
    assert len(rows) > 40
    for row in rows:
        named = re.findall(r"`([^`]+)`", row["tests"])
        assert named, row["fault"]
        assert not set(named) - known, row["fault"]
