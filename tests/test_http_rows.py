"""Records that are no rows, made into rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.contract import SourceFailed
from connectors.http.rows import Shaping
from tests.pulls import failure, pulled
from tests.slow_servers import Given, served

HERE = Path(__file__).parent
SERIES = {
    "series": [
        {
            "labels": {"host": "a"},
            "kind": "GAUGE",
            "points": [{"t": 1, "v": {"double": 1.5}}, {"t": 2, "v": {"int": "3"}}],
        },
        {"labels": {"host": "b"}, "points": [{"t": 1, "v": {}}]},
        {"labels": {"host": "c"}, "points": []},
    ]
}
COSTS = {
    "days": [
        {"period": {"start": "d1"}, "estimated": True, "groups": [{"keys": ["ec2", "eu"], "cost": {"amount": "1"}}]}
    ]
}
TABLE = {
    "schema": {"fields": [{"name": "a"}, {"name": "b"}]},
    "rows": [{"f": [{"v": "1"}, {"v": None}]}, {"f": [{"v": "2"}, {"v": [1]}]}],
}


@pytest.mark.parametrize(
    ("document", "records", "rows", "expected"),
    [
        (SERIES, "$.series[*].points[*]", {"carry": ["labels", "kind"], "pick": {"at": "t", "value": ["v.double", "v.int"]}},
         [{"labels": {"host": "a"}, "kind": "GAUGE", "v": {}, "at": 1, "value": 1.5},
          {"labels": {"host": "a"}, "kind": "GAUGE", "v": {}, "at": 2, "value": "3"},
          {"labels": {"host": "b"}, "v": {}, "at": 1, "value": None}]),
        (SERIES, "$.series[1].points", {"carry": ["labels"]}, [{"labels": {"host": "b"}, "t": 1, "v": {}}]),
        (SERIES, "$.series[*]", {"carry": ["series"], "drop": ["points", "labels", "kind"]}, [{}, {}, {}]),
        (SERIES, "$.series[*].points[*]", {"carry": ["labels"], "join": {"name": ["labels"]}, "drop": ["labels", "v"]},
         [{"name": '{"labels": {"host": "a"}}', "t": 1}, {"name": '{"labels": {"host": "a"}}', "t": 2}, {"name": '{"labels": {"host": "b"}}', "t": 1}]),
        (COSTS, "$.days[*].groups[*]", {"carry": ["period", "estimated"], "spread": {"keys": ["service", "region"]}, "pick": {"day": "period.start"}, "drop": ["period"]},
         [{"estimated": True, "service": "ec2", "region": "eu", "cost": {"amount": "1"}, "day": "d1"}]),
        (TABLE, "$.rows[*]", {"names": "$.schema.fields[*].name", "values": "$.f[*].v"}, [{"a": "1", "b": None}, {"a": "2", "b": [1]}]),
        ({"names": ["a", "b"], "rows": [[1, 2], [3, 4]]}, "$.rows[*]", {"names": "$.names[*]"}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ([{"id": "m", "t": [1, 2], "v": [3, 4]}, {"id": "n", "t": [], "v": []}, {"id": "o"}], None, {"zip": ["t", "v"]},
         [{"id": "m", "t": 1, "v": 3}, {"id": "m", "t": 2, "v": 4}]),
        ([{"id": 1, "fields": [{"n": "status", "x": "done"}, {"n": "who", "x": None}, {"x": 1}]}, {"id": 2, "fields": None}], None, {"pairs": {"fields": ["n", "x"]}},
         [{"id": 1, "fields": {"status": "done", "who": None}}, {"id": 2, "fields": {}}]),
    ],
)  # fmt: skip
def test_records_become_rows(document: Any, records: str | None, rows: dict[str, Any], expected: list[Any]) -> None:
    assert Shaping(records, rows).rows(document) == expected


@pytest.mark.parametrize(
    ("document", "records", "rows", "words"),
    [
        (TABLE, "$.rows[*]", {"names": "$.nothing[*]", "values": "$.f[*].v"}, "no names at $.nothing"),
        ({"n": ["a"], "rows": [[1, 2]]}, "$.rows[*]", {"names": "$.n[*]"}, "has 2 values, and there are 1 names"),
        ([{"t": [1], "v": []}], None, {"zip": ["t", "v"]}, "lists of one length"),
        ([{"keys": [1, 2]}], None, {"spread": {"keys": ["a"]}}, "has not 1 members"),
        ([{"f": [{"n": "a"}, {"n": "a"}]}], None, {"pairs": {"f": ["n", "x"]}}, "names 'a' twice"),
        ([{"status": "partial"}], None, {"refuse": {"status": ["partial"]}}, "a record has status: partial"),
        ([{}], None, {"values": "$.f"}, "values needs names"),
    ],
)  # fmt: skip
def test_records_that_cannot_are_named(document: Any, records: str | None, rows: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceFailed) as caught:
        Shaping(records, rows).rows(document)
    assert words in caught.value.message
    assert caught.value.hint


def test_names_may_stand_on_the_first_page_only() -> None:
    shaping = Shaping("$.rows[*]", {"names": "$.schema.fields[*].name", "values": "$.f[*].v"})
    shaping.rows(TABLE)
    assert shaping.rows({"rows": [{"f": [{"v": 5}, {"v": 6}]}]}) == [{"a": 5, "b": 6}]


def test_a_list_may_be_missing_where_the_path_says_so() -> None:
    with served(lambda _: Given({"kind": "list"})) as server:
        assert pulled("http", HERE, url=server.url, records="$.items[*]?").rows == []
        assert "is not in the answer" in failure("http", HERE, url=server.url, records="$.items[*]").message


def test_of_several_paths_the_first_that_is_there_counts() -> None:
    path = "$.later.items[*] | $.first[0].items[*]"
    for document in ({"later": {"items": [{"id": 1}]}}, {"first": [{"items": [{"id": 1}]}]}):
        assert Shaping(path, None).rows(document) == [{"id": 1}]


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        ("; charset=iso-8859-1", '[{"a": "Zoë"}]'.encode("latin-1"), "Zoë"),
        ("; charset=utf-8", '[{"a": "Zoë"}]'.encode(), "Zoë"),
        ("; charset=nonsense", '[{"a": "Zoë"}]'.encode(), "Zoë"),
        ("", '[{"a": "Zoë"}]'.encode("utf-16"), "Zoë"),
    ],
)
def test_the_charset_that_the_server_says_is_believed(charset: str, body: bytes, expected: str) -> None:
    with served(lambda _: Given(body, headers={"Content-Type": f"application/json{charset}"})) as server:
        assert pulled("http", HERE, url=server.url).column("a") == [expected]
    with served(
        lambda _: Given('[{"a": "Zoë"}]'.encode("latin-1"), headers={"Content-Type": "application/json"})
    ) as server:
        assert "is not utf-8" in failure("http", HERE, url=server.url).message
