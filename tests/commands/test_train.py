"""`train`, by the command line, on a real store: the run tree of the contract, reuse, breaking off."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score

from tagging.config import flatten, load
from tagging.report.wording import beside
from tagging.tracking.store import Run, Store
from tests.project import Project, read_csv
from tests.trainings import Trained, the_run

Connect = Callable[[Project], Store]
PARENT_FILES = {
    "config.yaml",
    "data/folds.parquet",
    "data/warnings.txt",
    "environment.json",
    "figures/class_lwlrap.png",
    "figures/confusions.png",
    "figures/learning_curves.png",
    *(f"predictions/{half}/fold_{fold}.parquet" for half in ("test", "noisy") for fold in range(3)),
    "predictions/oof.parquet",
    "predictions/oof_tiles.parquet",
    "report.html",
    "tables/per_class.csv",
    "tables/per_class.parquet",
    "tables/per_clip.csv",
    "tables/per_clip.parquet",
}
FOLD_FILES = {
    "checkpoints/best/model.safetensors",
    "checkpoints/best/state.json",
    "checkpoints/last/model.safetensors",
    "checkpoints/last/optimizer.safetensors",
    "checkpoints/last/state.json",
    "predictions/oof.parquet",
    "predictions/oof_tiles.parquet",
    "report.html",
}
CURVES = {"train_loss", "val_loss", "val_lwlrap", "lr", "samples_per_s"}


def curves(store: Store, project: Project, run: Run) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) of every curve of a fold straight from the database, doubled points included."""
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        rows = database.execute("select key, step, value from metrics where run_uuid = ? order by key, step", [run.id])
        found: dict[str, list[tuple[int, float]]] = {}
        for key, step, value in rows:
            found.setdefault(key, []).append((step, value))
    return {key: found[key] for key in CURVES - {"samples_per_s"}}


def all_curves(store: Store, project: Project) -> list[dict[str, list[tuple[int, float]]]]:
    children = store.children(the_run(store).id)
    return [curves(store, project, child) for child in sorted(children, key=lambda run: run.tags["fold"])]


def test_the_run_tree_is_as_agreed(trained: Trained, store_of: Connect) -> None:
    store = store_of(trained.project)
    run = the_run(store)
    folds = store.children(run.id)
    assert (run.kind, run.name, run.status, run.dataset) == ("experiment", "tiny", "FINISHED", "demo")
    assert [fold.tags["fold"] for fold in folds] == ["0", "1", "2"]
    assert {fold.status for fold in folds} == {"FINISHED"}
    experiment = load(trained.project.folder / "experiments" / "tiny.yaml")
    assert set(run.params) == set(flatten(experiment))
    assert (run.params["optimizer.lr"], run.params["training.folds"]) == ("0.003", "[]")
    numbers = {"cv_lwlrap", "cv_lwlrap_corrected", "fold_lwlrap_mean", "fold_lwlrap_std", "best_epoch_gain"}
    assert set(run.metrics) == numbers
    for tag in ("candidate", "fingerprint", "owner", "git.dirty", "data.classes", "data.clips", "data.folds"):
        assert run.tags[tag], tag
    assert run.tags["candidate"] == "yes"
    assert run.tags["mlflow.note.content"].startswith(f"## CV lwlrap {run.metrics['cv_lwlrap']:.4f} (3 folds: ")


def test_every_agreed_file_is_there_and_no_other(trained: Trained, store_of: Connect) -> None:
    store = store_of(trained.project)
    run = the_run(store)
    # these depend on the checkout and on other tests
    added = {"code/git.diff", "submission.csv", "kernel/kernel.py", "kernel/train/kernel.py"}
    assert set(store.list_files(run.id)) - added == PARENT_FILES
    for fold in store.children(run.id):
        assert set(store.list_files(fold.id)) == FOLD_FILES
        own = {name for name in fold.metrics if not name.startswith("system/")}
        assert own == CURVES | {"fold_lwlrap", "best_epoch", "best_val_lwlrap", "epochs"}
        state = json.loads(store.read_text(fold.id, "checkpoints/last/state.json"))
        assert [step for step, _ in curves(store, trained.project, fold)["val_lwlrap"]] == [1, 2, 3]
        assert state["epoch"] == 3


