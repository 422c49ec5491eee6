"""A fold of a training, in this process."""

from __future__ import annotations

import pytest
import torch

from tagging.errors import UserError
from tagging.jobs import build
from tagging.jobs.fold import fold_epochs, stage, validation_of
from tagging.jobs.prepare import prepare
from tagging.jobs.runs_of_job import fold_run
from tagging.sources import CURATED
from tests.trainings import Inside


def test_a_fold_that_cannot_begin_ends_its_run(inside: Inside) -> None:
    store = inside.store
    parent = store.start("demo", "experiment", "cut", {}, {})
    run = fold_run(store, parent, 0, None)
    (inside.folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(UserError) as caught:
        next(fold_epochs(stage(prepare(inside.tiny())), 0, run, parent, store, inside.folder / "model.safetensors"))
    assert str(caught.value) == (
        f"{inside.folder}/model.safetensors: the weights are damaged (Error while deserializing header: header too "
        "small); bring the file back from a copy, or train its run again"
    )
    assert store.get(run.id).status == "FAILED"


def test_the_validations_loss_drops_no_clip(inside: Inside) -> None:
    strict, plain = inside.tiny("loss.curated.keep_below=0.5"), inside.tiny()
    validation = validation_of(stage(prepare(strict)), 0)
    outputs = [10 * torch.randn(len(validation.clips), validation.targets.shape[1]) for _ in range(4)]
    batch = (outputs, validation.targets, torch.full((len(validation.clips),), CURATED))
    assert validation.loss(*batch) == build.loss_of(plain)(*batch)
    assert validation.loss(*batch) > build.loss_of(strict)(*batch)
