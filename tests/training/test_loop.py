import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tagging.errors import UserError
from tagging.sources import NAMES
from tagging.training.checkpoint import Checkpoints, fits, load_weights
from tagging.training.history import EpochRecord, best_epoch, should_stop
from tagging.training.loop import NonFiniteLoss
from tagging.training.losses import LOSSES
from tests.training.parts import Training

EVERYTHING = "training.ema_decay=0.9 scheduler.patience=0 scheduler.threshold=0.5"


def numbers(history: list[EpochRecord]) -> list[EpochRecord]:
    """Return the records without what a clock says."""
    return [replace(record, time_ms=0, samples_per_s=0) for record in history]


def weights(training: Training) -> dict[str, torch.Tensor]:
    return training.parts.model.state_dict()


def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def test_it_learns(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=12)
    history = training.fit()
    assert history[-1].train_loss < history[0].train_loss
    assert max(record.val_lwlrap for record in history) > 0.8
    assert [record.epoch for record in history] == list(range(1, 13))
    assert training.steps == 12 * 3


@pytest.mark.parametrize("kind", LOSSES)
def test_it_learns_with_every_loss_on_every_source(tmp_path: Path, kind: str) -> None:
    training = Training(tmp_path, *(f"loss.{source}.kind={kind}" for source in NAMES), epochs=12)
    history = training.fit()
    assert history[-1].train_loss < history[0].train_loss
    assert max(record.val_lwlrap for record in history) > 0.8


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
@pytest.mark.parametrize("broken_after", [1, 3])
def test_continued_equals_not_interrupted_to_the_last_bit(tmp_path: Path, broken_after: int, precision: str) -> None:
    options = (EVERYTHING, f"training.precision={precision}")
    whole = Training(tmp_path / "whole", *options, epochs=4)
    expected = whole.fit()
    Training(tmp_path / "broken", *options, epochs=broken_after).fit()
    torch.rand(100)  # the global generator has moved on meanwhile
    continued = Training(tmp_path / "broken", *options, epochs=4)
    history = continued.fit()
    assert numbers(history) == numbers(expected)
    assert equal(weights(continued), weights(whole))
    assert len({record.lr for record in history}) > 1  # the scheduler was at work
    assert continued.steps == whole.steps


def test_a_finished_fold_is_not_trained_on(tmp_path: Path) -> None:
    first = Training(tmp_path, epochs=2).fit()
    assert Training(tmp_path, epochs=2).fit() == first


def test_another_seed_or_fold_gives_another_curve(tmp_path: Path) -> None:
    base = numbers(Training(tmp_path / "a", epochs=1).fit())
    assert numbers(Training(tmp_path / "b", epochs=1).fit()) == base
    assert numbers(Training(tmp_path / "c", "seed=5", epochs=1).fit()) != base


def test_early_stopping_ends_a_fold(tmp_path: Path) -> None:
    training = Training(tmp_path, "optimizer.lr=1e-12", epochs=30, patience=2)
    history = training.fit()
    assert history[-1].epoch - best_epoch(history) == 2
    assert len(history) < 30


def test_best_epoch_is_the_first_of_equals_and_patience_counts_strict_rises() -> None:
    def history(*scores: float) -> list[EpochRecord]:
        return [EpochRecord(i + 1, 0, 0.0, 0.0, score, 0.0, 0.0) for i, score in enumerate(scores)]

    assert best_epoch(history(0.1, 0.5, 0.5, 0.2)) == 2
    assert best_epoch([]) == 0
    assert should_stop(history(0.5, 0.5, 0.5), 2)
    assert not should_stop(history(0.5, 0.5, 0.5), 3)
    assert not should_stop(history(0.5, 0.5, 0.5), None)
    assert not should_stop([], 1)


def test_the_learning_rate_falls_after_patience_epochs_without_a_rise(tmp_path: Path) -> None:
    options = "optimizer.lr=1e-6 scheduler.patience=1 scheduler.min_lr=0 scheduler.factor=0.5 scheduler.threshold=0.9"
    history = Training(tmp_path, options, epochs=6).fit()
    assert [record.lr for record in history] == [1e-6, 1e-6, 1e-6, 5e-7, 5e-7, 2.5e-7]


def test_a_loss_that_is_not_finite_stops_with_its_place(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=3)
    with torch.no_grad():
        next(training.parts.model.parameters()).fill_(float("nan"))
    with pytest.raises(NonFiniteLoss) as error:
        training.fit()
    assert str(error.value) == (
        "the training loss is nan at epoch 1, step 1, learning rate 0.01; "
        "lower optimizer.lr, or use training.precision=float32"
    )


def test_an_output_that_is_not_finite_stops_too(tmp_path: Path) -> None:
    training = Training(tmp_path)

    class Broken(nn.Module):
        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(torch.full((len(inputs), 3), float("nan")) for _ in range(4))

    with pytest.raises(UserError, match=re.escape("the network's output on the held-out fold is not finite; ")):
        training.validate(Broken())


def test_a_checkpoint_needs_no_unpickling_and_holds_the_loop(tmp_path: Path) -> None:
    training = Training(tmp_path, EVERYTHING, epochs=2)
    history = training.fit()
    last, best = training.checkpoints.last(), training.checkpoints.best()
    assert last is not None
    assert best is not None
    assert sorted(path.name for path in last.iterdir()) == [
        "ema.safetensors",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]
    assert sorted(path.name for path in best.iterdir()) == ["model.safetensors", "state.json"]
    assert json.loads((last / "state.json").read_text())["history"] == [record.as_dict() for record in history]
    assert best.name == f"{best_epoch(history):06d}"
    assert equal(load_file(last / "model.safetensors"), weights(training))


