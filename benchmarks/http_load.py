"""20,000 records over 200 pages of a JSON interface into DuckDB, against dlt's rest_api.

Each turn is a process of its own, so that its peak memory is its own; turns alternate and ratios are of paired medians. The
server is one process on 127.0.0.1 and answers from memory. `load` is the product's whole load: every page fetched, its shape
and size checked, records typed, reporting days, checks and publication. `again` is the same pull into the same warehouse once
more, when nothing has changed. `dlt` is a rest_api_source with the same paging, replaced, into a DuckDB file.
Aims: at least 6 times faster than dlt, in at most an eighth of its memory. A bare Python with duckdb imported is there to tell
what of the memory is the price of the interpreter and the database.

Usage: python benchmarks/http_load.py [pages] [rounds] [python of an environment with dlt[duckdb]]
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

from turns import turn

SIZE = 100
"""Records of a page."""

OURS = """
from datetime import UTC, datetime
from pathlib import Path
import duckdb
import connectors.http_api
from connectors.contract import Pull
from connectors.registry import pull
from scorecard.book.model.source import Check, Column, Schedule, Source
from scorecard.ground.clock import FixedClock
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import LoadOrder
NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
def settings(base):
    return {'url': base + '/records', 'records': '$.data[*]', 'paging': {'style': 'cursor', 'next': '$.meta.next', 'param': 'cursor'},
            'columns': {'at': 'timestamp', 'amount': 'decimal'}}
def load(base, house):
    made = settings(base)
    typed = {'at': Column('at', 'at', 'timestamp'), 'amount': Column('amount', 'amount', 'decimal')}
    source = Source('ev', 'http', {'url': made['url']}, Schedule(60), time='at', columns=typed, key=('id',), checks=(Check('not_null', columns=('id',)),))
    given, _ = house.load(LoadOrder(source, ('at',), 'Europe/Berlin', NOW, NOW), pull(Pull('ev', 'http', made, Path(), NOW)))
    assert given.outcome in ('ok', 'unchanged'), (given.outcome, given.problems)
    return given
"""
CASES = {
    "bare": """
import duckdb
def run(base, folder):
    return duckdb.connect(folder + '/t.duckdb').execute('select 0').fetchone()[0]
""",
    "load": OURS
    + """
def run(base, folder):
    return load(base, DuckWarehouse.open(Path(folder), FixedClock(NOW))).loaded
""",
    "again": OURS
    + """
house = DuckWarehouse.open(Path(sys.argv[2]), FixedClock(NOW))
load(sys.argv[1], house)
def run(base, folder):
    return load(base, house).unchanged
""",
    "dlt": """
import os
os.environ['RUNTIME__DLTHUB_TELEMETRY'] = 'false'
import dlt, duckdb
from dlt.sources.rest_api import rest_api_source
def run(base, folder):
    source = rest_api_source({'client': {'base_url': base, 'paginator': {'type': 'cursor', 'cursor_path': 'meta.next', 'cursor_param': 'cursor'}},
        'resources': [{'name': 'ev', 'primary_key': 'id', 'write_disposition': 'replace', 'endpoint': {'path': 'records', 'data_selector': 'data'}}]})
    made = dlt.pipeline('s', pipelines_dir=folder + '/p', destination=dlt.destinations.duckdb(folder + '/t.duckdb'), dataset_name='x')
    made.run(source)
    return duckdb.connect(folder + '/t.duckdb').execute('select count(*) from x.ev').fetchone()[0]
""",
}


def page(number: int, pages: int) -> bytes:
    first = number * SIZE
    records = [
        {
            "id": f"E-{at:07}",
            "at": f"2026-{1 + at % 8:02}-{1 + at % 28:02}T{at % 24:02}:{at % 60:02}:00Z",
            "team": f"team-{at % 12}",
            "amount": f"{at * 37 % 100_000 / 100:.2f}",
            "minutes": at % 977,
            "done": at % 3 == 0,
            "note": f'note {at}, with "quotes"' if at % 3 == 0 else None,
        }
        for at in range(first, first + SIZE)
    ]
    following = str(number + 1) if number + 1 < pages else None
    return json.dumps({"data": records, "meta": {"next": following}}).encode()


def serve(pages: int, out: Connection) -> None:
    """Answers until it is ended: every page made beforehand."""
    made = [page(number, pages) for number in range(pages)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each page waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            body = made[int(asked.get("cursor", ["0"])[0])]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    out.send(server.server_port)
    server.serve_forever()


def main() -> None:
    pages, rounds = (int(sys.argv[at]) if len(sys.argv) > at else usual for at, usual in ((1, 200), (2, 3)))
    cases = {case: sys.executable for case in CASES if case != "dlt"}
    if len(sys.argv) > 3:
        cases["dlt"] = sys.argv[3]
    else:
        print("dlt is not measured: name a Python that has it")
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(pages, there), daemon=True)
    server.start()
    base = f"http://127.0.0.1:{here.recv()}"
    found: dict[str, list[list[float]]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case, python in cases.items():
            *spent, rows = turn(case, CASES[case], python, base)
            assert case == "bare" or rows == pages * SIZE, f"{case}: {rows} rows of {pages * SIZE}"
            found[case].append(spent)
    server.terminate()
    server.join()
    middle = {case: [statistics.median(values) for values in zip(*turns, strict=True)] for case, turns in found.items()}
    print(f"{pages} pages, {pages * SIZE:,} records")
    for case, (wall, cpu, peak) in middle.items():
        print(f"{case:<6} {wall:7.2f} s  {cpu:7.2f} CPU s  {peak:6.0f} MB")
    if "dlt" in middle:
        ratios = [middle["dlt"][at] / middle["load"][at] for at in range(3)]
        print(
            f"load: {ratios[0]:.1f} times faster than dlt, {ratios[1]:.1f} in CPU, in 1/{ratios[2]:.1f} of its memory"
        )


if __name__ == "__main__":
    main()
