"""Checkpoints of a fold: complete or missing, in formats that need no unpickling.

    <folder>/last/000012/   model.safetensors  optimizer.safetensors  [ema.safetensors]  state.json
    <folder>/best/000009/   model.safetensors  state.json
    <folder>/adopted/000012/   as last/: another fold's, in place of its own, until epoch 13 is there

An epoch's folder is written under a temporary name, synced and renamed, so a kill at any moment leaves
either the whole of it or nothing of it. `last` is written after `best`: what `last` names as best exists.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tagging.errors import UserError, room_in
from tagging.training.history import EpochRecord, best_epoch
from tagging.training.loop import Parts

T = TypeVar("T")
_MEND = "bring the file back from a copy, or train its run again"


class Checkpoints:
    """The checkpoints of one fold in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, parts: Parts, history: Sequence[EpochRecord]) -> None:
        """Write `last`, and `best` where the newest epoch is the best; then drop the older ones.

        Raises DiskFull where there is no room for them; those of earlier epochs stay as they are.
        """
        epoch = history[-1].epoch
        state = {"epoch": epoch, "history": [record.as_dict() for record in history]}
        with room_in(self.folder):
            if best_epoch(history) == epoch:
                self._publish("best", epoch, lambda folder: _write_best(folder, parts, state))
            self._publish("last", epoch, lambda folder: _write_last(folder, parts, state))
        self._drop("best", keep=best_epoch(history))
        self._drop("last", keep=epoch)
        self._drop("adopted", keep=epoch)

    def adopt(self, donor: Checkpoints) -> None:
        """Continue after the last epoch with the weights and the optimizer of another fold's last epoch.

        The fold keeps its own epochs and best weights. Both folds have an epoch, and no process trains them meanwhile.
        """
        last, theirs = self.last(), donor.last()
        assert last is not None
        assert theirs is not None
        with room_in(self.folder):
            self._publish("adopted", int(last.name), lambda folder: _link(theirs, folder))

    def resume(self, parts: Parts) -> list[EpochRecord]:
        """Set `parts` to the last or the adopted checkpoint, and return the fold's own epochs; [] if none.

        Where no schedule moves them, the optimizer's settings (learning rate ...) stay those of `parts`.
        """
        last = self.last()
        if last is None:
            return []
        adopted = self.folder / "adopted" / last.name
        folder = adopted if adopted.is_dir() else last
        state = _state(folder)
        parts.model.load_state_dict(load_file(folder / "model.safetensors"))
        groups = state["optimizer"] if parts.scheduler is not None else _optimizer_state(parts.optimizer)[0]
        _load_optimizer(parts.optimizer, groups, load_file(folder / "optimizer.safetensors"))
        if parts.scheduler is not None:
            parts.scheduler.load_state_dict(state["scheduler"])
        if parts.ema is not None:
            parts.ema.load_state_dict(load_file(folder / "ema.safetensors"))
        if state["scaler"]:
            parts.scaler.load_state_dict(state["scaler"])
        return self.history()

    def last(self) -> Path | None:
        """Return the folder of the last finished epoch, None before the first."""
        return self._newest("last")

    def best(self) -> Path | None:
        """Return the folder of the best epoch so far, None before the first."""
        history = self.history()
        return self.folder / "best" / f"{best_epoch(history):06d}" if history else None

    def history(self) -> list[EpochRecord]:
        """Return the records of the epochs so far."""
        folder = self.last()
        return [] if folder is None else _history(_state(folder))

    def _newest(self, name: str) -> Path | None:
        return max((path for path in (self.folder / name).glob("[0-9]*") if path.is_dir()), default=None)

    def _publish(self, name: str, epoch: int, write: Callable[[Path], None]) -> None:
        target = self.folder / name / f"{epoch:06d}"
        draft = self.folder / name / ".draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            write(draft)
            for path in [*draft.iterdir(), draft]:
                _sync(path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)  # on a full disk the store needs this room to end the run
            raise
        if target.exists():  # a best epoch that was written before a kill and is trained again
            shutil.rmtree(target)
        draft.rename(target)
        _sync(target.parent)

    def _drop(self, name: str, keep: int) -> None:
        for path in (self.folder / name).glob("[0-9]*"):
            if path.name != f"{keep:06d}":
                shutil.rmtree(path)


