"""Guards the house: who may import whom, where each library lives, and how long things may get. See docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLOORS = {
    "scorecard": 0, "scorecard/ground": 0, "connectors/contract": 0, "connectors/names": 0, "connectors/temporary": 0,
    "connectors": 1, "scorecard/judgement": 1, "scorecard/demo": 1, "scorecard/book": 2,
    "scorecard/warehouse": 3, "scorecard/journal": 3, "scorecard/landings": 3, "scorecard/measures": 4, "scorecard/board": 5,
    "scorecard/refresh": 6, "scorecard/desk": 6, "scorecard/care": 6,
    "scorecard/views": 7, "scorecard/web": 8, "scorecard/cli": 9,
    "scorecard/__main__": 10, "app": 10,
}  # fmt: skip
HOMES = {
    "yaml": {"scorecard/ground/yamlfile"}, "sqlglot": {"scorecard/book", "scorecard/measures"},
    "duckdb": {"scorecard/warehouse", "connectors/csv_files", "connectors/csv"}, "sqlalchemy": {"connectors", "scorecard/journal"},
    "requests": {"connectors"}, "urllib3": {"connectors"}, "apscheduler": {"scorecard/refresh"}, "dash": {"scorecard/views", "scorecard/web"},
    "plotly": {"scorecard/views/charts"}, "flask": {"scorecard/web"}, "waitress": {"scorecard/web"},
    "jwt": {"connectors/http/assertions"}, "cryptography": {"connectors/http/assertions"}, "itsdangerous": {"scorecard/web"}, "click": {"scorecard/cli"},
}  # fmt: skip
BROAD = {
    "scorecard/refresh/pull.py",
    "scorecard/measures/run.py",
    "scorecard/web/callbacks.py",
    "scorecard/cli/main.py",
}
NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|common)(_|$|\.)")
SOURCES = sorted([*ROOT.glob("scorecard/**/*.py"), *ROOT.glob("connectors/**/*.py"), ROOT / "app.py"])


def room(module: str) -> str | None:
    """The longest known place that a module path lies in."""
    parts = module.split("/")
    places = ("/".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((p for p in places if p in FLOORS and (p != "scorecard" or len(parts) == 1)), None)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module or ""
            yield from (
                f"{node.module}.{alias.name}"
                for alias in node.names
                if (ROOT / f"{node.module}".replace(".", "/")).is_dir()
            )


def test_every_module_has_a_floor_and_imports_only_downwards() -> None:
    wrong = []
    for path in SOURCES:
        module = path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")
        mine = room(module)
        if mine is None:
            wrong.append(f"{module} is on no floor")
            continue
        for name in imports(path):
            other = room(name.replace(".", "/")) if name.split(".")[0] in {"scorecard", "connectors", "app"} else None
            if other not in (None, mine, "scorecard") and FLOORS[other] >= FLOORS[mine]:
                wrong.append(f"{module} (floor {FLOORS[mine]}) imports {name} (floor {FLOORS[other]})")
    assert not wrong, "\n".join(wrong)


def test_libraries_stay_in_their_homes() -> None:
    wrong = []
    for path in SOURCES:
        module = path.relative_to(ROOT).with_suffix("").as_posix()
        for name in imports(path):
            homes = HOMES.get(name.split(".")[0])
            if homes is not None and not any(module == home or module.startswith(home + "/") for home in homes):
                wrong.append(f"{module} imports {name}, which lives in {sorted(homes)}")
    assert not wrong, "\n".join(wrong)


def test_sizes_names_and_broad_excepts() -> None:
    wrong = []
    scripts = list(ROOT.glob("scorecard/**/*.js"))
    for path in [*SOURCES, *scripts]:
        relative, text = path.relative_to(ROOT).as_posix(), path.read_text()
        if NAMES.search(path.stem):
            wrong.append(f"{relative}: a name that says nothing")
        if len(text.splitlines()) > 400:
            wrong.append(f"{relative}: {len(text.splitlines())} lines, at most 400")
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(text)):
                if (
                    isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                    and (node.end_lineno or 0) - node.lineno >= 60
                ):
                    wrong.append(f"{relative}:{node.lineno}: {node.name} is longer than 60 lines")
            if re.search(r"except( BaseException|\s*:| Exception)", text) and relative not in BROAD:
                wrong.append(f"{relative}: a broad except outside the four named places")
    assert not wrong, "\n".join(wrong)
