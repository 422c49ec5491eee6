"""Targets of a student against a clip-by-clip reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging.jobs.lessons import Half, Lessons

CLIPS, CLASSES = 12, 5
CURATED, NOISY = np.array([0, 1, 3, 4]), np.array([6, 7, 8, 10])  # rows of the store; some clips could not be read


def lessons_of(curated: float, noisy: float) -> Lessons:
    rng = np.random.default_rng(0)
    out_of_fold = rng.random((4, CLASSES), np.float32)
    by_fold = {fold: rng.random((4, CLASSES), np.float32) for fold in range(3)}
    halves = (Half(CURATED, curated, dict.fromkeys(range(3), out_of_fold)), Half(NOISY, noisy, by_fold))
    return Lessons("", halves)


def labels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(2, size=(CLIPS, CLASSES)).astype(np.float32))


@pytest.mark.parametrize("fold", range(3))
def test_each_clip_mixes_its_label_with_what_the_teachers_fold_says_of_it(fold: int) -> None:
    given, lessons = labels(), lessons_of(0.25, 0.75)
    found = lessons.targets(given, fold)
    for row in range(CLIPS):
        expected = given[row].numpy()
        for half in lessons.halves:
            if row in half.rows:
                said = half.said[fold][half.rows.tolist().index(row)]
                expected = (1 - half.share) * expected + half.share * said
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-6)


def test_no_share_gives_the_labels_and_a_full_one_the_teacher_to_the_bit() -> None:
    given = labels()
    before = given.clone()
    assert torch.equal(lessons_of(0.0, 0.0).targets(given, 0), given)
    lessons = lessons_of(1.0, 1.0)
    found = lessons.targets(given, 2)
    assert np.array_equal(found[CURATED].numpy(), lessons.halves[0].said[2])
    assert np.array_equal(found[NOISY].numpy(), lessons.halves[1].said[2])
    others = np.setdiff1d(np.arange(CLIPS), [*CURATED, *NOISY])
    assert torch.equal(found[others], given[others])
    assert torch.equal(given, before)
