"""What stays of trials that ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tagging.tracking.ownership import work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import AlikeFailures, drop_checkpoints


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


def test_five_alike_in_a_row_end_a_sweep_whatever_they_were() -> None:
    died = "the worker process died; was there memory enough?"
    failures = AlikeFailures(most=3)
    for error in ("lr 0.1 is too high", "lr 0.2 is too high", "", "lr 0.3 is too high", died, died):
        failures.ended(error)
        assert not failures.stop_all()
    failures.ended(died)
    assert failures.stop_all()
    assert failures.error == died


def test_trials_that_end_well_are_no_failures() -> None:
    failures = AlikeFailures(most=2)
    for _ in range(4):
        failures.ended("")
    assert not failures.stop_all()
