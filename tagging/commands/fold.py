"""One fold of an experiment: train it, predict with it, leave everything in its run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tagging.commands import build
from tagging.commands.apply import predict_rows
from tagging.commands.prepare import Prepared
from tagging.config import Experiment
from tagging.errors import UserError, is_disk_full
from tagging.features.table import LogMels
from tagging.inference.blend import mean_over_tiles
from tagging.inference.predict import TileProbabilities
from tagging.metrics import lwlrap
from tagging.progress import Bar, say
from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.tracking.epochs import EpochSender
from tagging.tracking.ownership import work_folder
from tagging.tracking.store import Run, Store
from tagging.training.batches import TrainingBatches
from tagging.training.checkpoint import Checkpoints, load_weights
from tagging.training.history import EpochRecord
from tagging.training.loop import LoopSettings, epochs
from tagging.training.sampling import SourcePools
from tagging.training.validation import Validation


@dataclass(frozen=True)
class Stage:
    """What the folds of one process share on their device, moved there once."""

    prepared: Prepared
    device: torch.device
    logmels: LogMels
    targets: Tensor  # [rows of the store, C] labels to train on; test rows are zero


def stage(prepared: Prepared) -> Stage:
    """Move the log-mels and targets to the device; log-mels that do not fit stay mapped on the CPU."""
    device = build.device_of(prepared.experiment)
    logmels = prepared.features.logmels
    if device.type == "cuda" and logmels.frames.nbytes < 0.5 * torch.cuda.mem_get_info(device)[0]:
        logmels = logmels.to(device)
    targets = np.zeros((len(logmels), len(prepared.dataset.classes)), dtype=np.float32)
    targets[prepared.rows["curated"]] = prepared.corrected
    targets[prepared.rows["noisy"]] = prepared.dataset.noisy.labels
    return Stage(prepared, device, logmels, torch.from_numpy(targets).to(device))


def train_fold(shared: Stage, fold: int, run: Run, parent: Run, store: Store, start: Path | None = None) -> Run:
    """Train fold `fold` to its end as `fold_epochs` does and return its finished run."""
    for _ in fold_epochs(shared, fold, run, parent, store, start):
        pass
    return store.get(run.id)


def fold_epochs(
    shared: Stage, fold: int, run: Run, parent: Run, store: Store, start: Path | None = None
) -> Iterator[EpochRecord]:
    """Train fold `fold` in `run`, from its last checkpoint on, yield each epoch, and log what it predicts.

    `start`: a file of weights to begin with. Broken off, or closed by who asks for epochs, it leaves its checkpoint
    in the work folder; broken off, in the run too.
    """
    experiment = shared.prepared.experiment
    work = work_folder() / run.id
    checkpoints = Checkpoints(work)
    sender = EpochSender(store, run.id, work)
    started = time.monotonic()
    history: list[EpochRecord] = []
    with _breaking_off(store.impatient(), run, checkpoints):
        parts = build.parts_of(experiment, len(shared.prepared.dataset.classes), fold, shared.device, start)
        batches = batches_of(shared, fold)
        with Bar(f"fold {fold}", "step", batches.steps * experiment.training.epochs) as bar:
            for record in epochs(
                parts,
                batches,
                build.loss_of(experiment).to(shared.device),
                validation_of(shared, fold),
                _loop_settings(shared, fold),
                checkpoints,
                sender,
                bar,
            ):
                history.append(record)
                yield record
        sender.close([record.as_dict() for record in history])
        upload_checkpoints(store, run.id, checkpoints)
        load_weights(parts.model, _chosen_weights(experiment, checkpoints))
        score = predict_fold(shared, parts.model, fold, run.id, parent.id, store)
        store.log_metrics(run.id, _training_numbers(history))
        store.finish(run.id, "FINISHED")
    shutil.rmtree(work, ignore_errors=True)
    say(f"fold {fold}: lwlrap {score:.4f} ({len(history)} epochs, {time.monotonic() - started:.0f} s)")


@contextmanager
def _breaking_off(store: Store, run: Run, checkpoints: Checkpoints) -> Iterator[None]:
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
            store.log_folder(run_id, folder, f"checkpoints/{name}")


def predict_fold(shared: Stage, model: torch.nn.Module, fold: int, run_id: str, parent_id: str, store: Store) -> float:
    """Predict the held-out clips, the test set and, when asked, the noisy clips; return the fold's lwlrap.

    The out-of-fold part stays with the fold's run until all are there; test and noisy predictions go to
    the parent at once. The lwlrap is that of tiles against the original labels.
    """
    prepared = shared.prepared
    dataset = prepared.dataset

    def predict(half: str, clips: np.ndarray) -> TileProbabilities:
        rows, label = prepared.rows[half][clips], f"fold {fold}: {half} clips"
        return predict_rows(prepared.experiment, model, shared.logmels, rows, shared.device, label)

    held_out = np.flatnonzero(prepared.folds == fold)
    tiles = predict("curated", held_out)
    fnames = [dataset.curated.fnames[row] for row in held_out]
    oof = mean_over_tiles(tiles.probabilities, tiles.clip, len(held_out))
    store.log_table(run_id, _table(fnames, oof, dataset.classes, fold=fold), "predictions/oof.parquet")
    store.log_table(
        run_id,
        _table(
            [fnames[clip] for clip in tiles.clip],
            tiles.probabilities,
            dataset.classes,
            fold=fold,
            tile=tiles.tile,
        ),
        "predictions/oof_tiles.parquet",
    )
    halves = {"test": dataset.test} | ({"noisy": dataset.noisy} if prepared.experiment.predict.noisy else {})
    for name, clips in halves.items():
        if len(clips):
            tiles = predict(name, np.arange(len(clips)))
            means = mean_over_tiles(tiles.probabilities, tiles.clip, len(clips))
            table = _table(list(clips.fnames), means, dataset.classes, fold=fold)
            store.log_table(parent_id, table, f"predictions/{name}/fold_{fold}.parquet")
    score = lwlrap(dataset.curated.labels[held_out], oof)
    store.log_metrics(run_id, {"fold_lwlrap": score})
    return score


def _chosen_weights(experiment: Experiment, checkpoints: Checkpoints) -> Path:
    folder = checkpoints.best() if experiment.predict.weights == "best" else checkpoints.last()
    assert folder is not None  # at least one epoch is trained
    return folder / ("ema.safetensors" if experiment.predict.weights == "ema" else "model.safetensors")


def pools_of(prepared: Prepared, fold: int) -> dict[int, np.ndarray]:
    """Return the rows of the store that a fold's draws come from, int64, by source."""
    rows = prepared.rows
    return {
        CURATED: rows["curated"][(prepared.folds != fold) & ~prepared.removed],
        NOISY: rows["noisy"][prepared.noisy_pool],
        TRUSTED: rows["noisy"][prepared.trusted],
    }


