"""Populations: how values move, what a trial's run holds of them, and a sweep that is killed and resumed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.errors import UserError
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tagging.training.checkpoint import Checkpoints
from tagging.training.history import EpochRecord
from tests.project import Project
from tests.tune.in_process import InProcess, killed_at, left_by_a_kill
from tests.tune.sweeps import begun, doubled_points, sweep_of
from tune.population import exchanged, explored, schedule, take_over, values_at
from tune.records import records
from tune.schema import Choice, Int, LogUniform, Space, Uniform

pytestmark = pytest.mark.usefixtures("in_process", "no_figures")

SPACE = Space(
    experiment="base",
    trials=4,
    space={
        "optimizer.lr": LogUniform(low=1e-4, high=1e-2),
        "mixer.prob": Uniform(low=0, high=1),
        "mixer.sigmoid_min": Int(low=1, high=9, step=2),
        "augment.wrap_prob": Choice(options=(0, 0.5, 1)),
    },
)
VALUES = {"optimizer.lr": 1e-3, "mixer.prob": 0.5, "mixer.sigmoid_min": 3, "augment.wrap_prob": 0.5}
POPULATION = """\
experiment: tiny
space:
  optimizer.lr: {kind: loguniform, low: 1e-3, high: 1e-2}
  mixer.sigmoid_min: {kind: int, low: 1, high: 6}
set:
  predict.noisy: false
  sampling.draws_per_epoch: 16
  training.epochs: 5
  scheduler.kind: constant
  early_stopping.patience: null