def test_nothing_is_left_in_the_work_folder(trained: Trained) -> None:
    work = trained.project.folder / "mlruns" / "work"
    assert [path.name for path in work.iterdir() if path.is_dir()] == []


def test_numbers_follow_from_the_runs_files_and_the_users_tables_alone(trained: Trained, store_of: Connect) -> None:
    store = store_of(trained.project)
    run = the_run(store)
    oof = store.read_table(run.id, "predictions/oof.parquet")
    classes = list(oof.columns[2:])
    (data,) = (trained.project.folder / "data").glob("demo-*")
    labels = read_csv(data / "train_curated.csv").set_index("fname")["labels"].str.split(",")
    assert classes == list(read_csv(data / "sample_submission.csv").columns[1:])
    assert list(oof["fname"]) == list(labels.index)
    truth = np.array([[name in labels[fname] for name in classes] for fname in oof["fname"]])
    score = label_ranking_average_precision_score(truth, oof[classes].to_numpy(), sample_weight=truth.sum(axis=1))
    assert run.metrics["cv_lwlrap"] == pytest.approx(score, abs=1e-12)
    folds = store.read_table(run.id, "data/folds.parquet")
    assert list(folds["fold"]) == list(oof["fold"])
    tiles = store.read_table(run.id, "predictions/oof_tiles.parquet")
    means = tiles.groupby("fname", sort=False)[classes].mean().loc[oof["fname"]]
    assert np.allclose(means.to_numpy(), oof[classes].to_numpy(), atol=1e-6)
    assert set(oof[classes].dtypes.astype(str)) == {"float32"}


def test_the_screen_shows_the_numbers_of_the_run(trained: Trained, store_of: Connect) -> None:
    run = the_run(store_of(trained.project))
    lines = trained.out.splitlines()
    spread = f"{run.metrics['fold_lwlrap_mean']:.4f} ± {run.metrics['fold_lwlrap_std']:.4f}"
    assert lines[0] == "demo: 36 curated, 12 noisy, 8 test clips, 10 classes, 3 folds"
    assert lines[-3].startswith(f"CV lwlrap {run.metrics['cv_lwlrap']:.4f}   folds {spread} (")
    link = f"look at it with `make ui`: http://127.0.0.1:5000/#/experiments/{run.experiment_id}/runs/{run.id}"
    assert lines[-2:] == [f"run tiny ({run.id}) of data set demo", link]
    assert lines.count(link) == 2  # when it begins, too


def test_what_is_finished_is_not_trained_twice(trained: Trained, store_of: Connect) -> None:
    store = store_of(trained.project)
    run, count = the_run(store), len(store.find([]))
    same = trained.project.run("train", "tiny", "--set", "device=cpu")
    assert f"trained before: run {run.id}; --again trains it again from the beginning" in same.stdout.splitlines()
    other = trained.project.run("train", "tiny", "--set", "name=other")
    assert (
        f"trained before, under the name tiny: run {run.id}; --again trains it again from the beginning"
        in other.stdout.splitlines()
    )
    assert len(store.find([])) == count


def test_trained_again_it_gives_the_same_numbers(moved: Project, store_of: Connect) -> None:
    store = store_of(moved)
    first, before = the_run(store), all_curves(store, moved)
    moved.run("train", "tiny", "--again")
    second = the_run(store)
    assert second.id != first.id
    assert second.metrics == first.metrics
    assert all_curves(store, moved) == before


