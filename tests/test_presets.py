"""Presets as data: their files, what `check` says of `with`, their pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scorecard.book.presets import Preset, presets, read_preset
from scorecard.book.read import read_book
from scorecard.book.schema import json_schema
from scorecard.ground.errors import Problem, Refused
from tests.bookfiles import write
from tests.test_schema import plain

DOCS = Path(__file__).parent.parent / "docs" / "presets"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
EXAMPLES = {name: re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0] for name, page in PAGES.items()}
BEGINNING = """version: 1
organization: {name: Northwind, owner: Dana Lee <dana@example.com>, timezone: Europe/Berlin}
teams: {support: {title: Support}}
"""
CANARY = "c4nary-s3cret"


class Everything(dict[str, str]):
    """An environment in which every name is set."""

    def __missing__(self, name: str) -> str:
        return CANARY

    def get(self, name: str, default: Any = None) -> str:
        return CANARY

    def __contains__(self, name: object) -> bool:
        return True


def told(folder: Path, text: str) -> tuple[Problem, ...]:
    try:
        read_book(write(folder, BEGINNING + text), environment=Everything())
    except Refused as refused:
        return refused.problems
    return ()


def test_every_preset_has_its_page_and_every_page_its_preset() -> None:
    assert list(PAGES) == list(presets())


@pytest.mark.parametrize("name", presets())
def test_its_page_says_what_it_takes(name: str) -> None:
    preset, page = presets()[name], PAGES[name]
    assert page.startswith(f"# {preset.title}: `preset: {name}`\n\n{preset.describe}\n")
    for parameter in preset.parameters.values():
        need = (
            "**required**"
            if parameter.required
            else ""
            if parameter.default is None
            else f"default `{str(parameter.default).replace('|', chr(92) + '|')}`"
        )
        assert f"| `{parameter.name}` | {parameter.describe} | {need} |" in page


@pytest.mark.parametrize("name", presets())
def test_its_example_loads_without_a_warning(name: str, tmp_path: Path) -> None:
    text = BEGINNING + EXAMPLES[name]
    assert told(tmp_path, EXAMPLES[name]) == ()
    book = read_book(write(tmp_path, text), environment=Everything())
    source = next(iter(book.sources.values()))
    assert source.time is not None
    assert source.options["url"].startswith("https://")
    assert "<" not in str({key: value for key, value in source.options.items() if key != "body"})
    assert not [e.message for e in Draft202012Validator(json_schema()).iter_errors(plain(text))]


@pytest.mark.parametrize("name", presets())
def test_it_is_a_source_like_any_other(name: str, tmp_path: Path) -> None:
    """What a preset fills in is checked by the same grammar as what analysts write."""
    preset = presets()[name]
    given = {
        p.name: p.default if p.default is not None else sample(p)
        for p in preset.parameters.values()
        if p.name not in unused(preset)
    }
    from scorecard.book.presets import filled_with

    source = {key: value for key, value in filled_with(preset, given, cursor=True).items() if value != []}
    import json

    more = "" if "key" in source else "    key: [id]\n"
    text = f"sources:\n  s:\n    kind: http\n    every: 6h\n    cursor: {{column: id}}\n{more}"
    text += "".join(f"    {key}: {json.dumps(value)}\n" for key, value in source.items())
    errors = [problem for problem in told(tmp_path, text) if problem.severity == "error"]
    assert errors == [], text


def unused(preset: Preset) -> set[str]:
    return {name for group in preset.one_of[1:] for name in group}


def sample(parameter: Any) -> Any:
    return {"number": 5, "list": ["x"], "mapping": {"a": 1}}.get(parameter.form, parameter.example or "x")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("preset: ^asanna, with: {project: 1}", "'preset' of source 's' is 'asanna', which is not known", "did you mean 'asana'?"),
        ("preset: ^asana", "preset asana of source 's' needs 'project' in 'with'", "project: the project's number, as in its address, such as 1204619310021342"),
        ("preset: asana, with: {^projekt: 1, project: 1, token: '${T}'}", "unknown key 'projekt' in 'with' of source 's' (preset asana)", "did you mean 'project'?"),
        ("preset: asana, with: {project: ^abc, token: '${T}'}", "'project' in 'with' of source 's' is 'abc', expected a number, such as 1204619310021342", None),
        ("preset: asana, with: {project: ^[1], token: '${T}'}", "'project' in 'with' of source 's' is a list, expected a number", None),
        ("preset: monday, with: {board: 1, token: '${T}', page_size: ^many}", "'page_size' in 'with' of source 's' is 'many', expected a whole number", None),
        ("preset: netsuite, with: ^{account: 1, query: select 1}", "preset netsuite of source 's' needs more in 'with'", "give client_id, certificate_id, private_key or consumer_key, consumer_secret, token, token_secret"),
        ("preset: netsuite, with: ^{account: 1, query: select 1, client_id: '${T}', private_key: '${T}'}", "preset netsuite of source 's' needs 'certificate_id' in 'with'", None),
        ("preset: netsuite, with: ^{account: 1, query: select 1, client_id: '${T}', token: '${T}'}", "'with' of source 's' says the same in two ways", None),
        ("preset: netsuite, with: {query: ^'select 1; drop', account: 1, client_id: '${T}', private_key: '${T}', certificate_id: c}", "'query' in 'with' of source 's' is 'select 1; drop', expected one SELECT without a semicolon", None),
        ("preset: netsuite, with: {account: ^evil.com/, query: select 1, client_id: '${T}', private_key: '${T}', certificate_id: c}", "'account' in 'with' of source 's' is 'evil.com/', expected an account", None),
        ("url: 'https://a.example', ^with: {a: 1}", "'with' of source 's' needs a 'preset'", None),
        ("url: 'https://a.example', auth: ^{style: oauth2, token_url: x}", "'auth' of style oauth2 has no 'client_id'", None),
        ("url: 'https://a.example', auth: {style: oauth2, token_url: x, client_id: y, grant: ^refresh}", "'grant' of 'auth' of source 's' is 'refresh'", "did you mean 'refresh_token'?"),
        ("url: 'https://a.example', auth: ^{style: sigv4, access_key: '${T}', secret_key: '${T}', region: x}", "'auth' of style sigv4 has no 'service'", None),
        ("url: 'https://a.example', auth: ^{style: session, login_url: x, user: ana}", "'auth' of style session has no 'password'", None),
        ("url: 'https://a.example', paging: ^{style: keyset, column: id}", "source 's' pages by key, and :after stands nowhere in its request", None),
        ("url: 'https://a.example', paging: ^{style: graphql, next: $.a}", "source 's' pages through GraphQL without a 'query'", None),
        ("url: 'https://a.example', query: q, ^body: {a: 1}", "source 's' has both 'query' and 'body'", None),
        ("url: 'https://a.example', ^variables: {a: 1}", "'variables' of source 's' need a GraphQL 'query'", None),
        ("url: 'https://a.example', records: ^'$.data[*'", "'records' of source 's' is '$.data[*': the path '$.data[*' is not understood", None),
        ("url: 'https://a.example', paging: {style: cursor, param: p, next: ^'$.a[x]'}", "'next' of 'paging' of source 's' is '$.a[x]': the path", None),
        ("url: 'https://a.example', rows: {names: ^'$.a[', values: $.v}", "'names' of 'rows' of source 's' is '$.a['", None),
        ("url: 'https://a.example', ^window: {back: 1d}", "the window of source 's' is never used", None),
        ("url: 'https://a.example', window: {back: ^soon}", "'back' of 'window' of source 's' is 'soon', expected a duration", None),
    ],
)  # fmt: skip
def test_mistakes_are_said_at_their_place(text: str, message: str, hint: str | None, tmp_path: Path) -> None:
    """The sign ^ stands where the mistake is to be shown."""
    line = f"  s: {{kind: http, every: 5m, {text}}}"
    written = f"sources:\n{line.replace('^', '')}\nmetrics: {{m: {{}}}}\n"
    found = [(p.place.line, p.place.column, p.message, p.hint) for p in told(tmp_path, written) if p.place]
    matching = [one for one in found if one[2].startswith(message) and hint in (None, one[3])]
    assert matching, found
    assert matching[0][:2] == (BEGINNING.count("\n") + 2, line.index("^") + 1)
    assert matching[0][3] or hint is None


def test_secrets_of_presets_are_warned_of_and_never_shown(tmp_path: Path) -> None:
    text = "sources:\n  s: {kind: http, preset: netsuite, with: {account: 1, query: select 1, client_id: c4nary-s3cret, certificate_id: c, private_key: keys/n.pem}, every: 5m}\n"
    with pytest.raises(Refused) as caught:
        read_book(write(tmp_path, BEGINNING + text + "metrics: {m: {}}\n"), environment={})
    written = [p for p in caught.value.problems if "written into the file" in p.message]
    assert ["client_id" in p.message for p in written] == [True], "a path to a key is no secret"
    assert CANARY not in " ".join(f"{p.message} {p.hint}" for p in caught.value.problems)


def test_a_costly_preset_asks_for_patience(tmp_path: Path) -> None:
    text = "sources:\n  s: {kind: http, preset: aws-cost-explorer, with: {access_key: '${T}', secret_key: '${T}'}, every: 1m}\nmetrics: {m: {}}\n"
    warned = [p for p in told(tmp_path, text) if p.severity == "warning"]
    assert [(p.message, p.hint) for p in warned] == [
        ("source 's' is pulled often for preset aws-cost-explorer: each request costs 0.01 USD", "write every: 6h")
    ]


def test_what_the_source_says_goes_before_its_preset(tmp_path: Path) -> None:
    text = """sources:
  s:
    kind: http
    preset: asana
    with: {project: 1, token: "${T}"}
    params: {completed_since: now}
    paging: {style: cursor, next: $.next_page.offset, param: offset, size: 50, size_param: limit}
    limits: {per_minute: 1500}
    columns: {custom_fields_hours: double, gid: integer}
    time: completed_at
    every: 5m
