"""What stays of trials that ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tagging.tracking.ownership import work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import drop_checkpoints


def test_the_best_trials_and_those_that_go_on_keep_their_checkpoints(
    store: Store, sweep: Run, add_trial: Callable[..., Run], tmp_path: Path
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors").write_text("")
    folds = {}
    ended = [("FINISHED", 0.5), ("FINISHED", 0.7), ("PRUNED", 0.9), ("FAILED", 0.9), ("KILLED", 0.9), ("RUNNING", 0.9)]
    for number, (state, score) in enumerate(ended):
        trial = add_trial(number, {"optimizer.lr": 1e-3}, score, state=state)
        folds[number] = store.start("demo", "fold", f"{number} fold 0", {"fold": 0}, {}, trial)
        store.log_folder(folds[number].id, weights, "checkpoints/best")
        (work_folder() / folds[number].id).mkdir(parents=True)
    drop_checkpoints(store, sweep.id, keep=1)
    stored = {number for number, fold in folds.items() if store.has_file(fold.id, "checkpoints/best/model.safetensors")}
    assert stored == {1, 4, 5}
    assert {number for number, fold in folds.items() if (work_folder() / fold.id).exists()} == {1, 4, 5}
