"""Elasticities: published numbers, known slopes, the gates, simulated processes, and a reading from rows to colour."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.elasticity import Process, simulate
from scorecard.cli.main import execute
from scorecard.cli.session import Session
from scorecard.judgement.scaling import elasticity, estimate, suffered


def between(
    first: tuple[float, float], last: tuple[float, float], quarters: int = 12
) -> tuple[tuple[float, float], ...]:
    """Quarters that grow evenly from one (output, input) to another."""
    shares = [i / (quarters - 1) for i in range(quarters)]
    return tuple((first[0] * (last[0] / first[0]) ** s, first[1] * (last[1] / first[1]) ** s) for s in shares)


@pytest.mark.parametrize(
    ("first", "last", "value", "word"),
    [
        ((4e6, 1600), (10e6, 2400), 0.443, "scaling"),  # 4 to 10 million customers, 1 600 to 2 400 people
        ((2e6, 4), (8e6, 16), 1.00, "replicating"),
        ((3e6, 5), (9e6, 7), 0.306, "scaling"),
        ((100, 10), (200, 30), 1.585, "fragile"),
    ],
)
def test_published_numbers(first: tuple[float, float], last: tuple[float, float], value: float, word: str) -> None:
    found = elasticity(between(first, last))
    assert (round(found.value or 0, 3), found.word, found.quarters) == (value, word, 12)
    assert "fragile estimate" not in found.because


def test_the_sentence_says_what_ten_times_the_output_needs() -> None:
    found = elasticity(between((4e6, 1600), (10e6, 2400)))
    assert found.text == "0.44 (0.44–0.44) scaling"
    assert found.because == (
        "output grows faster than input: ten times the output would need 2.77 times the input (2.77 to 2.77), by 12 quarters"
    )


@given(
    slope=st.floats(-1, 2),
    noise=st.lists(st.floats(-0.1, 0.1), min_size=12, max_size=12),
    growth=st.floats(0.05, 0.2),
    units=st.tuples(st.floats(0.01, 1000), st.floats(0.01, 1000)),
)
def test_units_do_not_matter_and_the_interval_holds_the_estimate(
    slope: float, noise: list[float], growth: float, units: tuple[float, float]
) -> None:
    pairs = tuple((math.exp(growth * i), math.exp(slope * growth * i + e)) for i, e in enumerate(noise))
    found, other = elasticity(pairs), elasticity(tuple((q * units[0], c * units[1]) for q, c in pairs))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert (other.value, other.low, other.high) == pytest.approx((found.value, found.low, found.high), abs=1e-6)


def test_least_squares_by_hand() -> None:
    """x = 0 to 7, y alternates around x / 2 by 0.1: the slope is 1/2 + Σ(x - 3.5)e / 42 = 1/2 + 0.4 / 42."""
    x = [float(i) for i in range(8)]
    slope, low, high = estimate(x, [i / 2 + (0.1 if i % 2 else -0.1) for i in range(8)])
    assert slope == pytest.approx(0.5 + 0.4 / 42)
    assert low < slope < high


def test_the_gates() -> None:
    few = elasticity(between((1, 1), (10, 5), 7))
    assert (few.word, few.value) == ("undecided", None)
    assert "7 closed quarters in a row" in few.because
    still = elasticity(between((100, 1), (121, 2)))
    assert (still.word, still.value) == ("undecided", None)
    assert "volume has not moved enough to tell" in still.because
    gap = (*between((1, 1), (3, 2), 4), None, *between((3, 2), (9, 4), 8))
    assert elasticity(gap).quarters == 8
    assert elasticity((*between((1, 1), (9, 4), 11), (9.0, 0.0))).quarters == 0
    old = elasticity((*between((1, 50), (2, 1), 6), *between((2, 2), (8, 4), 12)))
    assert (old.quarters, round(old.value or 0, 3)) == (12, 0.5)


def test_falling_volume_says_nothing_about_growth() -> None:
    sticky = elasticity(between((200, 20), (100, 18)))
    assert (sticky.word, "sticky downwards" in sticky.because) == ("undecided", True)
    assert elasticity(between((200, 20), (100, 10))).word == "replicating"


def test_one_quarter_that_decides_is_said() -> None:
    pairs = list(between((100, 100), (200, 165)))
    pairs[-1] = (pairs[-1][0], pairs[-1][1] * 1.25)
    assert "a fragile estimate" in elasticity(tuple(pairs)).because


def test_quality_must_not_suffer() -> None:
    pairs = between((100, 100), (300, 150))
    held = (0.8, 0.81, 0.79, 0.8, 0.82, 0.8, 0.79, 0.81, 0.8, 0.79, 0.82, 0.8)
    worse = (*held[:8], 0.7, 0.71, 0.69, 0.7)
    assert not elasticity(pairs, held, "higher").worse
    found = elasticity(pairs, worse, "higher")
    assert (found.worse, found.text.endswith("scaling at the expense of quality")) == (True, True)
    assert not elasticity(pairs, worse, "lower").worse
    assert not suffered(worse[-7:], "higher")
    assert not suffered(worse, None)


@pytest.mark.slow
def test_the_interval_holds_the_truth_and_the_word_is_rarely_wrong() -> None:
    """Growth of 30% over 36 months: at least 88% of the intervals hold it; at most 5% of processes that are only copied read as
    scaling, and as many as fragile. `benchmarks/elasticity.py` has the other cases."""
    assert simulate(Process(0.6), 200).covered >= 0.88
    copied = simulate(Process(1.0), 500)
    assert copied.covered >= 0.88
    assert copied.words["scaling"] <= 0.05
    assert copied.words["fragile"] <= 0.05


@pytest.mark.parametrize(
    ("process", "mean", "covered"),
    [
        (Process(0.6, lag=3), (0.56, 0.62), (0.9, 1)),  # sums by quarters bear that people come months later
        (Process(1.0, lag=3, season=0.15), (0.9, 1.02), (0.95, 1)),  # and a season: the interval is wide
        (Process(0.6, growth=0.1, error=0.05), (0.5, 0.6), (0.8, 1)),  # errors in the output flatten the slope
        (Process(0.6, inflation=0.05), (0.75, 0.83), (0, 0.06)),  # nominal money is not to be looked at
        (Process(1.0, teams=True), (0.93, 0.99), (0.7, 0.95)),  # slack that shrinks is an economy, if a small one
        (Process(1.0, lasting=0.9), (0.95, 1.05), (0.65, 0.95)),  # long memory makes it too sure
    ],
)
def test_what_real_processes_do_besides_moves_the_estimate_as_far_as_is_known(
    process: Process, mean: tuple[float, float], covered: tuple[float, float]
) -> None:
    found = simulate(process, 60)
    assert mean[0] <= found.mean <= mean[1]
    assert covered[0] <= found.covered <= covered[1]
    assert sum(found.words.values()) == pytest.approx(1)


BOOK = """\
version: 1
organization: {name: X, owner: Dana Lee, timezone: UTC}
sources:
  work: {kind: csv, path: work.csv, key: [day], time: day, columns: {day: date, done: double, hours: double, good: double}, every: 1h, fresh_for: 60d}
