"""Ended trials: the status of their runs, and the checkpoints that they keep."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.tune.experiment import Trial

from tagging.errors import DiskFull
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import AlikeFailures, Closing, drop_checkpoints
from tune.records import records, trial_page
from tune.schema import LogUniform, Space
from tune.screen import Screen


def test_the_best_and_the_interrupted_trials_keep_their_checkpoints(
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


def test_all_of_a_front_keep_their_checkpoints(store: Store, sweep: Run, add_trial: Callable[..., Run]) -> None:
    for number, (score, size) in enumerate([(0.5, 1000.0), (0.7, 3000.0), (0.6, 4000.0), (0.4, 500.0), (0.9, 9000.0)]):
        add_trial(number, {"optimizer.lr": 1e-3}, score, parameters=size)
    drop_checkpoints(store, sweep.id, keep=1, objectives=("lwlrap", "parameters"))
    dropped = [run.tags["trial.number"] for run in store.children(sweep.id, "trial") if "checkpoints" in run.tags]
    assert dropped == ["2"]
    drop_checkpoints(store, sweep.id, keep=1)
    dropped = [run.tags["trial.number"] for run in store.children(sweep.id, "trial") if "checkpoints" in run.tags]
    assert sorted(dropped) == ["0", "1", "2", "3"]


def test_five_alike_in_a_row_end_a_sweep_whatever_they_were() -> None:
    died = "the worker process died; was there memory enough?"
    failures = AlikeFailures(most=3)
    errors = ("lr 0.1 is too high", "lr 0.2 is too high", "", "lr 0.3 is too high", died, died)
    for number, error in enumerate(errors):
        failures.ended(number, error)
        assert not failures.stop_all()
    failures.ended(6, died)
    assert failures.stop_all()
    assert failures.error == died


def test_a_full_disk_is_one_kind_of_failure_whatever_it_was_to_hold() -> None:
    failures = AlikeFailures(most=3)
    for needed, run in enumerate(("95d2eebaf6ca4829b5d70f0c32c929ad", "e3ad0c6bd9ff4f58aa7c4c2b1de1a84b", "7" * 32), 1):
        assert not failures.stop_all()
        failures.ended(needed, str(DiskFull(work_folder() / run, needed)))
    assert failures.stop_all()


@pytest.mark.parametrize(("interrupted", "status"), [(True, "KILLED"), (False, "FAILED")])
def test_a_trial_that_the_machine_interrupts_is_not_failed(
    interrupted: bool, status: str, store: Store, sweep: Run, add_trial: Callable[..., Run]
) -> None:
    run = add_trial(3, {"optimizer.lr": 1e-3}, 0.5, state="RUNNING")
    screen, failures = Screen(["optimizer.lr"], 1), AlikeFailures(most=1)
    space = Space(experiment="base", trials=1, space={"optimizer.lr": LogUniform(low=1e-4, high=1e-2)})
    closing = Closing(store, sweep.id, space, screen, failures)
    trial = Trial("stub", config={"number": 3, "values": {"optimizer.lr": 1e-3}}, stub=True)
    trial.update_last_result({"error": "why", "interrupted": interrupted})
    screen.started(3, trial.config["values"])
    closing.on_trial_complete(1, [trial], trial)
    assert failures.error == "why"
    ended = store.get(run.id)
    assert (ended.status, ended.tags["error"]) == (status, "why")
    assert ("checkpoints" in ended.tags) == (not interrupted)
    (record,) = records(store, sweep)
    assert record.interrupted == interrupted


WHOLE = {"lwlrap": 0.6, "epochs": 4, "seconds": 2.0, "whole": True}
STOPPED = {"lwlrap": 0.4, "epochs": 2, "seconds": 1.0}
# what Ray may tell of a trial: the callback, the trial's last result by then, and how its run ends, if it does
TOLD: dict[str, tuple[str, dict[str, Any], tuple[str, str] | None]] = {
    "start": ("on_trial_start", {}, None),
    "epoch": ("on_trial_result", STOPPED, None),
    "worker died": ("on_trial_recover", {}, None),
    "worker died for the last time": ("on_trial_error", STOPPED, ("KILLED", "KILLED")),
    "stopped unheard": ("on_trial_complete", {}, ("KILLED", "KILLED")),
    "stopped": ("on_trial_complete", STOPPED, ("KILLED", "PRUNED")),
    "failed": ("on_trial_complete", {"error": "why", "interrupted": False}, ("FAILED", "FAILED")),
    "whole": ("on_trial_complete", WHOLE, ("FINISHED", "FINISHED")),
}


def test_ray_may_tell_of_trials_in_any_order(store: Store, sweep: Run, add_trial: Callable[..., Run]) -> None:
    space = Space(experiment="base", trials=2, space={"optimizer.lr": LogUniform(low=1e-4, high=1e-2)})
    runs = {number: add_trial(number, {"optimizer.lr": 1e-3}, 0.5, state="RUNNING") for number in (0, 1)}
    draw = random.Random(0)
    for _ in range(8):
        screen = Screen(["optimizer.lr"], 3)
        closing = Closing(store, sweep.id, space, screen, AlikeFailures(most=99))
        ends: dict[int, list[tuple[str, str]]] = {number: [] for number in range(3)}  # since it started
        told = [(draw.randrange(3), draw.choice(list(TOLD))) for _ in range(8)]
        for number, what in [*((number, "start") for number in runs), *told]:
            callback, result, end = TOLD[what]
            trial = Trial("stub", config={"number": number, "values": {"optimizer.lr": 1e-3}}, stub=True)
            trial.update_last_result(result)
            getattr(closing, callback)(iteration=1, trials=[trial], trial=trial, result=result)
            if what == "start":
                ends[number].clear()
                if number in runs:  # the third has none yet
                    store.reopen(runs[number].id)  # as the worker does
            elif end:
                ends[number].append(end)
        for number, run in runs.items():
            ended = store.get(run.id)
            last, state = ends[number][-1] if ends[number] else ("RUNNING", "RUNNING")
            assert ended.status == last, told
            if len(ends[number]) < 2:
                assert ended.tags.get("state", ended.status) == state, told


def test_the_page_of_a_pruned_trial_says_that_nothing_failed(
    store: Store, sweep: Run, add_trial: Callable[..., Run]
) -> None:
    space = Space(experiment="base", trials=2, space={"optimizer.lr": LogUniform(low=1e-4, high=1e-2)})
    run = add_trial(0, {"optimizer.lr": 1e-3}, 0.5, state="RUNNING")
    trial = Trial("stub", config={"number": 0, "values": {"optimizer.lr": 1e-3}}, stub=True)
    trial.update_last_result(STOPPED)
    Closing(store, sweep.id, space, Screen(["optimizer.lr"], 2), AlikeFailures(most=9)).on_trial_complete(
        1, [trial], trial
    )
    tags = store.get(run.id).tags
    assert (tags["state"], tags["mlflow.note.content"]) == (
        "PRUNED",
        f"**Trial 0** of the sweep [lr_mixup]({sweep.link}): the experiment `base` with `optimizer.lr=0.001`\n\n"
        "**Pruned** after 2 epochs, lwlrap 0.5000: the sweep's scheduler stopped this trial, since others were ahead "
        "of it by then. Nothing failed; MLflow calls whatever is stopped *Killed*\n\n**How to continue**\n\n"
        f"```\npython -m tune search --resume {sweep.id[:8]}   # continue the sweep\n```\n",
    )


def test_the_page_of_a_trial_says_how_it_ended(sweep: Run, add_trial: Callable[..., Run]) -> None:
    run = add_trial(3, {"optimizer.lr": 1e-3}, 0.5, error="no `room`")
    expected = {
        "FINISHED": "**Finished** after 9 epochs, lwlrap 0.5000 (mean over folds of the best epoch)",
        "FAILED": "**Failed** after 9 epochs, lwlrap 0.5000: `no 'room'`",
        "KILLED": "**Interrupted** after 9 epochs, lwlrap 0.5000",
        "RUNNING": (
            "**In training**; its curve `search_lwlrap` shows how far. If it stays so and no process trains it, that "
            "process was killed"
        ),
    }
    promote = f"python -m tune promote {sweep.id[:8]} --trial 3 --name my_experiment   # write "
    for state, ended in expected.items():
        text = trial_page(run, sweep, state)
        assert text.split("\n\n")[1] == ended
        assert (promote in text) == (state == "FINISHED")


def test_trials_that_end_well_are_no_failures() -> None:
    failures = AlikeFailures(most=2)
    for number in range(4):
        failures.ended(number, "")
    assert not failures.stop_all()
