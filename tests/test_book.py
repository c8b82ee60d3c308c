"""Reading a whole book: files and includes, the environment, what a running product keeps, and what is only warned of."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from connectors.names import RESERVED, collisions, normalise, normalise_all
from scorecard.book.columns import columns_read
from scorecard.book.model.metric import Change, Count, Formula, Quantile, Ratio, Scaling, Stock
from scorecard.book.model.organization import Person
from scorecard.book.model.source import Schedule
from scorecard.book.read import check_columns, read_book, read_lenient
from scorecard.ground.errors import Place, Refused
from scorecard.judgement.targets import Glide, Relative, Target, Tolerance, Versus
from tests.bookfiles import COMPLETE, ENVIRONMENT, GOOD, complete_folder, problems, read, write


def said(folder: Path, text: str) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/") for problem in problems(folder, text)]


def warned(folder: Path, text: str) -> list[str]:
    return [str(warning).removeprefix(f"{folder}/") for warning in read(folder, text).warnings]


def test_the_complete_example_loads(tmp_path: Path) -> None:
    book = read_book(complete_folder(tmp_path), environment=ENVIRONMENT)
    assert len(book.metrics) == 8
    assert book.organization.holidays == {date(2026, 12, 25), date(2027, 1, 1)}
    assert (book.organization.fiscal_year_starts, book.organization.week_starts) == (4, 0)
    assert book.sources["orders"].options["url"] == ENVIRONMENT["ERP_URL"]
    assert [Path(name).name for name in book.files] == ["metrics.yaml", "more.yaml"]
    assert book.metrics["scales"].grain == "quarter"
    assert book.metrics["scales"].measure == Scaling("tickets_resolved", "paid_hours", "csat")
    assert book.tests[0].given == {"surveys": "fixtures/two_weeks.csv"}
    (expected,) = book.tests[0].expect
    assert (expected.metric, expected.wanted) == ("csat", {"value": 0.5, "n": 24, "status": "red"})


def test_what_is_read_is_what_is_written(tmp_path: Path) -> None:
    book = read(tmp_path, GOOD)
    csat, orders, tickets = book.metrics["csat"], book.sources["orders"], book.sources["tickets"]
    assert isinstance(csat.measure, Ratio)
    assert csat.measure.sampling == "binomial"
    assert csat.targets[1] == Target(
        0.85, tolerance=Tolerance(0.03, relative=False), since=date(2026, 7, 1), place=csat.targets[1].place
    )
    assert book.metrics["tickets_created"].targets[0].tolerance == Tolerance(0.15, relative=True)
    assert book.metrics["tickets_created"].time == "created_at"
    assert book.metrics["tickets_resolved"].time == "resolved_at"
    assert book.metrics["response_p90"].min_sample == 10
    assert book.metrics["backlog"].measure == Stock("created_at", "resolved_at")
    assert isinstance(book.metrics["resolved_share"].measure, Formula)
    assert book.metrics["created_change"].measure == Change("tickets_created", Versus("year_ago"), "percent")
    assert book.metrics["created_change"].percent
    assert book.metrics["created_change"].source is None
    assert orders.schedule == Schedule(cron="*/5 * * * *")
    assert orders.cursor is not None
    assert (orders.cursor.start, orders.cursor.lookback_seconds, orders.mode) == (date(2024, 1, 1), 3600, "upsert")
    assert tickets.columns["resolved_at"].format == "%Y-%m-%d %H:%M"
    assert tickets.timezone == "Europe/Berlin"
    assert tickets.checks[0].drop_at_most == 0.5
    assert book.owner_of(csat) == Person("Ben Ito", "ben@example.com")
    assert csat.definition.startswith("csat:\n  title: Satisfied customers\n")
    assert csat.definition.endswith("tolerance: 3pp}")
    assert csat.places["unit"] == Place(str(tmp_path / "metrics.yaml"), 72, 11)


def test_a_metric_takes_ten_lines_and_no_organization(tmp_path: Path) -> None:
    book = read(
        tmp_path,
        "version: 1\nsources:\n  sales: {kind: csv, path: sales.csv, every: 1m, time: day}\n"
        "metrics:\n  revenue: {role: lagging, source: sales, sum: amount, unit: EUR, better: higher, target: 100}\n",
    )
    assert book.metrics["revenue"].title == "revenue"
    assert book.organization.timezone == "UTC"


def test_defaults_are_for_metrics_that_do_not_say_otherwise(tmp_path: Path) -> None:
    text = GOOD.replace(
        "defaults: {grain: week}",
        "defaults: {grain: day, min_sample: 7, team: operations, tags: [all], source: orders, time: paid_at}",
    )
    book = read(tmp_path, text)
    assert {metric.grain for metric in book.metrics.values()} == {"day"}
    assert (
        book.metrics["csat"].min_sample,
        book.metrics["tickets_created"].min_sample,
        book.metrics["response_p90"].min_sample,
    ) == (7, 1, 7)
    assert book.metrics["csat"].team is None
    assert book.metrics["csat"].process == "ticket-resolution"
    assert book.metrics["csat"].time == "paid_at"
    assert book.metrics["resolved_share"].source is None
    assert book.metrics["csat"].tags == ("all",)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("target: 30\n    amber: 36", Target(30.0, amber=36.0)),
        ("target: -5\n    tolerance: 2", Target(-5.0, tolerance=Tolerance(2.0, relative=False))),
        ("target: {versus: year_ago, change: -5%}\n    tolerance: 3%", Target(Relative(Versus("year_ago"), -0.05), tolerance=Tolerance(0.03, relative=True))),
        ("target: {versus: {mean_of: 4}, change: +10%}", Target(Relative(Versus("mean_of", 4), 0.1))),
        ("target: {glide: {from: 60, since: 2026-01-01, to: 40, by: 2026-12-31}}", Target(Glide(60.0, date(2026, 1, 1), 40.0, date(2026, 12, 31)))),
    ],
)  # fmt: skip
def test_every_form_of_target_on_a_number(entry: str, expected: Target, tmp_path: Path) -> None:
    book = read(tmp_path, GOOD.replace("target: 30\n    amber: 45", entry))
    (found,) = book.metrics["response_p90"].targets
    assert found == Target(expected.aim, expected.amber, expected.tolerance, place=found.place)


def test_bands_and_points_on_percent_metrics(tmp_path: Path) -> None:
    band = GOOD.replace("better: higher\n    targets", "better: within\n    targets").replace(
        "target: 82%, tolerance: 3pp", "target: [70%, 85%], amber: [65%, 90%]"
    )
    band = band.replace("target: 85%, tolerance: 3pp", "target: [75%, 85%], tolerance: 3pp")
    assert read(tmp_path, band).metrics["csat"].targets[0].aim == (0.7, 0.85)
    points = GOOD.replace("target: 82%, tolerance: 3pp", "target: {versus: previous, change: +2pp}")
    assert read(tmp_path, points).metrics["csat"].targets[0].aim == Relative(Versus("previous"), 0.02, points=True)
    quoted = GOOD.replace(
        "unit: percent\n    better: higher\n    targets", 'unit: "%"\n    better: higher\n    targets'
    )
    assert read(tmp_path, quoted).metrics["csat"].unit == "percent"


def test_quantiles_and_counts(tmp_path: Path) -> None:
    text = GOOD.replace("p90: first_reply_at - created_at", "quantile: {of: minutes, q: 0.25}")
    measure = read(tmp_path, text).metrics["response_p90"].measure
    assert isinstance(measure, Quantile)
    assert measure.q == 0.25
    assert read(tmp_path, GOOD).metrics["tickets_created"].measure == Count(None)


def test_environment_and_dotenv_fill_in_and_never_show(tmp_path: Path) -> None:
    text = GOOD.replace("url: sqlite:///data/orders.db", 'url: "postgresql://u:${PASSWORD}@h/${NAME}"')
    write(tmp_path, "# ours\nexport PASSWORD='canary one'\nNAME=from_file # comment\n", ".env")
    path = write(tmp_path, text)
    book = read_book(path, environment={"NAME": "from_environment"})
    assert book.sources["orders"].options["url"] == "postgresql://u:canary one@h/from_environment"
    assert "canary one" in book.secrets
    assert {"canary one", "from_environment"} <= set(book.sources["orders"].secrets), "each by itself too"
    path.write_text(
        text.replace("${NAME}", "${NAEM}").replace("time: ordered_at", 'time: ordered_at\n    fresh_for: "${PASSWORD}"')
    )
    with pytest.raises(Refused) as refused:
        read_book(path, environment={"NAME": "x"})
    all_said = str(refused.value)
    assert "'url' needs ${NAEM}, which is not in the environment" in all_said
    assert "did you mean 'NAME'?" in all_said
    assert "canary" not in all_said
    assert "'fresh_for' of source 'orders' is '\"${PASSWORD}\"'" in all_said


def test_secrets_written_into_the_file_are_kept_out_and_warned_of(tmp_path: Path) -> None:
    source = "  feed:\n    kind: http\n    url: https://user:canary-two@h.example/x\n    auth: {style: bearer, token: canary-token}\n    every: 1m\nteams:"
    book = read(tmp_path, GOOD.replace("teams:", source, 1))
    assert {"canary-two", "canary-token"} <= set(book.secrets)
    assert any("'auth.token' of source 'feed' is written into the file" in str(w) for w in book.warnings)
    assert not any("canary" in str(w) for w in book.warnings)


def test_a_filled_in_value_in_an_address_does_not_move_other_places(tmp_path: Path) -> None:
    text = GOOD.replace("url: sqlite:///data/orders.db", 'url: "${ERP_URL}"').replace("every: 30s", "every: soon")
    assert said(tmp_path, text)[0].startswith("metrics.yaml:13:12: 'every' of source 'tickets' is 'soon'")


def test_included_files_are_merged_and_named_in_problems(tmp_path: Path) -> None:
    more = "defaults: {grain: month}\nmetrics:\n  opened:\n    role: leading\n    source: tickets\n    count: rows\n    better: lowr\n"
    write(tmp_path, more, "metrics/more.yaml")
    text = 'include: ["metrics/*.yaml"]\n' + GOOD
    assert said(tmp_path, text) == [
        "metrics/more.yaml:7:13: 'better' of metric 'opened' is 'lowr', expected one of higher, lower, within (did you mean 'lower'?)"
    ]
    write(tmp_path, more.replace("lowr", "lower"), "metrics/more.yaml")
    book = read(tmp_path, text)
    assert book.metrics["opened"].grain == "month"
    assert book.metrics["csat"].grain == "week"


def test_a_name_defined_twice_names_both_places(tmp_path: Path) -> None:
    write(
        tmp_path,
        "metrics:\n  csat: {role: leading, source: tickets, count: rows, better: lower}\n",
        "metrics/more.yaml",
    )
    (text,) = said(tmp_path, 'include: "metrics/*.yaml"\n' + GOOD)
    assert text.startswith("metrics/more.yaml:2:3: metrics 'csat' is defined twice: here and at ")
    assert "metrics.yaml:67:3" in text


@pytest.mark.parametrize(
    ("include", "word"),
    [
        ('["nowhere/*.yaml"]', "no file matches the include"),
        ("[nowhere.yaml]", "there is no such file"),
        ("[../other.yaml]", "leaves the folder"),
        ("[/etc/passwd]", "leaves the folder"),
        ('["pack:contact-centre"]', "needs the source 'calls'"),
        ("[metrics.yaml]", ""),
    ],
)
def test_includes_that_cannot_be(include: str, word: str, tmp_path: Path) -> None:
    found = said(tmp_path, f"include: {include}\n" + GOOD)
    assert (found == []) if not word else any(word in text and text.startswith("metrics.yaml:1:") for text in found)


def test_paths_of_an_included_file_start_in_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "sources:\n  more: {kind: csv, path: data/x.csv, every: 1m}\n", "part/more.yaml")
    book = read(tmp_path, "include: [part/more.yaml]\n" + GOOD)
    assert book.sources["more"].options["path"] == "part/data/x.csv"
    assert book.sources["tickets"].options["path"] == "data/tickets.csv"


def test_allowed_places_open_paths_outside(tmp_path: Path) -> None:
    outside = GOOD.replace("path: data/tickets.csv", "path: ../elsewhere/tickets.csv")
    assert "leaves the folder" in said(tmp_path, outside)[0]
    assert said(tmp_path, outside.replace("  workdays:", "  allow_paths: [../elsewhere]\n  workdays:")) == []


def test_holidays_are_read_and_their_mistakes_placed(tmp_path: Path) -> None:
    text = GOOD.replace("  workdays:", "  holidays: data/holidays.csv\n  workdays:")
    assert "cannot be read" in said(tmp_path, text)[0]
    write(tmp_path, "name,Day\nNew year,2027-01-01\nEaster,soon\n\n", "data/holidays.csv")
    assert said(tmp_path, text) == ["data/holidays.csv:3:8: 'soon' is no day (write 2026-12-25)"]
    write(tmp_path, "name,date\n", "data/holidays.csv")
    assert "have no column 'day', but name, date" in said(tmp_path, text)[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no such file"):
        read_book(tmp_path / "metrics.yaml")
    assert "the file is empty" in said(tmp_path, "")[0]
    assert "the file holds no keys" in said(tmp_path, "metrics:x")[0]
    assert (
        "expected names" in said(tmp_path, "version: 1\nmetrics: [a]\n")[0]
        or "takes names" in said(tmp_path, "version: 1\nmetrics: [a]\n")[0]
    )
    with pytest.raises(Refused, match="no such file"):
        read_lenient(tmp_path / "other.yaml")


def test_text_stands_in_for_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 2\n")
    assert len(read_book(path, text=GOOD).metrics) == 7


def test_the_running_product_goes_on_without_what_is_in_error(tmp_path: Path) -> None:
    text = GOOD.replace("    count: resolved_at\n", "    count: resolved_at)\n").replace(
        "  timezone: Europe", "  timezone: Europe"
    )
    book, errors = read_lenient(write(tmp_path, text))
    assert set(book.broken) == {"tickets_resolved", "resolved_share"}
    assert "rests on metric 'tickets_resolved'" in str(book.broken["resolved_share"].problems[0])
    assert book.broken["resolved_share"].process == "ticket-resolution"
    assert set(book.metrics) == {"tickets_created", "csat", "response_p90", "backlog", "created_change"}
    assert [str(e).split(": ")[1] for e in errors] == ["')' closes no bracket in 'count' of metric 'tickets_resolved'"]


def test_a_process_or_source_in_error_takes_its_metrics_along(tmp_path: Path) -> None:
    book, _ = read_lenient(write(tmp_path, GOOD.replace("    sop_reviewed: 2026-09-03", "    sop_reviewed: soon")))
    assert book.processes == {}
    assert book.panels == {}
    assert set(book.metrics) == set()
    assert "rests on process 'ticket-resolution'" in str(book.broken["csat"].problems[0])
    assert "rests on metric 'tickets_created'" in str(book.broken["created_change"].problems[0])
    book, _ = read_lenient(write(tmp_path, GOOD.replace("    every: 30s\n", "    every: 30s\n    every: 1m\n")))
    assert list(book.sources) == ["orders"]
    assert set(book.broken) == set(read(tmp_path, GOOD).metrics)


def test_a_broken_organization_or_syntax_error_stops_the_running_product_too(tmp_path: Path) -> None:
    for text in (GOOD.replace("Europe/Berlin", "Europe/Berln"), GOOD + "x: %"):
        with pytest.raises(Refused):
            read_lenient(write(tmp_path, text))


TABLES = {
    "tickets": {
        "ticket_id": "BIGINT", "created_at": "TIMESTAMP", "resolved_at": "TIMESTAMP", "first_reply_at": "TIMESTAMP", "minutes": "DOUBLE",
        "status": "VARCHAR", "assigned_team": "VARCHAR", "score": "BIGINT", "_day_created_at": "DATE",
    },
    "orders": {"order_id": "BIGINT", "ordered_at": "TIMESTAMP", "updated_at": "TIMESTAMP"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("count_if(score >= 4)", "count_if(▶scor >= 4)", "did you mean 'score'?"),
        (
            "where: status = 'open' and minutes >= 0",
            "where: >-\n      status = 'open'\n      and ▶minuts >= 0",
            "did you mean 'minutes'?",
        ),
        ("p90: first_reply_at - created_at", "p90: first_reply_at - ▶create_at", "did you mean 'created_at'?"),
        ("split: {team: assigned_team}", "split: {team: ▶assigned}", "no column 'assigned'"),
        (
            "{opened: created_at, closed: resolved_at}",
            "{opened: created_at, closed: ▶resolvd_at}",
            "did you mean 'resolved_at'?",
        ),
        ("    time: resolved_at", "    time: ▶solved", "no column 'solved'"),
        ("    time: ordered_at", "    time: ▶orderd_at", "did you mean 'ordered_at'?"),
        ("key: [ticket_id]", "key: [▶ticketid]", "did you mean 'ticket_id'?"),
        ("{column: updated_at,", "{column: ▶update_at,", "did you mean 'updated_at'?"),
        ("not_null: [ticket_id]", "not_null: [created_at, ▶ticket]", "no column 'ticket'"),
        ("minutes: double", "▶mins: double", "no column 'mins'"),
        ("where minutes < 0", "where ▶mins < 0", "no column 'mins'"),
        ("    time: created_at", "    time: ▶status", "holds VARCHAR, no times"),
    ],
)
def test_columns_that_are_not_there_stand_at_their_character(old: str, new: str, word: str, tmp_path: Path) -> None:
    text = GOOD.replace(old, new, 1)
    before = text[: text.index("▶")]
    expected = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    found = check_columns(read(tmp_path, text.replace("▶", "")), TABLES)
    assert [(p.place.line, p.place.column) for p in found if p.place] == [expected], [str(p) for p in found]
    assert word in str(found[0])


@pytest.mark.parametrize(("declared", "problems"), [("timestamp", 0), ("epoch_s", 0), ("text", 1)])
def test_a_declared_time_is_no_problem_though_the_table_still_holds_what_an_earlier_load_inferred(
    declared: str, problems: int, tmp_path: Path
) -> None:
    text = GOOD.replace("minutes: double", f"minutes: double\n      created_at: {declared}", 1)
    assert text != GOOD
    loaded = {**TABLES, "tickets": {**TABLES["tickets"], "created_at": "VARCHAR" if problems == 0 else "TIMESTAMP"}}
    found = [
        p
        for p in check_columns(read(tmp_path, text), loaded)
        if "no times" in p.message and "source 'tickets' takes" in p.message
    ]
    assert len(found) == problems, found


def test_the_columns_that_metrics_read_are_those_they_name(tmp_path: Path) -> None:
    book = read(tmp_path, GOOD)
    named = columns_read(book, "tickets")
    assert {"created_at", "assigned_team", "resolved_at", "first_reply_at"} <= named
    assert named <= set(TABLES["tickets"])
    assert columns_read(book, "nothing") == frozenset()


def test_good_columns_and_tables_that_are_not_loaded_are_no_problem(tmp_path: Path) -> None:
    book = read(tmp_path, GOOD)
    assert check_columns(book, TABLES) == ()
    assert check_columns(book, {}) == ()


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("where: status = 'open' and minutes >= 0", "where: not open and minutes >= 0", "54:16: warning: 'not open' of metric"),
        ("    sop: https://wiki.example.com/sop/7\n", "", "has no 'sop'"),
        ("  operations: {title: Operations}", "  operations: {title: Operations}\n  suport: {title: Other}", "spelled almost like"),
        ("version: 1\n", "", "has no 'version'"),
        ("query: select * from orders where updated_at > :cursor", "query: select * from orders", "never used"),
        ("{since: 2026-01-01, target", "{since: 2026-01-01, team: support, target", "is not split by team"),
        ("    better: lower\n    target: 1200", "    leads: [{metric: csat, lag: 2w, sign: opposite}]\n    better: lower\n    target: 1200", "not computed yet: leading"),
        ("target: 1200\n    tolerance: 15%", "targets: [{from: orders, value: goal}]", None),
        ("count: resolved_at", "cohort: {of: count_if(not open), to: rows, matures_after: 7d}", "'not open' of metric"),
        ("    role: lagging\n    source: tickets\n    ratio", "    role: leading\n    source: tickets\n    ratio", None),
    ],
)  # fmt: skip
def test_what_is_probably_not_meant_is_warned_of(old: str, new: str, word: str | None, tmp_path: Path) -> None:
    assert old in GOOD
    assert warned(tmp_path, GOOD) == []
    found = warned(tmp_path, GOOD.replace(old, new, 1))
    assert (found == []) if word is None else any(word in text for text in found), found


def test_a_process_needs_both_roles_and_a_card_is_not_endless(tmp_path: Path) -> None:
    text = GOOD.replace("role: lagging", "role: leading")
    assert any("process 'ticket-resolution' has no lagging metric" in text for text in warned(tmp_path, text))
    many = GOOD + "".join(
        f"  more_{n}: {{team: operations, role: leading, source: tickets, count: rows, better: lower}}\n"
        for n in range(15)
    )
    assert any("16 metrics stand on the scorecard 'operations'" in text for text in warned(tmp_path, many))


def test_circles_are_reported_once(tmp_path: Path) -> None:
    more = (
        "  a: {role: leading, better: higher, formula: b + c}\n  b: {role: leading, better: higher, formula: c * 2}\n"
    )
    more += "  c: {role: leading, better: higher, formula: previous(a)}\n"
    assert [text.split(": ", 1)[1] for text in said(tmp_path, GOOD + more)] == [
        "a circle: a → b → c → a (one of them must not name the other)"
    ]
    book, _ = read_lenient(write(tmp_path, GOOD + more))
    assert set(book.broken) == {"a", "b", "c"}


def test_the_digest_is_of_what_is_defined(tmp_path: Path) -> None:
    first = read(tmp_path, GOOD).digest
    assert read(tmp_path, "# a comment\n" + GOOD.replace("  csat:\n", "  csat:   # ours\n")).digest == first
    assert read(tmp_path, GOOD.replace("target: 1200", "target: 1201")).digest != first


@pytest.mark.parametrize(
    ("start", "column", "expected"),
    [
        ("2024-01-01", "updated_at: timestamp", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T08:00:00+02:00", "updated_at: timestamp", datetime.fromisoformat("2024-01-01T08:00:00+02:00")),
        ("17", "updated_at: integer", 17),
        ("17", "updated_at: text", "17"),
    ],
)
def test_a_cursor_starts_in_its_columns_type(start: str, column: str, expected: object, tmp_path: Path) -> None:
    text = GOOD.replace("start: 2024-01-01", f"start: {start}").replace(
        "    key: [order_id]", f"    columns: {{{column}}}\n    key: [order_id]"
    )
    cursor = read(tmp_path, text).sources["orders"].cursor
    assert cursor is not None
    assert cursor.start == expected
    assert type(cursor.start) is type(expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Created Date", "created_date"), ("Subways: Total", "subways_total"), ("  Größe (cm) ", "grosse_cm"), ("2nd reply", "c_2nd_reply"), ("Order", "order_"),
        ("", "column_3"), ("***", "column_3"), ("Ærø", "aero"), ("already_good", "already_good"), ("A__B--C", "a_b_c"), ("Café", "cafe"), ("ＦＵＬＬ", "full"),
        ("価格", "column_3"), ("user", "user"),
    ],
)  # fmt: skip
def test_names_of_columns_are_normalised(written: str, expected: str) -> None:
    assert normalise(written, 3) == expected
    assert normalise(normalise(written, 3), 3) == expected


def test_names_that_collide_are_found() -> None:
    assert normalise_all(["A b", "", "a_b"]) == ("a_b", "column_2", "a_b")
    assert collisions(["A b", "", "a_b"]) == {"a_b": ("A b", "a_b")}


def test_the_reserved_words_are_those_of_the_engine() -> None:
    rows = (
        duckdb.connect()
        .execute("select keyword_name from duckdb_keywords() where keyword_category = 'reserved'")
        .fetchall()
    )
    assert {name for (name,) in rows} == RESERVED


def test_five_hundred_metrics_take_a_blink(tmp_path: Path) -> None:
    import time

    body = "".join(
        f"  m_{n}:\n    role: leading\n    source: tickets\n    ratio: {{of: count_if(score >= {n}), to: count(score)}}\n    unit: percent\n"
        f"    better: higher\n    target: 80%\n    tolerance: 3pp\n"
        for n in range(500)
    )
    path = write(tmp_path, GOOD + body)
    seconds = []
    for _ in range(3):
        began = time.process_time()
        read_book(path)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 1  # CPU; about 0.15 s, the bound only catches accidents


def test_the_complete_example_is_the_one_of_the_reference() -> None:
    assert "scaling: {output: tickets_resolved" in COMPLETE


def test_a_target_beside_the_metrics_own_team_holds_for_the_whole(tmp_path: Path) -> None:
    """Also where nothing but `defaults` says its role."""
    more = "  of_a_team: {team: operations, source: tickets, count: rows, better: lower, target: 3}\n"
    book = read(tmp_path, GOOD.replace("defaults: {", "defaults: {role: leading, ", 1) + more)
    (target,) = book.metrics["of_a_team"].targets
    assert (target.aim, target.team) == (3.0, None)


def test_a_change_in_points_is_in_the_unit_of_its_metric(tmp_path: Path) -> None:
    text = (
        "version: 1\norganization: {name: X}\nsources: {s: {kind: csv, path: s.csv, every: 1h, time: t}}\n"
        "defaults: {role: lagging, better: higher, source: s}\nmetrics:\n"
        "  more: {change: {of: moved, versus: previous, as: points}, target: 1%}\n"  # before what it is of
        "  moved: {change: {of: kept, versus: year_ago, as: points}, target: 2%, tolerance: 1pp}\n"
        "  kept: {cumulative: {of: share, over: month}, target: 50%}\n"
        "  share: {ratio: {of: count_if(a), to: rows}, unit: percent, decimals: 2}\n"
        "  grown: {change: {of: paid, versus: previous}}\n"
        "  dearer: {change: {of: paid, versus: previous, as: points}, target: 3}\n"
        "  paid: {sum: b, unit: EUR}\n"
    )
    metrics = read_book(write(tmp_path, text)).metrics
    assert {n: m.unit for n, m in metrics.items()} == {
        "more": "percent", "moved": "percent", "kept": "percent", "share": "percent", "grown": "percent",
        "dearer": "EUR", "paid": "EUR",
    }  # fmt: skip
    assert [metrics["more"].decimals, metrics["more"].targets[0].aim] == [2, 0.01]
    round_about = text.replace("of: kept", "of: more")
    with pytest.raises(Refused) as refused:
        read_book(write(tmp_path, round_about))
    assert any("moved" in str(p) and "more" in str(p) for p in refused.value.problems)  # a circle, said and survived


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("p50", "write median"),
        ("p33", "write quantile: {of: …, q: 0.33}"),
        ("avg", "write mean"),
        ("unique", "write distinct"),
    ],
)
def test_measures_by_the_names_of_other_tools_are_understood(tmp_path: Path, written: str, hint: str) -> None:
    text = (
        "version: 1\norganization: {name: X}\nsources: {s: {kind: csv, path: s.csv, every: 1h, time: t}}\nmetrics:\n"
        f"  m: {{{written}: a, source: s, role: lagging, better: lower}}\n"
    )
    with pytest.raises(Refused) as refused:
        read_book(write(tmp_path, text))
    assert hint in [p.hint for p in refused.value.problems]
