"""Networks of timm by the command line: initial weights from a file, and what timm does not take."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch

from tagging.config import load
from tagging.errors import UserError
from tagging.jobs.build import check_model, model_of
from tagging.tracking.store import Store
from tests.project import Project
from tests.trainings import the_run

Connect = Callable[[Project], Store]
TIMM = "model.kind=timm model.name=test_resnet"


def save_weights(path: Path, seed: int = 0) -> None:
    torch.manual_seed(seed)
    torch.save(timm.create_model("test_resnet", num_classes=3).state_dict(), path)


def train(project: Project, file: str) -> str:
    one_fold = f"model.weights={file} training.folds=[0] training.epochs=1"
    return project.run("train", "tiny", "--set", TIMM, one_fold).stdout


def test_a_run_predicts_without_its_file_of_initial_weights(
    project: Project, store_of: Connect, tmp_path: Path
) -> None:
    save_weights(project.folder / "weights.pth")
    train(project, "weights.pth")
    (project.folder / "weights.pth").unlink()
    again = project.run("predict", "--run", "tiny").stdout
    score = f"{the_run(store_of(project)).metrics['fold_lwlrap_mean']:.6f}"
    assert f"fold_lwlrap_mean     stored {score}   again {score}" in again
    (demo,) = (project.folder / "data").glob("demo-*")
    shutil.copytree(demo / "test", tmp_path / "sound")
    project.run("predict", "--run", "tiny", str(tmp_path / "sound"), "--out", str(tmp_path / "tags.csv"))
    assert len((tmp_path / "tags.csv").read_text().splitlines()) == 9


def test_the_content_of_the_weights_decides_whether_a_run_is_the_same(project: Project, store_of: Connect) -> None:
    save_weights(project.folder / "a.pth")
    train(project, "a.pth")
    shutil.copy(project.folder / "a.pth", project.folder / "b.pth")
    assert "trained before: run" in train(project, "b.pth")
    save_weights(project.folder / "b.pth", seed=1)
    assert "trained before" not in train(project, "b.pth")
    first, second = store_of(project).search({"kind": "experiment"})
    assert first.tags["weights.sha256"] != second.tags["weights.sha256"]
    assert first.tags["fingerprint"] != second.tags["fingerprint"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "model.name=resnet81",
            "model.name is 'resnet81'; did you mean resnet18? There are 1371, listed by "
            "`python -c 'import timm; print(*timm.list_models())'`",
        ),
        (
            "model.name=test_vit features.n_mels=40",
            "model.name test_vit does not take 40 bands (features.n_mels) by 64 frames (sampling.frames): "
            "Input height (40) should be divisible by patch size (16); "
            "give another sampling.frames or features.n_mels, or another network",
        ),
        (
            "model.weights=none.pth",
            "model.weights: {folder}/none.pth: there is no such file; its path is relative to the project's root",
        ),
    ],
)
def test_what_timm_does_not_take_stops_before_any_work(
    project: Project, store_of: Connect, settings: str, message: str
) -> None:
    done = project.run("train", "tiny", "--set", "model.kind=timm", settings, code=2)
    assert done.stderr == f"tiny: reading the demo sound\nerror: {message.format(folder=project.folder)}\n"
    assert store_of(project).find([]) == []


def test_a_refusal_without_a_word_of_timms_is_put_into_words() -> None:
    with pytest.raises(UserError) as error:
        check_model(load("base", ["model.kind=timm model.name=mvitv2_tiny sampling.frames=64 features.n_mels=40"]))
    assert str(error.value) == (
        "model.name mvitv2_tiny does not take 40 bands (features.n_mels) by 64 frames (sampling.frames): "
        "no reason is given (AssertionError); give another sampling.frames or features.n_mels, or another network"
    )


def test_initial_weights_come_from_one_place() -> None:
    with pytest.raises(UserError) as error:
        load("base", ["model.kind=timm model.weights=a.pth model.download=true"])
    assert str(error.value) == (
        "--set model.download: model: weights is 'a.pth' and download is true; initial weights come from one of them"
    )


@pytest.mark.parametrize("weights", ["model.weights=none.pth", "model.download=true"])
def test_a_network_whose_weights_are_loaded_next_needs_no_others(
    weights: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    experiment = load("base", [TIMM, weights])
    with pytest.raises(UserError, match=weights.partition("=")[0]):
        model_of(experiment, 3, fold=0, device=torch.device("cpu"))
    bare = model_of(experiment, 3, fold=0, device=torch.device("cpu"), bare=True)
    assert bare(torch.zeros(2, 3, 128, 256))[0].shape == (2, 3)
