"""A real Ray, from its start to its end, and resources that the machine does not have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from tagging.errors import UserError
from tune.session import check_resources, check_start, ray_session, trials_at_once

ROOT = Path(__file__).parents[2]
CORES = len(psutil.Process().cpu_affinity())
needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")


def ray_once(home: Path, how: str) -> dict[str, object]:
    """Run Ray in a process group of its own, whose home and temporary folder are `home`; nothing else is printed."""
    # as `ray start` leaves it when it is killed
    (home / "ray").mkdir()
    (home / "ray" / "ray_current_cluster").write_text("127.0.0.1:6379")
    hidden = ("RAY_", "TUNE_", "MLFLOW_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.tune.ray_once", how],
        cwd=ROOT,
        env={**environment, "HOME": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert [path.name for path in home.iterdir()] == ["ray"]
    return json.loads(done.stdout)


@pytest.fixture
def home() -> Iterator[Path]:
    # short enough for a socket in it, which pytest's own folders are not
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        yield Path(folder)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["plain", "ctrl-c"])
def test_ray_listens_on_loopback_alone_prints_nothing_and_leaves_nothing(how: str, home: Path) -> None:
    seen = ray_once(home, how)
    assert seen.pop("ports") >= 4  # of the head, the node, the workers and this process
    assert set(seen.pop("addresses")) <= {"127.0.0.1", "::ffff:127.0.0.1"}
    interrupted = {"interrupted": True} if how == "ctrl-c" else {}
    assert seen == {
        "threads": "1",
        "sigterm kept": True,
        "resources": [2.0, 1.0],
        "children": [],
        "left": [],
        "folder left": False,
        **interrupted,
    }


def test_a_cluster_that_is_not_there_is_named_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(UserError) as caught, ray_session(1, 0, "192.0.2.1:1"):
        pass
    assert time.monotonic() - started < 60  # Ray itself goes on asking
    assert str(caught.value) == (
        "--address 192.0.2.1:1: no Ray cluster answers at 192.0.2.1:1; "
        "start one with `ray start --head`, and join it on this machine too (docs/cluster.md)"
    )


def test_a_temporary_folder_too_deep_for_sockets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(UserError) as caught:
        check_start(1, 0, "")
    text = str(caught.value)
    assert text.startswith(f"{deep}/ray-{os.getpid()}-")
    assert text.endswith(": too long a path for Ray's sockets, at most 43 bytes; set TMPDIR to a shorter one")
    assert list(deep.iterdir()) == []


def test_no_temporary_folder_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/nowhere"])
    with pytest.raises(UserError) as caught:
        check_start(1, 0, "")
    assert str(caught.value) == "no folder for temporary files can be written to; set TMPDIR to one"


def test_what_killed_sessions_left_is_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [
        f"ray-{os.getpid()}-abcdefgh",
        f"ray-{ended.pid}-abcdefgh",
        f"ray-{ended.pid}-abcdefgh0",
        "ray-abcdefgh",
        "ray",
    ]
    for name in names:
        (tmp_path / name / "session").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(UserError), ray_session(1, 0, "127.0.0.2:1"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {*names} - {f"ray-{ended.pid}-abcdefgh"}


def test_more_cores_than_there_are() -> None:
    with pytest.raises(UserError) as caught:
        check_resources(CORES + 1, 0)
    assert str(caught.value) == (
        f"a trial is to have {CORES + 1} CPU cores; this machine has {CORES}. Give --cpu {CORES} or less"
    )


@needs_no_gpu
def test_a_gpu_where_there_is_none() -> None:
    with pytest.raises(UserError) as caught:
        trials_at_once(1, 0.25, 0)
    assert str(caught.value) == "a trial is to have 0.25 GPU; this machine has none that torch sees. Give --gpu 0"


@pytest.mark.parametrize(
    ("gpus", "cpu", "gpu", "at_once", "expected"),
    [(1, 1, 0.25, 0, 4), (1, 1, 0.3, 0, 3), (2, 1, 0.3, 0, 6), (2, 2, 1, 0, 2), (2, 8, 0.1, 0, 2), (1, 1, 0.1, 3, 3)],
)
def test_trials_share_gpus_and_cores(
    gpus: int, cpu: int, gpu: float, at_once: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the one thing that is not real: this machine's hardware
    monkeypatch.setattr("tune.session._nodes", lambda gpu: [(16, gpus)])
    assert trials_at_once(cpu, gpu, at_once) == expected


def test_trials_share_cores() -> None:
    assert trials_at_once(1, 0, 0) == CORES
    assert trials_at_once(CORES, 0, 0) == 1
    assert trials_at_once(1, 0, 1) == 1
