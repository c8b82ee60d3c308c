"""Golden scenarios computed by hand, through the command line. See tests/scenarios/README.md."""

from __future__ import annotations

import io
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from scorecard.cli.doors import opened_here
from scorecard.cli.main import execute
from scorecard.cli.product import Product
from scorecard.cli.session import Options, Session

FOLDER = Path(__file__).parent / "scenarios"
SCENARIOS = sorted(path.parent.name for path in FOLDER.glob("*/expected.yaml"))
NUMBERS = {"value", "numerator", "denominator", "n", "target", "amber", "previous", "year_ago", "projected"}
FLAGS = {"running", "provisional", "conclusive"}
SELECTS = {"metric", "period", "team", "process", "grain", "because_contains"}


def session_of(scenario: str, data: Path, now: str, product: Product | None = None) -> Session:
    options = Options(config=FOLDER / scenario / "metrics.yaml", data=data, now=now, format="json")
    return Session(options, out=io.StringIO(), err=io.StringIO(), product=product, inside=product is not None)


def run(scenario: str, data: Path, now: str, *words: str, product: Product | None = None) -> tuple[int, str, str]:
    """One command line, as `scorecard` runs it, or as a process does that has the product open; (exit status, stdout, stderr)."""
    session = session_of(scenario, data, now, product)
    line = ["--config", str(FOLDER / scenario / "metrics.yaml"), "--data", str(data), "--now", now, "--format", "json"]
    status = execute(session, [*line, *words])
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    return status, session.out.getvalue(), session.err.getvalue()


def number(text: str) -> float | None:
    """`956/1010`, `0.5` or `null`."""
    above, _, below = text.partition("/")
    return None if text == "null" else float(above) / float(below or 1)


def wanted(key: str, told: Any) -> Any:
    if key in NUMBERS:
        return [number(each) for each in told] if isinstance(told, list) else number(told)
    return None if told == "null" else told == "true" if key in FLAGS else told


