"""A real SQLite store for each test, and sweeps in it whose trials are runs as the search leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagging.config import load
from tagging.config.load import to_yaml
from tagging.tracking.store import Run, Store
from tests.project import Project
from tests.tracking.conftest import project, store
from tests.tune.in_process import in_process, no_figures

__all__ = ["in_process", "no_figures", "project", "store"]

Write = Callable[[str], Path]
BASE = "notes: Not handed down.\noptimizer: {lr: 1e-3}\ntraining: {epochs: 9}\n"


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo sound with its log-mels, made once."""
    project = Project(tmp_path_factory.mktemp("sound") / "project")
    project.run("features", "tiny")
    return project.folder / "data"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Project], Store]:
    """Open the store of a project in this process."""

    def opened(project: Project) -> Store:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
        return Store.connect()

    return opened


@pytest.fixture
def experiments(tmp_path: Path) -> Path:
    folder = tmp_path / "other-experiments"  # than the project's
    folder.mkdir()
    (folder / "base.yaml").write_text(BASE)
    return folder


@pytest.fixture
def sweep(store: Store) -> Run:
    tags = {"space": "lr_mixup", "space.experiment": "base"}
    return store.start("demo", "sweep", "lr_mixup", tags, {})


@pytest.fixture
def add_trial(store: Store, sweep: Run, experiments: Path) -> Callable[..., Run]:
    """Add a trial to the sweep: its settings are `overrides` on base, on fold 0, one thread and other sound."""

    def add(
        number: int,
        values: dict[str, Any],
        score: float | None,
        overrides: str = "",
        state: str = "FINISHED",
        error: str = "",
        **metrics: float,
    ) -> Run:
        overrides = overrides or " ".join(f"{path}={value}" for path, value in values.items())
        tags = {"trial.number": number, "trial.values": json.dumps(values), "trial.overrides": overrides}
        tags |= {"base": "base", "differs": overrides}
        run = store.start("demo", "trial", f"lr_mixup {number}", tags, {}, sweep)
        where = "training.folds=[0] threads=1 device=cpu"
        trained = load("base", [overrides, where], data=Path("/sound"), folder=experiments)
        store.log_text(run.id, to_yaml(trained), "config.yaml")
        scores = {} if score is None else {"search_lwlrap": score}
        store.log_metrics(run.id, {**scores, "trial_epochs": 9, "trial_seconds": 2.5, **metrics})
        own = {"state": "PRUNED"} if state == "PRUNED" else {"error": error} if error else {}
        store.set_tags(run.id, own)
        if state != "RUNNING":
            store.finish(run.id, "KILLED" if state == "PRUNED" else state)  # type: ignore[arg-type]
        return store.get(run.id)

    return add


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return path

    return write
