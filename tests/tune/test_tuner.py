"""How many trials share a GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tagging.contract import Metric
from tagging.tracking.store import Run, Store
from tune.steps import memory_share
from tune.tuner import gpu_share, measured, share_text


@pytest.mark.parametrize(
    ("memory", "at_a_time"), [(0.02, 47), (0.19, 5), (0.24, 3), (0.3, 3), (0.475, 2), (0.48, 1), (0.99, 1)]
)
def test_as_many_share_a_gpu_as_fit_into_most_of_its_memory(memory: float, at_a_time: int) -> None:
    assert gpu_share(memory) == 1 / at_a_time
    assert at_a_time == 1 or at_a_time * memory <= 0.95


def test_where_nothing_was_measured_the_message_has_no_number() -> None:
    assert gpu_share(None) == 1
    assert share_text(None) == (
        "the first trial did not finish, so nothing was measured: each trial has a GPU of its own"
    )
    assert share_text(0.24) == "a trial took 24% of the GPU's memory: 3 at a time on each GPU from now on"


def test_the_hungriest_trial_counts(store: Store, sweep: Run, add_trial: Callable[..., Run]) -> None:
    assert measured(store, sweep) is None
    add_trial(0, {"optimizer.lr": 1e-3}, 0.5)
    assert measured(store, sweep) is None
    for number, share in ((1, 0.2), (2, 0.3), (3, 0.1)):
        store.log_metrics(add_trial(number, {"optimizer.lr": 1e-3}, 0.5).id, {Metric.MEMORY_SHARE: share})
    assert measured(store, sweep) == 0.3


def test_a_cpu_takes_nothing_of_a_gpu() -> None:
    assert memory_share(torch.device("cpu")) == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_process_takes_of_a_gpu_is_its_largest_pool_and_more() -> None:
    device = torch.device("cuda")
    torch.cuda.reset_peak_memory_stats(device)
    before = memory_share(device)
    block = torch.empty(2**30, dtype=torch.uint8, device=device)
    total = torch.cuda.mem_get_info(device)[1]
    assert memory_share(device) == pytest.approx(before + 2**30 / total, abs=0.01)
    del block
    torch.cuda.empty_cache()
    assert memory_share(device) == pytest.approx(before + 2**30 / total, abs=0.01)
