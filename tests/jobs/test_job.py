"""A fold of a job, in this process."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tagging.errors import UserError
from tagging.jobs.build import fold_settings
from tagging.jobs.earlier_runs import InitialRun
from tagging.jobs.prepare import prepare
from tagging.jobs.train import fold_run
from tagging.sources import CURATED
from tagging.training.setup import loss_of
from tagging.training.validation import Validation
from tests.trainings import Inside, the_run


def test_a_fold_that_cannot_begin_ends_its_run(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    store = inside.store
    parent = store.start("demo", "experiment", "cut", {}, {})
    run = fold_run(store, parent, 0, None)
    (inside.folder / "model.safetensors").write_bytes(b"cut off")
    monkeypatch.setattr(InitialRun, "weights", lambda *_: inside.folder / "model.safetensors")
    initial = InitialRun(store, the_run(store), {}, "best")
    with pytest.raises(UserError) as caught:
        next(replace(prepare(inside.tiny()), initial=initial).fold_epochs(0, run, parent, store))
    assert str(caught.value) == (
        f"{inside.folder}/model.safetensors: the weights are damaged (Error while deserializing header: header too "
        "small); bring the file back from a copy, or train its run again"
    )
    assert store.get(run.id).status == "FAILED"


def test_the_validations_loss_drops_no_clip(inside: Inside) -> None:
    strict, plain = inside.tiny("loss.curated.keep_below=0.5"), inside.tiny()
    validation = prepare(strict).training(0).evaluate
    assert isinstance(validation, Validation)
    outputs = [10 * torch.randn(len(validation.clips), validation.targets.shape[1]) for _ in range(4)]
    batch = (outputs, validation.targets, torch.full((len(validation.clips),), CURATED))
    assert validation.loss(*batch) == loss_of(fold_settings(plain))(*batch)
    assert validation.loss(*batch) > loss_of(fold_settings(strict))(*batch)
