"""A user's own files in an experiment: tried out before any work."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from tagging.config import Experiment, load
from tagging.config.load import deciding, numbers_digest, override
from tagging.errors import UserError
from tagging.jobs import build
from tagging.jobs.tryout import check_user_files
from tagging.jobs.user_files import settled, user_codes

SMALL = "sampling.frames=32 features.n_mels=16 predict.tile_step=32"
NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, num_classes, in_channels, heads=1, scale=1.0, extra=0):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(in_channels, num_classes + extra) for _ in range(heads))
        self.scale = scale
    def forward(self, x):
        features = x.mean((2, 3)) * float(self.scale)
        return tuple(layer(features) for layer in self.layers)
class One(Net):
    def forward(self, x):
        return super().forward(x)[0]
class Bare(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
    def forward(self, x):
        return x.mean((2, 3))
class Broken(Net):
    def forward(self, x):
        return self.layers[7](x)
class Plain:
    def __init__(self, num_classes, in_channels):
        pass
"""
LOSS = """
def total(logits, targets):
    return ((logits - targets) ** 2).sum()
def fixed(logits, targets):
    return (logits.detach() - targets).mean(1)
def infinite(logits, targets):
    return (logits / 0).sum(1)
def listed(logits, targets):
    return [1]
def squared(logits, targets, scale=1):
    return scale * ((logits - targets) ** 2).mean(1)
"""
AUGMENTATION = """
import torch
class Noise:
    def draw(self, count, n_mels, frames, generator):
        return torch.randn(count, generator=generator)
    def apply(self, views, draws):
        return views + draws[:, None, None]
class Global(Noise):
    def draw(self, count, n_mels, frames, generator):
        return torch.randn(count)
class Cut(Noise):
    def apply(self, views, draws):
        return views[:, 1:]
class Numbers(Noise):
    def draw(self, count, n_mels, frames, generator):
        return [1, 2]
"""


def network(folder: Path, name: str, *overrides: str) -> Experiment:
    (folder / "net.py").write_text(NET)
    chosen = f"model.kind=python model.file={folder}/net.py model.class={name}"
    return load("base", [SMALL, chosen, *overrides])


def loss(folder: Path, name: str) -> Experiment:
    (folder / "loss.py").write_text(LOSS)
    return load("base", [SMALL, f"loss.noisy={{kind: python, file: {folder}/loss.py, function: {name}}}"])


def augmentation(folder: Path, name: str) -> Experiment:
    (folder / "aug.py").write_text(AUGMENTATION)
    return load("base", [SMALL, f"augment.python=[{{file: {folder}/aug.py, class: {name}}}]"])


def problem(experiment: Experiment) -> str:
    with pytest.raises(UserError) as error:
        check_user_files(experiment)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("Plain", [], "{file}:24: Plain is no torch.nn.Module"),
        ("Bare", [], "{file}:16: Bare has no weights to train"),
        (
            "Net",
            ["model.arguments.extra=1"],
            "{file}:5: Net returns [4, 4] of 4 clips and 3 classes; it must return 1 times [4, 3] (model.heads)",
        ),
        (
            "Net",
            ["model.arguments.heads=2"],
            "{file}:5: Net returns [4, 3] and [4, 3] of 4 clips and 3 classes; it must return 1 times [4, 3] "
            "(model.heads)",
        ),
        ("Net", ["model.arguments.scale=.nan"], "{file}:10: ValueError: could not convert string to float: '.nan'"),
        ("Net", ["model.arguments.scale=inf"], "{file}:5: Net returns numbers that are not finite (NaN or infinite)"),
        ("Broken", [], "{file}:22: IndexError: index 7 is out of range"),
    ],
)
def test_a_network_that_does_not_work_is_named(name: str, overrides: list[str], message: str, tmp_path: Path) -> None:
    assert problem(network(tmp_path, name, *overrides)) == f"model: {message.format(file=tmp_path / 'net.py')}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("total", "{file}:2: total returns [] for logits [4, 3]; it must return a loss a clip, [4]"),
        ("listed", "{file}:8: listed returns list for logits [4, 3]; it must return a loss a clip, [4]"),
        ("fixed", "{file}:4: fixed returns losses without a gradient"),
        ("infinite", "{file}:6: infinite returns numbers that are not finite (NaN or infinite)"),
    ],
)
def test_a_loss_that_does_not_work_is_named(name: str, message: str, tmp_path: Path) -> None:
    assert problem(loss(tmp_path, name)) == f"loss.noisy: {message.format(file=tmp_path / 'loss.py')}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Global", "Global gives other views for the same generator; it must draw from the generator alone"),
        (
            "Cut",
            "Cut returns [4, 15, 32] torch.float32 for views [4, 16, 32] torch.float32; it must keep both",
        ),
        ("Numbers", "Numbers draws list; it must be a tensor or Draws (tagging.augment.draws)"),
    ],
)
def test_an_augmentation_that_does_not_work_is_named(name: str, message: str, tmp_path: Path) -> None:
    assert problem(augmentation(tmp_path, name)) == f"augment.python.0: {tmp_path}/aug.py:1: {message}"


