from __future__ import annotations

from pathlib import Path

import pytest

from tagging.project import root
from tagging.tracking import place
from tagging.tracking.store import Store
from tests.stand_in import stand_in


def test_the_store_is_the_projects_own_file_when_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert place.tracking_uri() == f"sqlite:///{root()}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " ")
    assert place.tracking_uri() == f"sqlite:///{root()}/mlflow.db"
    assert (root() / "tagging" / "tracking" / "place.py").exists()


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "postgresql://u@h/db", "sqlite:////a/b.db", "./mlruns"])
def test_an_address_that_is_set_is_taken(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert place.tracking_uri() == uri


def test_a_relative_sqlite_file_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs/my.db?timeout=5")
    assert place.tracking_uri() == f"sqlite:///{tmp_path}/runs/my.db?timeout=5"


def test_a_folder_with_signs_that_mean_something_in_an_address_holds_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "job%2Fmain ü"
    stand_in(project, monkeypatch)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = Store.connect()
    run = store.start("demo", "experiment", "a", {}, {})
    store.log_text(run.id, "hello", "a.txt")
    assert store.read_text(run.id, "a.txt") == "hello"
    assert (project / "mlflow.db").exists()
    assert (project / "mlruns" / "demo" / run.id / "artifacts" / "a.txt").exists()


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [("esc10", "esc10"), ("my sound/2", "my_sound_2"), ("..", "_"), ("work", "work_"), ("Vögel", "Vögel")],
)
def test_each_data_set_has_a_folder_for_artifacts(dataset: str, folder: str) -> None:
    assert place.artifact_folder(dataset) == root() / "mlruns" / folder


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("sqlite:////home/me/mlflow.db", "http://127.0.0.1:5000"),
        ("http://host:8080/", "http://host:8080"),
        ("https://me:secret@host/mlflow", "https://host/mlflow"),
        ("https://host?api_key=abc", "https://host"),
        ("postgresql://me:secret@host/db", "http://127.0.0.1:5000"),
    ],
)
def test_a_run_has_its_page_on_its_server_or_on_the_ui_of_a_local_store(uri: str, server: str) -> None:
    assert place.page(uri, "1", "ab12") == f"{server}/#/experiments/1/runs/ab12"
