"""Installs MariaDB for the tests where that takes one command, and lets them skip with words where not. Run by ``make test``."""

from __future__ import annotations

import os
import shutil
import subprocess

PATHS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
WHY = "no MariaDB is installed here: apt-get install -y mariadb-server"
SECONDS = 240


def main() -> None:
    if shutil.which("mariadbd", path=PATHS):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("scorecard: installing MariaDB for the tests of SQL sources (once)", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "mariadb-server"]
        for command in (["apt-get", "update", "-qq"], install):
            try:
                subprocess.run(command, env=environment, capture_output=True, check=False, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                break
    if not shutil.which("mariadbd", path=PATHS):
        print(f"scorecard: {WHY}; those tests are skipped")


if __name__ == "__main__":
    main()
