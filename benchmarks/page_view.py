"""What one view of a team page costs the server in CPU, against a static file of it in the same run (aim: at most 5x).

A view is what a browser asks for on a warm visit: the page, Dash's layout and dependencies, and the callbacks, recorded
from a real Chromium and replayed; static files are cached by the browser and do not count.
"""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import requests
from playwright.sync_api import Request, sync_playwright
from serving import ROOT, Served, served

VIEWS = 300
ROUNDS = 5


def recorded(server: Served, page_path: str) -> tuple[list[tuple[str, str, str | None]], str]:
    """The requests of one page view (method, address, body) without static files; and the address of a static file."""
    seen: list[tuple[str, str, str | None]] = []
    static: list[str] = []

    def note(request: Request) -> None:
        path = request.url.removeprefix(server.address)
        if "_dash-component-suites" in path or path.startswith("/assets") or path.endswith((".js", ".css", ".svg")):
            static.append(request.url)
        elif "/api/v1/events" not in path:
            seen.append((request.method, request.url, request.post_data))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", note)
        page.goto(server.address + page_path)
        page.wait_for_timeout(2500)
        browser.close()
    return seen, min(static, key=len)


def replay(session: requests.Session, server: Served, asked: list[tuple[str, str, str | None]], times: int) -> float:
    """CPU milliseconds of the server per repetition."""
    before = server.cpu_seconds()
    for _ in range(times):
        for method, url, body in asked:
            headers = {"Content-Type": "application/json"} if body else {}
            answer = session.request(method, url, data=body, headers=headers, timeout=10)
            assert answer.status_code in {200, 204}, (answer.status_code, url)
    return (server.cpu_seconds() - before) / times * 1000


def main() -> None:
    from scorecard import demo

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = (ROOT / "metrics.yaml").read_text()
        (folder / "metrics.yaml").write_text(re.sub(r"every: \d+[smh]", "every: 9h", text))  # only pages are measured
        demo.ensure(folder / "data", datetime.now(UTC))
        with served(folder) as server, requests.Session() as session:
            time.sleep(8)  # the first loads are not part of it either
            asked, static = recorded(server, "/teams/support")
            print(f"a view: {len(asked)} requests; the static file: {static.rsplit('/', 1)[1].split('?')[0]}")
            replay(session, server, asked, 20)
            ratios = []
            for _ in range(ROUNDS):
                view = replay(session, server, asked, VIEWS)
                file = replay(session, server, [("GET", static, None)], VIEWS * 2)
                ratios.append(view / file)
                print(f"  view {view:.2f} ms, static file {file:.2f} ms, {view / file:.1f}x")
            print(f"page view / static file: {statistics.median(ratios):.1f}x (median of {ROUNDS} pairs)")


if __name__ == "__main__":
    main()