def weights_file(checkpoints: Path, which: str) -> Path:
    """Return the weights to predict with (`best`, `last` or `ema`) in a folder with best/ and last/."""
    if which == "ema":
        return checkpoints / "last" / "ema.safetensors"
    return checkpoints / which / "model.safetensors"


def weights_of(checkpoints: Checkpoints, which: str) -> Path:
    """Return the weights to predict with (`best`, `last` or `ema`) of a fold of one epoch or more, still in work."""
    folder = checkpoints.best() if which == "best" else checkpoints.last()
    assert folder is not None  # at least one epoch is trained
    return folder / ("ema.safetensors" if which == "ema" else "model.safetensors")


def load_weights(model: nn.Module, path: Path) -> None:
    """Set the weights of a network to those of a safetensors file; averaged ones are unwrapped.

    Raises UserError where the file is damaged, or of another network.
    """
    model.load_state_dict(read_state(model, path))


def read_state(model: nn.Module, path: Path) -> dict[str, Tensor]:
    """Return the weights that a safetensors file holds for a network, averaged ones unwrapped.

    Raises UserError where the file is damaged, or of another network.
    """
    if not fits(model, path):
        raise UserError(f"{path}: the weights are those of another network; {_MEND}")
    with _readable(path):
        state = _unwrapped(load_file(path), path)
    broken = next((name for name, weight in state.items() if not weight.isfinite().all()), None)
    if broken:
        raise UserError(f"{path}: the weights are damaged ({broken} is not finite); {_MEND}")
    return state


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights of a network as a safetensors file; a missing folder is made."""
    with room_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        _save(model.state_dict(), path)


def fits(model: nn.Module, path: Path) -> bool:
    """Tell whether a safetensors file holds the weights that `load_weights` needs; reads their names and shapes alone.

    Raises UserError where the file is damaged.
    """
    with _readable(path), safe_open(path, framework="pt") as file:
        shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118  # no mapping
    return _unwrapped(shapes, path) == {key: list(value.shape) for key, value in model.state_dict().items()}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: the weights are damaged ({error}); {_MEND}") from None


def _unwrapped(state: dict[str, T], path: Path) -> dict[str, T]:
    if path.name != "ema.safetensors":
        return state
    # AveragedModel keeps the network as `module` beside a counter
    return {key.removeprefix("module."): value for key, value in state.items() if key != "n_averaged"}


def _state(folder: Path) -> dict[str, Any]:
    """Return the state.json of a checkpoint in the work folder; UserError where it is damaged."""
    path = folder / "state.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        fold = folder.parents[1]
        raise UserError(f"{path}: is damaged ({error}); remove {fold}, so that its fold is trained again") from None


def _history(state: dict[str, Any]) -> list[EpochRecord]:
    return [EpochRecord(**record) for record in state["history"]]


def _write_best(folder: Path, parts: Parts, state: dict[str, Any]) -> None:
    _save(parts.model.state_dict(), folder / "model.safetensors")
    (folder / "state.json").write_text(json.dumps(state))


def _write_last(folder: Path, parts: Parts, state: dict[str, Any]) -> None:
    _save(parts.model.state_dict(), folder / "model.safetensors")
    groups, tensors = _optimizer_state(parts.optimizer)
    _save(tensors, folder / "optimizer.safetensors")
    if parts.ema is not None:
        _save(parts.ema.state_dict(), folder / "ema.safetensors")
    scheduler = parts.scheduler.state_dict() if parts.scheduler is not None else {}
    state = {**state, "optimizer": groups, "scheduler": scheduler, "scaler": parts.scaler.state_dict()}
    (folder / "state.json").write_text(json.dumps(state))


def _link(source: Path, folder: Path) -> None:
    """Put the files of a checkpoint, which nobody changes once they are there, into a second folder."""
    for path in source.iterdir():
        (folder / path.name).hardlink_to(path)


def _save(state: dict[str, Tensor], path: Path) -> None:
    # safetensors stores plain row-major tensors, channels-last ones are brought into that order
    save_file({key: value.detach().contiguous() for key, value in state.items()}, path)


def _optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    state = optimizer.state_dict()
    tensors = {f"{index}.{key}": value for index, item in state["state"].items() for key, value in item.items()}
    return state["param_groups"], tensors


def _load_optimizer(optimizer: torch.optim.Optimizer, groups: list[dict[str, Any]], tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, item in optimizer.state.items():
        for name, value in item.items():
            if value.shape == parameter.shape:  # moments lie in memory as their weights do
                item[name] = torch.empty_like(parameter).copy_(value)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
