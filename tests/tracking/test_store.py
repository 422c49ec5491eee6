from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from tagging.errors import UserError
from tagging.tracking import connection, finder
from tagging.tracking.connection import open_connection
from tagging.tracking.place import owner_tag
from tagging.tracking.store import Run, Store, StoreError


def begin(store: Store, name: str = "a", dataset: str = "demo", kind: str = "experiment", **tags: str) -> Run:
    return store.start(dataset, kind, name, tags, {})


def test_a_run_starts_with_its_tags_params_and_place(store: Store, project: Path) -> None:
    parent = store.start("demo", "experiment", "smoke", {"fingerprint": "f"}, {"model.kind": "x"}, description="Hello")
    fold = store.start("demo", "fold", "fold 0", {"fold": 0}, {}, parent=parent)
    assert (parent.name, parent.kind, parent.status, parent.dataset) == (
        "smoke",
        "experiment",
        "RUNNING",
        "demo",
    )
    assert parent.params == {"model.kind": "x"}
    assert parent.tags["fingerprint"] == "f"
    assert parent.tags["mlflow.note.content"] == "Hello"
    assert parent.tags["mlflow.source.type"] == "LOCAL"
    assert parent.tags["owner"] == owner_tag()
    assert abs(parent.start_time / 1000 - time.time()) < 60
    assert parent.parent_id is None
    assert (fold.parent_id, fold.tags["fold"]) == (parent.id, "0")
    store.log_text(parent.id, "x", "x.txt")
    assert (project / "mlruns" / "demo" / parent.id / "artifacts" / "x.txt").read_text() == "x"


def test_search_finds_by_tags_newest_first_across_data_sets_and_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [begin(store, f"n{i}", dataset=f"set{i % 2}", colour="it's red") for i in range(5)]
    begin(store, "other", colour="blue")
    monkeypatch.setattr(finder, "PAGE", 2)
    assert [run.id for run in store.search({"colour": "it's red"})] == [run.id for run in reversed(runs)]
    found = store.search({"colour": "it's red", "kind": "experiment"}, dataset="set1")
    assert [run.name for run in found] == ["n3", "n1"]
    assert store.search({"colour": "it's red"}, dataset="unknown") == []
    assert store.search({"colour": "both ' and \""}) == []


def test_children_come_in_the_order_of_their_start(store: Store) -> None:
    parent = begin(store)
    folds = [store.start("demo", "fold", f"fold {i}", {}, {}, parent.id) for i in range(3)]
    store.start("demo", "trial", "t", {}, {}, parent)
    assert [run.id for run in store.children(parent.id)] == [run.id for run in folds]
    assert [run.name for run in store.children(parent.id, "trial")] == ["t"]


def test_many_and_long_params_are_stored_and_may_be_logged_again(store: Store) -> None:
    params = {f"p{i}": i for i in range(250)} | {"long": "x" * 7000}
    run = store.start("demo", "experiment", "a", {}, params)
    store.log_params(run.id, params)
    stored = store.get(run.id).params
    assert len(stored) == 251
    assert stored["long"].endswith("(shortened here: 7000 characters, in full in config.yaml)")


def test_metrics_go_in_under_names_that_mlflow_takes(store: Store) -> None:
    run = begin(store)
    store.log_metrics(run.id, {"cv_lwlrap": 0.5, "lwlrap/Sink_(filling)": 0.25, "epoch": 3})
    store.log_metrics(run.id, {"cv_lwlrap": 0.75})
    assert store.get(run.id).metrics == {"cv_lwlrap": 0.75, "lwlrap/Sink_filling": 0.25, "epoch": 3.0}


def test_a_run_ends_and_is_opened_again(store: Store) -> None:
    run = begin(store)
    store.set_tags(run.id, {"state": "ABANDONED", "fold": 1})
    store.finish(run.id, "KILLED")
    assert store.get(run.id).status == "KILLED"
    store.reopen(run.id)
    again = store.get(run.id)
    assert (again.status, again.tags.get("state"), again.tags["fold"]) == ("RUNNING", None, "1")
    store.reopen(run.id)


