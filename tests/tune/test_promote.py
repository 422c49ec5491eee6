"""A trial becomes an experiment file that is the trial, or nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tagging import project
from tagging.config import load
from tagging.config.load import flatten, load_stored
from tagging.errors import UserError
from tagging.tracking.store import Run, Store
from tune.promote import NOT_PROMOTED, experiment_text, promote
from tune.records import records

AddTrial = Callable[..., Run]
TODAY = time.strftime("%Y-%m-%d")


def refusal(store: Store, folder: Path, *arguments: str) -> tuple[str, ...]:
    """Return what promote says when it refuses, having left the folder as it was."""
    before = {path: path.read_text() for path in folder.iterdir()}
    with pytest.raises(UserError) as error:
        promote(store, *arguments, folder=folder)
    assert {path: path.read_text() for path in folder.iterdir()} == before
    return error.value.problems


def test_the_best_trial_is_written_with_its_differences_and_its_origin(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    values = {"optimizer.lr": 0.00031234567890123, "scheduler": '{"kind": "cosine", "first": 6}'}
    overrides = "optimizer.lr=0.00031234567890123 scheduler.kind=cosine scheduler.first=6 training.epochs=4"
    add_trial(0, {"optimizer.lr": 0.002}, 0.7)
    chosen = add_trial(1, values, 0.81234, overrides, cv_lwlrap=0.80123)
    add_trial(2, {"optimizer.lr": 0.003}, 0.9, state="PRUNED")
    path, command = promote(store, "lr_mixup", name="mine", folder=experiments)
    assert path == experiments / "mine.yaml"
    assert command == "python -m tagging train mine --data /sound"
    assert path.read_text() == (
        "base: base\n"
        "notes: >-\n"
        f"  Trial 1 of the sweep lr_mixup ({sweep.id}) of {TODAY} on demo: search_lwlrap 0.8123,\n"
        "  cv_lwlrap 0.8012; the best of 3 trials, 2 of them finished.\n"
        "optimizer:\n"
        "  lr: 0.00031234567890123\n"
        "scheduler:\n"
        "  kind: cosine\n"
        "  first: 6\n"
        "training:\n"
        "  epochs: 4\n"
    )
    ours = flatten(load("mine", folder=experiments))
    theirs = flatten(load_stored(store.fetch(chosen.id, "config.yaml")))
    assert {key for key in ours if ours[key] != theirs[key]} == NOT_PROMOTED - {"data.kind", "data.name", "members"}
    assert ours["training.folds"] == ()


def test_a_base_given_by_its_path_is_named_by_it(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path, tmp_path: Path
) -> None:
    chosen = add_trial(0, {"seed": 5}, 0.75)
    store.set_tags(sweep.id, {"space.experiment": str(experiments / "base.yaml")})
    folder = tmp_path / "others"
    folder.mkdir()
    path, _ = promote(store, "lr_mixup", name="mine", folder=folder)
    assert path.read_text().startswith(f"base: {experiments}/base\n")
    assert (load(path, folder=folder).seed, load(path, folder=folder).optimizer.lr) == (5, 1e-3)
    # by its name where it lies among the experiments
    store.set_tags(sweep.id, {"space.experiment": str(project.experiments() / "base.yaml")})
    trials = records(store, sweep)
    text = experiment_text(store, store.get(sweep.id), trials, trials[0])
    assert trials[0].run_id == chosen.id
    assert text.startswith("base: base\n")


def test_a_trial_is_named_by_its_number_and_the_file_after_it(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    add_trial(0, {"seed": 5}, 0.75)
    add_trial(1, {"seed": 6}, 0.8)
    add_trial(2, {"seed": 7}, 0.6, state="PRUNED")
    assert promote(store, sweep.id, "0", folder=experiments)[0].name == "lr_mixup_0.yaml"
    assert load("lr_mixup_0", folder=experiments).notes == (
        f"Trial 0 of the sweep lr_mixup ({sweep.id}) of {TODAY} on demo: search_lwlrap 0.7500 "
        "(the best, trial 1, has 0.8000); one of 3 trials, 2 of them finished."
    )
    promote(store, sweep.id[:8], "2", folder=experiments)
    assert "; one (PRUNED) of 3 trials" in load("lr_mixup_2", folder=experiments).notes


def test_what_a_tree_cannot_hold_as_a_plain_word_survives(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    add_trial(
        0,
        {"early_stopping.patience": None},
        0.5,
        "early_stopping.patience=null labels.corrections=no training.compile=true",
    )
    path, _ = promote(store, "lr_mixup", folder=experiments)
    assert yaml.safe_load(path.read_text())["labels"] == {"corrections": "no"}
    experiment = load(path, folder=experiments)
    assert (experiment.early_stopping.patience, experiment.training.compile) == (None, True)


def test_a_name_that_is_taken_is_not_overwritten(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    add_trial(0, {"seed": 5}, 0.75)
    assert refusal(store, experiments, "lr_mixup", "best", "base") == (
        f"{experiments / 'base.yaml'} is there already; give another --name, or remove the file",
    )


def test_a_name_that_is_no_file_name_is_refused(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    add_trial(0, {"seed": 5}, 0.75)
    assert refusal(store, experiments, "lr_mixup", "best", "../mine.yaml") == (
        "--name ../mine.yaml: the name of an experiment is made of letters, digits, _ and -",
    )


def test_an_unknown_trial_brings_those_there_are(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    for number in (0, 1, 3):
        add_trial(number, {"seed": number}, 0.75)
    assert refusal(store, experiments, "lr_mixup", "2") == (
        f"--trial 2: sweep lr_mixup ({sweep.id}) has no such trial; give best or one of: 0, 1, 3",
    )


def test_a_sweep_without_a_finished_trial_has_no_best(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    assert refusal(store, experiments, "lr_mixup") == (
        f"sweep lr_mixup ({sweep.id}) has no finished trial; it has no trials. Continue it: "
        f"python -m tune search --resume {sweep.id[:8]}",
    )
    add_trial(0, {"seed": 1}, 0.75, state="PRUNED")
    add_trial(1, {"seed": 2}, None, state="FAILED", error="ValueError: no")
    assert refusal(store, experiments, "lr_mixup") == (
        f"sweep lr_mixup ({sweep.id}) has no finished trial; its trials are 0, 1. Give --trial a number, or continue "
        f"it: python -m tune search --resume {sweep.id[:8]}",
    )


def test_a_run_that_is_no_sweep_is_refused(store: Store, sweep: Run, add_trial: AddTrial, experiments: Path) -> None:
    trial = add_trial(0, {"seed": 1}, 0.75)
    assert refusal(store, experiments, trial.id) == (
        f"{trial.id}: run lr_mixup 0 ({trial.id}) is of kind trial; give a sweep",
    )


def test_an_unknown_sweep_brings_the_nearest_name(store: Store, sweep: Run, experiments: Path) -> None:
    assert refusal(store, experiments, "lr_mix") == (
        f"lr_mix: no such run in {store.uri}; give a run id, four or more of its first characters, "
        "or the name of a sweep",
        "nearest names: lr_mixup",
        "`python -m tagging show runs` lists what there is",
    )


def test_a_base_that_was_changed_since_is_refused(
    store: Store, sweep: Run, add_trial: AddTrial, experiments: Path
) -> None:
    trial = add_trial(0, {"seed": 1}, 0.75)
    base = experiments / "base.yaml"
    base.write_text(
        "optimizer: {lr: 2e-3}\ntraining: {epochs: 9}\nscheduler: {kind: constant}\nearly_stopping: {patience: null}\n"
    )
    assert refusal(store, experiments, "lr_mixup") == (
        f"{base} was changed since the sweep, so that trial 0 does not follow from it any more:",
        "  optimizer.lr is 0.002 by the file and 0.001 in the trial",
        "  scheduler.kind is constant by the file and plateau in the trial",
        "  scheduler.factor is absent by the file and 0.6 in the trial",
        "  scheduler.patience is absent by the file and 6 in the trial",
        "  scheduler.threshold is absent by the file and 0.0001 in the trial",
        "  scheduler.min_lr is absent by the file and 1e-08 in the trial",
        "  early_stopping.patience is null by the file and 18 in the trial",
        f"take the change back, or copy config.yaml of run {trial.id}, which holds every field",
    )


def test_a_missing_base_is_refused(store: Store, sweep: Run, add_trial: AddTrial, experiments: Path) -> None:
    add_trial(0, {"seed": 1}, 0.75)
    (experiments / "base.yaml").rename(experiments / "bases.yaml")
    assert refusal(store, experiments, "lr_mixup") == (
        "no experiment is called 'base'; did you mean bases? There are: bases",
    )
