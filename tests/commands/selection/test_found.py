"""What is said of a selection: how far its number can be trusted."""

from __future__ import annotations

import numpy as np
import pytest

from tagging.commands.selection.choose import Wish, choose
from tagging.commands.selection.found import show, weigh
from tagging.ensemble.pool import Pool
from tagging.ensemble.subsets import Limits
from tagging.tracking.store import Run


def runs(pool: Pool) -> list[Run]:
    return [Run(f"{name}-id", name, "FINISHED", "1", "demo", {}, {}, {}, 0, None) for name in pool.names]


@pytest.mark.parametrize("size", [1, 2])
def test_a_blend_that_loses_to_a_candidate_alone_is_warned_of(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    truth = np.eye(4, dtype=int)[random.integers(4, size=24)]
    right, wrong = truth * 0.2 + 0.4, np.roll(truth, 1, axis=1) * 0.8 + 0.1
    pool = Pool(["right", "wrong"], [right, wrong], truth, np.arange(24) % 3)
    wish = Wish(limits=Limits(size, size))
    show(weigh(runs(pool), pool, choose(pool, wish), wish))
    expected = "warning: right alone is better than this blend, the best that was looked at\n" if size == 2 else ""
    assert capsys.readouterr().err == expected