def test_the_newest_experiment_is_the_one_that_was_used_last(store: Store) -> None:
    assert store.newest_experiment() is None
    first, _ = begin(store, dataset="one"), begin(store, dataset="two")
    begin(store, dataset="one")
    begin(store, dataset="Default")
    assert store.newest_experiment() == first.experiment_id


def test_runs_and_data_sets_that_were_deleted_in_the_ui_are_named(store: Store) -> None:
    run = begin(store)
    store._client.delete_run(run.id)
    with pytest.raises(StoreError) as error:
        store.get(run.id)
    assert error.value.problems == (
        f"run {run.id} is deleted; bring it back with `mlflow runs restore --run-id {run.id}`",
    )
    store._client.delete_experiment(run.experiment_id)
    with pytest.raises(StoreError) as error:
        begin(store)
    restore = f"mlflow experiments restore --experiment-id {run.experiment_id}"
    assert error.value.problems == (f"the MLflow experiment 'demo' is deleted; bring it back with `{restore}`",)


def test_a_run_that_is_not_there_is_named_with_the_store(store: Store) -> None:
    with pytest.raises(StoreError) as error:
        store.get("0" * 32)
    assert error.value.problems == (
        f"there is no run {'0' * 32} in {store.uri}: one that was deleted is gone for good after `mlflow gc`",
    )


SET_OR_UNSET = (
    "set MLFLOW_TRACKING_URI to sqlite:////absolute/path/mlflow.db or http://host:port, "
    "or unset it to use the project's own store"
)


def test_no_secret_goes_to_the_store(store: Store) -> None:
    url = "http://me:secret@host/a?token=secret"
    run = store.start("demo", "experiment", "a", {"base": url}, {"data.folder": url}, description=f"From {url}.")
    store.set_tags(run.id, {"error": url})
    run = store.get(run.id)
    hidden = "http://***@host/a?token=***"
    assert (run.tags["base"], run.tags["error"], run.params["data.folder"]) == (hidden, hidden, hidden)
    assert run.tags["mlflow.note.content"] == f"From {hidden}."


def test_a_text_that_no_store_can_keep_is_named_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", None)  # nothing waits
    with pytest.raises(UserError) as error:
        store.start("demo", "experiment", "Kr\udce4he", {}, {}, description="From \ud800.")
    assert error.value.problems == (
        "name: '\\udce4' (character 3) is no text that a store can keep; leave it out",
        "notes: '\\ud800' (character 6) is no text that a store can keep; leave it out",
    )
    run = begin(store)
    with pytest.raises(UserError) as error:
        store.log_params(run.id, {"data.folder": "\udce4"})
    assert error.value.problems == (
        "data.folder: '\\udce4' (character 1) is no text that a store can keep; leave it out",
    )
    store.set_tags(run.id, {"error": "cannot read Kr\udce4he.wav"})  # what the run's end says fails nothing
    assert store.get(run.id).tags["error"] == "cannot read Kr\\udce4he.wav"


def test_what_will_not_pass_by_waiting_is_told_at_once(
    store: Store, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", None)
    run = begin(store)
    with pytest.raises(StoreError) as error:
        store.connection.call(store.connection.client.create_experiment, "\ud800")
    assert error.value.problems == (
        f"{store.uri}: the tracking store refuses: 'utf-8' codec can't encode character '\\ud800' in position 0: "
        "surrogates not allowed",
    )
    with closing(sqlite3.connect(project / "mlflow.db")) as database:
        database.execute("DROP TABLE metrics")
    with pytest.raises(StoreError) as error:
        store.log_metrics(run.id, {"cv_lwlrap": 0.5})
    assert error.value.problems == (f"{store.uri}: the tracking store refuses: no such table: metrics",)


def test_a_lock_is_waited_for(store: Store, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / "mlflow.db"

    def write() -> str:  # as MLflow does, which itself would wait for 20 seconds
        try:
            with closing(sqlite3.connect(path, timeout=0)) as database:
                database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise MlflowException(str(error), TEMPORARILY_UNAVAILABLE) from error
        return "written"

    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("time.sleep", lambda seconds: other.rollback())
        assert store.connection.call(write) == "written"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("sqlite:////a/mlflow.db", "is it locked by another process?"),
        ("http://host:5000", "is it down, or busy?"),
        ("postgresql://host/db", "is it down, or busy?"),
    ],
)
def test_a_store_that_is_waited_for_is_told_by_what_it_is(
    store: Store, uri: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connection, "TELL_S", 0.0)
    said = ""

    def wait() -> None:
        nonlocal said
        while not said.endswith("\n"):
            said += capsys.readouterr().err

    replace(store.connection, uri=uri).call(wait)
    assert said == f"warning: {uri}: the tracking store has not answered for 0 s ({why}); waiting for it\n"


