"""The members of the winning ensemble, against the published facts and against their own earlier state."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging import project
from tagging.config import AnyRecipe, flatten, load
from tagging.config.load import leaf_text, switched_off

GOLDEN = Path(__file__).parent / "golden"
# member: network, probabilities of (noisy, trusted, curated), mixer, resized crop (prob, scale, ratio), lists
FACTS = {
    "corrections_002": ("skip_attention", (0.33, 0, 0.67), 0.66, None, "C12", None),
    "corrections_003": ("skip_attention", (0.33, 0, 0.67), 0.66, None, "C12", None),
    "auxiliary_016": ("aux_skip_attention", (0.20, 0, 0.80), 0.8, (0.8, 1.7, 2.3), "C76", None),
    "auxiliary_019": ("aux_skip_attention", (0.20, 0, 0.80), 0.8, (0.75, 1.6, 2.4), "C71", None),
    "corr_noisy_003": ("rnn_aux_skip_attention", (0.10, 0.20, 0.70), 0.8, (0.8, 1.7, 2.3), "C73", "v1"),
    "corr_noisy_004": ("aux_skip_attention", (0.07, 0.33, 0.60), 0.8, (0.8, 1.7, 2.3), "C73", "v2"),
    "corr_noisy_004_as_committed": ("aux_skip_attention", (0.07, 0.33, 0.60), 0.8, (0.8, 1.7, 2.3), "C73", "v2"),
    "corr_noisy_007": ("aux_skip_attention", (0.01, 0.42, 0.57), 0.8, (0.8, 1.7, 2.3), "C73", "v2"),
    "corr_noisy_008": ("aux_skip_attention", (0.01, 0.42, 0.57), 0.8, (0.8, 1.7, 2.3), "C73", "v2"),
}
# stacker: reduction, dropout, learning rate, patience and factor of its schedule
STACKERS = {
    "stacking_008_fcnet_43040": (16, 0.0514108720891856, 4.5950585196710547e-05, 5, 0.657766056031002),
    "stacking_008_fcnet_45041": (2, 0.48357033916143033, 3.897529465275052e-05, 9, 0.7953702239306087),
    "stacking_008_fcnet_50013": (1, 0.1662788540244386, 2.5814932060476834e-05, 7, 0.5537460438294733),
}
FIRST_LEVEL = (
    *("auxiliary_016", "auxiliary_019", "corr_noisy_003", "corr_noisy_004", "corr_noisy_007"),
    *("corrections_002", "corrections_003"),
)
every_member = pytest.mark.parametrize("name", FACTS)


def resolved(experiment: AnyRecipe) -> str:
    """Return every field but names, notes and places as a flat text."""
    leaves = {path: leaf_text(value) for path, value in flatten(experiment).items()}
    off = (path for path in switched_off(experiment) if path != "teacher.")  # which has always been there
    left_out = ("name", "notes", "device", "threads", "data.", "demo.", "report.", *off)
    return "".join(f"{path} = {text}\n" for path, text in leaves.items() if not path.startswith(left_out))


@every_member
def test_a_member_is_as_published(name: str) -> None:
    network, (noisy, trusted, curated), mixer, crop, corrections, selection = FACTS[name]
    member = load(name)
    assert member.model.kind == network
    assert (member.sampling.noisy, member.sampling.trusted, member.sampling.curated) == (noisy, trusted, curated)
    assert member.mixer.prob == mixer
    resized = member.augment.resized_crop
    if crop is None:
        assert resized.prob == 0
    else:
        assert (resized.prob, resized.scale_max) == (0.33, 1.0)
        assert (resized.scale_min, resized.ratio_min, resized.ratio_max) == crop
    assert member.labels.corrections == f"corrections_{corrections}.json"
    assert member.labels.noisy_selection == (f"noisy_corrections_{selection}.json" if selection else "")


def test_the_two_first_members_differ_in_the_spatial_kernel_alone() -> None:
    second, third = flatten(load("corrections_002")), flatten(load("corrections_003"))
    assert {path for path in second if second[path] != third[path]} == {"name", "notes", "model.spatial_kernel"}
    assert (second["model.spatial_kernel"], third["model.spatial_kernel"]) == (7, 3)


def test_one_configuration_has_two_names() -> None:
    assert resolved(load("corr_noisy_007")) == resolved(load("corr_noisy_008"))


def test_the_member_as_committed_has_the_bugs_pool() -> None:
    meant, committed = flatten(load("corr_noisy_004")), flatten(load("corr_noisy_004_as_committed"))
    assert {path for path in meant if meant[path] != committed[path]} == {"name", "notes", "sampling.noisy_pool"}
    assert committed["sampling.noisy_pool"] == "trusted"


@pytest.mark.parametrize("name", STACKERS)
def test_a_stacker_is_as_published(name: str) -> None:
    stacker = load(name)
    assert stacker.members == FIRST_LEVEL
    model, schedule = stacker.model, stacker.scheduler
    assert (model.kind, model.base_size, schedule.kind) == ("fcnet", 512, "plateau")
    assert (model.reduction, model.dropout, stacker.optimizer.lr, schedule.patience, schedule.factor) == STACKERS[name]
    assert (stacker.sampling.batch_size, stacker.sampling.draws_per_epoch) == (128, 32768)
    assert (stacker.augment.crop_prob, stacker.augment.subset_prob) == (0.5, 0.5)
    assert (stacker.early_stopping.patience, stacker.training.epochs, schedule.min_lr) == (30, 700, 1e-8)
    assert stacker.labels.corrections == "corrections_C73.json"


@pytest.mark.parametrize("name", [*FACTS, *STACKERS])
def test_a_member_is_small_and_says_why(name: str) -> None:
    assert len((project.experiments() / f"{name}.yaml").read_text().splitlines()) <= 20
    assert load(name).notes


@pytest.mark.parametrize("name", [*FACTS, *STACKERS])
def test_a_changed_default_shows_which_members_move(name: str) -> None:
    """Where a change is meant, write the new text: `python -m tests.config.test_members`."""
    assert resolved(load(name)) == (GOLDEN / f"{name}.txt").read_text()


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for member in (*FACTS, *STACKERS):
        (GOLDEN / f"{member}.txt").write_text(resolved(load(member)))