defaults: {role: lagging, source: work, better: higher}
metrics:
  done: {sum: done}
  hours: {sum: hours, unit: h, final_after: 10d}
  good: {mean: good, min_sample: 1}
  scales: {scaling: {output: done, input: hours, quality: good}}
"""


def command(folder: Path, now: str, *words: str) -> Any:
    session = Session(out=io.StringIO(), err=io.StringIO())
    line = ["--config", str(folder / "metrics.yaml"), "--data", str(folder / "data"), "--now", now, "--format", "json"]
    status = execute(session, [*line, *words])
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    assert status == 0, session.err.getvalue() + session.out.getvalue()
    return json.loads(session.out.getvalue())


def test_from_rows_to_a_colour(tmp_path: Path) -> None:
    """Nine quarters of which output doubles each year and hours grow by its square root; the newest waits to be final."""
    lines = ["day,done,hours,good"]
    for n in range(10):
        done = 100 * 2 ** (n / 4)
        lines.append(f"{2024 + n // 4}-{n % 4 * 3 + 2:02}-10,{done},{10 * done**0.5},0.8")
    (tmp_path / "work.csv").write_text("\n".join(lines))
    (tmp_path / "metrics.yaml").write_text(BOOK)
    command(tmp_path, "2026-07-05T00:00:00Z", "refresh")
    (found,) = command(tmp_path, "2026-07-05T00:00:00Z", "values", "scales", "--period", "2026-Q2")["readings"]
    assert (found["grain"], found["status"], found["reason"], found["n"]) == ("quarter", "green", "elasticity", 9)
    assert found["value"] == pytest.approx(0.5)
    assert found["text"] == "0.50 (0.50–0.50) scaling"
    assert found["interval"]["word"] == "scaling"
    assert found["because"].startswith("output grows faster than input")
    (later,) = command(tmp_path, "2026-07-12T00:00:00Z", "values", "scales", "--period", "2026-Q2")["readings"]
    assert later["n"] == 10
    (early,) = command(tmp_path, "2026-07-12T00:00:00Z", "values", "scales", "--period", "2025-Q1")["readings"]
    assert (early["status"], early["reason"], early["value"], early["interval"]) == ("grey", "undecided", None, None)
    assert "5 closed quarters in a row" in early["because"]
    explained = command(tmp_path, "2026-07-12T00:00:00Z", "explain", "scales")
    assert [i["metric"] for i in explained["inputs"] if "metric" in i] == ["done", "hours", "good"]
    assert any(step["step"] == "elasticity" for step in explained["steps"])


def test_check_warns_of_money_and_refuses_what_has_no_meaning(tmp_path: Path) -> None:
    (tmp_path / "metrics.yaml").write_text(BOOK.replace("unit: h", "unit: EUR"))
    said = [p["message"] + (p["hint"] or "") for p in command(tmp_path, "2026-07-05T00:00:00Z", "check")["problems"]]
    assert any("is in EUR" in text and "deflate the money first" in text for text in said)
    wrong = BOOK.replace("scales: {", "scales: {target: 1, grain: week, ").replace(
        "good: {mean: good", "good: {grain: year, mean: good"
    )
    (tmp_path / "metrics.yaml").write_text(wrong)
    session = Session(out=io.StringIO(), err=io.StringIO())
    assert (
        execute(session, ["--config", str(tmp_path / "metrics.yaml"), "--data", str(tmp_path / "data"), "check"]) == 1
    )
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    text = session.out.getvalue() + session.err.getvalue()
    assert "'grain' of metric 'scales' has no meaning" in text
    assert "'target' of metric 'scales' has no meaning" in text
    assert "its part 'good' is by year" in text
