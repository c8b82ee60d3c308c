"""A check's SQL that may run away, asked in a process of its own, which can be ended whatever it is doing.

DuckDB interrupts a statement between portions of rows. Within one value (`repeat('x', 2000000000) || …`) it does not look, and
such values take memory that no limit counts. A load's transaction is seen by nobody else, so the columns that the check
names go over to the other process, which has nothing but them: no file, no network, no settings to change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.temporary import temporary_folder
from scorecard.book.model.source import Check
from scorecard.ground.errors import Problem, Refused, ScorecardError
from scorecard.warehouse.quoting import live_table, quoted

ROWS_A_BATCH = 100_000
CHILD_MEMORY = 2_000_000_000
"""Bytes of address space; more than that fails the check and nothing else."""
CHILD = """
import json, resource, signal, sys
import duckdb, pyarrow as pa
asked = json.load(sys.stdin)
signal.alarm(int(asked["seconds"]) + 5)
try:
    connection = duckdb.connect(config={"threads": 1, "memory_limit": f"{asked['memory'] // 2}B"})
    for name, path in asked["tables"].items():
        connection.register(name, pa.ipc.open_file(pa.memory_map(path)).read_all())
    for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "python_enable_replacements = false",
                    "lock_configuration = true"):
        connection.execute(f"SET GLOBAL {setting}")
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() if sys.platform == "linux" else 0
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size + asked["memory"], size + asked["memory"]))
    rows = connection.execute(asked["sql"]).fetchmany(2)
    plain = [[value if value is None or isinstance(value, bool) else str(value)[:50] for value in row] for row in rows]
    print(json.dumps({"rows": plain}))
except MemoryError:
    print(json.dumps({"error": "it takes more memory than it may"}))
except duckdb.Error as error:
    print(json.dumps({"error": str(error).split(chr(10))[0]}))
"""


def ask_apart(cursor: duckdb.DuckDBPyConnection, check: Check, seconds: float) -> list[tuple[Any, ...]]:
    """The first two rows of the check's SELECT. Refused where it takes too long, ScorecardError where it cannot be run."""
    with temporary_folder() as folder:
        tables = {name: str(_given(cursor, name, check.named, Path(folder))) for name in check.tables}
        asked = {"sql": check.text, "tables": tables, "seconds": seconds, "memory": CHILD_MEMORY}
        try:
            done = subprocess.run(  # noqa: S603 - our own program, in this very interpreter
                [sys.executable, "-I", "-c", CHILD], input=json.dumps(asked), capture_output=True, text=True, timeout=seconds,
                check=False, env={},
            )  # fmt: skip
        except subprocess.TimeoutExpired:  # it has been killed
            hint = "ask for fewer rows, or a simpler expression"
            raise Refused(Problem(f"the query ran longer than {seconds:g} s and was stopped", hint=hint)) from None
    answer = json.loads(done.stdout) if done.stdout.strip() else {"error": "it takes more memory than it may"}
    if "error" in answer:
        raise ScorecardError(Problem(str(answer["error"])))
    return [tuple(row) for row in answer["rows"]]


def _given(cursor: duckdb.DuckDBPyConnection, table: str, named: Iterable[str] | None, folder: Path) -> Path:
    """The columns that the check names, as it would find them, in a file."""
    known = [name for name, *_ in cursor.execute(f"DESCRIBE {live_table(table)}").fetchall()]
    wanted = known if named is None else [name for name in known if name.lower() in set(named)] or known[:1]
    reader: Any = cursor.sql(f"SELECT {quoted(wanted)} FROM {live_table(table)}").to_arrow_reader(ROWS_A_BATCH)
    path = folder / f"{len(list(folder.iterdir()))}.arrow"
    with pa.ipc.new_file(path, reader.schema) as file:
        for batch in reader:
            file.write_batch(batch)
    return path