@pytest.mark.parametrize(
    ("uri", "hidden"),
    [
        ("http://me:se/cret@host:5000", "http://***@host:5000"),
        ("https://se?cret@host", "https://***@host"),
        ("http://me:se@cret@host", "http://***@host"),
        ("postgresql://me:se@cret@host/db", "postgresql://me:***@host/db"),
    ],
)
def test_an_address_of_which_no_password_can_be_told_is_refused_without_it(uri: str, hidden: str) -> None:
    with pytest.raises(StoreError) as error:
        open_connection(uri)
    assert error.value.problems == (
        f"{hidden}: cannot be read as an address; write @ / ? # in a user or a password as %40 %2F %3F %23",
    )


def test_a_folder_of_files_is_refused_as_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        open_connection(f"{tmp_path}/mlruns")
    assert error.value.problems[0].startswith(
        f"{tmp_path}/mlruns: cannot be used as tracking store: "
        "The filesystem tracking backend (e.g., './mlruns') is in maintenance mode"
    )
    assert error.value.problems[1:] == (SET_OR_UNSET,)


def test_a_server_that_is_down_is_named_at_once() -> None:
    with pytest.raises(StoreError) as error:
        open_connection("http://127.0.0.1:9")
    assert error.value.problems == (
        "http://127.0.0.1:9: cannot be used as tracking store: Connection refused",
        "start that server, or unset MLFLOW_TRACKING_URI to use the project's own store",
    )


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_text("no database " * 100)
    with pytest.raises(StoreError) as error:
        open_connection(f"sqlite:///{path}")
    assert error.value.problems == (
        f"sqlite:///{path}: cannot be used as tracking store: file is not a database",
        SET_OR_UNSET,
    )


def test_a_database_of_another_mlflow_is_named_with_the_way_to_upgrade(store: Store, tmp_path: Path) -> None:
    source, path = tmp_path / "mlflow.db", tmp_path / "old.db"
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(path)) as old:
        database.backup(old)
        old.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        old.commit()
    with pytest.raises(StoreError) as error:
        open_connection(f"sqlite:///{path}")
    assert error.value.problems[0].startswith(
        f"sqlite:///{path}: cannot be used as tracking store: "
        "Detected out-of-date database schema (found version 451aebb31d03, but expected "
    )
    assert error.value.problems[1:] == (
        "it was made by an older MLflow: copy it, then bring it up to date with "
        f"`python -m mlflow db upgrade sqlite:///{path}`",
    )


ONE_RUN = """
from tagging.tracking.store import Store
store = Store.connect()
run = store.start("new set", "experiment", sys.argv[1], {}, {"a": 1})
store.finish(run.id, "FINISHED")
"""


@pytest.mark.long
def test_eight_processes_at_once_on_a_fresh_store_all_survive(
    project: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    processes = [python(ONE_RUN, f"run{i}") for i in range(8)]
    said = [process.communicate() for process in processes]
    assert said == [("", "")] * 8
    assert [process.returncode for process in processes] == [0] * 8
    runs = Store.connect().search({"kind": "experiment"}, dataset="new set")
    assert sorted(run.name for run in runs) == [f"run{i}" for i in range(8)]
    assert {run.status for run in runs} == {"FINISHED"}
    with closing(sqlite3.connect(project / "mlflow.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