"""
    source = read_book(write(tmp_path, BEGINNING + text), environment=Everything()).sources["s"]
    assert (source.options["params"]["project"], source.options["params"]["completed_since"]) == ("1", "now")
    assert (source.options["paging"]["size"], source.options["limits"]) == (50, {"per_minute": 1500})
    assert (source.columns["gid"].type, source.columns["custom_fields_hours"].type, source.columns["due_on"].type) == (
        "integer",
        "double",
        "date",
    )
    assert (source.time, source.key, source.mode, "with" in source.options) == ("completed_at", (), "replace", False)


def test_a_cursor_joins_what_belongs_to_it(tmp_path: Path) -> None:
    text = 'sources:\n  s: {kind: http, preset: asana, with: {project: 1, token: "${T}"}, cursor: {column: modified_at}, every: 5m}\n'
    source = read_book(write(tmp_path, BEGINNING + text), environment=Everything()).sources["s"]
    assert (source.key, source.mode, source.options["params"]["modified_since"]) == (("gid",), "upsert", ":cursor")


def test_a_broken_preset_is_noticed() -> None:
    with pytest.raises(ValueError, match="no parameter is called nobody"):
        read_preset("x", 'title: X\ndescribe: Y\nparameters: {a: {describe: b}}\nsource: {url: "https://<nobody>"}\n')


def test_the_schema_knows_the_presets() -> None:
    schema = Draft202012Validator(json_schema())
    good = BEGINNING + 'sources:\n  s: {kind: http, preset: asana, with: {project: "1", token: x}, every: 5m}\n'
    assert not list(schema.iter_errors(plain(good)))
    for old, new in (("project:", "projekt:"), ("asana", "asanna"), (", token: x", "")):
        assert list(schema.iter_errors(plain(good.replace(old, new))))


def test_what_signing_needs_is_asked_for_before_the_first_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    auth = "{kind: http, url: 'https://a.example', auth: {style: google, credentials: g.json, scope: x}, every: 1h}"
    text = f"{EXAMPLES['google-bigquery'].split('metrics:')[0]}  plain: {auth}\nmetrics: {{m: {{}}}}\n"
    warned = [(p.message.split(" signs")[0], p.hint) for p in told(tmp_path, text) if "private key" in p.message]
    assert warned == [
        (f"source '{name}'", "install the extra 'jwt': pip install 'pyjwt[crypto]'") for name in ("sales", "plain")
    ]
