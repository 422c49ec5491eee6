from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tagging.commands.train import train
from tagging.config import Experiment, lineage, load
from tagging.tracking.store import Run, Store
from tests.project import Project, copy_database, step_into
from tests.stacked import STACKED, Stacked


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


def copied(source: Project, folder: Path) -> Project:
    """Copy a project with its runs and all their files."""
    copy = Project(folder)
    for name in ("data", "mlruns"):
        shutil.copytree(source.folder / name, copy.folder / name)
    copy_database(source.folder / "mlflow.db", copy.folder / "mlflow.db")
    with closing(sqlite3.connect(copy.folder / "mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            places = (str(source.folder), str(copy.folder))
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", places)
    return copy


@pytest.fixture
def moved(trained: Trained, tmp_path: Path) -> Project:
    """Return a copy of the project with its finished run and all the run's files."""
    return copied(trained.project, tmp_path / "project")


# every pair differs: in seed, network, log-mels; a network of another kind has its own size to be given
OTHERS = {
    "seed_1": "base: tiny\nseed: 1\n",
    "plain": (
        "base: tiny\nmodel: {kind: simple_kaggle, base_size: 2}\n"
        "features: {sample_rate: 22050, fmax: 11025}\ntraining: {epochs: 1}\n"
    ),
    "lean": "base: tiny\nmodel: {kind: skip_attention, base_size: 2, cbam_ratio: 4}\ntraining: {epochs: 1}\n",
}


@pytest.fixture(scope="session")
def pooled(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Train three more experiments beside `tiny`, once for all tests, which work on copies of the project."""
    project = copied(trained.project, tmp_path_factory.mktemp("pooled") / "project")
    with working_in(project):
        for path in _others(project):
            experiment = load(path)
            train(experiment, lineage(path, experiment))
    return project


def _others(project: Project) -> list[Path]:
    """Write the files of the other experiments into a project."""
    paths = [project.folder / "experiments" / f"{name}.yaml" for name in OTHERS]
    for path, text in zip(paths, OTHERS.values(), strict=True):
        path.write_text(text)
    return paths


@pytest.fixture(scope="module")
def pool(pooled: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """Work in this process with a copy of the project of four experiments: one for the tests of a file."""
    copy = copied(pooled, tmp_path_factory.mktemp("pool") / "project")
    _others(copy)
    with working_in(copy) as store:
        yield Inside(copy.folder, store)


@pytest.fixture
def inside(moved: Project) -> Iterator[Inside]:
    """Work with a copy of the project in this process."""
    with working_in(moved) as store:
        yield Inside(moved.folder, store)


@contextmanager
def working_in(project: Project) -> Iterator[Store]:
    """Work with a project in this process; gives its store."""
    with pytest.MonkeyPatch.context() as patch:
        step_into(project, patch)
        yield Store.connect()


@pytest.fixture(scope="session")
def stacked_project(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Train a second member and a stacker once for all tests of stackers."""
    project = copied(trained.project, tmp_path_factory.mktemp("stacked") / "project")
    (project.folder / "experiments" / "stacked.yaml").write_text(STACKED)
    with working_in(project) as store:
        train(load(project.folder / "experiments" / "tiny.yaml", ["seed=1 name=other"]), {})
        Stacked(project.folder, store).train()
    return project


@pytest.fixture(scope="module")
def stacked(stacked_project: Project) -> Iterator[Stacked]:
    """Work with two members and their stacker in this process."""
    with working_in(stacked_project) as store:
        yield Stacked(stacked_project.folder, store)


@dataclass(frozen=True)
class Inside:
    """A project with one finished run of `tiny`, and its store opened in this process."""

    folder: Path
    store: Store

    def tiny(self, *overrides: str, data: Path | None = None) -> Experiment:
        """Load the project's experiment."""
        return load(self.folder / "experiments" / "tiny.yaml", overrides, data)


def the_run(store: Store, name: str = "tiny") -> Run:
    """Return the newest experiment of a name."""
    return next(run for run in store.search({"kind": "experiment"}) if run.name == name)
