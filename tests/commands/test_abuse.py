"""Trainings that are killed, run out of disk, or find their store locked: they go on, and end with the same."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.commands.abuse import (
    AIMS,
    Disk,
    Sight,
    at_once,
    check_equal,
    in_order,
    kill_at,
    locked,
    pages,
    start_until,
    stored,
)
from tests.project import Project

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("unbroken") / "project")
    project.run_apart("train", "tiny")
    return project


@pytest.mark.parametrize("seed", range(int(os.environ.get("TAGGING_KILL_ROUNDS", "3"))))
def test_killed_at_any_moment_and_continued_it_ends_with_the_same(
    unbroken: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))
    project, rng = Project(tmp_path / "project", store=False), random.Random(seed)
    for name in in_order(rng):
        kill_at(project, AIMS[name], rng)
    project.run_apart("train", "tiny")
    check_equal(project, unbroken)
    assert list(temp.glob("tagging-*")) == []


@pytest.fixture
def disk() -> Iterator[Callable[[Path], Disk]]:
    """Mount small disks on folders, for as long as the test takes."""
    mounted: list[Disk] = []

    def mount(folder: Path) -> Disk:
        try:
            mounted.append(Disk(folder))
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"only root can mount a small disk: {error}")
        return mounted[-1]

    yield mount
    for each in mounted:
        each.unmount()


def full(place: str) -> str:
    """Return what is said of a full disk, as a pattern."""
    says = r"the disk is full \(([\d.]+ MB needed, )?[\d.]+ MB free\); make room on it\. "
    return rf"error: {place}: {says}The same command then continues from what is finished"


def stopped(project: Project) -> str:
    """Train until it stops with an error of one line, and return that."""
    done = project.run_apart("train", "tiny", code=2)
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_full_disk_stops_it_in_each_phase_and_with_room_it_goes_on(
    unbroken: Project, tmp_path: Path, disk: Callable[[Path], Disk]
) -> None:
    project = Project(tmp_path / "project")
    data = disk(project.folder / "data")
    work, runs = disk(project.folder / "mlruns" / "work"), disk(project.folder / "mlruns" / "demo")
    inputs = sum(pages(unbroken, f"*/demo/*/artifacts/{name}") for name in ("config.yaml", "data", "environment.json"))
    checkpoint = pages(unbroken, "*/demo/*/artifacts/checkpoints") // 3
    figures = pages(unbroken, "*/demo/*/artifacts/figures")
    run, digits = rf"{runs.folder}/[0-9a-f]{{32}}/artifacts", "[0-9a-f]+"
    for phase, small, size, place in (
        ("demo", data, pages(unbroken, "data/demo*") // 2, f"{data.folder}/demo-0-36-12-8"),
        ("features", data, pages(unbroken, "data/demo*") + 300_000, f"{data.folder}/features/{digits}"),
        ("start", runs, 8192, run),
        ("first epoch", work, 64_000, f"{work.folder}/{digits}"),
        ("upload", runs, inputs + checkpoint // 2, run),
        ("prediction", runs, inputs + checkpoint, run),
        ("summary", runs, pages(unbroken, "mlruns/demo") - figures, run),
    ):
        small.resize(size)
        said = stopped(project)
        assert re.fullmatch(full(place), said), f"{phase}: {said}"
        assert "RUNNING" not in str(stored(project)["runs"]), phase
        small.resize(2**30)
    project.run_apart("train", "tiny")
    check_equal(project, unbroken)


def test_a_full_store_stops_it_and_with_room_it_goes_on(
    unbroken: Project, tmp_path: Path, disk: Callable[[Path], Disk]
) -> None:
    project, small = Project(tmp_path / "project", store=False), disk(tmp_path / "small")
    database = project.folder / "mlflow.db"
    database.symlink_to(small.folder / "mlflow.db")

    def stop_at(size: int) -> None:
        small.resize(size)
        said = stopped(project)
        assert re.fullmatch(full(str(database)), said), said
        small.resize(2**30)

    stop_at(100_000)
    assert not database.exists()  # half a store would be of no use
    project.run_apart("show", "runs")
    made = database.stat().st_size
    stop_at(made + 8192)  # it cannot even be opened
    stop_at(made + 100_000)  # as the run starts
    stop_at(made + 400_000)  # in a fold
    assert database.is_symlink()
    project.run_apart("train", "tiny")
    check_equal(project, unbroken)


SIGHTS = {"start": at_once, "checkpoint": AIMS["checkpoint"].sight, "summary": AIMS["summary"].sight}


def test_a_store_locked_for_half_a_minute_holds_it_up_and_no_more(unbroken: Project, tmp_path: Path) -> None:
    projects = {name: Project(tmp_path / name) for name in SIGHTS}
    with ThreadPoolExecutor() as pool:
        errors = list(pool.map(train_locked, projects.values(), SIGHTS.values()))
    for project, error in zip(projects.values(), errors, strict=True):
        told = f"warning: {project.uri}: the tracking store has not answered for 5 s"
        assert f"{told} (is it locked by another process?); waiting for it" in error.splitlines()
        check_equal(project, unbroken)


def train_locked(project: Project, sight: Sight) -> str:
    """Train while another process has the store locked for 30 s from a sight on; return what stderr says."""
    project.run_apart("show", "runs")  # makes the store
    process = start_until(project, sight)
    with locked(project):
        time.sleep(30)
        assert process.poll() is None, process.communicate()
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, f"{out}\n{err}"
    return err
