"""Many processes that start at once on a store, sound and log-mels that are not there yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.tracking.store import Store
from tests.project import Project


@pytest.mark.long
def test_eight_trainings_at_once_on_a_fresh_store_all_succeed(
    tmp_path: Path, store_of: Callable[[Project], Store]
) -> None:
    project = Project(tmp_path / "project", store=False)
    options = ("--set", "training.folds=[0]", "training.epochs=1")
    started = [project.start("train", "tiny", *options, f"seed={seed}") for seed in range(8)]
    ended = [process.communicate(timeout=240) for process in started]
    assert [process.returncode for process in started] == [0] * 8, ended
    store = store_of(project)
    runs = store.search({"kind": "experiment"})
    assert sorted(run.params["seed"] for run in runs) == [str(seed) for seed in range(8)]
    assert {run.status for run in store.find([])} == {"FINISHED"}
    assert len(store.find([])) == 16
    assert len(list((project.folder / "data" / "features").glob("*/done.json"))) == 1
