from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tagging.ensemble import second_level
from tagging.ensemble.second_level import fit_boosting, fit_logistic
from tagging.models import stacking
from tagging.models.stacking import BoostedTrees

TREES: dict[str, Any] = {"rounds": 20, "leaves": 4, "min_leaf": 5, "rate": 0.2}


def data(seed: int = 0, clips: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs [n, 6] of two members that know three classes somewhat, and the targets [n, 3]."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((clips, 3)) < 0.4).astype(np.float32)
    said = np.tile(targets, 2) * 2 - 1 + generator.normal(0, 1.5, (clips, 6))
    return expit(said).astype(np.float32), targets


def test_models_are_fitted_on_the_inputs_that_they_meet_later() -> None:
    assert second_level.SMALLEST == stacking.SMALLEST


def logistic(inputs: np.ndarray, targets: np.ndarray, others: np.ndarray, c: float = 0.3) -> np.ndarray:
    weights = fit_logistic(inputs, targets, c)
    standard = (logit(others.astype(np.float64)) - weights.mean) / weights.scale
    return expit(standard @ weights.weight.T + weights.bias)


def test_the_logistic_regression_is_scikit_learns_one_against_the_rest() -> None:
    inputs, targets = data()
    others = data(1)[0]
    steps = (FunctionTransformer(logit), StandardScaler(), OneVsRestClassifier(LogisticRegression(C=0.3)))
    whole = make_pipeline(*steps).fit(inputs.astype(np.float64), targets)
    expected = whole.predict_proba(others.astype(np.float64))
    np.testing.assert_allclose(logistic(inputs, targets, others), expected, atol=1e-4)


def boosting(inputs: np.ndarray, targets: np.ndarray, others: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return what trees fitted on inputs and targets say of others, as a stacker's fold asks them."""
    weights = fit_boosting(inputs, targets, **TREES, seed=seed)
    model = BoostedTrees(inputs.shape[1], targets.shape[1], TREES["rounds"], TREES["leaves"])
    model.load_state_dict({name: torch.from_numpy(part) for name, part in vars(weights).items()})
    return torch.sigmoid(model(torch.from_numpy(others))[0]).numpy()


@pytest.mark.parametrize("leaves", [2, 4, 31])
def test_trees_say_what_scikit_learns_say(leaves: int) -> None:
    inputs, targets = data()
    others = np.concatenate([data(1)[0], inputs, [np.zeros(6), np.ones(6)]]).astype(np.float32)
    weights = fit_boosting(inputs, targets, rounds=7, leaves=leaves, min_leaf=3, rate=0.3, seed=1)
    model = BoostedTrees(6, 3, 7, leaves)
    model.load_state_dict({name: torch.from_numpy(part) for name, part in vars(weights).items()})
    for index, logits in enumerate(model(torch.from_numpy(others))[0].T.numpy()):
        theirs = HistGradientBoostingClassifier(
            max_iter=7, max_leaf_nodes=leaves, min_samples_leaf=3, learning_rate=0.3, early_stopping=False
        ).fit(inputs, targets[:, index])
        assert np.array_equal(logits, theirs.decision_function(others).astype(np.float32))


def test_both_learn_more_than_the_members_know() -> None:
    inputs, targets = data()
    others, truth = data(1)
    alone = np.mean((others[:, :3] > 0.5) == truth)
    for said in (logistic(inputs, targets, others), boosting(inputs, targets, others)):
        assert np.mean((said > 0.5) == truth) > alone


def test_trees_are_the_same_again() -> None:
    inputs, targets = data()
    others = data(1)[0]
    first, again = (boosting(inputs, targets, others, seed=3) for _ in range(2))
    assert first.dtype == np.float32
    assert np.array_equal(first, again)


@pytest.mark.parametrize(("value", "expected"), [(0, 0.5 / 121), (1, 120.5 / 121)])
def test_a_class_of_all_clips_or_none_gets_its_share(value: int, expected: float) -> None:
    inputs, targets = data()
    targets[:, 1] = value
    for said in (logistic(inputs, targets, inputs), boosting(inputs, targets, inputs)):
        np.testing.assert_allclose(said[:, 1], expected, rtol=1e-4)
        assert said[:, 0].std() > 0


def test_an_input_that_never_changes_and_exact_zeros_and_ones_are_borne() -> None:
    inputs, targets = data()
    inputs[:, 0], inputs[0, 1], inputs[1, 1] = 0.5, 0, 1
    weights = fit_logistic(inputs, targets, 1.0)
    assert all(np.isfinite(getattr(weights, field.name)).all() for field in fields(weights))
    assert weights.weight[:, 0] == pytest.approx(0, abs=1e-6)
