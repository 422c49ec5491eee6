"""Targets of a student against a clip-by-clip reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging.jobs.teacher import SoftTargets, SplitProbabilities

CLIPS, CLASSES = 12, 5
CURATED, NOISY = np.array([0, 1, 3, 4]), np.array([6, 7, 8, 10])  # rows of the store; some clips could not be read


def soft_targets_of(curated: float, noisy: float) -> SoftTargets:
    rng = np.random.default_rng(0)
    out_of_fold = rng.random((4, CLASSES), np.float32)
    by_fold = {fold: rng.random((4, CLASSES), np.float32) for fold in range(3)}
    splits = (
        SplitProbabilities(CURATED, curated, dict.fromkeys(range(3), out_of_fold)),
        SplitProbabilities(NOISY, noisy, by_fold),
    )
    return SoftTargets("", splits)


def labels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(2, size=(CLIPS, CLASSES)).astype(np.float32))


@pytest.mark.parametrize("fold", range(3))
def test_each_clip_mixes_its_label_with_the_probability_of_the_teachers_fold(fold: int) -> None:
    given, targets = labels(), soft_targets_of(0.25, 0.75)
    found = targets.mixed_into(given, fold)
    for row in range(CLIPS):
        expected = given[row].numpy()
        for split in targets.splits:
            if row in split.rows:
                probabilities = split.by_fold[fold][split.rows.tolist().index(row)]
                expected = (1 - split.share) * expected + split.share * probabilities
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-6)


def test_no_share_gives_the_labels_and_a_full_one_the_teacher_to_the_bit() -> None:
    given = labels()
    before = given.clone()
    assert torch.equal(soft_targets_of(0.0, 0.0).mixed_into(given, 0), given)
    targets = soft_targets_of(1.0, 1.0)
    found = targets.mixed_into(given, 2)
    assert np.array_equal(found[CURATED].numpy(), targets.splits[0].by_fold[2])
    assert np.array_equal(found[NOISY].numpy(), targets.splits[1].by_fold[2])
    others = np.setdiff1d(np.arange(CLIPS), [*CURATED, *NOISY])
    assert torch.equal(found[others], given[others])
    assert torch.equal(given, before)
