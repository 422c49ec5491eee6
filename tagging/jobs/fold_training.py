"""A fold that is trained epoch by epoch, from its last checkpoint to its finished run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch

from tagging.contract import File, Metric
from tagging.errors import UserError, is_disk_full
from tagging.progress import Bar, say
from tagging.tracking.epochs import EpochSender
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tagging.training.checkpoint import Checkpoints, load_weights, weights_of
from tagging.training.history import EpochRecord
from tagging.training.loop import Batches, Evaluate, LoopSettings, epochs
from tagging.training.losses import SourceLoss
from tagging.training.parts import Parts


@dataclass(frozen=True)
class FoldPlan:
    """What is trained in a fold, by which settings, and what the network then does.

    `folds` are all that the training asks for, in their order. `predicting`: whose weights predict, best, last or ema;
    `predict` logs what the network predicts with them and
    returns the fold's lwlrap.
    """

    parts: Parts
    batches: Batches
    loss: SourceLoss
    validate: Evaluate
    settings: LoopSettings
    folds: Sequence[int]
    predicting: str
    predict: Callable[[torch.nn.Module], float]


def planned_epochs(make_plan: Callable[[], FoldPlan], fold: int, run: Run, store: Store) -> Iterator[EpochRecord]:
    """Train fold `fold` in `run`, from its last checkpoint on, yield each epoch, and log what it predicts.

    Broken off, or closed by who asks for epochs, it leaves its checkpoint in the work folder; broken off, in the run
    too. A plan that cannot be made ends the run as well.
    """
    work = work_folder() / run.id
    checkpoints = Checkpoints(work)
    started = time.monotonic()
    history: list[EpochRecord] = []
    with breaking_off(store.impatient(), run, checkpoints), EpochSender(store, run.id, work) as sender:
        plan = make_plan()
        steps = plan.batches.steps * plan.settings.epochs
        place, number = plan.folds.index(fold) + 1, len(plan.folds)
        with Bar(f"fold {fold} ({place} of {number})", "step", steps, steps * (number - place)) as bar:
            for record in epochs(
                plan.parts, plan.batches, plan.loss, plan.validate, plan.settings, checkpoints, sender, bar
            ):
                history.append(record)
                yield record
        sender.close([record.as_dict() for record in history])
        upload_checkpoints(store, run.id, checkpoints)
        load_weights(plan.parts.model, weights_of(checkpoints, plan.predicting))
        score = plan.predict(plan.parts.model)
        store.log_metrics(run.id, _training_numbers(history))
        store.finish(run.id, "FINISHED")
    shutil.rmtree(work, ignore_errors=True)
    say(f"fold {fold}: lwlrap {score:.4f} ({len(history)} epochs, {time.monotonic() - started:.0f} s)")


@contextmanager
def breaking_off(store: Store, run: Run, checkpoints: Checkpoints) -> Iterator[None]:
    """End a fold's run as KILLED or FAILED where it does not come to its end, with all it has so far."""
    try:
        yield
    except BaseException as error:
        with suppress(UserError):  # the store itself may be what failed
            store.log_epochs(run.id, [record.as_dict() for record in checkpoints.history()])
            stopped = isinstance(error, (KeyboardInterrupt, GeneratorExit))
            store.finish(run.id, "KILLED" if stopped else "FAILED")
            # a full disk has room for the store alone; who closes the epochs decides what becomes of them
            if not is_disk_full(error) and not isinstance(error, GeneratorExit):
                upload_checkpoints(store, run.id, checkpoints)
        raise


def upload_checkpoints(store: Store, run_id: str, checkpoints: Checkpoints) -> None:
    """Store the newest and the best checkpoint with the run."""
    for name, folder in (("best", checkpoints.best()), ("last", checkpoints.last())):
        if folder is not None:
            store.log_folder(run_id, folder, f"{File.CHECKPOINTS}/{name}")


def _training_numbers(history: list[EpochRecord]) -> dict[str, float]:
    best = max(history, key=lambda record: (record.val_lwlrap, -record.epoch))
    return {"best_epoch": best.epoch, Metric.BEST_VAL: best.val_lwlrap, "epochs": len(history)}
