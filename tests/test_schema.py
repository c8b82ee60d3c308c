"""The JSON Schema accepts what the reader accepts, and refuses what an editor should mark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scorecard.book.functions import AGGREGATES, ROW_FUNCTIONS
from scorecard.book.notes import Notes
from scorecard.book.schema import json_schema
from scorecard.book.shapes.scalars import Anything
from scorecard.ground.yamlfile import parse
from tests.bookfiles import COMPLETE, GOOD

SCHEMA = json_schema()
ROOT = Path(__file__).parent.parent


def plain(text: str) -> Any:
    root, problems = parse(text, "metrics.yaml")
    assert root is not None
    assert problems == []
    return Anything().read(root, ("", ""), Notes())


def errors(text: str) -> list[str]:
    return [
        f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
        for e in Draft202012Validator(SCHEMA).iter_errors(plain(text))
    ]


def test_it_is_a_schema_and_plain_json() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("text", [COMPLETE, GOOD])
def test_it_accepts_good_files(text: str) -> None:
    assert errors(text) == []


def valid_files() -> Iterator[tuple[str, str]]:
    """(name, text) of everything that an editor must not mark: the demo, scenarios, fixtures of packs, and the pages' examples."""
    for path in (ROOT / "metrics.yaml", *sorted(ROOT.glob("tests/*/*/metrics.yaml"))):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for page in sorted(ROOT.glob("docs/*.md")):
        blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        yield from ((f"{page.name}-{number}.yaml", block) for number, block in enumerate(blocks))


@pytest.mark.parametrize(("name", "text"), list(valid_files()), ids=lambda told: told if len(told) < 60 else "")
def test_it_accepts_everything_that_is_shown(name: str, text: str) -> None:
    assert errors(text) == [], name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    role: lagging", "    rolle: lagging"),
        ("    role: lagging", "    role: lag"),
        ("    better: higher", "    better: up"),
        ("grain: week", "grain: weekly"),
        ("    count: rows", "    count: rows\n    sum: minutes"),
        ("kind: csv", "kind: cvs"),
        ('    path: "data/tickets/*.csv"', '    path: "data/tickets/*.csv"\n    query: select 1'),
        ("    every: 30s", "    every: 30 seconds"),
        ("fiscal_year_starts: april", "fiscal_year_starts: apr"),
        ("tolerance: 3pp", "tolerance: 3 points"),
        ("since: 2026-01-01", "since: 1.1.2026"),
        ("cadence: weekly", "cadence: daily"),
        ("version: 1", "version: 2"),
        ("teams:", "groups:"),
    ],
)
def test_it_refuses_mistakes(old: str, new: str) -> None:
    assert old in COMPLETE
    assert errors(COMPLETE.replace(old, new, 1)) != []


def test_every_key_is_described_and_unknown_ones_are_refused() -> None:
    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict) and node.get("type") == "object":
                assert node.get("additionalProperties") is False, path
                for name, inner in node["properties"].items():
                    assert inner.get("description") or "$ref" in inner, f"{path}/{name} has no description"
            for name, inner in node.items():
                walk(inner, f"{path}/{name}")
        elif isinstance(node, list):
            for inner in node:
                walk(inner, path)

    walk(SCHEMA, "")


def test_it_lists_the_functions() -> None:
    listed = SCHEMA["x-functions"]
    assert isinstance(listed, dict)
    assert set(ROW_FUNCTIONS) <= set(listed["row"])
    assert {*AGGREGATES, "rows"} <= set(listed["aggregate"])
    assert {"previous", "year_ago", "days", "workdays"} == set(listed["formula"])