def test_killed_in_the_second_fold_and_continued_it_ends_with_the_same_numbers(
    trained: Trained, project: Project, store_of: Connect
) -> None:
    store = store_of(trained.project)
    expected, expected_curves = the_run(store).metrics, all_curves(store, trained.project)
    seen: set[str] = set()

    def second_fold() -> bool:
        seen.update(project.epochs_in_work())
        return len({name.partition("/")[0] for name in seen}) == 2

    assert project.kill_when(second_fold, signal.SIGKILL, "train", "tiny") == -signal.SIGKILL
    store = store_of(project)
    assert {run.status for run in store.find([])} == {"RUNNING", "FINISHED"}
    killed = the_run(store)
    (score,) = (fold.metrics["fold_lwlrap"] for fold in store.children(killed.id) if fold.status == "FINISHED")
    assert (killed.tags["folds"], killed.metrics) == ("1 of 3", {"fold_lwlrap_mean": score})
    done = project.run("train", "tiny")
    run = the_run(store)
    assert f"continuing run tiny ({run.id[:8]}), which was interrupted or lacks folds" in done.stdout
    assert run.metrics == expected
    assert run.tags["folds"] == "3 of 3"
    for name in ("fold_lwlrap_mean", "fold_lwlrap_std"):
        assert store.curve(run.id, name) == store_of(trained.project).curve(the_run(store_of(trained.project)).id, name)
    assert list(store.curve(run.id, "fold_lwlrap_mean")) == [1, 2, 3]
    assert all_curves(store, project) == expected_curves
    assert len(store.find([])) == 1 + 3  # nothing is there twice
    assert {run.status for run in store.find([])} == {"FINISHED"}


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_closes_its_runs_and_continues_later(
    trained: Trained, project: Project, store_of: Connect, number: signal.Signals
) -> None:
    expected = the_run(store_of(trained.project)).metrics
    assert project.kill_when(lambda: bool(project.epochs_in_work()), number, "train", "tiny") == 130
    store = store_of(project)
    run, (fold,) = the_run(store), store.children(the_run(store).id)
    assert (run.status, fold.status) == ("KILLED", "KILLED")
    assert "checkpoints/last/state.json" in store.list_files(fold.id)
    project.run("train", "tiny")
    assert the_run(store).metrics == expected


def test_some_folds_give_no_cv_and_no_candidate_until_the_rest_is_there(
    trained: Trained, project: Project, store_of: Connect
) -> None:
    done = project.run("train", "tiny", "--set", "training.folds=[1]")
    store = store_of(project)
    run = the_run(store)
    assert set(run.metrics) == {"fold_lwlrap_mean", "best_epoch_gain"}
    assert (run.status, run.tags.get("candidate")) == ("FINISHED", None)
    assert "fold lwlrap " in done.stdout
    assert "; a CV lwlrap needs all folds" in done.stdout
    project.run("train", "tiny")
    assert the_run(store).id == run.id
    assert the_run(store).metrics == the_run(store_of(trained.project)).metrics


@pytest.mark.long
def test_an_interrupted_fold_does_not_count_where_others_are_asked_for(project: Project, store_of: Connect) -> None:
    project.run("train", "tiny", "--set", "training.folds=[0]")
    project.kill_when(lambda: bool(project.epochs_in_work()), signal.SIGKILL, "train", "tiny")
    done = project.run("train", "tiny", "--set", "training.folds=[2]")
    store = store_of(project)
    run = the_run(store)
    states = {fold.tags["fold"]: fold.status for fold in store.children(run.id)}
    assert states == {"0": "FINISHED", "1": "KILLED", "2": "FINISHED"}
    assert (run.status, run.tags.get("candidate"), run.tags.get("error")) == ("FINISHED", None, None)
    assert "; a CV lwlrap needs all folds" in done.stdout


def test_a_run_is_compared_with_the_best_other_one_that_is_whole(project: Project, store_of: Connect) -> None:
    short = ("--set", "training.epochs=1")
    project.run("train", "tiny", *short)
    store = store_of(project)
    first = the_run(store)
    assert "The best other run" not in first.tags["mlflow.note.content"]
    project.run("train", "tiny", *short, "seed=1")
    second = the_run(store)
    gain = second.metrics["cv_lwlrap"] - first.metrics["cv_lwlrap"]
    described = second.tags["mlflow.note.content"]
    assert f"[tiny](#/experiments/{first.experiment_id}/runs/{first.id})" in described
    assert f"this one lies {beside(gain)} it; fold by fold " in described
    assert second.tags["differs"].startswith("seed=1 training.epochs=1 ")
    assert (store.get(first.id).tags["apart"], second.tags["apart"]) == ("seed=0", "seed=1")
    for run in (first, second):  # as somebody does in the UI
        store.connection.client.delete_run(store.children(run.id)[1].id)
    project.run("train", "tiny", *short, "seed=2")
    third = the_run(store)
    assert (third.status, third.tags["candidate"]) == ("FINISHED", "yes")
    assert "The best other run" not in third.tags["mlflow.note.content"]


