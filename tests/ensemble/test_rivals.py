from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tagging.ensemble.rivals import fit_boosting, fit_logistic

TREES = {"rounds": 20, "leaves": 4, "min_leaf": 5, "rate": 0.2}


def data(seed: int = 0, clips: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs [n, 6] of two members that know three classes somewhat, and the targets [n, 3]."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((clips, 3)) < 0.4).astype(np.float32)
    said = np.tile(targets, 2) * 2 - 1 + generator.normal(0, 1.5, (clips, 6))
    return expit(said).astype(np.float32), targets


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


def test_both_learn_more_than_the_members_know() -> None:
    inputs, targets = data()
    others, truth = data(1)
    alone = np.mean((others[:, :3] > 0.5) == truth)
    for said in (logistic(inputs, targets, others), fit_boosting(inputs, targets, **TREES, seed=0).predict(others)):
        assert np.mean((said > 0.5) == truth) > alone


def test_trees_are_the_same_again() -> None:
    inputs, targets = data()
    others = data(1)[0]
    first, again = (fit_boosting(inputs, targets, **TREES, seed=3).predict(others) for _ in range(2))
    assert first.dtype == np.float32
    assert np.array_equal(first, again)


@pytest.mark.parametrize(("value", "expected"), [(0, 0.5 / 121), (1, 120.5 / 121)])
def test_a_class_of_all_clips_or_none_gets_its_share(value: int, expected: float) -> None:
    inputs, targets = data()
    targets[:, 1] = value
    for said in (logistic(inputs, targets, inputs), fit_boosting(inputs, targets, **TREES, seed=0).predict(inputs)):
        np.testing.assert_allclose(said[:, 1], expected, rtol=1e-4)
        assert said[:, 0].std() > 0


def test_an_input_that_never_changes_and_exact_zeros_and_ones_are_borne() -> None:
    inputs, targets = data()
    inputs[:, 0], inputs[0, 1], inputs[1, 1] = 0.5, 0, 1
    weights = fit_logistic(inputs, targets, 1.0)
    assert all(np.isfinite(getattr(weights, field.name)).all() for field in fields(weights))
    assert weights.weight[:, 0] == pytest.approx(0, abs=1e-6)
