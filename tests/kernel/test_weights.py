from __future__ import annotations

from pathlib import Path

import torch

from tagging.kernel.plan import Blended, Single, Stacked, Weights, all_weights, digest_of, read_weights, write_weights
from tests.kernel.parts import network, plan_of


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = {
        "conv.weight": torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last),
        "norm.num_batches_tracked": torch.tensor(7),
        "norm.running_mean": torch.randn(4),
    }
    written = write_weights(state, tmp_path / "a.npz")
    again = read_weights(tmp_path / "a.npz")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) and again[key].dtype == value.dtype for key, value in state.items())
    assert written == Weights("a.npz", digest_of(tmp_path / "a.npz"))
    assert write_weights(state, tmp_path / "b.npz").sha256 == written.sha256


def test_files_that_several_members_share_are_listed_once(tmp_path: Path) -> None:
    networks = network("a", tmp_path), network("b", tmp_path)
    of_stacker = Weights("s.npz", "00")
    stacker = Stacked("s", "fcnet", {}, {0: of_stacker}, (Single("a"), Single("b")))
    blend = Blended("all", "geometric", (0.5, 0.5), (Single("a"), stacker))
    files = [weights for one in networks for weights in one.folds.values()]
    assert all_weights(plan_of(*networks, blend=blend)) == [*files, of_stacker]
