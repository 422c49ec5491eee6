"""A real browser without a window: Chromium from the PATH, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return one browser for the tests of a file.

    It ends with the file: as long as Playwright is at work, no test of the same process can call `asyncio.run`.
    """
    with launched() as one:
        yield one


@contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    """Run Chromium with further flags, such as those of a fake microphone; skip the test where there is none."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no `chromium` on the PATH")
    with sync_playwright() as playwright:
        # sound plays without a click; the sandbox does not work as root
        own = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        one = playwright.chromium.launch(executable_path=program, args=[*own, *flags])
        try:
            yield one
        finally:
            one.close()


@dataclass(frozen=True)
class Opened:
    """An open page, what its console called an error so far, and addresses of other hosts that it asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@contextmanager
def open_page(browser: Browser, url: str, width: int = 1400, height: int = 900, dark: bool = False) -> Iterator[Opened]:
    """Open an address, http or file, in a fresh profile, and close it after the block."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    opened = Opened(page)
    host = urlsplit(url).netloc

    def note(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host:
            opened.elsewhere.append(address)

    page.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on("request", lambda request: note(request.url))
    page.on("websocket", lambda socket: note(socket.url))
    try:
        page.goto(url)
        yield opened
    finally:
        context.close()