def batches_of(shared: Stage, fold: int) -> TrainingBatches:
    """Return the maker of a fold's batches."""
    prepared, sampling = shared.prepared, shared.prepared.experiment.sampling
    return TrainingBatches(
        logmels=shared.logmels,
        targets=prepared.lessons.targets(shared.targets, fold) if prepared.lessons else shared.targets,
        pools=SourcePools(
            {source: torch.from_numpy(pool) for source, pool in pools_of(prepared, fold).items()},
            {CURATED: sampling.curated, NOISY: sampling.noisy, TRUSTED: sampling.trusted},
        ),
        views=build.view_settings(prepared.experiment),
        mixes=build.mix_settings(prepared.experiment),
        batch_size=sampling.batch_size,
        draws_per_epoch=sampling.draws_per_epoch,
        seed=prepared.experiment.seed,
        fold=fold,
        device=shared.device,
    )


def validation_of(shared: Stage, fold: int) -> Validation:
    """Return what looks at a fold's held-out clips, those that label lists remove left out; its loss drops none."""
    prepared, experiment = shared.prepared, shared.prepared.experiment
    clips = torch.from_numpy(prepared.rows["curated"][(prepared.folds == fold) & ~prepared.removed])
    return Validation(
        logmels=shared.logmels,
        clips=clips,
        targets=shared.targets[clips.to(shared.device)],
        loss=build.loss_of(experiment, keep_all=True).to(shared.device),
        window=experiment.sampling.frames,
        batch_size=experiment.predict.batch_size,
        device=shared.device,
        dtype=build.DTYPES[experiment.training.precision],
    )


def _loop_settings(shared: Stage, fold: int) -> LoopSettings:
    experiment = shared.prepared.experiment
    return LoopSettings(
        epochs=experiment.training.epochs,
        patience=experiment.early_stopping.patience,
        dtype=build.DTYPES[experiment.training.precision],
        device=shared.device,
        seed=experiment.seed,
        fold=fold,
        compile=experiment.training.compile,
    )


def _table(
    fnames: list[str], probabilities: np.ndarray, classes: tuple[str, ...], **columns: int | np.ndarray
) -> pd.DataFrame:
    """Return fname, further columns and one float32 column a class."""
    head = pd.DataFrame({"fname": fnames, **columns})
    return pd.concat([head, pd.DataFrame(probabilities, columns=list(classes))], axis=1)


def _training_numbers(history: list[EpochRecord]) -> dict[str, float]:
    best = max(history, key=lambda record: (record.val_lwlrap, -record.epoch))
    return {"best_epoch": best.epoch, "best_val_lwlrap": best.val_lwlrap, "epochs": len(history)}
