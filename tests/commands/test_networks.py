"""Every network by its name: a fold is trained, and clips of all lengths are predicted by tiles."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tagging.models.registry import MODELS
from tagging.tracking.store import Store
from tests.project import Project
from tests.trainings import the_run

SIZE = {
    "feature_extractor": ["features.n_mels=64", "model.base_size=4"],
    "timm": ["model.name=test_resnet", "model.frequency_channel=true"],
}


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "aux_skip_attention"])
def test_a_fold_is_trained_and_predicted(kind: str, project: Project, store_of: Callable[[Project], Store]) -> None:
    size = SIZE.get(kind, ["model.base_size=4", *(["model.cbam_ratio=4"] if "attention" in kind else [])])
    project.run("train", "tiny", "--set", f"model.kind={kind}", *size, "training.folds=[0]", "training.epochs=1")
    store = store_of(project)
    run = the_run(store)
    (fold,) = store.children(run.id)
    assert run.params["model.kind"] == kind
    assert 0 < fold.metrics["fold_lwlrap"] <= 1
    oof = store.read_table(fold.id, "predictions/oof.parquet")
    assert oof.drop(columns=["fname", "fold"]).to_numpy().std() > 0
