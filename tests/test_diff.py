"""Diff: what a change of metrics.yaml turns, against a file, a revision, or what is published."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from scorecard.book.read import read_book
from scorecard.desk.definitions import Changes, compare
from tests.desk_house import BOOK, answer, edit, make, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path)
    status, _, err = run(tmp_path, "refresh")
    assert status == 0, err
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "*.yaml")
    git(folder, "commit", "-qm", "as it is")


def changes(tmp_path: Path, old: str, new: str) -> Changes:
    """What the definitions say when one text of BOOK becomes another."""
    make(tmp_path)
    before = read_book(tmp_path / "metrics.yaml")
    return compare(before, read_book(tmp_path / "metrics.yaml", text=BOOK.replace(old, new)))


def test_an_edit_of_a_target_turns_colours_against_what_is_published(folder: Path) -> None:
    assert answer(folder, "diff") == {
        "against": "what is published", "added": [], "removed": [], "colours": [], "metrics": [],
    }  # fmt: skip
    edit(folder, "target: 7, amber: 6", "target: 7, amber: 5")
    told = answer(folder, "diff")
    (metric,) = told["metrics"]
    assert (metric["metric"], metric["keys"], metric["made_of"]) == ("orders_count", ["amber"], [])
    closed = {r["period"]: r for r in metric["readings"] if r["slice"] is None and not r["running"]}
    # Weeks with an odd number have 5 orders: red before, amber now. The even ones differ in the limit only.
    assert closed["2026-W39"]["old"]["status"] == "red"
    assert closed["2026-W39"]["new"]["status"] == "amber"
    assert (closed["2026-W38"]["old"]["amber"], closed["2026-W38"]["new"]["amber"]) == (6, 5)
    assert {"from": "red", "to": "amber", "readings": 6} in metric["colours"]  # 29, 31, 33, 35, 37, 39
    status, out, _ = run(folder, "diff")
    assert status == 0
    assert "changed orders_count: amber" in out
    assert "6 → 5" in out
    assert "■ red → ▲ amber" in out
    assert out.rstrip().splitlines()[-1].startswith("6 red → amber")


def test_what_rests_on_a_changed_metric_is_compared_and_nothing_else(folder: Path) -> None:
    edit(folder, "sum: amount", "sum: amount * 2")
    told = {m["metric"]: m for m in answer(folder, "diff")["metrics"]}
    assert list(told) == ["revenue", "per_order"]
    assert told["revenue"]["keys"] == ["sum"]
    assert told["per_order"]["made_of"] == ["revenue"]
    for row in told["per_order"]["readings"]:
        assert row["new"]["value"] == pytest.approx(2 * row["old"]["value"])
    only = answer(folder, "diff", "per_order", "--period", "2026-W38")
    assert [(m["metric"], [r["period"] for r in m["readings"]]) for m in only["metrics"]] == [
        ("per_order", ["2026-W38"])
    ]
    rows = list(csv.DictReader(io.StringIO(run(folder, "--format", "csv", "diff", "revenue", "--periods", "2")[1])))
    assert [(r["period"], float(r["new_value"]) / float(r["old_value"])) for r in rows] == [
        ("2026-W38", 2),
        ("2026-W39", 2),
    ]


def test_added_removed_renamed_in_words_only_and_in_error(folder: Path) -> None:
    edit(folder, "title: Revenue", "title: Sales")
    edit(folder, "  per_order:", "  share: {role: leading, source: orders, count: amount, better: higher}\n  each:")
    told = answer(folder, "diff")
    assert [(a["metric"], a["reading"]["value"]) for a in told["added"]] == [("share", 5), ("each", 48)]
    assert told["removed"] == ["per_order"]
    assert [(m["metric"], m["keys"], m["compared"]) for m in told["metrics"]] == [("revenue", ["title"], 0)]
    edit(folder, "count: amount", "cuont: amount")
    status, out, err = run(folder, "diff")
    assert status == 1
    assert "cuont" in err
    assert "added each" in out
    status, _, err = run(folder, "diff", "revenu")
    assert status == 1
    assert "did you mean 'revenue'?" in err


def test_what_cannot_be_computed_is_an_error_and_turns_nothing(folder: Path) -> None:
    edit(folder, "sum: amount", "sum: region")
    status, out, err = run(folder, "--format", "json", "diff")
    assert status == 1
    assert "metrics.yaml:11:" in err
    metrics = json.loads(out)["metrics"]
    assert [(m["metric"], m["readings"]) for m in metrics] == [("revenue", []), ("per_order", [])]
    assert all(m["note"].startswith("it could not be computed") for m in metrics)


def test_another_grain_and_a_slice_that_is_new(folder: Path) -> None:
    edit(folder, "sum: amount, unit: EUR", "sum: amount, unit: EUR, grain: month, split: {team: region}")
    edit(folder, "formula: revenue / orders_count", "formula: revenue / orders_count, grain: month")
    (metric, above) = answer(folder, "diff")["metrics"]
    assert (metric["metric"], metric["grain"]) == ("revenue", "month")
    assert metric["note"] == "measured by month, before by week; compared by month"
    assert {tuple((r["slice"] or {}).items()) for r in metric["readings"]} == {
        (("team", name),) for name in ("north", "south", "sales")
    }
    assert all(r["old"] is None for r in metric["readings"])
    assert (above["metric"], above["keys"]) == ("per_order", ["grain"])


def test_git_revisions_with_what_they_included(folder: Path) -> None:
    git(folder, "init", "-q")
    (folder / "more").mkdir()
    (folder / "more" / "a.yaml").write_text(
        "metrics:\n  extra: {role: leading, source: orders, count: rows, better: higher}\n"
    )
    edit(folder, "version: 1\n", 'version: 1\ninclude: ["more/*.yaml"]\n')
    assert answer(folder, "diff")["against"] == "what is published"  # HEAD has no metrics.yaml yet
    commit(folder)
    assert answer(folder, "diff")["against"].startswith("HEAD:")
    edit(folder, "count: rows", "count: paid_at", "more/a.yaml")
    (metric,) = answer(folder, "diff")["metrics"]
    assert (metric["metric"], metric["keys"]) == ("extra", ["count"])
    commit(folder)
    assert answer(folder, "diff")["metrics"] == []
    (folder / "more" / "a.yaml").unlink()
    (folder / "more" / "b.yaml").write_text(
        "metrics:\n  other: {role: leading, source: orders, count: rows, better: higher}\n"
    )
    told = answer(folder, "diff", "--against", "HEAD~1")
    assert (told["against"].split(":")[0], told["removed"]) == ("HEAD~1", ["extra"])
    assert [a["metric"] for a in told["added"]] == ["other"]


@pytest.mark.parametrize("wrong", ["HEAD~9", "nosuch.yaml", "-v", "--output=x"])
def test_an_unknown_revision_or_file_is_said(folder: Path, wrong: str) -> None:
    git(folder, "init", "-q")
    commit(folder)
    status, out, err = run(folder, "diff", f"--against={wrong}")
    assert (status, out) == (1, "")
    assert f"'{wrong}' is neither a file nor a git revision" in err
    assert not (folder / "x").exists()


def test_against_a_file_and_without_anything_to_compare_with(tmp_path: Path) -> None:
    make(tmp_path)
    status, _, err = run(tmp_path, "diff")
    assert status == 1
    assert "nothing is committed and nothing published" in err
    assert run(tmp_path, "refresh")[0] == 0
    (tmp_path / "old.yaml").write_text(BOOK.replace("target: 50", "target: 40"))
    told = answer(tmp_path, "diff", "--against", str(tmp_path / "old.yaml"))
    assert [(m["metric"], m["keys"]) for m in told["metrics"]] == [("per_order", ["target"])]


@pytest.mark.parametrize(
    ("old", "new", "changed", "carried"),
    [
        ("count: rows", "count:   rows", {}, {}),
        ("title: Orders", "title: All orders", {"orders_count": ("title",)}, {}),
        ("count: rows", "count: amount", {"orders_count": ("count",)}, {"per_order": ("orders_count",)}),
        ("count: rows", "distinct: amount", {"orders_count": ("count", "distinct")}, {"per_order": ("orders_count",)}),
        ("sum: amount", "sum: amount, where: amount > 40", {"revenue": ("where",)}, {"per_order": ("revenue",)}),
        ("target: 50", "target: 50, tolerance: 10%", {"per_order": ("tolerance",)}, {}),
        ("target: 50", "targets: [{target: 50}, {grain: month, target: 55}]", {"per_order": ("target", "targets")}, {}),
        ("title: North", "title: Far north", {"orders_count": ("teams",)}, {"per_order": ("orders_count",)}),
    ],
)  # fmt: skip
def test_the_keys_that_differ(
    tmp_path: Path, old: str, new: str, changed: dict[str, tuple[str, ...]], carried: dict[str, tuple[str, ...]]
) -> None:
    found = changes(tmp_path, old, new)
    assert (dict(found.changed), dict(found.carried)) == (changed, carried)


def test_a_calendar_or_a_source_changes_all_that_rest_on_it(tmp_path: Path) -> None:
    found = changes(tmp_path, "Europe/Berlin", "America/New_York")
    for keys in found.changed.values():
        assert keys == ("organization.timezone", "sources.orders.timezone")
    assert list(found.changed) == ["orders_count", "revenue", "per_order"]
    found = changes(tmp_path, "every: 1m", "every: 1m, quiet_for: 1d")
    assert set(found.changed.values()) == {("sources.orders.quiet_for",)}
