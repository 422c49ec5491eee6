from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tagging.commands.look import chosen_clips
from tagging.pages.look import Look, flat_samples, look_page, window_pictures
from tagging.report.sound import RATE, excerpt
from tests.browser import open_page
from tests.trainings import Trained

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCRIPT = "<script>document.title = 'gone'</script>"


def test_samples_count_as_clipped_from_the_third_equal_one_at_full_scale_on() -> None:
    wave = np.sin(np.arange(1000, dtype=np.float32) / 30)
    assert flat_samples([wave]) == (1000, 0)
    cut = np.clip(2 * wave, -1, 1)
    flat = int((np.abs(cut) == 1).sum())
    runs = int(np.count_nonzero(np.diff((np.abs(cut) == 1).astype(int)) == 1))
    assert flat_samples([cut]) == (1000, flat - 2 * runs)
    assert flat_samples([np.full(9, 0.5, np.float32), np.zeros(3, np.float32)]) == (12, 0)


def test_each_class_gets_clips_that_stand_at_no_other() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 0]])
    first, second, third = chosen_clips(labels, 2, seed=0)
    assert len(first) == len(second) == 2
    assert third == []
    assert set(first) | set(second) == {0, 1, 2, 3}
    assert all(labels[clip, 0] for clip in first)
    assert all(labels[clip, 1] for clip in second)
    assert {tuple(chosen_clips(labels, 1, seed)[0]) for seed in range(20)} == {(0,), (1,), (2,)}


def page(name: str) -> str:
    sound = np.sin(np.arange(2 * RATE) / 20).astype(np.float32)
    window = np.linspace(-80, 0, 32 * 64, dtype=np.float32).reshape(32, 64)
    one = Look(name, "curated", [name], excerpt(sound), *window_pictures(window, window[::-1], 2.0))
    labels = {"curated": np.ones((1, 1)), "noisy": np.zeros((0, 1))}
    return look_page(name, "small", 0.5, {name: [one]}, labels, np.array([2.0]), [f"silent: {name}"])


@pytest.mark.parametrize(("width", "dark"), [(1400, True), (390, False)])
def test_a_clip_plays_and_the_name_of_a_class_does_nothing(
    browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    path = tmp_path / "look.html"
    path.write_text(page(SCRIPT), encoding="utf-8")
    with open_page(browser, path.as_uri(), width, dark=dark) as opened:
        opened.page.wait_for_selector("svg")
        opened.page.locator("audio").evaluate("sound => sound.play()")
        opened.page.wait_for_function("document.querySelector('audio').currentTime > 0.1")
        assert opened.page.title() == f"{SCRIPT}: a look"
        assert opened.page.locator("h3").inner_text() == SCRIPT
        assert opened.page.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0 && one.alt)")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert (opened.errors, opened.elsewhere) == ([], [])


def test_it_shows_a_data_set_by_the_command_line(trained: Trained, tmp_path: Path) -> None:
    (data,) = (trained.project.folder / "data").glob("demo-*")
    pages = {}
    for name, *more in (("one",), ("again",), ("other", "--seed", "1")):
        out = tmp_path / f"{name}.html"
        done = trained.project.run("look", str(data), "--experiment", "tiny", "--clips", "1", "--out", str(out), *more)
        assert done.stdout == f"wrote {out}: 10 clips of 10 classes\n"
        pages[name] = out.read_text("utf-8")
    assert pages["one"] == pages["again"] != pages["other"]
    assert "<li>class &#39;Beeps&#39; has no clip in fold 2</li>" in pages["one"]
    assert pages["one"].count('before augmentation"') == pages["one"].count('after augmentation"') == 10


def test_it_names_silent_clipped_and_duplicate_sound_of_ones_own(trained: Trained, tmp_path: Path) -> None:
    data = tmp_path / "mine"
    data.mkdir()
    rng = np.random.default_rng(0)
    names = [f"{number}.wav" for number in range(8)]
    for number, name in enumerate(names):
        sound = rng.normal(0, 0.1, 22050)
        sound = {5: np.zeros(22050), 6: np.clip(20 * sound, -1, 1)}.get(number, sound)
        soundfile.write(data / name, sound, 22050)
    (data / "7.wav").write_bytes((data / "0.wav").read_bytes())
    rows = "".join(f"{name},{'ab'[number % 2]}\n" for number, name in enumerate(names))
    (data / "clips.csv").write_text(f"fname,labels\n{rows}")
    out = tmp_path / "look.html"
    trained.project.run("look", str(data), "--experiment", "tiny", "--out", str(out))
    text = out.read_text("utf-8")
    assert "<li>silent: 5.wav</li>" in text
    assert "<li>clipped, with equal samples in a row at full scale: 6.wav (" in text
    assert "0.wav" in next(line for line in text.splitlines() if line.startswith("<li>") and "7.wav" in line)
    assert json.dumps({"class": "a", "source": "curated", "clips": 4}) in text