def same(expected: Any, seen: Any) -> bool:
    if isinstance(expected, float):
        return isinstance(seen, int | float) and math.isclose(expected, seen, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(expected, list):
        return isinstance(seen, list) and len(seen) == len(expected) and all(map(same, expected, seen))
    return bool(expected == seen)


def differences(expected: dict[str, Any], reading: dict[str, Any]) -> list[str]:
    """What of one reading is not as computed by hand."""
    if isinstance(reading["projected"], dict):
        reading = {**reading, "projected": reading["projected"]["value"]}
    place = f"{expected['metric']} {expected['period']} {expected.get('team') or expected.get('process') or ''}".strip()
    wrong = [
        f"{place}: {key} is {reading[key]!r}, expected {told!r} ({reading['status']}: {reading['because']})"
        for key, told in expected.items()
        if key not in SELECTS and not same(wanted(key, told), reading[key])
    ]
    fragments = expected.get("because_contains", [])
    wrong += [
        f"{place}: {part!r} is not in {reading['because']!r}" for part in fragments if part not in reading["because"]
    ]
    return wrong


def readings_of(scenario: str, data: Path, now: str, expected: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The readings that are expected, in order; one command for each period and slice: the first opens the files itself,
    the others share one product (opening is most of what a command costs)."""
    with ExitStack() as stack:
        product: Product | None = None
        asked: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        found = []
        for each in expected:
            words = ["--period", each["period"]]
            for kind in ("team", "process"):
                words += [f"--{kind}", each[kind]] if kind in each else []
            key = tuple(words)
            if key not in asked:
                if asked and product is None:
                    product = stack.enter_context(opened_here(session_of(scenario, data, now)))
                names = sorted(
                    {
                        e["metric"]
                        for e in expected
                        if all(e.get(k) == each.get(k) for k in ("period", "team", "process"))
                    }
                )
                status, out, err = run(scenario, data, now, "values", *names, *words, product=product)
                assert status == 0, err
                asked[key] = {reading["metric"]: reading for reading in json.loads(out)["readings"]}
            found.append(asked[key][each["metric"]])
        return found


def check_slice(expected: dict[str, Any], reading: dict[str, Any]) -> None:
    kinds = [kind for kind in ("team", "process") if kind in expected]
    assert reading["slice"] == ({kinds[0]: expected[kinds[0]]} if kinds else None)
    assert reading["period"] == expected["period"]
    assert "grain" not in expected or reading["grain"] == expected["grain"]


def load(scenario: str) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """(now, readings, what happens then), every scalar as text: 2026-03-01 is a label here and not a date."""
    told = yaml.load((FOLDER / scenario / "expected.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return told["now"], told["readings"], told.get("then", [])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, tmp_path: Path) -> None:
    now, expected, then = load(scenario)
    folder, data = scenario, tmp_path / "data"
    if then:  # files change, so the company is copied
        folder = str(shutil.copytree(FOLDER / scenario, tmp_path / "company"))
    status, out, err = run(folder, data, now, "refresh")
    assert status == 0, err
    assert {load["outcome"] for load in json.loads(out)["loads"]} == {"ok"}
    compare(folder, data, now, expected)
    for step in then:
        for name, becomes in step.get("files", {}).items():
            shutil.copyfile(Path(folder) / becomes, Path(folder) / name)
        words = step["do"].split()
        status, out, err = run(folder, data, step["now"], *words, *(() if words[0] == "refresh" else ("--by", "Ana")))
        outcomes = {load["outcome"] for load in json.loads(out)["loads"]} if words[0] == "refresh" else {"ok"}
        assert outcomes == {step.get("outcome", "ok")}, (step, err)
        assert status == (1 if outcomes & {"held", "failed"} else 0), err
        compare(folder, data, step["now"], step["readings"])


def compare(scenario: str, data: Path, now: str, expected: list[dict[str, Any]]) -> None:
    seen = readings_of(scenario, data, now, expected)
    wrong: list[str] = []
    for each, reading in zip(expected, seen, strict=True):
        check_slice(each, reading)
        wrong += differences(each, reading)
    assert not wrong, "\n".join([now, *wrong])


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 10
    for scenario in SCENARIOS:
        _, first, then = load(scenario)
        every = [*first, *(each for step in then for each in step["readings"])]
        unknown = {key for each in every for key in each} - SELECTS - NUMBERS - FLAGS
        assert unknown <= {"status", "judged", "reason", "because", "text", "start", "end"}, scenario


def test_a_wrong_value_would_be_seen() -> None:
    reading: dict[str, Any] = {"value": 0.5, "target": [1.0, 2.0], "status": "green", "because": "x", "projected": None}
    expected: dict[str, Any] = {
        "metric": "m",
        "period": "2026",
        "value": "1/2",
        "target": ["1", "2"],
        "status": "green",
    }
    assert differences(expected, reading) == []
    for key, told in (
        ("value", "0.51"),
        ("value", "null"),
        ("target", ["1", "3"]),
        ("status", "red"),
        ("because_contains", ["y"]),
    ):
        assert len(differences({**expected, key: told}, reading)) == 1


def test_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    """As people run it: `python -m scorecard`."""
    now, expected, _ = load("band")
    line = [
        sys.executable,
        "-m",
        "scorecard",
        "--config",
        str(FOLDER / "band" / "metrics.yaml"),
        "--data",
        str(tmp_path),
    ]
    line += ["--now", now, "--format", "json"]
    refreshed = subprocess.run([*line, "refresh"], capture_output=True, text=True, check=False, timeout=60)
    assert refreshed.returncode == 0, refreshed.stderr
    told = expected[0]
    words = ["values", told["metric"], "--period", told["period"]]
    shown = subprocess.run([*line, *words], capture_output=True, text=True, check=False, timeout=60)
    assert shown.returncode == 0, shown.stderr
    (reading,) = json.loads(shown.stdout)["readings"]
    assert differences(told, reading) == []
