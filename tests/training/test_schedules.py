"""Learning rates, epoch by epoch or step by step, against their formulas."""

from __future__ import annotations

from math import cos, pi
from pathlib import Path

import pytest
import torch

from tagging.config.sections.training import OneCycle
from tagging.training.setup import scheduler_of
from tests.training.parts import Training
from tests.training.test_loop import equal, numbers, weights

PEAK = 1e-2
ONE_CYCLE = "scheduler.kind=one_cycle training.epochs=4 sampling.batch_size=8 sampling.draws_per_epoch=24"


def falling(high: float, low: float, share: float) -> float:
    return low + (high - low) * (1 + cos(pi * share)) / 2


def test_a_cosine_restarts_after_ever_longer_periods(tmp_path: Path) -> None:
    options = ("scheduler.kind=cosine", "scheduler.first=2", "scheduler.growth=2", "scheduler.min_lr=1e-5")
    history = Training(tmp_path, *options, epochs=7).fit()
    shares = [0, 1 / 2, 0, 1 / 4, 2 / 4, 3 / 4, 0]
    assert [record.lr for record in history] == pytest.approx([falling(PEAK, 1e-5, share) for share in shares])


def test_one_cycle_rises_and_falls_over_all_steps(tmp_path: Path) -> None:
    shape = "scheduler.rise=0.5 scheduler.start_factor=10 scheduler.end_factor=100"
    training = Training(tmp_path, ONE_CYCLE, shape, epochs=4)  # of three steps each
    start, end, top = PEAK / 10, PEAK / 1000, 0.5 * 12 - 1
    expected = [
        falling(PEAK, start, 1 - step / top) if step <= top else falling(PEAK, end, (step - top) / (11 - top))
        for step in range(12)
    ]
    assert [record.lr for record in training.fit()] == pytest.approx(expected[::3])


@pytest.mark.parametrize(("steps", "expected"), [(1, [PEAK / 25]), (2, [PEAK / 25, PEAK]), (3, [PEAK / 25, PEAK])])
def test_one_cycle_has_a_peak_however_few_steps_there_are(steps: int, expected: list[float]) -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = scheduler_of(optimizer, OneCycle().model_dump(), steps)
    assert scheduler is not None
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:2] == pytest.approx(expected, rel=1e-4)
    assert all(0 < rate < PEAK / 1000 for rate in rates[2:])


@pytest.mark.parametrize("option", ["scheduler.kind=cosine", ONE_CYCLE])
def test_continued_equals_not_interrupted(tmp_path: Path, option: str) -> None:
    whole = Training(tmp_path / "whole", option, epochs=4)
    expected = whole.fit()
    Training(tmp_path / "broken", option, epochs=2).fit()
    continued = Training(tmp_path / "broken", option, epochs=4)
    assert numbers(continued.fit()) == numbers(expected)
    assert equal(weights(continued), weights(whole))
