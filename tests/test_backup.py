"""Safe copies: taken while loads and people write, of one moment, put back exactly; what is not whole is never put back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scorecard.care.backup import back_up
from scorecard.care.copies import LIST, Copy
from scorecard.care.restore import UNFINISHED, put_back
from scorecard.cli.product import Product, open_product
from scorecard.ground.clock import SystemClock
from scorecard.ground.errors import Refused
from tests.served import inside, served

BOOK = """version: 1
organization: {name: Test}
sources:
  lots: {kind: csv, path: lots.csv, every: 1h, keep_raw: 30d}
  keyed: {kind: csv, path: keyed.csv, key: [id], every: 1h}
metrics:
  total: {role: lagging, source: lots, sum: n, better: higher, time: at, grain: day}
"""
ROWS = 5000


def write(folder: Path, round_: int) -> None:
    """A file whose rows all say which one it is."""
    lines = "".join(f"{i},{round_},2026-09-0{1 + i % 9}\n" for i in range(ROWS))
    for name in ("lots.csv", "keyed.csv"):
        aside = folder / f"{name}.{threading.get_ident()}"
        aside.write_text("id,n,at\n" + lines)
        aside.replace(folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "metrics.yaml").write_text(BOOK)
    write(tmp_path, 0)
    return tmp_path


def opened(folder: Path, data: str = "data") -> Product:
    return open_product(folder / "metrics.yaml", folder / data, SystemClock())


def copied(product: Product, to: Path) -> Copy:
    p = product
    return back_up(p.data, to, p.engine, p.journal, p.landings, p.publisher, p.clock, "test")


def rows(product: Product, table: str) -> list[tuple[Any, ...]]:
    return product.engine.query(f"SELECT n, count(*) FROM {table} GROUP BY 1").rows()


@pytest.fixture
def restored(folder: Path) -> Iterator[Any]:
    """Puts a copy back into a new data folder and opens it."""
    found: list[Product] = []

    def put(copy: Path, data: str) -> Product:
        put_back(copy, folder / data, folder / data / "journal.sqlite", SystemClock())
        found.append(opened(folder, data))
        return found[-1]

    yield put
    for product in found:
        product.close()


def test_copies_taken_while_loads_and_people_write_are_of_one_moment(folder: Path, restored: Any) -> None:
    product, ended = opened(folder), threading.Event()
    product.refresher.pull(cause="command")
    product.refresher.publish()
    said: list[int] = []

    def load() -> None:
        while not ended.is_set():
            write(folder, len(product.engine.loads("lots", 1000)))
            product.refresher.pull(cause="schedule")
            product.refresher.publish()

    def note() -> None:
        while not ended.is_set():
            said.append(product.journal.add("note", "Ana", {"text": "x"}).seq)

    threads = [threading.Thread(target=work) for work in (load, load, note)]
    for thread in threads:
        thread.start()
    taken = []
    try:
        for number in range(3):
            known = len(said)
            copied(product, folder / f"copy{number}")
            taken.append((number, known, product.publisher.next_version))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        product.close()
    for number, known, version in taken:
        again = restored(folder / f"copy{number}", f"data{number}")
        assert again.notices == (), "nothing is missing, neither rows nor entries"
        assert len(again.journal.entries("note", limit=None)) >= known, "what was acknowledged before it began is in it"
        for table in ("lots", "keyed"):
            ((_, count),) = rows(again, table)
            assert count == ROWS, "one version of the file, whole"
        assert again.publisher.next_version <= version
        write(folder, 77)
        (load_, *_) = again.refresher.pull(["lots"], cause="command")
        assert (load_.outcome, rows(again, "lots")) == ("ok", [(77, ROWS)])


def test_what_is_put_back_is_exactly_what_was_copied(folder: Path, restored: Any) -> None:
    product = opened(folder)
    product.refresher.pull(cause="command")
    product.journal.add("note", "Ana", {"text": "kept"})
    before = {r.metric + r.period: r.as_json() for r in product.refresher.look().select()}
    copied(product, folder / "copy")
    write(folder, 5)
    product.refresher.pull(cause="command")
    product.journal.add("note", "Ana", {"text": "later"})
    copy = copied(product, folder / "copy")
    product.close()
    assert {f.name for f in copy.files} >= {"warehouse.duckdb", "journal.sqlite", "raw/index.sqlite"}
    assert not list(folder.glob(".copy*")), "the copy before is gone once the new one is whole"
    (folder / "copy").rename(folder / ".copy.1.before")  # killed between two renames
    assert f"whole backups are in {folder / '.copy.1.before'}" in inside(folder, "restore", "copy").stderr
    (folder / ".copy.1.before").rename(folder / "copy")
    _, old = put_back(copy.folder, folder / "data", folder / "data" / "journal.sqlite", SystemClock())
    assert old is not None
    assert (old / "warehouse.duckdb").exists()
    again = restored(copy.folder, "other")
    assert rows(again, "lots") == [(5, ROWS)]
    assert [e.body["text"] for e in again.journal.entries("note")] == ["later", "kept"]
    assert len(again.landings.listed("lots")) == 2
    (raw,) = again.refresher.pull(["lots"], cause="raw", raw=True)
    assert raw.outcome == "unchanged", "what the source gave is there and can be read again"
    after = {r.metric + r.period: r.as_json() for r in again.refresher.look().select()}
    assert after.keys() == before.keys()


def test_a_copy_that_is_not_whole_is_named_and_not_put_back(folder: Path) -> None:
    product = opened(folder)
    product.refresher.pull(cause="command")
    copied(product, folder / "copy")
    product.close()
    where = folder / "data" / "warehouse.duckdb"
    before = where.read_bytes()
    bad = folder / "copy" / "warehouse.duckdb"
    bytes_ = bytearray(bad.read_bytes())
    bytes_[len(bytes_) // 2] ^= 1
    bad.write_bytes(bytes_)
    (folder / "copy" / "board.json").unlink(missing_ok=True)
    (folder / "copy" / "token.secret").unlink(missing_ok=True)
    found = inside(folder, "restore", "copy")
    assert (found.returncode, where.read_bytes()) == (1, before)
    assert "warehouse.duckdb: this file of the backup is not what was written" in found.stderr
    told = json.loads((folder / "copy" / LIST).read_text())
    told["files"][0]["name"] = "../metrics.yaml"
    (folder / "copy" / LIST).write_text(json.dumps(told))
    assert "names a file that no backup has" in inside(folder, "restore", "copy").stderr
    (folder / "copy" / LIST).unlink()
    found = inside(folder, "restore", "copy")
    assert (found.returncode, "there is no backup in" in found.stderr) == (1, True)
    assert "holds something that is no backup" in inside(folder, "backup", "copy").stderr


def test_a_restore_that_was_cut_off_is_said_and_done_again(folder: Path) -> None:
    assert inside(folder, "refresh").returncode == 0
    assert inside(folder, "backup", "copy").returncode == 0
    (folder / "data" / UNFINISHED).write_text("copy")
    (folder / "data" / "journal.sqlite").unlink()
    for words in (("refresh",), ("values",), ("backup", "copy")):
        found = inside(folder, *words)
        assert (found.returncode, "was cut off" in found.stderr) == (1, True)
    assert inside(folder, "restore", "copy").returncode == 0
    assert inside(folder, "values").returncode == 0


def test_a_running_product_is_copied_by_itself_and_not_written_over(folder: Path) -> None:
    (folder / "here").mkdir()
    with served(folder) as product:
        product.post("/api/v1/notes", {"metric": "total", "period": "2026-09-01", "text": "kept", "by": "Ana Ruiz"})
        said = inside(folder, "--format", "json", "backup", "here/copy")
        assert said.returncode == 0, said.stderr
        found = json.loads(said.stdout)
        assert (found["folder"], found["version"]) == (str(folder / "here" / "copy"), product.version())
        refused = inside(folder, "restore", "here/copy")
        assert (refused.returncode, f"process {product.process.pid} runs on data" in refused.stderr) == (1, True)
        values = inside(folder, "--format", "json", "values", "--period", "2026-09-01").stdout
    shutil.rmtree(folder / "data")
    again = inside(folder, "--format", "json", "restore", "here/copy")
    assert (again.returncode, json.loads(again.stdout)["kept"]) == (0, None)
    back = json.loads(inside(folder, "--format", "json", "values", "--period", "2026-09-01").stdout)["readings"]
    for now, then in zip(back, json.loads(values)["readings"], strict=True):
        assert {k: now[k] for k in ("metric", "period", "value", "status", "loaded_at")} == {
            k: then[k] for k in ("metric", "period", "value", "status", "loaded_at")
        }


def test_a_process_that_has_the_files_open_is_noticed(folder: Path) -> None:
    assert inside(folder, "refresh").returncode == 0
    assert inside(folder, "backup", "copy").returncode == 0
    code = (
        "import duckdb, sys; c = duckdb.connect('data/warehouse.duckdb'); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Refused, match=r"a process has .* open"):
            put_back(folder / "copy", folder / "data", folder / "data" / "journal.sqlite", SystemClock())
        other.terminate()


def test_a_disk_that_is_full_costs_nothing_but_the_copy(folder: Path) -> None:
    assert inside(folder, "refresh").returncode == 0
    assert inside(folder, "backup", "copy").returncode == 0
    (folder / "small").mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder / "small"], check=True, stderr=-3)
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("no right to mount a small disk")
    try:
        found = inside(folder, "backup", "small/copy")
        assert (found.returncode, "No space left on device" in found.stderr) == (1, True)
        assert "small/" in found.stderr, "the file that was written, not the one that was read"
        assert list((folder / "small").iterdir()) == []
        found = inside(folder, "--data", "small/data", "restore", "copy")
        assert (found.returncode, "nothing was changed" in found.stderr) == (1, True)
        assert list((folder / "small" / "data").iterdir()) == []
    finally:
        subprocess.run(["umount", folder / "small"], check=True)
