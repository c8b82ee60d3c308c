"""docs/commands.md: every command and option is there, its examples run, and its JSON has the keys it names."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import click
import pytest

from scorecard.cli.commands import NAMES
from scorecard.cli.main import app, execute
from scorecard.cli.session import Session

PAGE = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (\w+)[^\n]*\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def run(line: str) -> tuple[int, str, str]:
    session = Session(out=io.StringIO(), err=io.StringIO())
    status = execute(session, ["--now", "2026-09-30T08:00:00Z", *shlex.split(line)])
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    return status, session.out.getvalue(), session.err.getvalue()


def command_named(name: str) -> click.Command:
    command = app.get_command(click.Context(app), name)
    assert command is not None, f"{name} is told of and is not there"
    assert command.name == name
    return command


def test_every_command_is_in_the_table() -> None:
    table = PAGE.split("**Options")[0]
    missing = [name for name in NAMES if not command_named(name).hidden and f"`{name}" not in table]
    assert not missing


def test_every_option_of_an_analysts_command_is_on_the_page() -> None:
    for name in ("init", "check", "refresh", "values", "preview", "diff", "backtest", "lineage", "explain"):
        for parameter in command_named(name).params:
            for option in parameter.opts:
                # Earlier boards are not kept yet: --as-of is refused everywhere.
                assert not option.startswith("--") or option in ("--help", "--as-of") or option in PAGE, (
                    f"{name} {option}"
                )


def test_the_examples_run_in_order_and_begin_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for part in block.split("$ scorecard ")[1:]:
            line, _, written = part.partition("\n")
            if line.startswith("diff"):
                path = tmp_path / "support" / "metrics.yaml"
                path.write_text(path.read_text().replace("target: 80%", "target: 85%"))
            status, out, err = run(line)
            assert (status, err) == (0, ""), line
            assert out.startswith(
                written.splitlines()[0] if line.startswith(("refresh", "values")) else written.rstrip()
            ), out
            if line.startswith("init"):
                monkeypatch.chdir(tmp_path / "support")
    sections = dict(SECTION.findall(PAGE))
    for line, inner in (
        ("preview satisfied", "readings"),
        ("backtest satisfied", "runs"),
        ("diff", "metrics"),
        ("lineage", "metrics"),
    ):
        told = json.loads(run(f"{line} --format json")[1])
        named = set(re.findall(r"`(\w+)`", sections[line.split()[0]]))
        keys = {*told, *(told[inner][0] if inner != "readings" else ())}
        assert keys <= named, (line, keys - named)
