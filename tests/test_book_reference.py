"""docs/metrics.md is true: every example on it loads, and every key and function is on it with the reader's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scorecard.book.functions import AGGREGATES, FORMULA_FUNCTIONS, FORMULA_WORDS, ROW_FUNCTIONS
from scorecard.book.read import read_book
from scorecard.book.shapes import metric, organization, source
from scorecard.book.shapes.records import Key, Record
from tests.bookfiles import write

PAGE = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
WHOLE, *BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ENVIRONMENT = {"RATINGS_TOKEN": "x" * 8, "SEARCH_KEY": "y" * 8, "ASANA_TOKEN": "z" * 8}


def folder_with(folder: Path, block: str) -> Path:
    write(folder, "survey_id,answered_at,score\n", "fixtures/two_weeks.csv")
    write(folder, block, "block.yaml")
    return write(folder, "include: [block.yaml]\n" + WHOLE)


def test_the_whole_file_loads_without_a_warning(tmp_path: Path) -> None:
    book = read_book(write(tmp_path, WHOLE))
    assert set(book.metrics) == {"tickets_created", "csat"}
    assert book.warnings == ()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.split())[:50])
def test_every_example_loads(block: str, tmp_path: Path) -> None:
    read_book(folder_with(tmp_path, block), environment=ENVIRONMENT)


def test_every_measure_has_an_example(tmp_path: Path) -> None:
    """Also each of p75 to p99, whose examples the schema shows."""
    shown = {name for block in (WHOLE, *BLOCKS) for name in re.findall(r"[{ ]([a-z0-9]+): ", block)}
    assert {name for name in metric.MEASURE_NAMES if not name[1:].isdigit() or name == "p90"} <= shown
    quantiles = "defaults: {source: tickets, role: leading, better: lower}\nmetrics:\n"
    quantiles += "".join(f"  m{n}: {{p{n}: minutes, team: support}}\n" for n in range(75, 100))
    assert len(read_book(folder_with(tmp_path, quantiles)).metrics) == 27


def records() -> Iterator[tuple[str, Record]]:
    seen: set[int] = set()

    def walk(name: str, shape: Any) -> Iterator[tuple[str, Record]]:
        if shape is None or id(shape) in seen:
            return
        seen.add(id(shape))
        if isinstance(shape, Record):
            yield name, shape
            for key in shape.keys:
                yield from walk(f"{name}.{key.name}", key.shape)
        for inner in ("shape", "scalar", "mapping", "items"):
            yield from walk(name, getattr(shape, inner, None))

    for module in (organization, source, metric):
        for name, found in vars(module).items():
            yield from walk(name.lower(), found)
    for kind, keys in source.OF_KIND.items():
        yield from walk(f"source of kind {kind}", Record(keys))


def test_every_key_is_on_the_page_with_the_readers_words() -> None:
    missing = []
    for name, record in records():
        own = name.split(".")[-1]
        for key in record.keys:
            if (
                not on_the_page(key)
                and not (own in metric.MEASURE_NAMES and f"`{key.name}`" in PAGE)
                and not key.name[1:].isdigit()
            ):
                missing.append(f"{name}: | `{key.name}` | {key.describe} |")
    assert missing == []


def on_the_page(key: Key) -> bool:
    row = f"| `{key.name}` | {key.describe}"
    return row in PAGE or (key.name == "p90" and key.describe in PAGE)


def test_every_function_is_on_the_page() -> None:
    words = {**ROW_FUNCTIONS, **AGGREGATES, **FORMULA_FUNCTIONS, **FORMULA_WORDS}
    assert [name for name, meaning in words.items() if f"| `{name}` | {meaning} |" not in PAGE] == []
