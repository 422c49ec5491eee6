"""What the folds of an experiment share."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tagging.commands.prepare import Prepared
from tagging.config import load


@pytest.mark.parametrize(("pool", "expected"), [("all", [True, True, False]), ("trusted", [False, True, False])])
def test_noisy_draws_come_from_what_is_not_dropped_or_from_trusted_clips_alone(pool: str, expected: list[bool]) -> None:
    nothing = dict.fromkeys(field.name for field in dataclasses.fields(Prepared))
    own = {
        "experiment": load("base", [f"sampling.noisy_pool={pool}"]),
        "trusted": np.array([False, True, False]),
        "dropped": np.array([False, False, True]),
    }
    assert Prepared(**{**nothing, **own}).noisy_pool.tolist() == expected