def test_only_the_newest_and_the_best_checkpoint_stay(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=4)
    history = training.fit()
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["000004"]
    assert [path.name for path in (tmp_path / "best").iterdir()] == [f"{best_epoch(history):06d}"]


def test_a_half_written_checkpoint_is_not_seen(tmp_path: Path) -> None:
    Training(tmp_path, epochs=2).fit()
    draft = tmp_path / "last" / ".draft"
    draft.mkdir()
    (draft / "model.safetensors").write_bytes(b"half")
    assert numbers(Training(tmp_path, epochs=3).fit()) == numbers(Training(tmp_path / "whole", epochs=3).fit())


def test_a_best_epoch_written_before_a_kill_is_written_again(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole", epochs=4)
    whole.fit()
    Training(tmp_path / "broken", epochs=3).fit()
    # killed after `best` of epoch 4 was published, before `last` was
    (tmp_path / "broken" / "best" / "000004").mkdir()
    continued = Training(tmp_path / "broken", epochs=4)
    continued.fit()
    assert equal(weights(continued), weights(whole))
    best = continued.checkpoints.best()
    assert best is not None
    assert (best / "model.safetensors").is_file()


def test_averaged_weights_load_into_the_network(tmp_path: Path) -> None:
    training = Training(tmp_path, EVERYTHING, epochs=2)
    training.fit()
    last = training.checkpoints.last()
    assert last is not None
    assert training.parts.ema is not None
    other = Training(tmp_path / "other", epochs=1)
    load_weights(other.parts.model, last / "ema.safetensors")
    assert equal(weights(other), training.parts.ema.module.state_dict())
    assert not equal(weights(other), weights(training))


def test_weights_fit_a_network_of_the_same_names_and_shapes(tmp_path: Path) -> None:
    training = Training(tmp_path, EVERYTHING, epochs=1)
    training.fit()
    last = training.checkpoints.last()
    assert last is not None
    larger = Training(tmp_path / "other", "model.base_size=3").parts.model
    for name in ("model.safetensors", "ema.safetensors"):
        assert fits(training.parts.model, last / name)
        assert not fits(larger, last / name)


def test_weights_of_another_network_or_not_finite_are_refused_in_one_line(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=1)
    path = tmp_path / "model.safetensors"
    wrong = {
        "the weights are those of another network": {"other": torch.zeros(2)},
        "the weights are damaged (conv1.first.0.weight is not finite)": weights(training)
        | {"conv1.first.0.weight": torch.full((2, 3, 3, 3), torch.nan)},
    }
    for what, state in wrong.items():
        save_file({name: weight.contiguous() for name, weight in state.items()}, path)
        with pytest.raises(UserError) as error:
            load_weights(training.parts.model, path)
        assert str(error.value) == f"{path}: {what}; bring the file back from a copy, or train its run again"


def test_no_checkpoint_is_no_history(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "none")
    assert checkpoints.history() == []
    assert checkpoints.last() is None
    assert checkpoints.best() is None


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++")
def test_a_compiled_network_trains_as_the_plain_one(tmp_path: Path) -> None:
    # without dropout, whose draws a compiled network makes in another order
    options = ("model.dropout=0", "mixer.prob=0")
    plain = Training(tmp_path / "plain", *options, epochs=2).fit()
    training = Training(tmp_path / "compiled", *options, epochs=2)
    training.settings = replace(training.settings, compile=True)
    compiled = training.fit()
    for left, right in zip(compiled, plain, strict=True):
        assert left.train_loss == pytest.approx(right.train_loss, rel=1e-3)
        assert left.val_loss == pytest.approx(right.val_loss, rel=1e-2)


def test_what_is_adopted_goes_on_as_in_the_fold_it_is_of(tmp_path: Path) -> None:
    steady = "scheduler.kind=constant"
    donor = Training(tmp_path / "donor", steady, "optimizer.lr=2e-2", epochs=2)
    donor.fit()
    own = Training(tmp_path / "own", steady, epochs=2).fit()
    Training(tmp_path / "own", steady).checkpoints.adopt(donor.checkpoints)
    adopting = Training(tmp_path / "own", steady, "optimizer.lr=2e-2", epochs=4)
    history = adopting.fit()
    going_on = Training(tmp_path / "donor", steady, "optimizer.lr=2e-2", epochs=4)
    assert numbers(history[:2]) == numbers(own)
    assert numbers(history[2:]) == numbers(going_on.fit()[2:])
    assert equal(weights(adopting), weights(going_on))
    assert not list((tmp_path / "own" / "adopted").glob("[0-9]*"))


def test_without_a_schedule_a_changed_learning_rate_holds_from_the_next_epoch_on(tmp_path: Path) -> None:
    Training(tmp_path, "scheduler.kind=constant", epochs=2).fit()
    history = Training(tmp_path, "scheduler.kind=constant", "optimizer.lr=3e-3", epochs=3).fit()
    assert [record.lr for record in history] == [1e-2, 1e-2, 3e-3]
