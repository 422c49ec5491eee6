"""The clips a kernel trains on, against the data set and the label lists they come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.augment.mixers import MixSettings
from tagging.config import load
from tagging.data.demo import make_demo
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.jobs import build
from tagging.kernel.train import NetworkTraining, TrainingPlan, clips_for, read_folder
from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.training.setup import TrainingClips
from tests.kernel.parts import network, plan_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "demo"
    make_demo(folder, seed=0, curated=12, noisy=6, test=2)
    return folder


@pytest.fixture
def training(demo: Path, tmp_path: Path) -> TrainingPlan:
    dataset = read_dataset(demo)
    plan = replace(plan_of(network("a", tmp_path / "weights")), classes=dataset.classes)
    fnames = dataset.curated.fnames
    how = NetworkTraining(build.fold_settings(load("base")), {}, {}, "all", "best", skip_unreadable=False)
    return TrainingPlan(plan, (fnames[:5], fnames[5:]), {"a": how})


def changed(training: TrainingPlan, **changes: object) -> TrainingPlan:
    return replace(training, networks={"a": replace(training.networks["a"], **changes)})


def clips_of(folder: Path, training: TrainingPlan, tmp_path: Path) -> TrainingClips:
    dataset = read_folder(folder, training)
    return clips_for(dataset, training.plan.networks[0], training, tmp_path / "features", CPU)


def test_without_lists_each_fold_draws_from_the_others_and_all_noisy_clips(
    demo: Path, training: TrainingPlan, tmp_path: Path
) -> None:
    dataset, clips = read_dataset(demo), clips_of(demo, training, tmp_path)
    assert len(clips.logmels) == 18
    assert np.array_equal(clips.targets.numpy(), np.concatenate([dataset.curated.labels, dataset.noisy.labels]))
    pools = clips.rows.pools(0)
    assert {source: rows.tolist() for source, rows in pools.items()} == {
        CURATED: list(range(5, 12)),
        NOISY: list(range(12, 18)),
        TRUSTED: [],
    }
    assert clips.rows.held_out(0).tolist() == list(range(5))


def test_label_lists_correct_remove_trust_and_drop(demo: Path, training: TrainingPlan, tmp_path: Path) -> None:
    dataset = read_dataset(demo)
    curated, noisy, classes = dataset.curated, dataset.noisy, dataset.classes
    own = ",".join(name for name, value in zip(classes, noisy.labels[1], strict=True) if value)
    told = changed(
        training,
        corrections={curated.fnames[0]: classes[3], curated.fnames[7]: "remove"},
        selection={noisy.fnames[1]: own, noisy.fnames[2]: "remove"},
    )
    clips = clips_of(demo, told, tmp_path)
    assert clips.targets[0].tolist() == np.eye(len(classes))[3].tolist()
    assert clips.rows.pools(0)[CURATED].tolist() == [5, 6, 8, 9, 10, 11]
    assert clips.rows.pools(0)[NOISY].tolist() == [12, 13, 15, 16, 17]
    assert clips.rows.pools(0)[TRUSTED].tolist() == [13]
    assert clips.rows.held_out(1).tolist() == [5, 6, 8, 9, 10, 11]
    trusted_alone = changed(told, noisy_pool="trusted")
    assert clips_of(demo, trusted_alone, tmp_path).rows.pools(0)[NOISY].tolist() == [13]


def test_other_clips_or_classes_than_the_runs_are_refused(demo: Path, training: TrainingPlan) -> None:
    first, *rest = training.folds[0]
    with pytest.raises(UserError) as caught:
        read_folder(demo, replace(training, folds=(("other.wav", *rest), training.folds[1])))
    assert caught.value.problems == (
        f"{demo}: curated clip {first!r} is in no fold of the run",
        f"{demo}: curated clip 'other.wav' of the run is missing",
        "give the folder that the run was trained on",
    )
    with pytest.raises(UserError) as caught:
        read_folder(demo, replace(training, plan=replace(training.plan, classes=("Bark",))))
    assert str(caught.value) == f"{demo}: its classes are not those of small (12345678), in their order"


def test_a_clip_that_cannot_be_decoded_stops_unless_the_run_left_such_clips_out(
    training: TrainingPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    make_demo(folder, seed=0, curated=12, noisy=6, test=2)
    broken = read_dataset(folder).curated.paths[6]
    broken.write_text("no sound")
    with pytest.raises(UserError) as caught:
        clips_of(folder, training, tmp_path)
    assert str(caught.value).startswith(f"{broken}: cannot be decoded as sound (")
    known = (training.folds[0], tuple(fname for fname in training.folds[1] if fname != broken.name))
    lenient = replace(changed(training, skip_unreadable=True), folds=known)
    rows = clips_of(folder, lenient, tmp_path).rows
    assert rows.pools(0)[CURATED].tolist() == [5, 7, 8, 9, 10, 11]
    assert rows.held_out(1).tolist() == [5, 7, 8, 9, 10, 11]


def test_settings_hold_plain_values_alone(training: TrainingPlan) -> None:
    settings = training.networks["a"].settings
    assert settings.mixes == MixSettings(0.8, 0.6, 3, 12, 0.5, "mean")
    assert settings.scheduler == {"kind": "plateau", "factor": 0.6, "patience": 6, "threshold": 1e-4, "min_lr": 1e-8}
    assert [loss.kind for loss in settings.losses] == ["bce", "soft_bce", "bce"]
