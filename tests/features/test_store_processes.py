"""What happens to a store when processes are killed, run side by side, or find the disk full."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.features.store_process import decode, open_here

COUNT = 100  # three groups of 32 and a rest


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    random = np.random.default_rng(1)
    for index in range(COUNT):
        samples = random.standard_normal(random.integers(800, 4000))
        np.save(folder / f"{index:04}.npy", samples.astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def elsewhere(sound, tmp_path_factory) -> Path:
    """A store that another process built in one go, by one thread as here."""
    root = tmp_path_factory.mktemp("unbroken")
    finish(start(root, sound))
    return root


@pytest.fixture(scope="module")
def unbroken(elsewhere) -> dict[str, bytes]:
    return contents(elsewhere)


def start(root: Path, sound: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.features.store_process", str(root), str(sound), *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def finish(process: subprocess.Popen) -> list[str]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.splitlines()


def go_on(root: Path, sound: Path) -> list[str]:
    """Open a store in this process; return what it does, as the other processes show it."""
    done = []

    def listed(path: Path, rate: int) -> tuple[np.ndarray, tuple[str, ...]]:
        done.append("decoded")
        return decode(path, rate)

    open_here(root, sound, decode=listed, progress=lambda *counts: done.append("progress {} {}".format(*counts)))
    return done


def contents(root: Path) -> dict[str, bytes]:
    (folder,) = root.iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def test_killed_and_continued_equals_unbroken(sound, unbroken, tmp_path):
    process = start(tmp_path, sound, "hold=64")
    for line in process.stdout:
        if line == "progress 64 100\n":
            break
    else:
        pytest.fail(process.stderr.read())
    process.kill()
    process.communicate()
    (folder,) = tmp_path.iterdir()
    assert not (folder / "done.json").exists()
    # a kill may come at any byte: between the two appends, and within a line
    with (folder / "logmels.bin").open("ab") as file:
        file.write(b"half a group")
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"frames": 12, "mini')
    lines = go_on(tmp_path, sound)
    assert "progress 64 100" in lines
    assert "progress 32 100" not in lines
    assert contents(tmp_path) == unbroken


def test_two_processes_at_once_build_once(sound, unbroken, tmp_path):
    processes = [start(tmp_path, sound, "delay=0.01") for _ in range(2)]
    lines = [line for process in processes for line in finish(process)]
    assert lines.count("decoded") == COUNT
    assert contents(tmp_path) == unbroken


def test_full_disk_is_explained_and_what_is_done_is_kept(sound, unbroken, tmp_path):
    process = start(tmp_path, sound, f"limit={len(unbroken['logmels.bin']) // 2}")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "the feature store cannot be written (File too large)" in output
    lines = go_on(tmp_path, sound)
    assert 0 < lines.count("decoded") < COUNT
    assert contents(tmp_path) == unbroken


def test_built_elsewhere_is_mapped_here(sound, elsewhere, unbroken, tmp_path):
    shutil.copytree(elsewhere, tmp_path, dirs_exist_ok=True)
    store = open_here(tmp_path, sound, decode=lambda *_: pytest.fail("it is decoded again"))
    assert store.logmels.frames.numpy().tobytes() == unbroken["logmels.bin"]
    assert torch.equal(store.logmels.lengths.sum(), torch.tensor(len(store.logmels.frames)))