searcher: {kind: random}
scheduler: {kind: pbt, interval: 2}
trials: 3
folds: [0]
"""


def test_a_moved_value_is_a_fifth_a_step_or_a_neighbour_away() -> None:
    seen = [explored(SPACE, VALUES, resample=0, seed=seed) for seed in range(40)]
    assert {round(values["optimizer.lr"] / 1e-3, 6) for values in seen} == {0.8, 1.2}
    assert {round(values["mixer.prob"], 6) for values in seen} == {0.4, 0.6}
    assert {values["mixer.sigmoid_min"] for values in seen} == {1, 5}
    assert {values["augment.wrap_prob"] for values in seen} == {0, 1}
    assert seen[7] == explored(SPACE, VALUES, resample=0, seed=7)


def test_a_moved_value_stays_in_its_range() -> None:
    ends = {"optimizer.lr": 1e-2, "mixer.prob": 1.0, "mixer.sigmoid_min": 9, "augment.wrap_prob": 1}
    seen = [explored(SPACE, ends, resample=0, seed=seed) for seed in range(20)]
    assert {values["optimizer.lr"] for values in seen} == {0.8 * 1e-2, 1e-2}
    assert {values["mixer.prob"] for values in seen} == {0.8, 1.0}
    assert {values["mixer.sigmoid_min"] for values in seen} == {7, 9}
    assert {values["augment.wrap_prob"] for values in seen} == {0.5, 1}


def test_a_value_that_is_drawn_anew_comes_from_all_of_its_range() -> None:
    seen = [explored(SPACE, VALUES, resample=1, seed=seed) for seed in range(60)]
    rates = [values["optimizer.lr"] for values in seen]
    assert min(rates) < 2e-4
    assert max(rates) > 5e-3
    assert {values["mixer.sigmoid_min"] for values in seen} == {1, 3, 5, 7, 9}
    assert {values["augment.wrap_prob"] for values in seen} == {0, 0.5, 1}


def test_an_epoch_has_the_values_that_held_before_it() -> None:
    entries = [{"after": 0, "values": {"mixer.prob": 0.5}}, {"after": 5, "values": {"mixer.prob": 0.6}}]
    names = [values_at(entries, epoch) for epoch in (1, 5, 6)]
    assert names == [{"value/mixer.prob": 0.5}, {"value/mixer.prob": 0.5}, {"value/mixer.prob": 0.6}]


def outcome(store: Store) -> list[tuple[object, ...]]:
    """Return of each trial its values by epoch, whose weights came with them, and its score."""
    trials = records(store, sweep_of(store))
    return [(trial.number, trial.state, schedule(store, store.get(trial.run_id)), trial.lwlrap) for trial in trials]


def curve(project: Project, run: Run, name: str) -> list[float]:
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        query = "select value from metrics where run_uuid = ? and key = ? order by step"
        return [row[0] for row in database.execute(query, (run.id, name))]


@pytest.mark.long
def test_a_population_that_was_killed_ends_as_one_that_was_not(
    sound: Path,
    tmp_path: Path,
    connect: Callable[[Project], Store],
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = begun(tmp_path / "whole", sound, POPULATION)
    amid: list[Project] = []
    adopt = Checkpoints.adopt

    def killed_before(own: Checkpoints, other: Checkpoints) -> None:
        if not amid:
            amid.append(left_by_a_kill(whole, tmp_path / "killed-amid"))
        adopt(own, other)

    monkeypatch.setattr(Checkpoints, "adopt", killed_before)
    after = killed_at(in_process, whole, tmp_path, lambda: max(reached(whole), default=0) >= 3)
    whole.run("search", "lr", module="tune")
    store = connect(whole)
    expected = outcome(store)
    assert [state for _, state, _, _ in expected] == ["FINISHED"] * 3
    took_over = [trial for trial in records(store, sweep_of(store)) if trial.exchanges]
    assert took_over
    for trial in took_over:
        check_what_an_exchange_leaves(whole, store, store.get(trial.run_id), trial.values)
    refused = whole.run("promote", "lr", "--trial", str(took_over[0].number), module="tune", code=2)
    assert "changed its values while it trained (scheduler.kind pbt)" in refused.stderr

    assert len(amid) == len(after) == 1
    for killed in (*amid, *after):
        killed.run("search", "--resume", "lr", module="tune")
        assert outcome(connect(killed)) == expected
        assert doubled_points(killed) == []

    # those that come when the others are done exchange among themselves
    whole.run("search", "--resume", "lr", "--trials", "5", module="tune")
    trials = outcome(connect(whole))
    assert trials[:3] == expected
    assert [(number, state) for number, state, _, _ in trials[3:]] == [(3, "FINISHED"), (4, "FINISHED")]
    weights_of = [entry["weights_of"] for _, _, entries, _ in trials[3:] for entry in entries]
    assert set(weights_of) <= {None, 3, 4}
    assert len(weights_of) > 2


def reached(project: Project) -> list[int]:
    """Return how many epochs each fold in progress has."""
    return [int(epoch.split("/")[1]) for epoch in project.epochs_in_work()]


def check_what_an_exchange_leaves(project: Project, store: Store, run: Run, values: dict[str, float]) -> None:
    entries = schedule(store, run)
    assert {entry["after"] for entry in entries} <= {0, 2, 4}
    assert entries[-1]["values"] == values == json.loads(run.tags["trial.values"])
    rates = curve(project, run, "value/optimizer.lr")
    (fold,) = store.children(run.id)
    assert rates == pytest.approx(curve(project, fold, "lr"), rel=1e-12)  # what the optimizer really had
    assert rates == pytest.approx([values_at(entries, epoch)["value/optimizer.lr"] for epoch in range(1, 6)], rel=1e-12)


# the third trial's first loss is infinite, while the others wait for it
FAILING = """\
experiment: tiny
space:
  loss.curated.weight: {kind: loguniform, low: 1, high: 1e48}
