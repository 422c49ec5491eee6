"""The page of a review, in a real browser: what is seen and heard, and that decisions reach the files."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from tagging.data.label_lists import read_label_list
from tagging.review.decisions import journal_of, read_journal
from tests.browser import Opened, open_page
from tests.project import Project, read_csv
from tests.trainings import Trained, copied

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EVIL = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Served:
    """A review that is running: its project, its process, and its address."""

    project: Project
    process: subprocess.Popen[str]
    url: str

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """End it by a signal; return its exit status, and all that it said on stdout after its address."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@contextmanager
def served(project: Project, *arguments: str) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = project.start("review", *arguments, "--port", str(port), "--who", "ann")
    timer = threading.Timer(120, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        told = []
        while not told or not told[-1].startswith("Ctrl-C"):
            told.append(process.stdout.readline())
            assert told[-1], process.communicate()
        assert told[-2] == f"review: http://127.0.0.1:{port}\n"
        yield Served(project, process, f"http://127.0.0.1:{port}/")
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def evil(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a finished run on clips of which a class is called as a script; it believes the labels of noisy clips."""
    project = copied(trained.project, tmp_path_factory.mktemp("evil") / "project")
    demo = next((project.folder / "data").glob("demo-*"))
    for path in demo.glob("*.csv"):
        path.write_text(path.read_text().replace("Hiss", EVIL))
    labels = read_csv(demo / "train_noisy.csv").set_index("fname")["labels"]
    for path in (project.folder / "mlruns").rglob("*.parquet"):
        table = pd.read_parquet(path).rename(columns={"Hiss": EVIL})
        for name in table.columns.intersection(["labels", "label", "top_label"]):
            table[name] = table[name].str.replace("Hiss", EVIL)
        if path.parent.name == "noisy":
            given = labels[table["fname"]].tolist()
            for name in table.columns.drop(["fname", "fold"]):
                table[name] = np.array([0.98 if name in field.split(",") else 0.01 for field in given], np.float32)
        table.to_parquet(path, index=False)
    return project


def decided(opened: Opened, done: int) -> None:
    """Wait until so many clips are decided."""
    opened.page.wait_for_function(f"document.querySelector('progress').value === {done}")


def name_of(opened: Opened) -> str:
    return opened.page.inner_text(".card h2")


def press(opened: Opened, key: str) -> None:
    """Press a key, and wait until another clip is shown."""
    before = name_of(opened)
    opened.page.keyboard.press(key)
    opened.page.wait_for_function(f"document.querySelector('.card h2').textContent !== {json.dumps(before)}")


def test_a_person_listens_and_decides_by_keys(evil: Project, browser: Browser) -> None:
    corrections = evil.folder / "corrections.json"
    with served(evil, "tiny") as review:
        with open_page(browser, review.url) as opened:
            page, alerts = opened.page, []
            page.on("dialog", lambda dialog: alerts.append(dialog.message))
            page.wait_for_function("document.querySelector('.card img').naturalWidth > 0")
            page.keyboard.press("Space")
            page.wait_for_function("document.querySelector('.card audio').currentTime > 0.1")
            cursor = "parseFloat(document.querySelector('.card .cursor').style.left)"
            page.wait_for_function(f"{cursor} > 6")
            page.keyboard.press("Space")
            page.wait_for_function("document.querySelector('.card audio').paused")
            assert EVIL in page.inner_text(".queue")

            first = name_of(opened)
            press(opened, "x")
            decided(opened, 1)
            assert read_label_list(corrections) == {first: "remove"}

            second = name_of(opened)
            page.keyboard.press("r")
            page.wait_for_selector(".q-dialog .q-chip")
            proposed = page.locator(".q-dialog .q-chip").all_inner_texts()
            page.wait_for_function("document.activeElement.textContent.startsWith('Save')")
            page.keyboard.press("Enter")
            decided(opened, 2)
            labels = ",".join(sorted(text.split("\n")[0] for text in proposed))
            assert read_label_list(corrections) == {first: "remove", second: labels}

            third = name_of(opened)
            press(opened, "k")
            decided(opened, 3)
            press(opened, "s")
            press(opened, "ArrowLeft")
            press(opened, "ArrowRight")
            press(opened, "u")
            press(opened, "u")
            decided(opened, 2)
            assert name_of(opened) == third
            assert [line.decision for line in read_journal(journal_of(corrections))] == [
                "remove",
                "relabel",
                "keep",
                "skip",
                "undo",
                "undo",
            ]
            assert {line.who for line in read_journal(journal_of(corrections))} == {"ann"}
            page.click("text=Train with it")
            command = f"python -m tagging train tiny --set labels.corrections={corrections}"
            page.wait_for_selector(f"pre >> text={command}")
            assert (opened.errors, opened.elsewhere, alerts) == ([], [], [])
        status, said = review.end()
    assert status == 130
    assert f"train with it: {command}\n" in said


def test_killed_amid_a_review_it_goes_on_where_it_was(evil: Project, browser: Browser) -> None:
    with (
        served(evil, "tiny", "--out", "killed.json") as review,
        open_page(browser, review.url, width=390, dark=True) as opened,
    ):
        opened.page.wait_for_selector(".card h2")
        first = name_of(opened)
        press(opened, "x")
        decided(opened, 1)
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
        review.end(signal.SIGKILL)
    assert read_label_list(evil.folder / "killed.json") == {first: "remove"}
    with served(evil, "tiny", "--out", "killed.json") as review, open_page(browser, review.url) as opened:
        decided(opened, 1)
        assert name_of(opened) != first
        opened.page.select_option(".queue select", "believed noisy clip")
        opened.page.wait_for_selector(".card >> text=noisy, ")
        noisy = name_of(opened)
        opened.page.keyboard.press("t")
        opened.page.wait_for_selector(".verdict, .queue .mark")
        review.end()
    assert list(read_label_list(evil.folder / "noisy_selection.json")) == [noisy]
