"""The numbers on docs/metrics.md hold: its CSV and YAML examples give the tables that stand beside them."""

from __future__ import annotations

import io
import json
import math
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scorecard.book.read import read_book
from scorecard.book.shapes.metric import MEASURE_NAMES
from scorecard.cli.main import execute
from scorecard.cli.session import Session

PAGE = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
HEAD = "version: 1\norganization: {name: Example, owner: Dana Lee, timezone: UTC}\n"


class Shown(NamedTuple):
    """A section with numbers: its files, its definitions, its clock, and its table's rows."""

    title: str
    files: dict[str, str]
    definitions: str
    now: str
    rows: list[dict[str, str]]
    commands: list[str]


def sections() -> list[Shown]:
    found = []
    for section in re.split(r"^(?=###? )", PAGE, flags=re.MULTILINE):
        files = dict(re.findall(r"^`([a-z_]+\.csv)`:\n\n```csv\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
        commands = re.findall(r"^\$ scorecard (.*)$", section, re.MULTILINE)
        if not files and not commands:
            continue
        (definitions,) = re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        now, table = re.findall(r"^At `(.*?)`:\n\n((?:\|.*\n)+)", section, re.MULTILINE)[0]
        names, _, *lines = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines()]
        rows = [dict(zip(names, line, strict=True)) for line in lines]
        found.append(Shown(section.splitlines()[0].strip("# "), files, definitions, now, rows, commands))
    return found


def number(text: str) -> float | None:
    above, _, below = text.partition("/")
    return None if text == "no data" else float(above) / float(below or 1)


def command(folder: Path, now: str, *words: str) -> Any:
    session = Session(out=io.StringIO(), err=io.StringIO())
    line = ["--config", str(folder / "metrics.yaml"), "--data", str(folder / "data"), "--now", now, "--format", "json"]
    assert execute(session, [*line, *words]) == 0, session.err.getvalue()  # type: ignore[attr-defined]
    return json.loads(session.out.getvalue())  # type: ignore[attr-defined]


def test_there_are_sections_with_numbers() -> None:
    assert [shown.title for shown in sections()]


@pytest.mark.parametrize("shown", sections(), ids=lambda shown: shown.title)
def test_the_table_of_a_section_is_what_its_example_gives(shown: Shown, tmp_path: Path) -> None:
    for name, text in shown.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "metrics.yaml").write_text(HEAD + shown.definitions, encoding="utf-8")
    command(tmp_path, shown.now, "refresh")
    for line in shown.commands:
        command(tmp_path, shown.now, *shlex.split(line))
    assert len(shown.rows) >= 2
    readings = {}
    for period in dict.fromkeys(row["period"] for row in shown.rows):
        names = sorted({row["metric"] for row in shown.rows if row["period"] == period})
        for told in command(tmp_path, shown.now, "values", *names, "--period", period)["readings"]:
            readings[told["metric"], period] = told
    for row in shown.rows:
        reading = readings[row["metric"], row["period"]]
        expected, seen = number(row["value"]), reading["value"]
        same = seen is expected if expected is None or seen is None else math.isclose(seen, expected, rel_tol=1e-12)
        assert same, (row, reading)
        assert all(reading[key] == row[key] for key in ("status", "reason") if key in row), (row, reading)


def test_every_measure_has_a_number_on_the_page(tmp_path: Path) -> None:
    seen: set[str] = set()
    for shown in sections():
        (tmp_path / "metrics.yaml").write_text(HEAD + shown.definitions, encoding="utf-8")
        book = read_book(tmp_path / "metrics.yaml")
        seen |= {key for row in shown.rows for key in book.metrics[row["metric"]].places}
        seen |= {
            f"stock.{key}"
            for m in book.metrics.values()
            if "stock" in m.places
            for key in ("opened", "level")
            if f"stock.{key}" in m.places
        }
    wanted = {name for name in MEASURE_NAMES if not name[1:].isdigit() or name == "p90"} | {
        "stock.opened",
        "stock.level",
    }
    assert wanted - seen == set()
