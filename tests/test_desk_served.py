"""The analysts' commands give the same answer and exit status whether or not a process serves, and change nothing there."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scorecard.cli.main import execute
from scorecard.cli.session import Session
from tests.desk_house import BOOK, NOW, make
from tests.served import command, served

WORK = BOOK.replace("target: 7, amber: 6", "target: 5").replace(
    "metrics:\n", "metrics:\n  paid: {role: leading, source: orders, count: paid_at, time: paid_at, better: higher}\n"
)
LINES = (
    ("preview", "paid"),
    ("preview", "orders_count", "--team", "north"),
    ("preview", "piad"),
    ("preview", "per_order", "--color", "always"),
    ("diff", "--against", "metrics.yaml"),
    ("diff", "--against", "HEAD"),
    ("diff",),
    ("diff", "--format", "csv", "orders_count"),
    ("diff", "--against", "nosuch"),
    ("check",),
    ("lineage", "paid"),
    ("--config", "wrong.yaml", "preview", "revenue"),
    ("--config", "wrong.yaml", "diff"),
    ("--config", "wrong.yaml", "check"),
    ("--config", "metrics.yaml", "backtest", "orders_count", "--periods", "6"),
    ("--config", "metrics.yaml", "explain", "per_order", "--grain", "month"),
)


def answers() -> list[tuple[int, str, str]]:
    """(exit status, stdout, stderr) of each command line, on a working file that is not the one that is served."""
    found = []
    for line in LINES:
        session = Session(out=io.StringIO(), err=io.StringIO())
        config = () if "--config" in line else ("--config", "work.yaml")
        status = execute(session, ["--now", NOW, *config, *line])
        assert isinstance(session.out, io.StringIO)
        assert isinstance(session.err, io.StringIO)
        found.append((status, steady(session.out.getvalue()), session.err.getvalue()))
    return found


def steady(text: str) -> str:
    """Without the board's version and the trial's names for tables."""
    return re.sub(r'"version": \d+', "", text)


@pytest.mark.slow
def test_with_and_without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path)
    monkeypatch.chdir(folder)
    (folder / "work.yaml").write_text(WORK)
    # A mistake, and a name that the table does not hold, beside metrics that are good.
    (folder / "wrong.yaml").write_text(
        WORK.replace("count: paid_at", "count: piad_at").replace("target: 50", "taget: 50")
    )
    assert command(folder, "--now", NOW, "refresh").returncode == 0
    alone = answers()
    with served(folder, "--now", NOW) as site:
        before = site.reading("orders_count")
        assert answers() == alone
        after = site.reading("orders_count")
        assert (after["target"], after["status"]) == (before["target"], before["status"]) == (7, "red")
        assert "paid" not in {r["metric"] for r in site.get("/api/v1/scorecards/organization")["readings"]}
        told = site.get("/api/v1/metrics/per_order/explain?grain=month")
        same = command(folder, "--now", NOW, "--format", "json", "explain", "per_order", "--grain", "month").stdout
        assert {**json.loads(same), "reading": None} == {**told, "reading": None}
    statuses = dict(zip(LINES, (status for status, _, _ in alone), strict=True))
    assert [line for line, status in statuses.items() if status != 0] == [
        ("preview", "piad"),
        ("diff", "--against", "HEAD"),
        ("diff", "--against", "nosuch"),
        ("--config", "wrong.yaml", "diff"),
        ("--config", "wrong.yaml", "check"),
    ]
    coloured = alone[LINES.index(("preview", "per_order", "--color", "always"))][1]
    assert "\x1b[31m■ red\x1b[0m" in coloured


@pytest.mark.slow
def test_colours_follow_the_terminal_and_its_user(tmp_path: Path) -> None:
    folder = make(tmp_path)
    assert command(folder, "--now", NOW, "refresh").returncode == 0

    def on_a_terminal(**environment: str) -> str:
        master, slave = os.openpty()
        line = [sys.executable, "-m", "scorecard", "--now", NOW, "preview", "orders_count"]
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        done = subprocess.run(
            line,
            cwd=folder,
            stdout=slave,
            stderr=subprocess.PIPE,
            env={**clean, "TERM": "xterm", **environment},
            check=True,
        )
        os.close(slave)
        assert done.stderr == b""
        said = b""
        try:
            while part := os.read(master, 65536):
                said += part
        except OSError:  # the other end is closed
            pass
        os.close(master)
        return said.decode()

    assert "\x1b[31m■ red\x1b[0m" in on_a_terminal()
    plain = on_a_terminal(NO_COLOR="1")
    assert "■ red" in plain
    assert "\x1b" not in plain
    assert "\x1b" not in on_a_terminal(TERM="dumb")
