from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tagging.pages.cards import Card
from tagging.report import charts
from tagging.report.html import html_page
from tagging.report.sound import RATE, excerpt
from tests.browser import open_page

EVIL = "<script>document.title='broken'</script>"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Write a page with a player, a chart and names that are HTML."""
    card = Card(EVIL, excerpt(np.full(RATE, 0.1, np.float32)), [(EVIL, 0.1)], [(EVIL, 0.9)], EVIL)
    bars = charts.bars([{"class": EVIL, "difference": 0.1, "low": 0.0, "high": 0.2}], "class", "difference", "d")
    heat = charts.heatmap([{"run": EVIL, "class": EVIL, "lwlrap": 0.5}], "run", "class", "lwlrap", ("run", "class"))
    text = html_page(
        "fold",
        run={"name": EVIL, "dataset": EVIL, "id": "0" * 32},
        fold={"number": 0, "lwlrap": 0.5, "odd": [EVIL]},
        others_mean=None,
        count=1,
        curves=[(EVIL, heat)],
        by_class=bars,
        worst=[card, Card("gone.wav", None, [], [])],
    )
    path = tmp_path / "page.html"
    path.write_text(text, "utf-8")
    return path


def test_names_of_users_are_text_and_the_page_asks_for_nothing(page: Path, browser: Browser) -> None:
    with open_page(browser, page.as_uri()) as opened:
        opened.page.wait_for_selector("html[data-drawn=yes]")
        assert opened.page.title() == f"{EVIL}: report"
        assert opened.page.locator(".chart svg").count() == 2
        assert opened.page.locator("h1").inner_text() == EVIL
        assert (opened.errors, opened.elsewhere) == ([], [])


def test_a_clip_plays_and_a_line_moves_over_its_spectrogram(page: Path, browser: Browser) -> None:
    with open_page(browser, page.as_uri()) as opened:
        picture, line = opened.page.locator(".clip .picture"), opened.page.locator(".clip .cursor")
        picture.click(position={"x": 200, "y": 40})
        opened.page.wait_for_function("document.querySelector('audio').currentTime > 0.5")
        assert line.evaluate("line => parseFloat(line.style.left)") > 40
        assert opened.page.get_by_text("The sound file is not there, or cannot be read.").count() == 1


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_the_page_fits_a_screen_and_a_phone(page: Path, browser: Browser, width: int, dark: bool) -> None:
    with open_page(browser, page.as_uri(), width=width, dark=dark) as opened:
        opened.page.wait_for_selector("html[data-drawn=yes]")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        back = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(21, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_all_that_a_page_shows_is_inside_it(page: Path) -> None:
    text = page.read_text("utf-8").partition('<script type="module">')[0]  # without Vega's own
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", text)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