def test_a_training_that_fails_says_why_and_closes_its_runs(project: Project, store_of: Connect) -> None:
    done = project.run("train", "tiny", "--set", "optimizer.lr=1e30", "training.precision=float32", code=2)
    assert "Traceback" not in done.stderr
    message = done.stderr.splitlines()[-1]
    assert message.startswith("error: the training loss is ")
    assert message.endswith(
        "epoch 1, step 2, learning rate 1e+30; lower optimizer.lr, or use training.precision=float32"
    )
    store = store_of(project)
    run, (fold,) = the_run(store), store.children(the_run(store).id)
    assert (run.status, fold.status) == ("FAILED", "FAILED")
    assert run.tags["error"] == message.removeprefix("error: ")


@pytest.mark.long
def test_the_same_training_at_once_is_refused(project: Project) -> None:
    first = project.start("train", "tiny", "--set", "training.epochs=200")
    while not project.epochs_in_work():
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    done = project.run("train", "tiny", "--set", "training.epochs=200", code=2)
    first.kill()
    first.communicate()
    assert done.stderr.splitlines()[-1] == (
        f"error: already running, pid {first.pid}: the same training is in progress; "
        f"wait for its end, or stop it with `kill {first.pid}`"
    )


def test_label_lists_are_used_kept_and_counted(project: Project, store_of: Connect) -> None:
    (data,) = (project.folder / "data").glob("demo-*")
    curated, noisy = read_csv(data / "train_curated.csv"), read_csv(data / "train_noisy.csv")
    other = next(name for name in ("Hiss", "Siren") if curated["labels"][1] != name)
    corrections = {curated["fname"][0]: "remove", curated["fname"][1]: other}
    selection = {noisy["fname"][0]: noisy["labels"][0], noisy["fname"][1]: "remove"}
    lists = project.folder / "lists"
    lists.mkdir()
    (lists / "corrections.json").write_text(json.dumps(corrections))
    (lists / "selection.json").write_text(json.dumps(selection))
    done = project.run(
        *("train", "tiny", "--set", "labels.corrections=lists/corrections.json"),
        *("labels.noisy_selection=lists/selection.json", "sampling.noisy=0.1", "sampling.trusted=0.1"),
    )
    store = store_of(project)
    run = the_run(store)
    assert {"labels/corrections.json", "labels/selection.json"} < set(store.list_files(run.id))
    assert run.tags["labels.sha256"] == ", ".join(
        f"{name} {hashlib.sha256((lists / name).read_bytes()).hexdigest()}"
        for name in ("corrections.json", "selection.json")
    )
    assert len(store.read_table(run.id, "predictions/oof.parquet")) == 36  # removed clips count
    corrected = run.metrics["cv_lwlrap_corrected"]
    assert corrected != run.metrics["cv_lwlrap"]
    assert f"on corrected labels {corrected:.4f}; the CV counts all clips with original ones" in done.stdout
    assert (
        f"**On corrected labels** {corrected:.4f}: `labels.corrections` relabels 1 clip and removes 1. "
        in run.tags["mlflow.note.content"]
    )


def test_one_label_a_clip_gives_an_accuracy(project: Project, store_of: Connect, tmp_path: Path) -> None:
    (data,) = (project.folder / "data").glob("demo-*")
    table = read_csv(data / "train_curated.csv")
    table = table[~table["labels"].str.contains(",")]
    (tmp_path / "own").mkdir()
    for fname in table["fname"]:
        shutil.copy(data / "train_curated" / fname, tmp_path / "own")
    table.assign(fold=[f"part {row % 2}" for row in range(len(table))]).to_csv(
        tmp_path / "own" / "clips.csv", index=False
    )
    project.run(
        *("train", "tiny", "--data", str(tmp_path / "own")),
        *("--set", "folds.kind=column", "sampling.curated=1", "sampling.noisy=0"),
    )
    run = the_run(store_of(project))
    assert run.dataset == "own"
    assert 0 <= run.metrics["cv_accuracy"] <= 1
