"""The example of docs/extend.md, as a user would type it."""

from __future__ import annotations

import hashlib
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.tracking.store import Store
from tests.commands.test_predict import demo_folder
from tests.commands.test_train import curves
from tests.kernel.alone import run_alone
from tests.project import ROOT, Project
from tests.trainings import the_run

Connect = Callable[[Project], Store]
PAGE = (ROOT / "docs" / "extend.md").read_text()


def block(language: str) -> str:
    """Return the first block of a language of the page."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


@pytest.fixture
def extended(project: Project) -> Project:
    """Write the page's two files, the experiment on one fold of `tiny`."""
    (project.folder / "my_sound.py").write_text(block("python"))
    text = block("yaml").replace("base: smoke", "base: tiny") + "training: {folds: [0], epochs: 2}\n"
    (project.folder / "experiments" / "mine.yaml").write_text(text)
    return project


def test_the_example_trains_predicts_and_is_packed(extended: Project, store_of: Connect, tmp_path: Path) -> None:
    extended.run("train", "mine")
    assert "trained before" in extended.run("train", "mine").stdout
    store = store_of(extended)
    run = the_run(store, "mine")
    digest = hashlib.sha256(block("python").encode()).hexdigest()
    assert store.read_text(run.id, "code/my_sound.py") == block("python")
    assert [run.params[f"{where}.sha256"] for where in ("model", "loss.noisy")] == [digest] * 2
    score = f"{run.metrics['fold_lwlrap_mean']:.6f}"
    assert f"stored {score}   again {score}" in extended.run("predict", "--run", "mine").stdout
    extended.run("kernel", "--run", "mine", "--out", str(tmp_path / "packed"))
    assert str(extended.folder) not in (tmp_path / "packed" / "kernel.py").read_text()
    (tmp_path / "empty").mkdir()
    demo = demo_folder(extended)
    sample = ("--sample", demo / "sample_submission.csv")
    run_alone(tmp_path / "packed" / "kernel.py", tmp_path / "empty", "--sound", demo / "test", *sample)
    extended.run("submit", "--run", "mine", "--out", str(tmp_path / "submitted.csv"))
    assert (tmp_path / "empty" / "submission.csv").read_text() == (tmp_path / "submitted.csv").read_text()

    path = extended.folder / "my_sound.py"
    kept = (
        f"error: mine ({run.id[:8]}) was trained with the content of sha256 {digest[:12]}…, and keeps it as "
        f"code/my_sound.py: look at it, then copy it to {path}\n"
    )
    path.write_text(block("python") + "# changed\n")
    now = hashlib.sha256(path.read_bytes()).hexdigest()
    assert extended.run("predict", "--run", "mine", code=2).stderr == (
        "predicting the clips of run mine again\n"
        f"error: model.file: {path} has changed: its sha256 is {now[:12]}…, that of the run's file is "
        f"{digest[:12]}…; bring back the content that the run was trained with\n{kept}"
    )
    path.unlink()
    assert extended.run("kernel", "--run", "mine", "--out", str(tmp_path / "packed"), code=2).stderr == (
        f"packing run mine into {tmp_path}/packed\n"
        f"error: model.file: {path}: there is no such file; its path is relative to the project's root\n{kept}"
    )


def test_an_error_stops_before_any_work_without_a_traceback(extended: Project) -> None:
    path = extended.folder / "my_sound.py"
    path.write_text(block("python").replace("self.logits(self.convs(x)", "self.logits(self.conv(x)"))
    done = extended.run("train", "mine", code=2)
    line = next(place for place, text in enumerate(path.read_text().splitlines(), 1) if "self.conv(x)" in text)
    assert done.stderr.splitlines()[-1] == (
        f"error: model: {path}:{line}: AttributeError: 'Bands' object has no attribute 'conv'"
    )
    assert "Traceback" not in done.stderr
    assert not (extended.folder / "mlruns").exists()


def test_killed_and_continued_it_ends_with_the_same_and_an_edited_file_is_another_run(
    extended: Project, store_of: Connect, tmp_path: Path
) -> None:
    whole = Project(tmp_path / "whole")
    shutil.copytree(extended.folder / "data", whole.folder / "data")
    for name in ("my_sound.py", "experiments/mine.yaml"):
        shutil.copy(extended.folder / name, whole.folder / name)
    whole.run("train", "mine")
    store = store_of(whole)
    expected = the_run(store, "mine")
    expected_curves = [curves(store, whole, fold) for fold in store.children(expected.id)]

    at_checkpoint = extended.kill_when(lambda: bool(extended.epochs_in_work()), signal.SIGKILL, "train", "mine")
    assert at_checkpoint == -signal.SIGKILL
    store = store_of(extended)
    killed = the_run(store, "mine")
    path = extended.folder / "my_sound.py"
    path.write_text(block("python").replace("self.db * torch.rand", "-self.db * torch.rand"))
    said = extended.run("train", "mine").stdout
    assert f"run mine ({killed.id[:8]}) was left RUNNING by a process that died; it is marked as KILLED" in said
    assert "continuing run" not in said
    edited = the_run(store, "mine")
    assert (store.get(killed.id).status, edited.status) == ("KILLED", "FINISHED")
    assert [store.read_text(run.id, "code/my_sound.py") for run in (killed, edited)] == [
        block("python"),
        path.read_text(),
    ]
    (fold,) = store.children(edited.id)
    assert list(store.curve(fold.id, "val_lwlrap")) == [1, 2]
    assert curves(store, extended, fold) != expected_curves[0]

    path.write_text(block("python"))
    said = extended.run("train", "mine").stdout
    assert f"continuing run mine ({killed.id[:8]}), which was interrupted or lacks folds" in said
    continued = store.get(killed.id)
    assert (continued.status, continued.metrics) == ("FINISHED", expected.metrics)
    assert [curves(store, extended, fold) for fold in store.children(continued.id)] == expected_curves


@pytest.mark.long
def test_the_examples_kernel_trains(extended: Project, tmp_path: Path) -> None:
    extended.run("train", "mine")
    extended.run("kernel", "--run", "mine", "--train", "--out", str(tmp_path / "packed"))
    (tmp_path / "empty").mkdir()
    run_alone(tmp_path / "packed" / "kernel.py", tmp_path / "empty", "--data", demo_folder(extended))
    extended.run("submit", "--run", "mine", "--out", str(tmp_path / "submitted.csv"))
    assert (tmp_path / "empty" / "submission.csv").read_text() == (tmp_path / "submitted.csv").read_text()
