"""One run of a program in a process of its own, so that its CPU and its peak memory are its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
MEASURE = """
import json, sys, time
began, cpu = time.perf_counter(), time.process_time()
rows = run(*sys.argv[1:])
wall, cpu = time.perf_counter() - began, time.process_time() - cpu
peak = next(int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(json.dumps([wall, cpu, peak, rows]))
"""


def turn(case: str, program: str, python: str, *arguments: str) -> tuple[float, float, float, int]:
    """Wall and CPU seconds, peak megabytes and rows of the program's ``run(*arguments, folder)``, in a folder of its own."""
    folder = tempfile.mkdtemp(prefix="bench-")
    try:
        command = [python, "-c", "import sys\n" + program + MEASURE, *arguments, folder]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if found.returncode:
            raise SystemExit(f"{case} failed:\n{found.stderr[-3000:]}")
        wall, cpu, peak, rows = json.loads(found.stdout.splitlines()[-1])
        return wall, cpu, peak, rows
    finally:
        shutil.rmtree(folder, ignore_errors=True)
