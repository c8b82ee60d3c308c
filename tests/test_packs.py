"""Shipped packs: each KPI against numbers worked out by hand, and how a book takes, maps and adjusts them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scorecard.book.columns import check_columns, columns_read
from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.book.read import read_book, read_lenient
from scorecard.book.shipped import PACKS, needs_of, shipped
from scorecard.ground.errors import Refused
from scorecard.ground.yamlfile import YamlMap, parse
from tests.bookfiles import write
from tests.test_scenarios import check_slice, differences, load, readings_of, run

FOLDER = Path(__file__).parent / "packs"
PAGE = Path(__file__).parent.parent / "docs" / "packs.md"


def book_of(pack: str) -> Book:
    return read_book(FOLDER / pack / "metrics.yaml")


def needs(pack: str) -> dict[str, dict[str, str]]:
    root, problems = parse((PACKS / f"{pack}.yaml").read_text(encoding="utf-8"), pack)
    assert isinstance(root, YamlMap)
    assert problems == []
    return needs_of(root)


@pytest.mark.parametrize("pack", shipped())
def test_every_number_is_as_counted_by_hand(pack: str, tmp_path: Path) -> None:
    scenario = f"../packs/{pack}"
    now, expected, _ = load(scenario)
    status, out, err = run(scenario, tmp_path, now, "refresh")
    assert status == 0, err
    assert {load["outcome"] for load in json.loads(out)["loads"]} == {"ok"}
    wrong: list[str] = []
    for each, reading in zip(expected, readings_of(scenario, tmp_path, now, expected), strict=True):
        check_slice(each, reading)
        wrong += differences(each, reading)
    assert not wrong, "\n".join(wrong)
    assert {each["metric"] for each in expected} == set(book_of(pack).metrics)  # none is left out


@pytest.mark.parametrize("pack", shipped())
def test_every_definition_says_what_counts(pack: str) -> None:
    book = book_of(pack)
    for metric in book.metrics.values():
        assert metric.title != metric.name
        assert metric.describe is not None
        assert len(metric.describe) > 20, metric.name
    assert {metric.role for metric in book.metrics.values()} == {"leading", "lagging"}
    assert [str(w) for w in book.warnings if "not computed yet" not in str(w)] == []


@pytest.mark.parametrize("pack", shipped())
def test_the_columns_are_those_that_are_described(pack: str) -> None:
    book = book_of(pack)
    for source, columns in needs(pack).items():
        assert columns_read(book, source) == set(columns), source
    for text in (text for columns in needs(pack).values() for text in columns.values()):
        assert text.split(":")[0] in {"timestamp", "date", "double", "integer", "decimal", "boolean", "text"}


def test_there_are_many() -> None:
    assert set(shipped()) == {"contact-centre", "saas", "engineering", "manufacturing", "logistics"}
    assert sum(len(book_of(pack).metrics) for pack in shipped()) >= 90


HEAD = "version: 1\norganization: {name: X}\n"
SOURCES = "sources:\n" + "".join(
    f"  {source}: {{kind: csv, path: {source}.csv, every: 1h}}\n"
    for source in ("tickets", "surveys", "calls", "agent_days")
)
PEOPLE = "processes:\n  help: {title: Help, owner: Ana Ruiz, sop: https://example.com/1}\n"


def read(folder: Path, include: str, more: str = "") -> Book:
    return read_book(write(folder, f"{HEAD}include: {include}\n{SOURCES}{PEOPLE}{more}"))


def said(folder: Path, include: str, more: str = "") -> list[str]:
    with pytest.raises(Refused) as refused:
        read(folder, include, more)
    return [str(p).removeprefix(f"{folder}/") for p in refused.value.problems if p.severity == "error"]


def metric(book: Book, name: str) -> Metric:
    return book.metrics[name]


def test_a_choice_takes_what_its_formulas_are_made_of(tmp_path: Path) -> None:
    book = read(tmp_path, "[{pack: contact-centre, only: [backlog_days, csat]}]")
    assert set(book.metrics) == {"backlog_days", "backlog", "tickets_resolved", "csat"}
    book = read(tmp_path, "[{pack: contact-centre, only: handle_time}]")
    assert metric(book, "handle_time").counter == ()  # they are not taken, so they are not named
    left = "qa_score, critical_errors, support_cost, self_service_containment, active_customers, agents_employed, agents_left"
    book = read(tmp_path, f"[{{pack: contact-centre, without: [{left}]}}]")
    assert "cost_per_resolution" not in book.metrics  # made of support_cost
    assert {"service_level", "csat", "backlog_days"} <= set(book.metrics)


def test_own_sources_and_columns_take_the_packs_places(tmp_path: Path) -> None:
    include = """
  - pack: contact-centre
    only: [first_reply_p90, sla_attainment, backlog, first_contact_resolution]
    sources: {tickets: surveys}
    columns: {tickets: {created_at: opened, first_reply_at: answered, resolved_at: closed_on, due_at: due}}"""
    book = read(tmp_path, include)
    assert {m.source for m in book.metrics.values()} == {"surveys"}
    assert columns_read(book, "surveys") == {"opened", "answered", "closed_on", "due", "next_contact_at"}
    found = metric(book, "first_reply_p90")
    assert (found.time, getattr(found.measure, "of").text) == ("answered", "answered - opened")  # noqa: B009
    assert getattr(metric(book, "sla_attainment").measure, "of").text == "count_if(closed_on <= due)"  # noqa: B009


def test_defaults_and_adjustments_are_the_users_own(tmp_path: Path) -> None:
    include = """
  - pack: contact-centre
    only: [csat, nps]
    defaults: {process: help, split: {team: squad}}
    adjust:
      csat: {target: 90%, amber: 80%, min_sample: 5, title: Happy, grain: month}"""
    book = read(tmp_path, include)
    csat = metric(book, "csat")
    assert [(t.aim, t.amber, t.tolerance) for t in csat.targets] == [(0.9, 0.8, None)]
    assert (csat.title, csat.min_sample, csat.grain, csat.process) == ("Happy", 5, "month", "help")
    assert (metric(book, "nps").process, metric(book, "nps").min_sample) == ("help", 50)
    assert csat.split is not None
    assert csat.targets[0].place is not None
    assert csat.targets[0].place.file.endswith("metrics.yaml")  # a wrong target is shown where it was written
    assert csat.definition.startswith("csat:\n  title: Satisfied customers")
    assert "# target: 90% (" in csat.definition


@pytest.mark.parametrize(
    ("include", "word"),
    [
        ('["pack:contact-center"]', "metrics.yaml:3:11: no pack 'contact-center' is shipped (did you mean 'contact-centre'?)"),
        ("[{pack: contact-centre, only: [csta]}]", "metrics.yaml:3:41: pack 'contact-centre' has no metric 'csta' (did you mean 'csat'?)"),
        ("[{pack: contact-centre, without: [csta, csat]}]", "has no metric 'csta'"),
        ("[{pack: contact-centre, only: csat, without: [nps]}]", "is taken with 'only' and 'without'"),
        ("[{pack: contact-centre, only: csat, columns: {survey: {score: s}}}]", "has no source 'survey' (did you mean 'surveys'?)"),
        ("[{pack: contact-centre, only: csat, columns: {surveys: s}}]", "expected the pack's columns with yours"),
        ("[{pack: contact-centre, only: csat, adjust: {csat: {source: calls}}}]", "is what pack 'contact-centre' defines (leave it out (without: [csat])"),
        ("[{pack: contact-centre, only: csat, adjust: {csat: {targt: 80%}}}]", "unknown key 'targt' in metric 'csat' (did you mean 'target'?)"),
        ("[{pack: contact-centre, only: csat, adjust: {csat: {target: 80}}}]", "metrics.yaml:3:70: 'target' of metric 'csat' is '80', a bare number"),
        ("[{pack: contact-centre, onyl: csat}]", "unknown key 'onyl' in an include (did you mean 'only'?)"),
        ("[{only: csat}]", "an include has no 'pack'"),
        ('["pack:saas", {pack: saas, only: mrr}]', "pack 'saas' is included twice; the first time at"),
    ],
)  # fmt: skip
def test_mistakes_stand_at_the_include(include: str, word: str, tmp_path: Path) -> None:
    found = said(tmp_path, include)
    assert any(word in text for text in found), found


def test_a_missing_source_is_one_error_that_says_how_to_supply_it(tmp_path: Path) -> None:
    found = said(tmp_path, '["pack:contact-centre"]')
    assert len(found) == 5, found  # agents, customer_counts, quality_checks, self_service_sessions, support_costs
    assert found[2] == (
        "metrics.yaml:3:11: pack 'contact-centre' needs the source 'quality_checks' for critical_errors, qa_score, and none is defined"
        " (define it with the columns checked_at, passed, critical; or name yours: {pack: contact-centre, sources: {quality_checks: YOURS}};"
        " or leave its metrics out: {pack: contact-centre, without: [critical_errors, qa_score]})"
    )
    book, errors = read_lenient(tmp_path / "metrics.yaml")
    assert len(errors) == 5
    assert set(book.broken) == {
        "qa_score", "critical_errors", "support_cost", "cost_per_resolution", "self_service_containment",
        "active_customers", "contact_rate", "agents_employed", "agents_left", "attrition",
    }  # fmt: skip
    assert "csat" in book.metrics


def test_a_missing_column_says_where_to_name_it(tmp_path: Path) -> None:
    book = read(tmp_path, "[{pack: contact-centre, only: csat}]")
    (problem,) = check_columns(book, {"surveys": {"answered_at": "TIMESTAMP", "rating": "BIGINT"}})[:1]
    assert problem.place is not None
    assert problem.place.file == "pack:contact-centre"
    assert problem.message == "source 'surveys' has no column 'score', which metric 'csat' reads"
    assert problem.hint is not None
    assert problem.hint.endswith(
        "; where it is called otherwise, say so at the include: columns: {surveys: {score: YOURS}}"
    )


def test_a_metric_of_the_same_name_is_an_error_with_both_places(tmp_path: Path) -> None:
    own = "metrics:\n  csat: {role: leading, source: tickets, time: created_at, count: rows, better: lower}\n"
    (text,) = said(tmp_path, "[{pack: contact-centre, only: csat}]", own)
    assert text.startswith("pack:contact-centre:")
    assert "metrics 'csat' is defined twice: here and at " in text
    assert "metrics.yaml:12:3" in text


def table(pack: str) -> str:
    """The columns of a pack as docs/packs.md shows them."""
    lines = []
    for source, columns in needs(pack).items():
        lines += [f"| `{source}` | type | what it holds |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {text.split(': ', 1)[0]} | {text.split(': ', 1)[1]} |" for name, text in columns.items()
        ] + [""]
    return "\n".join(lines)


def listing(pack: str) -> str:
    """The metrics of a pack as docs/packs.md shows them."""
    lines = ["| metric | title | reads | unit |", "|---|---|---|---|"]
    for one in book_of(pack).metrics.values():
        lines.append(f"| `{one.name}` | {one.title} | {one.source or 'other metrics'} | {one.unit or ''} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("pack", shipped())
def test_the_page_shows_what_is_shipped(pack: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"## `{pack}`" in page
    assert table(pack) in page, f"put this into docs/packs.md:\n{table(pack)}"
    assert listing(pack) in page, f"put this into docs/packs.md:\n{listing(pack)}"


def test_the_pages_examples_load(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    sources = "sources:\n" + "".join(
        f"  {name}: {{kind: csv, path: x.csv, every: 1h}}\n"
        for name in [*needs("engineering"), *needs("contact-centre"), "helpdesk"]
    )
    for block in blocks:
        people = "processes:\n  ticket-resolution: {title: Help, owner: Ana Ruiz, sop: https://example.com/1}\n"
        assert len(read_book(write(tmp_path, HEAD + block + sources + people)).metrics) >= 5
