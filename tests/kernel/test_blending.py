"""Blends and stackers of a kernel against the same formulas written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import gmean

from tagging.kernel.networks import Done, blended
from tagging.kernel.plan import Blended, Member, Plan, Single, Stacked, write_weights
from tagging.models.stacking import STACKERS
from tests.kernel.parts import CLASSES, FOLDS, network, plan_of

A, B, C = Single("a"), Single("b"), Single("c")


@pytest.fixture
def done() -> Done:
    rng = np.random.default_rng(0)
    shape = (5, len(CLASSES))
    return {(name, fold): rng.random(shape, dtype=np.float32) for name in "abc" for fold in range(FOLDS)}


def plan(folder: Path, blend: Member) -> Plan:
    return plan_of(*(network(name, folder) for name in "abc"), blend=blend)


def in_fold(done: Done, name: str, fold: int) -> np.ndarray:
    return done[name, fold].astype(np.float64)


def test_a_single_network_is_the_geometric_mean_over_its_folds(done: Done, tmp_path: Path) -> None:
    expected = gmean([in_fold(done, "a", fold) for fold in range(FOLDS)])
    assert np.allclose(blended(plan(tmp_path, A), done, tmp_path), expected, rtol=1e-6)


def test_members_are_blended_fold_by_fold_at_any_depth(done: Done, tmp_path: Path) -> None:
    inner = Blended("inner", "arithmetic", (0.25, 0.75), (B, C))
    outer = Blended("outer", "geometric", (0.6, 0.4), (A, inner))
    folds = [
        in_fold(done, "a", fold) ** 0.6 * (0.25 * in_fold(done, "b", fold) + 0.75 * in_fold(done, "c", fold)) ** 0.4
        for fold in range(FOLDS)
    ]
    assert np.allclose(blended(plan(tmp_path, outer), done, tmp_path), gmean(folds), rtol=1e-6)


def test_weights_grow_where_networks_are_missing(done: Done, tmp_path: Path) -> None:
    blend = Blended("all", "arithmetic", (0.5, 0.3, 0.2), (A, B, C))
    del done["a", 1], done["c", 0], done["c", 1]
    folds = [(0.5 * in_fold(done, "a", 0) + 0.3 * in_fold(done, "b", 0)) / 0.8, in_fold(done, "b", 1)]
    assert np.allclose(blended(plan(tmp_path, blend), done, tmp_path), gmean(folds), rtol=1e-6)


def stacker(folder: Path) -> Stacked:
    arguments = {"base_size": 4, "reduction": 2, "dropout": 0.5}
    files = {}
    for fold in range(FOLDS):
        torch.manual_seed(fold)
        model = STACKERS["fcnet"](2 * len(CLASSES), len(CLASSES), **arguments)
        files[fold] = write_weights(model.state_dict(), folder / f"stacker-{fold}.npz")
    return Stacked("stacker", "fcnet", arguments, files, (B, A))


def test_a_stacker_sees_its_members_means_over_folds(done: Done, tmp_path: Path) -> None:
    member = stacker(tmp_path)
    inputs = np.concatenate([gmean([in_fold(done, name, fold) for fold in range(FOLDS)]) for name in "ba"], axis=1)
    folds = []
    for fold in range(FOLDS):
        w = np.load(tmp_path / f"stacker-{fold}.npz")

        def linear(x: np.ndarray, name: str, w: np.lib.npyio.NpzFile = w) -> np.ndarray:
            return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

        def prelu(x: np.ndarray, name: str, w: np.lib.npyio.NpzFile = w) -> np.ndarray:
            return np.where(x > 0, x, w[f"{name}.weight"] * x)

        x = inputs * expit(linear(np.maximum(0, linear(inputs, "gate.0")), "gate.2"))
        x = prelu(linear(prelu(linear(x, "layers.0"), "layers.1"), "layers.3"), "layers.4")
        folds.append(expit(linear(x, "layers.6")))
    assert np.allclose(blended(plan(tmp_path, member), done, tmp_path), gmean(folds), rtol=1e-5)


def test_a_stacker_without_a_member_falls_out_of_a_blend(done: Done, tmp_path: Path) -> None:
    blend = Blended("all", "geometric", (0.5, 0.5), (stacker(tmp_path), C))
    del done["a", 0], done["a", 1]
    expected = gmean([in_fold(done, "c", fold) for fold in range(FOLDS)])
    assert np.allclose(blended(plan(tmp_path, blend), done, tmp_path), expected, rtol=1e-6)


def test_where_a_stacker_is_all_the_networks_take_its_place(
    done: Done, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member = stacker(tmp_path)
    del done["a", 0], done["a", 1], done["c", 0], done["c", 1], done["b", 1]
    assert np.allclose(blended(plan(tmp_path, member), done, tmp_path), done["b", 0], rtol=1e-6)
    assert capsys.readouterr().out == (
        "warning: the stackers lack members; the geometric mean of the networks takes their place\n"
    )
