"""A device that only imitates bf16 computes in float32, and the run says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tagging.tracking.store import Store
from tests.project import Project
from tests.trainings import the_run

WARNING = "warning: this processor has no instructions for bf16 and would imitate it slowly: computing in float32\n"


@pytest.mark.parametrize("there", [True, False])
def test_a_training_says_where_bf16_becomes_float32(
    project: Project, store_of: Callable[[Project], Store], monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr("tagging.inference.predict._has_bf16", lambda device: there)
    settings = ("training.precision=bf16", "training.epochs=1", "training.folds=[0]", "sampling.draws_per_epoch=8")
    done = project.run("train", "tiny", "--set", *settings)
    run = the_run(store_of(project))
    assert (WARNING in done.stderr, run.tags.get("autocast")) == ((False, None) if there else (True, "float32"))
