"""A fold of a job, in this process."""

from __future__ import annotations

import json
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
    job = prepare(inside.tiny())
    run = fold_run(store, job, parent, 0, None)
    (inside.folder / "model.safetensors").write_bytes(b"cut off")
    monkeypatch.setattr(InitialRun, "weights", lambda *_: inside.folder / "model.safetensors")
    initial = InitialRun(store, the_run(store), {}, "best")
    with pytest.raises(UserError) as caught:
        next(replace(job, initial=initial).fold_epochs(0, run, parent, store))
    assert str(caught.value) == (
        f"{inside.folder}/model.safetensors: the weights are damaged (Error while deserializing header: header too "
        "small); bring the file back from a copy, or train its run again"
    )
    ended = store.get(run.id)
    assert ended.status == "FAILED"
    assert "**Failed** after 0 epochs; [cut](" in ended.tags["mlflow.note.content"]


def test_the_validations_loss_drops_no_clip(inside: Inside) -> None:
    strict, plain = inside.tiny("loss.curated.keep_below=0.5"), inside.tiny()
    validation = prepare(strict).training(0).evaluate
    assert isinstance(validation, Validation)
    outputs = [10 * torch.randn(len(validation.clips), validation.targets.shape[1]) for _ in range(4)]
    batch = (outputs, validation.targets, torch.full((len(validation.clips),), CURATED))
    assert validation.loss(*batch) == loss_of(fold_settings(plain))(*batch)
    assert validation.loss(*batch) > loss_of(fold_settings(strict))(*batch)


def test_a_fold_names_the_clips_that_it_reads(inside: Inside) -> None:
    store, run = inside.store, the_run(inside.store)
    fold = store.children(run.id)[0]
    inputs = store._client.get_run(fold.id).inputs.dataset_inputs
    described = {
        entry.tags[0].value: (entry.dataset.name, json.loads(entry.dataset.profile), json.loads(entry.dataset.source))
        for entry in inputs
    }
    job = prepare(inside.tiny())
    source = json.loads(inputs[0].dataset.source)
    assert described == {
        "train": ("demo", {"num_rows": 36, "curated": 24, "noisy": 12}, source),
        "held-out": ("demo", {"num_rows": 12, "curated": 12}, source),
        "test": ("demo", {"num_rows": 8, "test": 8}, source),
    }
    assert source["uri"].endswith("/data/demo-0-36-12-8")
    store.log_data(fold.id, job.data_inputs(0))  # as a fold that is continued does
    assert len(store._client.get_run(fold.id).inputs.dataset_inputs) == 3
    of_folds = [{one.use: one.digest for one in job.data_inputs(number)} for number in range(3)]
    assert {entry.tags[0].value: entry.dataset.digest for entry in inputs} == of_folds[0]
    assert len({digests["train"] for digests in of_folds}) == len({digests["held-out"] for digests in of_folds}) == 3
    assert len({digests["test"] for digests in of_folds}) == 1
    assert "noisy" not in prepare(inside.tiny("sampling.curated=1", "sampling.noisy=0")).data_inputs(0)[0].counts


def test_a_fold_says_what_it_is_and_how_it_ended(inside: Inside) -> None:
    store, run = inside.store, the_run(inside.store)
    job, link = prepare(inside.tiny()), f"[tiny]({run.link})"
    fold = store.children(run.id)[0]
    head = (
        f"**Fold 0 of 3** (0 to 2) of the experiment {link}: trained on 24 curated clips and 12 noisy clips of the "
        "data set `demo`; 12 curated clips are held out and predicted, and so are 8 test clips\n\n"
    )
    score, best = fold.metrics["fold_lwlrap"], int(fold.metrics["best_epoch"])
    assert fold.tags["mlflow.note.content"] == (
        f"{head}**Finished** with lwlrap {score:.4f} on the held-out clips, after 3 epochs. The highest val_lwlrap is "
        f"that of epoch {best}; the weights of the best epoch predict\n\n**How to continue**\n\n```\n"
        f"python -m tagging predict --run {run.id[:8]} FOLDER   # tag new sound by all finished folds\n```\n"
    )
    again = (
        "**How to continue**\n\n```\npython -m tagging train tiny   # with the --data and --set of before: continues "
        "after the last epoch\n```\n"
    )
    for state, ended in (
        ("KILLED", "**Stopped** after 2 epochs"),
        ("FAILED", f"**Failed** after 2 epochs; {link} has the error"),
        (
            "RUNNING",
            "**In training**; its curves show how far. If it stays so and no process trains it, that process was "
            "killed",
        ),
    ):
        assert job.fold_page(0, run, state, 2) == f"{head}{ended}\n\n{again}"