def test_what_works_arrives_in_its_place(tmp_path: Path) -> None:
    check_user_files(loss(tmp_path, "squared"))
    experiment = settled(network(tmp_path, "Net", "model.arguments.heads=2", "model.heads=2"))
    check_user_files(experiment)
    assert build.fold_settings(experiment).head_weights == (1.0, 0.4)
    outputs = build.model_of(experiment, 5, 0, torch.device("cpu"))(torch.zeros(2, 3, 16, 32))
    assert [list(logits.shape) for logits in outputs] == [[2, 5], [2, 5]]
    (only,) = build.model_of(network(tmp_path, "One"), 5, 0, torch.device("cpu"))(torch.zeros(2, 3, 16, 32))
    assert list(only.shape) == [2, 5]
    views = build.view_settings(augmentation(tmp_path, "Noise"))
    assert list(views.augmentations)[-1] == "augment.python.0"


def test_initial_weights_follow_from_seed_and_fold(tmp_path: Path) -> None:
    experiment = network(tmp_path, "One")
    first, again, other = (build.model_of(experiment, 3, fold, torch.device("cpu")) for fold in (0, 0, 1))
    weights = [model.state_dict()["network.layers.0.weight"] for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_content_counts_and_not_the_path(tmp_path: Path) -> None:
    digests = []
    for place, text in (("a", NET), ("b", NET), ("c", NET + "# other\n")):
        (tmp_path / place).mkdir()
        experiment = network(tmp_path / place, "One")
        (tmp_path / place / "net.py").write_text(text)
        digests.append(numbers_digest(settled(experiment)))
    assert digests[0] == digests[1] != digests[2]


def test_a_list_of_augmentations_counts_by_content_and_not_at_all_while_it_is_empty(tmp_path: Path) -> None:
    assert "augment.python" not in deciding(load("base"))
    experiment = settled(augmentation(tmp_path, "Noise"))
    digest = hashlib.sha256(AUGMENTATION.encode()).hexdigest()
    assert deciding(experiment)["augment.python"] == ({"class": "Noise", "arguments": {}, "sha256": digest},)
    assert override(experiment, ["seed=1"]).augment == experiment.augment


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    experiment = network(tmp_path, "One", f"augment.python=[{{file: {tmp_path}/other/net.py, class: Noise}}]")
    (tmp_path / "other" / "net.py").write_text(AUGMENTATION)
    with pytest.raises(UserError) as error:
        settled(experiment)
    assert str(error.value) == (
        f"augment.python.0.file: {tmp_path}/net.py and {tmp_path}/other/net.py have one name; rename one of them"
    )


def test_arguments_are_numbers_truths_and_lists_as_yaml_spells_them(tmp_path: Path) -> None:
    given = "model.arguments={a: 1, b: 1e-3, c: true, d: null, e: text, f: [1, {g: 2}]}"
    experiment = override(network(tmp_path, "Net", given), ["model.arguments.a=2"])
    (code,) = user_codes(experiment).values()
    assert code.arguments == {"a": 2, "b": 1e-3, "c": True, "d": None, "e": "text", "f": [1, {"g": 2}]}
