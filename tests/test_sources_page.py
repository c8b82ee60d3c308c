"""docs/sources.md is true: every example on it loads, and every option is on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scorecard.book.presets import presets
from scorecard.book.read import read_book
from scorecard.book.shapes import source
from tests.bookfiles import write

PAGE = (Path(__file__).parent.parent / "docs" / "sources.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BEGINNING = """version: 1
organization: {name: Northwind, owner: Dana Lee <dana@example.com>, timezone: Europe/Berlin}
"""
ENVIRONMENT = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", PAGE), "s3cret-value")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[1])
def test_every_example_loads(block: str, tmp_path: Path) -> None:
    book = read_book(write(tmp_path, BEGINNING + block), environment=ENVIRONMENT)
    assert book.sources


def test_every_option_is_on_the_page() -> None:
    keys = {key.name for kind in ("csv", "sql", "http") for key in source.OF_KIND[kind]}
    for record in (source.CSV, source.PAGING, source.AUTH, source.ROWS, source.WINDOW, source.LIMITS):
        keys |= {key.name for key in record.keys}
    keys |= {*source.PAGING_STYLES, *source.AUTH_STYLES, *presets()}
    missing = [name for name in sorted(keys) if not re.search(rf"\b{name}\b", PAGE)]
    assert not missing
