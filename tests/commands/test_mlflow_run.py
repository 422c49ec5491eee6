"""A start by `mlflow run` and one by hand leave the same tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.tracking.store import Store
from tests.project import Project
from tests.trainings import Trained, the_run


def mlflow_run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", *arguments],
        cwd=project.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.long
def test_it_trains_and_submits_through_mlflow(
    trained: Trained, project: Project, store_of: Callable[[Project], Store]
) -> None:
    expected = the_run(store_of(trained.project))
    done = mlflow_run(project, "-e", "train", "-P", "experiment=tiny", "-P", "set=name=by_mlflow notes=two words")
    assert done.returncode == 0, done.stdout + done.stderr
    store = store_of(project)
    run = the_run(store, "by_mlflow")
    assert run.metrics == expected.metrics
    assert run.params["notes"] == "two words"
    assert run.parent_id is None
    (launch,) = store.search({"kind": "launch"})
    assert (launch.dataset, launch.status) == ("Default", "FINISHED")
    assert (launch.name, launch.tags["launch.run"]) == ("train by_mlflow", run.id)
    assert {found.kind for found in store.find([])} == {"launch", "experiment", "fold"}
    done = mlflow_run(project, "-e", "submit", "-P", "run=by_mlflow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.folder / "submission.csv").is_file()
    done = mlflow_run(project, "-e", "kernel", "-P", "run=by_mlflow", "-P", "time_limit=5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "time_limit=5.0" in (project.folder / "kernel" / "kernel.py").read_text()
    launches = store.search({"kind": "launch"})
    assert [found.tags["launch.run"] for found in launches] == [run.id] * 3


@pytest.mark.long
def test_a_users_error_ends_mlflow_run_with_1(project: Project, store_of: Callable[[Project], Store]) -> None:
    done = mlflow_run(project, "-e", "train", "-P", "experiment=tini")
    assert done.returncode == 1
    assert "error: no experiment is called 'tini'; did you mean tiny?" in done.stderr
    (launch,) = store_of(project).find([])
    assert (launch.status, launch.kind) == ("FAILED", "")
