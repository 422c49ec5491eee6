"""Which exchanges of a population are over where it goes on, by what its trials left."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tagging.errors import UserError
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tagging.training.history import EpochRecord
from tune.records import records
from tune.schedule import exchanged, take_over


def leave_epochs(store: Store, trial: Run, epochs: int) -> None:
    """Leave a fold's last checkpoint as a kill after so many epochs does."""
    fold = store.start("demo", "fold", f"{trial.name} fold 0", {"fold": 0}, {}, trial)
    if epochs:
        folder = work_folder() / fold.id / "last" / f"{epochs:06d}"
        folder.mkdir(parents=True)
        history = [EpochRecord(epoch, 0, 0.5, 0.5, 0.5, 1e-3, 1.0).as_dict() for epoch in range(1, epochs + 1)]
        (folder / "state.json").write_text(json.dumps({"history": history}))


@pytest.mark.parametrize(
    ("finished", "broken_off", "over"),
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
def test_an_exchange_is_over_where_a_trial_went_on_after_it(
    finished: int, broken_off: list[int], over: int, store: Store, sweep: Run, add_trial: Callable[..., Run]
) -> None:
    for number in range(finished):
        add_trial(number, {"optimizer.lr": 1e-3}, 0.5)
    for number, epochs in enumerate(broken_off, finished):
        leave_epochs(store, add_trial(number, {"optimizer.lr": 1e-3}, 0.5, state="KILLED"), epochs)
    assert exchanged(store, records(store, sweep), interval=2, last_epoch=6) == over


def test_a_trial_that_was_broken_off_before_its_fold_has_no_epoch(
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
        f"{work_folder() / fold.id} is not there: a population's weights pass from trial to trial on the machine that "
        "gave the command, which must share that folder with those that train (docs/cluster.md)"
    )
    assert not store.has_file(trials[0].id, "schedule.json")
