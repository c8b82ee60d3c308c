"""YAML with places: what is read as what it looks like, what is refused, and in which words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from scorecard.ground.errors import Place
from scorecard.ground.yamlfile import YamlList, YamlMap, YamlNode, YamlText, parse, read_text


def root(text: str) -> YamlMap:
    node, problems = parse(text, "m.yaml")
    assert problems == []
    assert isinstance(node, YamlMap)
    return node


def value(text: str) -> YamlText:
    node = root(text).entries["a"][1]
    assert isinstance(node, YamlText)
    return node


def said(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "m.yaml")[1]]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"), ("on", "on"), ("y", "y"), ("1:30", "1:30"), ("12:30:45", "12:30:45"), ("2026-01-31", "2026-01-31"), ("1_000", "1_000"),
        ("010", 10), ("1.10", 1.1), ("1e3", 1000.0), ("-5", -5), ("+5", 5), (".5", 0.5), ("true", True), ("False", False), ("~", None),
        ("null", None), ("0x1F", "0x1F"), ("NaN", "NaN"), (".inf", ".inf"), ("'true'", "true"), ('"12"', "12"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_scalars_are_what_they_look_like(written: str, meant: object) -> None:
    found = value(f"a: {written}").core()
    assert found == meant
    assert type(found) is type(meant)


def test_every_key_and_value_has_its_place() -> None:
    node = root("äé: 1\nb:\n  - {x: 'ü', y: [1, 2]}\n")
    key, inner = node.entries["b"]
    assert key.place == Place("m.yaml", 2, 1)
    assert isinstance(inner, YamlList)
    item = inner.items[0]
    assert isinstance(item, YamlMap)
    assert item.place == Place("m.yaml", 3, 5)
    assert item.entries["x"][1].place == Place("m.yaml", 3, 9)
    assert item.entries["y"][0].place == Place("m.yaml", 3, 14)
    numbers = item.entries["y"][1]
    assert isinstance(numbers, YamlList)
    assert [str(n.place) for n in numbers.items] == ["m.yaml:3:18", "m.yaml:3:21"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "written",
    [
        "score >= ⊙4", "'it''s ⊙4'", '"a \\" b \\u00e9 \\x41 ⊙4"', ">-\n  folded\n  text ⊙4 here", "|\n  kept\n    deeper ⊙4\n", "plain\n  goes\n  on ⊙4 here",
        "'quoted\n  over\n\n  lines ⊙4'", '"joined\\\n   at ⊙4"', "&anchor score ⊙4", "|2\n   indented ⊙4",
    ],
)  # fmt: skip
def test_each_character_of_a_value_has_its_place(written: str, line_end: str) -> None:
    text = f"first: 1\na: {written}\n".replace("\n", line_end)
    before = text[: text.index("⊙")]
    expected = Place("m.yaml", before.count("\n") + 1, len(before) - before.rfind("\n"))
    node = value(text.replace("⊙", ""))
    assert node.place_of(node.text.index("4")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: %x", "m.yaml:1:4: a value cannot begin with '%' (put the whole value in quotes)"),
        ("a: @x", "m.yaml:1:4: a value cannot begin with '@' (put the whole value in quotes)"),
        ("a: `x", "m.yaml:1:4: a value cannot begin with '`' (put the whole value in quotes)"),
        ("a: - b", "m.yaml:1:4: a value cannot begin with '-' and a space (put the whole value in quotes)"),
        ("a: >= 95", "m.yaml:1:4: a value cannot begin with '>' (put the whole value in quotes)"),
        ("a: | b", "m.yaml:1:4: a value cannot begin with '|' (put the whole value in quotes)"),
        ("a: b: c", "m.yaml:1:5: a second ': ' on this line (put the whole value in quotes)"),
        ("a: 1\na: 2", "m.yaml:2:1: duplicate key 'a'; it stands on line 1 already (keep one of the two)"),
        ("a: {b: sum(x, y)}", "m.yaml:1:15: key 'y)' has no value (an unquoted comma? quote the whole value)"),
        ("b: 1\na: # c", "m.yaml:2:1: key 'a' has no value (write a value, or delete the key)"),
        ("a: {b: 1", "m.yaml:1:4: the '{' is not closed (a missing '}', or a value to be quoted)"),
        ("a: 'x", "m.yaml:1:4: the quote is never closed (end the value with the same quote)"),
        ("a:\n\tb: 1", "m.yaml:2:1: a tab stands where spaces are expected (indent with spaces)"),
        ("m:\n  a: 1\n b: 2", "m.yaml:3:2: this line lines up with nothing above it (check its indentation)"),
        ("a: 1\nb", "m.yaml:2:1: this line is not 'key: value' (a missing colon, a space after it, or a quote that is not closed above)"),
        ("a: 1\n---\nb: 2", "m.yaml:2:1: a second document begins here (one file holds one document; delete the '---')"),
        ("a: x\x07y", "m.yaml:1:5: an invisible control character (U+0007) (delete it)"),
        ("a: x\x80y", "m.yaml:1:5: an invisible control character (U+0080) (delete it)"),
        ("a: &b {c: 1}\nd: {<<: *b}", "m.yaml:2:5: '<<' (merge keys) is not read (write the keys out, or use 'defaults')"),
        ("? [a]\n: b", "m.yaml:1:3: a list or mapping cannot be a key (quote any value that holds a bracket or brace)"),
    ],
)  # fmt: skip
def test_mistakes_of_writing_are_said_in_words(text: str, expected: str) -> None:
    assert said(text) == [expected]


def test_tags_and_unknown_aliases_are_refused() -> None:
    assert "a value cannot begin with '!'" in said("a: !!python/object/apply:os.system [echo]")[0]
    assert "a value cannot begin with '!'" in said("a: !x 5")[0]
    assert "'*x' is an alias that nothing above defines" in said("a: *x")[0]
    assert "'*x' is an alias that nothing above defines" in said("a: *x y")[0]
    assert "'*x' is an alias that nothing above defines" in said("a: &x [*x]")[0]


def test_several_mistakes_in_one_file_are_all_reported() -> None:
    found = said("a: 1\na: 2\nb:\nc: !t 3\nd: *nowhere\nc: 4\n")
    assert [line.split(":")[1] for line in found] == ["2", "3", "4", "5", "6"]


def test_aliases_repeat_a_value_where_they_stand() -> None:
    node = root("a: &x {b: 1}\nc: *x\n")
    assert node.entries["c"][1] is node.entries["a"][1]


def test_bombs_and_deep_nests_are_refused_at_once() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{n}: &{n} [{', '.join([f'*{m}'] * 9)}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    began = time.perf_counter()
    assert "repeats a value that holds an alias itself" in said(bomb)[0]
    wide = "a: &a [" + "x, " * 1000 + "x]\nb: [" + "*a, " * 1000 + "x]\n"
    assert "aliases repeat too much" in said(wide)[0]
    assert "nested more than" in said("a: " + "[" * 100_000)[0]
    assert "nested more than" in said("a: " + "{a: " * 5000)[0]
    assert time.perf_counter() - began < 2


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    assert "there is no such file" in str(read_text(tmp_path / "none.yaml", "none.yaml")[1][0])
    assert "this is a folder" in str(read_text(tmp_path, "folder")[1][0])
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: ü\n".encode("latin-1"))
    assert (
        str(read_text(tmp_path / "latin.yaml", "latin.yaml")[1][0])
        == "latin.yaml:2: the file is not UTF-8 text (save it as UTF-8)"
    )
    (tmp_path / "big.yaml").write_bytes(b"#" * (5 * 1024 * 1024 + 1))
    assert "larger than 5 MB" in str(read_text(tmp_path / "big.yaml", "big.yaml")[1][0])
    assert "larger than 5 MB" in said("a: " + "x" * (5 * 1024 * 1024))[0]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    text, _ = read_text(tmp_path / "bom.yaml", "bom.yaml")
    assert text is not None
    assert value(text).place == Place("m.yaml", 1, 4)


def test_an_empty_file_has_no_tree() -> None:
    node: YamlNode | None
    node, problems = parse("# only a comment\n", "m.yaml")
    assert node is None
    assert problems == []


def test_five_thousand_lines_take_a_blink() -> None:
    text = "metrics:\n" + "".join(
        f"  m{n}:\n    title: Metric {n}\n    ratio: {{of: count_if(a > {n}), to: rows}}\n    tags: [a, b]\n    unit: percent\n"
        for n in range(1000)
    )
    best = min(_seconds(text) for _ in range(5))
    assert best < 0.3  # 0.04 s on a quiet machine; the bound only catches the slow parser and accidents


def _seconds(text: str) -> float:
    began = time.perf_counter()
    parse(text, "m.yaml")
    return time.perf_counter() - began
