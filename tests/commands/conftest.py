from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tagging.tracking.store import Run, Store
from tests.commands.project import Project


@dataclass(frozen=True)
class Trained:
    """A project with one finished run of `tiny`, and what was on the screen."""

    project: Project
    out: str
    err: str


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train `tiny` once for all tests that only look at what it left, or add to it."""
    project = Project(tmp_path_factory.mktemp("trained") / "project")
    done = project.run("train", "tiny")
    return Trained(project, done.stdout, done.stderr)


@pytest.fixture
def project(trained: Trained, tmp_path: Path) -> Project:
    """Return a project with no runs, but with the demo sound and its log-mels."""
    fresh = Project(tmp_path / "project")
    # the log-mels are keyed by size and time of each file
    shutil.copytree(trained.project.folder / "data", fresh.folder / "data")
    return fresh


@pytest.fixture
def store_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Project], Store]:
    """Open the store of a project in this process."""

    def connect(project: Project) -> Store:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
        return Store.connect()

    return connect


def the_run(store: Store, name: str = "tiny") -> Run:
    """Return the newest experiment of a name."""
    return next(run for run in store.search({"kind": "experiment"}) if run.name == name)
