"""What trials of one worker share is what each would prepare by itself."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tagging.config import Experiment, load
from tagging.jobs import inputs
from tagging.jobs import prepare as module
from tagging.jobs.prepare import prepare
from tests.stand_in import stand_in
from tune.steps import READ, Preparing

DEMO = ["data.kind=demo", "demo.curated=12", "demo.noisy=6", "demo.test=2", "folds.count=2", "features.n_mels=16"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)


def experiment(*overrides: str) -> Experiment:
    return load("base", [*DEMO, *overrides])


def test_what_is_not_read_of_the_data_changes_nothing() -> None:
    preparing = Preparing()
    first = preparing(experiment())
    second = preparing(experiment("optimizer.lr=2e-3", "mixer.prob=0.1"))
    assert second.features is first.features
    assert second.recipe.optimizer.lr == 2e-3
    assert second.fingerprint() == prepare(experiment("optimizer.lr=2e-3", "mixer.prob=0.1")).fingerprint()
    assert second.fingerprint() != first.fingerprint()


def test_what_is_read_is_read_again() -> None:
    preparing = Preparing()
    first = preparing(experiment())
    for change in (["folds.seed=7"], ["features.n_mels=32"], ["sampling.noisy=0", "sampling.curated=1"]):
        other = preparing(experiment(*change))
        assert other.features is not first.features
        assert other.fingerprint() == prepare(experiment(*change)).fingerprint()


def test_every_section_that_preparing_reads_is_compared() -> None:
    code = inspect.getsource(module) + inspect.getsource(inputs)
    sections = set(re.findall(r"\b(?:experiment|recipe)\.([a-z_]+)", code))
    assert sections - {"predict", "teacher", "threads"} == set(READ)  # these are asked of each experiment itself
