"""The live page in a real browser, whose microphone plays a file."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tagging.contract import File
from tagging.data.audio import SoundFile
from tagging.live.stream import WindowTagger, windows
from tagging.tracking.store import Store
from tests.browser import Opened, launched, open_page
from tests.project import Project
from tests.trainings import Trained, copied, the_run, working_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, WebSocket

SCRIPT = "<script>document.title = 'hit'</script><img src=x onerror=\"document.title = 'hit'\">"
RATE = 44100


@dataclass(frozen=True)
class Live:
    """A page that is served, the browser to open it in, and what its run says."""

    url: str
    browser: Browser
    tagger: WindowTagger
    sound: Path

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Open the page in a tab; it must call no error on the console, and ask no other host for anything."""
        with open_page(self.browser, self.url) as one:
            one.page.get_by_role("button", name="Start").wait_for()
            yield one
            assert one.errors == []
            assert one.elsewhere == []
            assert one.page.title() == f"Live: {self.tagger.title}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rename_first_class(store: Store) -> None:
    """Give the run's first class a name that is a script."""
    run = the_run(store)
    table = store.read_table(run.id, File.OOF)
    store.log_table(run.id, table.rename(columns={table.columns[2]: SCRIPT}), File.OOF)


@contextmanager
def serving(project: Project, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = project.start("live", "--run", "tiny", "--no-browser", *arguments)
    try:
        yield process
    finally:
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "starting the live page of run tiny ...\n")
    assert out == "\nthe live page has ended\n"


@pytest.fixture(scope="module")
def live(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    project = copied(trained.project, folder / "project")
    sound = folder / "steady.wav"
    time = np.arange(4 * RATE) / RATE
    steady = sum(np.sin(2 * np.pi * 500 * k * time) / k for k in range(1, 20))
    soundfile.write(sound, 0.2 * steady, RATE, subtype="PCM_16")
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    port = free_port()
    with launched(*flags, f"--use-file-for-fake-audio-capture={sound}") as browser, working_in(project) as store:
        rename_first_class(store)
        with serving(project, "--port", str(port)) as process:
            told = iter(process.stdout or "")
            assert next(told) == f"{the_run(store).title}: windows of 1.0 s, 10 classes\n"
            assert next(told) == f"listening at http://127.0.0.1:{port}; Ctrl-C ends it\n"
            yield Live(f"http://127.0.0.1:{port}/", browser, WindowTagger(store, the_run(store)), sound)


def bars(opened: Opened) -> dict[str, float]:
    """Return the classes on the page with their probabilities, at one moment."""
    texts = opened.page.locator(".bars li").evaluate_all(
        "items => items.map(item => [item.children[0].textContent, item.children[1].getAttribute('aria-valuenow')])"
    )
    return {name: float(probability) for name, probability in texts}


def listen(opened: Opened) -> WebSocket:
    """Start the microphone, wait until a window holds nothing but its sound, and return what carries the sound."""
    with opened.page.expect_websocket(lambda socket: "/live/sound" in socket.url) as told:
        opened.page.get_by_role("button", name="Start").click()
    told.value.wait_for_event("framereceived", lambda answer: json.loads(answer)["until"] > 2 * 48000)
    opened.page.locator("[data-latency]").wait_for()
    return told.value


def test_the_microphone_gets_bars_of_the_runs_probabilities_and_a_latency(live: Live) -> None:
    samples, _ = soundfile.read(live.sound, dtype="float32")
    expected = dict(zip(live.tagger.classes, live.tagger({RATE: samples[: 63 * 690]}), strict=True))
    with live.opened() as one:
        listen(one)
        heard = bars(one)
        latency = int(one.page.inner_text("[data-latency]"))
        one.page.get_by_role("button", name="Stop").click()
        one.page.get_by_role("button", name="Start").wait_for()
    assert len(heard) == 8
    assert latency > 0
    for name, probability in heard.items():
        assert probability == pytest.approx(expected[name], abs=1e-3)  # so small a network hardly tells sounds apart


def test_two_tabs_listen_at_once_and_one_goes_on_after_the_other(live: Live) -> None:
    with live.opened() as one:
        sound = listen(one)
        with live.opened() as other:
            listen(other)
            assert len(bars(one)) == len(bars(other)) == 8
        sound.wait_for_event("framereceived")


def test_a_file_gets_a_row_for_each_of_its_windows(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "long <b>.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    expected = []
    for window in windows(live.tagger, SoundFile(path)):
        best = np.argsort(-window.probabilities, kind="stable")[:3]
        tags = [f"{live.tagger.classes[index]} {window.probabilities[index]:.2f}" for index in best]
        expected.append([f"{window.start:.1f} s", *tags])
    with live.opened() as one:
        one.page.set_input_files("input[type=file]", path)
        one.page.get_by_text(f"long <b>.flac: 3.0 s, {len(expected)} windows").wait_for()
        rows = one.page.locator("tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.querySelectorAll('button, .tag')].map(part => part.textContent))"
        )
        assert rows == expected
        one.page.locator("tbody button").nth(2).press("Enter")
        one.page.wait_for_function("start => document.querySelector('audio').currentTime > start", arg=1.0)


def test_a_file_that_is_no_sound_is_named_with_the_reason(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no sound")
    with live.opened() as one:
        one.page.set_input_files("input[type=file]", path)
        problem = one.page.get_by_role("alert")
        problem.wait_for()
        assert problem.inner_text() == "notes.txt: cannot be decoded as sound (Format not recognised)"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("NotAllowedError", "Allow it by the icon to the left of the address, then start again."),
        ("NotFoundError", "The browser finds no microphone. Connect one, then start again."),
    ],
)
def test_a_microphone_that_cannot_be_used_is_told_with_what_to_do(live: Live, name: str, advice: str) -> None:
    with live.opened() as one:
        refuse = f"() => Promise.reject(new DOMException('', '{name}'))"
        one.page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refuse} }}")
        one.page.get_by_role("button", name="Start").click()
        problem = one.page.get_by_role("alert")
        problem.wait_for()
        assert problem.inner_text().endswith(advice)


def test_a_page_of_another_site_is_not_let_in(live: Live) -> None:
    with live.opened() as one:
        other = one.page.context.request
        assert other.get(live.url, headers={"Host": "evil.example"}).status == 400
        assert other.post(f"{live.url}live/file", data=b"", headers={"Origin": "http://evil.example"}).status == 403
