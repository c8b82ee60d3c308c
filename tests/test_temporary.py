"""A temporary folder that cannot be used is said before anything begins, not by the first pull that needs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.temporary import sweep, temporary_folder
from scorecard.cli.temporary import check_temporary_folder
from scorecard.ground.errors import Unavailable
from tests.served import inside


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_is_full_is_named_with_what_to_do(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(small))
    check_temporary_folder()
    assert list(small.iterdir()) == []
    (small / "filler").write_bytes(bytes(2_900_000))
    company = small.parent
    (company / "metrics.yaml").write_text("version: 1\norganization: {name: N, owner: D <d@example.com>}\n")
    done = inside(company, "refresh")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"the temporary folder {small} (TMPDIR) cannot be written: No space left on device (set TMPDIR"
    )
    assert not (company / "data" / "warehouse.duckdb").exists(), "nothing has begun"


def test_a_folder_that_is_read_only_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(small))
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(Unavailable, match=r"\(TMPDIR\) cannot be written: Read-only file system"):
        check_temporary_folder()


def test_one_that_is_not_there_is_not_exchanged_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    with pytest.raises(Unavailable, match=r"nowhere .*No such file or directory"):
        check_temporary_folder()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)
    check_temporary_folder()
    assert os.access(tempfile.gettempdir(), os.W_OK)


def test_what_a_killed_process_left_is_taken_away_by_the_next_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    company = tmp_path / "company"
    company.mkdir()
    (company / "metrics.yaml").write_text("version: 1\norganization: {name: N, owner: D <d@example.com>}\n")
    fill = (
        "import sys; from pathlib import Path; from connectors.temporary import temporary_folder\n"
        "with temporary_folder() as folder:\n"
        "    Path(folder, 'download.csv').write_bytes(bytes(1 << 20)); print(folder, flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", fill]
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as working,
    ):
        assert killed.stdout is not None
        assert working.stdout is not None
        left, used = Path(killed.stdout.readline().strip()), Path(working.stdout.readline().strip())
        killed.kill()
        killed.wait()
        stranger = tmp_path / "scorecard-of-somebody"
        stranger.mkdir()
        assert (left / "download.csv").exists()
        assert inside(company, "refresh").returncode == 0
        assert not left.parent.exists()
        assert (used / "download.csv").exists(), "its process is alive"
        assert stranger.exists(), "not made by this product"
        working.communicate("")
        assert not used.parent.exists(), "a process that ends takes its own away"


def test_a_folder_that_the_system_cleaned_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as first:
        place = Path(first).parent
    (place / ".held").unlink()
    place.rmdir()
    with temporary_folder() as second:
        assert Path(second).is_dir()
        assert sweep() == 0, "it is this process's own"
        assert Path(second).is_dir()
