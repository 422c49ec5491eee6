from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.features.settings import FrontEnd
from tagging.features.table import LogMels
from tagging.kernel.clock import Clock
from tagging.kernel.networks import run_networks
from tagging.kernel.plan import Plan
from tests.features.tables import table_of
from tests.kernel.parts import SETTINGS, network, plan_of

CPU = torch.device("cpu")


class Ticking:
    """A clock that moves on by a second at each look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(network("a", tmp_path), network("b", tmp_path))


@pytest.fixture
def sound() -> dict[FrontEnd, LogMels]:
    draw = torch.Generator().manual_seed(0)
    clips = [20 * torch.randn(frames, SETTINGS.n_mels, generator=draw) - 50 for frames in (40, 90, 200, 33)]
    return {FrontEnd(SETTINGS, "float32"): table_of(clips)}


def test_all_networks_run_where_there_is_no_limit(plan: Plan, sound: dict[FrontEnd, LogMels], tmp_path: Path) -> None:
    done, dropped = run_networks(plan, sound, tmp_path, CPU, Clock(0.0))
    assert list(done) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert dropped == []
    values = list(done.values())
    assert all(one.shape == (4, 3) and one.dtype == np.float32 for one in values)
    assert not any(np.allclose(values[0], other) for other in values[1:])


def test_what_does_not_fit_is_not_begun(plan: Plan, sound: dict[FrontEnd, LogMels], tmp_path: Path) -> None:
    first, second = plan.networks
    costly = replace(plan, networks=(first, replace(second, tile_seconds=1e6)))
    done, dropped = run_networks(costly, sound, tmp_path, CPU, Clock(0.0, 1000, Ticking()))
    assert list(done) == [("a", 0), ("a", 1)]
    assert dropped == [("b", 0), ("b", 1)]


def test_a_network_that_turns_out_slow_is_stopped(plan: Plan, sound: dict[FrontEnd, LogMels], tmp_path: Path) -> None:
    first, second = plan.networks
    slow = replace(plan, networks=(replace(first, batch_size=64), replace(second, batch_size=1)))
    done, dropped = run_networks(slow, sound, tmp_path, CPU, Clock(0.0, 25, Ticking()))
    assert list(done) == [("a", 0), ("a", 1)]
    assert dropped == [("b", 0), ("b", 1)]


def test_the_first_network_runs_in_any_case(plan: Plan, sound: dict[FrontEnd, LogMels], tmp_path: Path) -> None:
    done, dropped = run_networks(plan, sound, tmp_path, CPU, Clock(0.0, 1, Ticking()))
    assert list(done) == [("a", 0)]
    assert dropped == [("a", 1), ("b", 0), ("b", 1)]
