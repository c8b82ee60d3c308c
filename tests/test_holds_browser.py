"""The dialogue on /data: who decides and why, in a real browser against a real process."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from scorecard.views.wording import UTC_MOMENT
from tests.browser_setup import installed
from tests.served import served
from tests.test_holds import company, said

pytestmark = pytest.mark.browser


def test_a_held_load_is_approved_and_taken_back_by_hand(tmp_path: Path) -> None:
    company(tmp_path)
    said(tmp_path, "28T08:00", "refresh")
    company(tmp_path, tickets=2)
    said(tmp_path, "28T08:30", "refresh", status=1)
    with served(tmp_path, "--now", "2026-09-28T09:00:00Z") as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(site.address + "/")
        notice = page.locator(".notices li", has_text="of tickets waits for a person")
        expect(notice).to_contain_text("drop from 60 to 2 rows")
        notice.get_by_role("link").click()
        card = page.locator("[data-source=tickets]")
        expect(card.locator(".hold")).to_contain_text("2 rows pulled; the table would have 2")
        expect(card.locator(".hold")).to_contain_text("the newest row would go back from")
        assert not UTC_MOMENT.search(page.inner_text("body")), "people read their own clock"
        card.get_by_role("button", name="Approve").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Approve")).to_be_disabled()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        card.get_by_role("button", name="Approve").click()
        dialog.get_by_label("Your name").fill("Ana Ruiz")
        dialog.get_by_label("Why").fill("archived")
        dialog.get_by_role("button", name="Approve").click()
        expect(card.locator(".hold")).to_have_count(0)
        expect(page.locator(".loads")).to_contain_text("approved by Ana Ruiz")
        card.locator(".kept summary").click()
        card.get_by_role("button", name="Put back").click()
        assert dialog.get_by_label("Your name").input_value() == "Ana Ruiz", "remembered"
        dialog.get_by_label("Why").fill("too early")
        dialog.get_by_role("button", name="Put back").click()
        expect(card.locator(".pinned")).to_contain_text("Ana Ruiz rolled it back to load")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        browser.close()
    assert site.process.returncode == 0
