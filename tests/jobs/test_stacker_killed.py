"""A stacker by the command line, killed and started again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.tracking.store import Run, Store
from tests.commands.test_train import curves
from tests.project import Project
from tests.stacked import STACKED
from tests.trainings import copied

LONG = ("train", "stacked", "--set", "name=long training.epochs=12 early_stopping.patience=null")


def the_stacker(store: Store) -> Run:
    return next(run for run in store.search({"kind": "stacker"}) if run.name == "long")


@pytest.mark.long
def test_killed_and_started_again_it_ends_with_the_same_numbers(
    stacked_project: Project, tmp_path: Path, store_of: Callable[[Project], Store]
) -> None:
    whole, broken = (copied(stacked_project, tmp_path / name) for name in ("whole", "broken"))
    for project in (whole, broken):
        (project.folder / "experiments" / "stacked.yaml").write_text(STACKED)
    whole.run(*LONG)
    seen: set[str] = set()

    def second_fold() -> bool:
        seen.update(broken.epochs_in_work())
        return len({name.partition("/")[0] for name in seen}) == 2

    assert broken.kill_when(second_fold, signal.SIGKILL, *LONG) == -signal.SIGKILL
    done = broken.run(*LONG)
    found = []
    for project in (whole, broken):
        store = store_of(project)
        run = the_stacker(store)
        children = sorted(store.children(run.id), key=lambda child: child.tags["fold"])
        assert {run.status, *(child.status for child in children)} == {"FINISHED"}
        found.append((run.metrics, [curves(store, project, child) for child in children]))
    assert f"continuing run long ({run.id[:8]}), which was interrupted or lacks folds" in done.stdout
    assert found[0] == found[1]
    assert len(children) == 3