set: {predict.noisy: false, training.epochs: 4, scheduler.kind: constant, early_stopping.patience: null}
searcher: {kind: random}
scheduler: {kind: pbt, interval: 2, resample: 0}
trials: 3
folds: [0]
resources: {at_once: 1}
"""


def test_a_population_continues_without_a_trial_that_fails(
    sound: Path, tmp_path: Path, connect: Callable[[Project], Store]
) -> None:
    project = begun(tmp_path / "project", sound, FAILING)
    project.run("search", "lr", module="tune")
    store = connect(project)
    ended = outcome(store)
    assert [state for _, state, _, _ in ended] == ["FINISHED", "FINISHED", "FAILED"]
    sweep = sweep_of(store)
    assert sorted(trial.exchanges for trial in records(store, sweep)) == [0, 0, 1]
    project.run("search", "--resume", "lr", module="tune")  # of which nothing is left to do
    assert outcome(store) == ended
    assert sweep_of(store).status == "FINISHED"
    refused = project.run("search", "--resume", "lr", "--gpu", "auto", "--trials", "1", module="tune", code=2)
    assert refused.stderr.splitlines() == [
        "looking for the sweep lr",
        "error: lr: scheduler.kind pbt wants 2 trials or more, not 1",
    ]


def leave_epochs(store: Store, trial: Run, epochs: int) -> None:
    """Leave a fold's last checkpoint as a kill after so many epochs does."""
    fold = store.start("demo", "fold", f"{trial.name} fold 0", {"fold": 0}, {}, trial)
    if epochs:
        folder = work_folder() / fold.id / "last" / f"{epochs:06d}"
        folder.mkdir(parents=True)
        history = [EpochRecord(epoch, 0, 0.5, 0.5, 0.5, 1e-3, 1.0).as_dict() for epoch in range(1, epochs + 1)]
        (folder / "state.json").write_text(json.dumps({"history": history}))


@pytest.mark.parametrize(
    ("finished", "interrupted", "over"),
    [
        (0, [], 0),  # a population that begins
        (0, [0, 0], 0),
        (0, [2, 2], 0),  # the exchange may have been left half done: it comes again
        (0, [2, 3], 2),
        (0, [4, 4, 5], 4),
        (2, [4, 4], 4),  # others went on from it to the end, and would be missed in it
        (2, [2, 3], 2),  # of more trials, begun when the first had ended
    ],
)
def test_an_exchange_is_complete_where_a_trial_trained_on_after_it(
    finished: int, interrupted: list[int], over: int, store: Store, sweep: Run, add_trial: Callable[..., Run]
) -> None:
    for number in range(finished):
        add_trial(number, {"optimizer.lr": 1e-3}, 0.5)
    for number, epochs in enumerate(interrupted, finished):
        leave_epochs(store, add_trial(number, {"optimizer.lr": 1e-3}, 0.5, state="KILLED"), epochs)
    assert exchanged(store, records(store, sweep), interval=2, last_epoch=6) == over


def test_a_trial_that_was_interrupted_before_its_fold_has_no_epoch(
    store: Store, sweep: Run, add_trial: Callable[..., Run]
) -> None:
    add_trial(0, {"optimizer.lr": 1e-3}, None, state="KILLED")
    leave_epochs(store, add_trial(1, {"optimizer.lr": 1e-3}, 0.5, state="KILLED"), 3)
    assert exchanged(store, records(store, sweep), interval=2, last_epoch=6) == 2


def test_weights_that_lie_on_another_machine_are_not_taken_over(
    store: Store, sweep: Run, add_trial: Callable[..., Run]
) -> None:
    trials = [add_trial(number, {"optimizer.lr": 1e-3}, 0.5, state="RUNNING") for number in range(2)]
    for trial, epochs in zip(trials, (2, 0), strict=True):
        leave_epochs(store, trial, epochs)
    (fold,) = store.children(trials[1].id)
    with pytest.raises(UserError) as error:
        take_over(store, sweep.id, 0, 1, 2, {"trial.values": '{"optimizer.lr": 0.002}'})
    assert str(error.value) == (
        f"{work_folder() / fold.id} is missing: a population's weights pass from trial to trial on the machine that "
        "gave the command, which must share that folder with those that train (docs/cluster.md)"
    )
    assert not store.has_file(trials[0].id, "schedule.json")
