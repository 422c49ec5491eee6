from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.data import demo
from tagging.data.demo import DEMO_CLASSES, make_clip, make_demo
from tagging.data.layouts import read_dataset
from tagging.errors import UserError


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_demo_is_a_data_set_of_short_clips(tmp_path: Path) -> None:
    make_demo(tmp_path / "demo", seed=3, curated=30, noisy=20, test=10)
    data = read_dataset(tmp_path / "demo")
    assert (data.classes, data.warnings) == (DEMO_CLASSES, ())
    assert (len(data.curated), len(data.noisy), len(data.test)) == (30, 20, 10)
    assert data.curated.labels.sum(axis=0).min() >= 3
    assert set(data.curated.labels.sum(axis=1)) == {1, 2}
    for path in (*data.curated.paths, *data.noisy.paths, *data.test.paths):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (44100, 1, "PCM_16")
        assert 0.29 < info.duration < 6.01


def test_halves_may_be_left_out(tmp_path: Path) -> None:
    make_demo(tmp_path / "demo", seed=0, curated=10, noisy=0, test=0)
    data = read_dataset(tmp_path / "demo")
    assert (len(data.curated), len(data.noisy), len(data.test), data.warnings) == (10, 0, 0, ())


def test_equal_arguments_give_equal_files_and_other_ones_replace_them(tmp_path: Path) -> None:
    make_demo(tmp_path / "a", 1, 6, 3, 2)
    make_demo(tmp_path / "b", 1, 6, 3, 2)
    first = digest(tmp_path / "a")
    assert first == digest(tmp_path / "b")
    make_demo(tmp_path / "b", 2, 6, 3, 2)
    assert set(first.values()).isdisjoint(
        value for name, value in digest(tmp_path / "b").items() if name.endswith(".wav")
    )
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", ".a.lock", ".b.lock"}


def test_a_demo_that_is_there_stays_untouched(tmp_path: Path) -> None:
    make_demo(tmp_path / "demo", 1, 4, 0, 0)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*")}
    make_demo(tmp_path / "demo", 1, 4, 0, 0)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*")}


def test_what_a_kill_left_is_cleared_away(tmp_path: Path) -> None:
    make_demo(tmp_path / "whole", 1, 4, 0, 0)
    shutil.copytree(tmp_path / "whole", tmp_path / ".demo.partial")
    make_demo(tmp_path / "demo", 1, 4, 0, 0)
    assert not (tmp_path / ".demo.partial").exists()
    assert digest(tmp_path / "demo") == digest(tmp_path / "whole")


def test_two_processes_at_once_do_not_clash(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2) as pool:
        for made in [pool.submit(make_demo, tmp_path / "demo", 1, 8, 4, 0) for _ in range(2)]:
            made.result()
    assert len(read_dataset(tmp_path / "demo").curated) == 8


def test_other_peoples_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError) as caught:
        make_demo(tmp_path, 1, 4, 0, 0)
    assert caught.value.problems == (
        f"{tmp_path}: the demo sound goes here, but something else is here already ('thesis.txt'); "
        "choose another folder, or move it away",
    )
    assert (tmp_path / "thesis.txt").exists()


def spectrum(label: str, seed: int) -> np.ndarray:
    """Coarse features of one clip: the level of 20 bands over time, its mean and its spread."""
    clip = make_clip([label], np.random.default_rng(seed))
    frames = np.lib.stride_tricks.sliding_window_view(clip, 1024)[::512]
    power = np.abs(np.fft.rfft(frames * np.hanning(1024), axis=1)) ** 2
    edges = np.geomspace(1, 513, 21).astype(int)
    bands = np.log10(np.maximum.reduceat(power, np.unique(edges[:-1]), axis=1) + 1e-6)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])


def test_the_classes_can_be_told_apart() -> None:
    features = np.array([[spectrum(label, seed) for seed in range(24)] for label in DEMO_CLASSES])
    features = (features - features.mean(axis=(0, 1))) / (features.std(axis=(0, 1)) + 1e-6)
    centres = features[:, :16].mean(axis=1)
    distances = np.linalg.norm(features[:, 16:, None] - centres, axis=-1)
    accuracy = (distances.argmin(axis=-1) == np.arange(len(DEMO_CLASSES))[:, None]).mean()
    assert 0.5 < accuracy < 1  # chance is 0.1; order in time, which these features miss, tells more


def test_about_a_third_of_the_noisy_labels_are_wrong(tmp_path: Path) -> None:
    given = {share: tmp_path / str(share) for share in (0.0, demo.WRONG_LABELS)}
    for share, folder in given.items():
        folder.mkdir()
        demo._write_labelled(folder, "train_noisy", 5, 60, share)
    right, noisy = ((folder / "train_noisy.csv").read_text().splitlines() for folder in given.values())
    wrong = sum(one != other for one, other in zip(right, noisy, strict=True))
    assert 0.15 < wrong / 60 < 0.45
