"""Makes sure that the tests have a browser, or says clearly how to get one. Run by ``make test``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def installed() -> str | None:
    """The path of a Chromium on this machine: the PATH first, then Playwright's own."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def main() -> int:
    if installed():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("scorecard: installing Chromium for the browser tests (apt-get, once)", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "chromium"]):
            subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
    else:
        print("scorecard: downloading Chromium for the browser tests (playwright, once)", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if installed():
        return 0
    print(
        "scorecard: the browser tests need Chromium, and none could be installed here. "
        "Install one (Debian: apt-get install -y chromium; else: .venv/bin/python -m playwright install chromium) and repeat make test.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
