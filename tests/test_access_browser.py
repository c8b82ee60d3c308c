"""In a real browser: pages break no rule of their own policy, and only the named sites can frame an embed."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from scorecard.ground.settings import Settings
from scorecard.web.access import create_token
from tests.browser_setup import installed
from tests.web_house import BOOK, NOW, House, Site, renamed, served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=installed(), args=["--no-sandbox"])
        yield opened
        opened.close()


def complaints(page: Page) -> list[str]:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


@contextmanager
def framing(inner: str) -> Iterator[str]:
    """Another site that shows an address of ours in a frame."""

    class Outer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe src="{inner}" width="900" height="700"></iframe>'.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
            pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Outer) as outer:
        thread = threading.Thread(target=outer.serve_forever)
        thread.start()
        yield f"http://localhost:{outer.server_address[1]}/"
        outer.shutdown()
        thread.join()


def wall(site: Site, door: str) -> str:
    house = site.house
    made = create_token(house.journal, house.token_secret, "floor", NOW + timedelta(days=1), site.url)
    return str(made["url"]).replace("/wall/", f"/{door}/")


def test_pages_keep_to_their_policy_and_are_live(browser: Browser, tmp_path: Path) -> None:
    house = House(tmp_path)
    house.publish()
    with served(house) as site:
        page = browser.new_page()
        said = complaints(page)
        for address in ("/", "/teams/support", "/metrics/solved", "/data"):
            page.goto(site.url + address)
            page.get_by_text("Live", exact=True).first.wait_for(timeout=10_000)
        house.publish(renamed(BOOK, "Renamed"))
        page.get_by_text("Renamed").first.wait_for(timeout=5_000)
        page.goto(wall(site, "wall"))
        page.get_by_text("Support").first.wait_for(timeout=10_000)
        page.goto(site.url + "/teams/support")  # the same browser is not locked into its wall
        page.get_by_text("Live", exact=True).first.wait_for(timeout=10_000)
        assert said == []
        page.close()


@pytest.mark.parametrize("allowed", [True, False])
def test_an_embed_lives_in_the_frames_of_named_sites_only(browser: Browser, tmp_path: Path, allowed: bool) -> None:
    house = House(tmp_path, Settings(embed_from=("http://localhost:*",) if allowed else ()))
    house.publish()
    with served(house) as site, framing(wall(site, "embed")) as outer:
        page = browser.new_page()
        said = complaints(page)
        page.goto(outer)
        inside = page.frame_locator("iframe").get_by_text("Support").first
        if allowed:
            inside.wait_for(timeout=10_000)
            with page.expect_response(lambda answer: "_dash-update-component" in answer.url) as update:
                house.publish()
            assert update.value.status == 200  # on another site there is no cookie: the address carries the link
            assert said == []
        else:
            page.wait_for_timeout(1_000)
            assert inside.count() == 0
            assert any("frame" in text.lower() for text in said)
        page.close()
