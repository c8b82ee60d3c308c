"""From the start of `scorecard serve` to a first page that answers (aim: at most 4 s), and from SIGTERM to its end."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from serving import ROOT, served

RUNS = 5


def start_and_stop(folder: Path) -> tuple[float, float]:
    """(seconds to a page, seconds to stop)."""
    began = time.perf_counter()
    with served(folder) as server:
        with urllib.request.urlopen(server.address, timeout=5) as page:
            assert page.status == 200
        taken = time.perf_counter() - began
        stopping = time.perf_counter()
    return taken, time.perf_counter() - stopping


def main() -> None:
    from scorecard import demo

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "metrics.yaml", folder)
        demo.ensure(folder / "data", datetime.now(UTC))
        first, _ = start_and_stop(folder)
        subprocess.run([sys.executable, "-m", "scorecard", "refresh"], cwd=folder, capture_output=True, check=False)
        found = [start_and_stop(folder) for _ in range(RUNS)]
        print(f"nothing loaded yet: {first:.2f} s to a ready first page")
        print(f"demo loaded:        {statistics.median(f[0] for f in found):.2f} s (median of {RUNS})")
        print(f"SIGTERM to the end: {statistics.median(f[1] for f in found):.2f} s")


if __name__ == "__main__":
    main()
