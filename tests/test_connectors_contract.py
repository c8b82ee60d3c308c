"""What every kind of source promises, tried on every kind with the same rows."""

from __future__ import annotations

import ast
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.contract import Batch, Pull, SourceFailed
from connectors.registry import kinds, pull
from tests.pulls import asked, collected
from tests.slow_servers import Given, served

ROOT = Path(__file__).parent.parent
SECRET = "c4nary-s3cret"
ROWS = [("1", "Ana", "2.5"), ("2", None, "3.5"), ("3", "Zoë", "4.5")]


@dataclass
class Example:
    """One source of each kind: as it should be, and with its table, file or address gone."""

    kind: str
    folder: Path
    options: dict[str, Any]
    gone: dict[str, Any] = field(default_factory=dict)
    doubled: dict[str, Any] = field(default_factory=dict)

    def request(self, **other: Any) -> Pull:
        return asked(self.kind, self.folder, **{**self.options, **other})


def csv_example(folder: Path) -> Example:
    lines = ["Ticket ID,Agent,Hours Spent", *(",".join(value or "" for value in row) for row in ROWS)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "d.csv").write_text("a b,A-B\n1,2\n", encoding="utf-8")
    return Example("csv", folder, {"path": "t.csv"}, {"path": "gone.csv"}, {"path": "d.csv"})


def sql_example(folder: Path) -> Example:
    connection = sqlite3.connect(folder / "t.sqlite")
    connection.execute('create table t ("Ticket ID" text, "Agent" text, "Hours Spent" text)')
    connection.executemany("insert into t values (?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    select = "select * from t order by 1"
    return Example(
        "sql", folder, {"url": "sqlite:///t.sqlite", "query": select}, {"query": "select * from gone"},
        {"query": 'select 1 as "a b", 2 as "A-B"'},
    )  # fmt: skip


def http_example(folder: Path, stack: ExitStack) -> Example:
    body = [{"Ticket ID": one, "Agent": two, "Hours Spent": three} for one, two, three in ROWS]
    bodies = {"/t": Given(body), "/d": Given([{"a b": 1, "A-B": 2}])}
    server = stack.enter_context(served(lambda came: bodies.get(came.path, Given({}, 404))))
    auth = {"style": "bearer", "token": SECRET}
    options = {"url": server.url + "/t", "auth": auth}
    return Example("http", folder, options, {"url": f"{server.url}/gone?api_key={SECRET}"}, {"url": server.url + "/d"})


@pytest.fixture(params=kinds())
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Example]:
    with ExitStack() as stack:
        makers: dict[str, Callable[[Path], Example]] = {"csv": csv_example, "sql": sql_example}
        makers["http"] = lambda folder: http_example(folder, stack)
        yield makers[request.param](tmp_path)


def test_rows_have_normalised_names_and_lines(example: Example) -> None:
    found = collected(pull(example.request()))
    assert found.rows == [{"ticket_id": one, "agent": two, "hours_spent": three} for one, two, three in ROWS]
    assert len(found.lines) == 3
    assert found.lines == sorted(found.lines)
    assert all(line >= 1 for line in found.lines)
    assert not found.rejected


def test_batches_are_what_the_contract_says(example: Example) -> None:
    state: dict[str, Any] = {}
    for batch in pull(example.request()):
        assert isinstance(batch, Batch)
        assert isinstance(batch.rows, pa.Table | pa.RecordBatchReader)
        names = batch.rows.schema.names
        assert len(set(names)) == len(names)
        assert "_line" not in names or batch.rows.schema.field("_line").type == pa.int64()
        state |= batch.state
        if isinstance(batch.rows, pa.RecordBatchReader):
            assert batch.rows.read_all().num_rows == 3
    assert repr(state) == repr(ast.literal_eval(repr(state)))  # plain values only: they are kept as JSON


def test_the_same_rows_again_or_counted_as_unchanged(example: Example) -> None:
    first = collected(pull(example.request()))
    again = collected(pull(example.request(state=first.state)))
    assert len(again.rows) + again.unchanged == 3


def test_asking_does_nothing_until_the_rows_are_wanted(example: Example) -> None:
    pull(example.request(**example.gone)).close()


def test_what_is_gone_is_a_failure_with_a_hint_and_without_secrets(example: Example) -> None:
    with pytest.raises(SourceFailed) as caught:
        collected(pull(example.request(**example.gone)))
    assert "gone" in caught.value.message
    assert caught.value.hint
    assert not caught.value.retry
    assert SECRET not in f"{caught.value.message} {caught.value.hint} {caught.value.place}"


def test_names_that_collide_are_both_named(example: Example) -> None:
    with pytest.raises(SourceFailed) as caught:
        collected(pull(example.request(**example.doubled)))
    assert "'a b'" in caught.value.message
    assert "'A-B'" in caught.value.message


def test_pulling_changes_nothing(example: Example) -> None:
    before = {path: path.read_bytes() for path in example.folder.iterdir()}
    collected(pull(example.request()))
    assert {path: path.read_bytes() for path in example.folder.iterdir()} == before


def test_stopping_half_way_leaves_nothing_open(example: Example) -> None:
    batches = pull(example.request())
    next(batches)
    batches.close()


def test_an_unknown_kind_names_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed) as caught:
        list(pull(asked("xls", tmp_path)))
    assert all(kind in str(caught.value.hint) for kind in kinds())


def test_importing_the_registry_loads_no_library() -> None:
    program = (
        "import sys, connectors.registry; print([m for m in ('duckdb', 'requests', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pull_of_records_needs_neither_the_database_nor_arithmetic_on_columns() -> None:
    program = "import sys, connectors.http_api; print([m for m in ('duckdb', 'pyarrow.compute') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
