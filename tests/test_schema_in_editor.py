"""The schema in a real language server: what an editor completes, explains and marks. See language_server.py for how to run it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from scorecard.book.schema import json_schema
from tests.bookfiles import COMPLETE
from tests.language_server import LanguageServer, command
from tests.test_schema import valid_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(command() is None, reason="no yaml-language-server on the path, nor in YAML_LANGUAGE_SERVER"),
]
METRIC = """version: 1
metrics:
  csat:
    role: leading
    count: rows
    better: higher
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    schema = tmp_path_factory.mktemp("editor") / "metrics.schema.json"
    schema.write_text(json.dumps(json_schema()), encoding="utf-8")
    words = command()
    assert words is not None
    server = LanguageServer(words, schema)
    yield server
    server.close()


def marks(server: LanguageServer, name: str, text: str) -> list[tuple[int, str]]:
    """(line of the text from 1, message) of everything that is marked."""
    return [(told["range"]["start"]["line"], told["message"]) for told in server.opened(name, text)]


def test_nothing_is_marked_that_is_right(server: LanguageServer) -> None:
    shown = [*valid_files(), ("complete.yaml", COMPLETE)]
    assert len(shown) > 40
    for name, text in shown:
        assert marks(server, name.replace("/", "_"), text) == [], name


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("role: leading", "role: leadin", 4, "leading"),
        ("count: rows", "cuont: rows", 5, "cuont is not allowed"),
        ("better: higher", "better: up", 6, "higher"),
        ("better: higher", "better: higher\n    sum: amount", 4, "only one must"),
        ("better: higher", "better: higher\n    grain: fortnight", 7, "week"),
        ("better: higher", "better: higher\n    target: thirty", 7, "number"),
        ("  csat:", "  Csat-1:", 3, "small letters, digits and _, and begins with a letter"),
        ("version: 1", "version: 2", 1, "1"),
        ("metrics:", "include: [{pack: saas, onyl: mrr}]\nmetrics:", 2, "onyl is not allowed"),
    ],
)
def test_mistakes_are_marked_on_their_line(server: LanguageServer, old: str, new: str, line: int, word: str) -> None:
    assert old in METRIC
    found = marks(server, f"bad-{abs(hash(new))}.yaml", METRIC.replace(old, new, 1))
    assert any(at == line and word in message for at, message in found), found


def test_keys_and_values_are_offered_with_their_meaning(server: LanguageServer) -> None:
    server.opened("offer.yaml", METRIC + "    \n")
    keys = server.completions("offer.yaml", 6, 4)
    assert keys["target"].startswith("where green begins")
    assert {"source", "where", "ratio", "p90", "cohort", "split", "leads"} <= set(keys)
    assert all(text for key, text in keys.items() if not key.startswith("- ")), keys
    assert not {"role", "better"} & set(keys)  # they are there already
    assert set(server.completions("offer.yaml", 3, 10)) == {"leading", "lagging"}
    server.opened("top.yaml", "version: 1\n\n")
    assert {"sources", "teams", "processes", "metrics", "panels"} <= set(server.completions("top.yaml", 1, 0))
    server.opened("source.yaml", "version: 1\nsources:\n  tickets:\n    kind: csv\n    \n")
    offered = server.completions("source.yaml", 4, 4)
    assert offered["path"] == "file, glob, .gz, or https URL"
    assert offered["csv"] == "only where the file needs it"


def test_hovering_explains(server: LanguageServer) -> None:
    server.opened("hover.yaml", METRIC)
    for line, word in (
        (1, "one number each"),
        (3, "whether it tells early"),
        (4, "how many rows"),
        (5, "which way is good"),
    ):
        assert word in server.hover("hover.yaml", line, 5 if line > 1 else 3)
