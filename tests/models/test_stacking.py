from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from tagging.config.sections.stacking import BoostingModel, FCNetModel, LogisticModel, StackerModel
from tagging.jobs.stacker_models import stacker_arguments
from tagging.models.stacking import STACKERS, FCNet, LogisticRegression


@pytest.mark.parametrize(("reduction", "parameters"), [(16, 1_180_101), (2, 1_454_746), (1, 1_768_626)])
def test_the_published_stackers_have_as_many_parameters(reduction: int, parameters: int) -> None:
    model = FCNet(7 * 80, 80, 512, reduction, 0.1)
    assert sum(part.numel() for part in model.parameters()) == parameters


def test_fcnet_equals_its_formula() -> None:
    torch.manual_seed(0)
    model = FCNet(12, 3, 4, 5, 0.3).eval()
    part = {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}
    x = np.random.default_rng(0).random((7, 12))

    def linear(name: str, values: np.ndarray) -> np.ndarray:
        return values @ part[f"{name}.weight"].T + part[f"{name}.bias"]

    def prelu(name: str, values: np.ndarray) -> np.ndarray:
        return np.where(values > 0, values, part[f"{name}.weight"] * values)

    assert part["gate.0.weight"].shape == (12 // 5, 12)
    gated = x * expit(linear("gate.2", np.maximum(linear("gate.0", x), 0)))
    hidden = prelu("layers.4", linear("layers.3", prelu("layers.1", linear("layers.0", gated))))
    assert hidden.shape == (7, 4)
    with torch.no_grad():
        (logits,) = model(torch.from_numpy(x).float())
    np.testing.assert_allclose(logits.numpy(), linear("layers.6", hidden), atol=1e-6)


def test_dropout_is_at_work_in_training_alone() -> None:
    model, x = FCNet(12, 3, 64, 4, 0.5), torch.rand(5, 12)
    assert not model(x)[0].equal(model(x)[0])
    model.eval()
    assert model(x)[0].equal(model(x)[0])


def test_a_gate_without_units_is_refused() -> None:
    with pytest.raises(ValueError, match="reduction 13 of 12 inputs leaves the gate no hidden unit"):
        FCNet(12, 3, 4, 13, 0.3)


def test_the_logistic_regression_equals_its_formula_and_bears_zero_and_one() -> None:
    model = LogisticRegression(4, 3)
    model.mean.copy_(torch.tensor([0.5, -1, 2, 0]))
    model.scale.copy_(torch.tensor([1, 2, 0.5, 3]))
    x = np.array([[0, 1, 0.5, 0.25], [0.1, 0.2, 0.3, 0.4]], np.float32)
    logits = logit(np.clip(x.astype(np.float64), 2**-20, 1 - 2**-20))
    weight, bias = (part.detach().numpy() for part in (model.linear.weight, model.linear.bias))
    expected = (logits - model.mean.numpy()) / model.scale.numpy() @ weight.T + bias
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.from_numpy(x))[0].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("section", [FCNetModel(), LogisticModel(), BoostingModel()])
def test_a_model_takes_the_arguments_that_its_section_gives(section: StackerModel) -> None:
    arguments = set(inspect.signature(STACKERS[section.kind]).parameters) - {"inputs", "num_classes"}
    assert set(stacker_arguments(section)) == arguments
