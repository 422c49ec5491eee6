from __future__ import annotations

import hashlib

import numpy as np
import pytest
from sklearn.model_selection import KFold

from tagging.data.dataset import Clips
from tagging.data.folds import absent_classes, assign_folds, uneven
from tagging.data.labels import encode_labels
from tagging.data.tables import read_table
from tagging.errors import UserError
from tests.data.build import make_clips
from tests.shared import SHARED, needs_shared

GROUPS = [f"g{index // 3}" for index in range(30)]
LABELS = [[int(index % 2 == 0), int(index % 3 == 0), 1] for index in range(30)]


def folds_of(kind: str, clips: Clips, count: int = 5, column: str = "", group: str = "") -> np.ndarray:
    return assign_folds(kind, count, 42, clips, column, group)  # type: ignore[arg-type]


def problems_of(kind: str, clips: Clips, count: int = 5, column: str = "", group: str = "") -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        folds_of(kind, clips, count, column, group)
    return caught.value.problems


@needs_shared
def test_random_folds_are_those_of_the_winning_solution() -> None:
    table = read_table(SHARED / "data/fsdkaggle2019-labels/train_curated.csv", ("fname", "labels"))
    fnames, fields = table.columns["fname"], table.columns["labels"]
    classes = sorted({label for field in fields for label in field.split(",")})
    labels, _ = encode_labels(fields, classes)
    clips = Clips(fnames, tuple(table.path / fname for fname in fnames), labels, {})
    folds = folds_of("random", clips)
    digits = "".join(map(str, folds))
    assert hashlib.sha1(digits.encode()).hexdigest() == "d3710d0d91435afdba5022d1956b6ae7650abd4c"
    assert np.bincount(folds).tolist() == [994] * 5
    stratified = folds_of("stratified", clips)
    shares = np.stack([labels[stratified == fold].sum(axis=0) for fold in range(5)])
    assert (shares.max(axis=0) - shares.min(axis=0)).max() <= 5  # of 47 to 75 clips a class


@pytest.mark.parametrize("clips", [5, 36, 43, 199])
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1])
def test_random_folds_are_scikit_learns(clips: int, count: int, seed: int) -> None:
    folds = assign_folds("random", count, seed, make_clips([[1]] * clips), "", "")
    for fold, (_, held_out) in enumerate(KFold(count, shuffle=True, random_state=seed).split(np.zeros(clips))):
        assert np.flatnonzero(folds == fold).tolist() == held_out.tolist()


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_groups_stay_in_one_fold(kind: str) -> None:
    folds = folds_of(kind, make_clips(LABELS, source=GROUPS), group="source")
    assert folds.dtype == np.int64
    assert np.bincount(folds).tolist() == [6] * 5
    assert all(len(set(folds[start : start + 3])) == 1 for start in range(0, 30, 3))


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_the_seed_decides(kind: str) -> None:
    clips = make_clips(LABELS)
    assert (folds_of(kind, clips) == folds_of(kind, clips)).all()
    assert (folds_of(kind, clips) != assign_folds(kind, 5, 7, clips, "", "")).any()  # type: ignore[arg-type]


def test_stratified_spreads_each_class_and_takes_a_single_one() -> None:
    labels = np.array(LABELS, bool)
    folds = folds_of("stratified", make_clips(LABELS))
    assert [[int(labels[folds == fold, c].sum()) for fold in range(5)] for c in range(3)] == [
        [3] * 5,
        [2] * 5,
        [6] * 5,
    ]
    assert np.bincount(folds_of("stratified", make_clips([[1]] * 10))).tolist() == [2] * 5


def test_column_values_are_sorted_as_numbers_or_as_text() -> None:
    labels = [[1]] * 4
    assert folds_of("column", make_clips(labels, fold=["10", "2", "10", "-1"]), column="fold").tolist() == [
        2,
        1,
        2,
        0,
    ]
    assert folds_of("column", make_clips(labels, fold=["10", "2", "b", "a"]), column="fold").tolist() == [
        0,
        1,
        3,
        2,
    ]


def test_a_missing_column_names_those_there_are() -> None:
    assert problems_of("column", make_clips([[1]], site=["x"]), column="fold") == (
        "train.csv, line 1: no column 'fold' (folds.column); further columns: 'site'",
    )
    assert problems_of("random", make_clips([[1]]), group="site") == (
        "train.csv, line 1: no column 'site' (folds.group); further columns: none besides fname and labels",
    )


def test_empty_values_name_their_lines() -> None:
    clips = make_clips([[1]] * 3, fold=["0", "", "1"])
    assert problems_of("column", clips, column="fold") == (
        "train.csv, line 3: the column 'fold' is empty; fill it in (folds.column reads it)",
    )


def test_one_fold_is_none() -> None:
    assert problems_of("column", make_clips([[1]] * 2, fold=["3", "3"]), column="fold") == (
        "train.csv: column 'fold' holds '3' alone; at least two folds are needed",
    )


def test_groups_that_cross_the_folds_of_a_column() -> None:
    clips = make_clips([[1]] * 4, fold=["0", "1", "1", "01"], site=["x", "x", "y", "y"])
    assert problems_of("column", clips, column="fold", group="site") == (
        "train.csv: site 'x' crosses folds (fold 0, 1); put its clips into one fold",
    )


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_fewer_clips_or_groups_than_folds(kind: str) -> None:
    assert problems_of(kind, make_clips([[1, 0]] * 4)) == (
        "there are 4 clips for 5 folds; add clips, or set folds.count to at most 4",
    )
    clips = make_clips([[1, 0]] * 9, site=["x", "y", "z"] * 3)
    assert problems_of(kind, clips, group="site") == (
        "there are 3 groups (folds.group = site) for 5 folds; add clips, or set folds.count to at most 3",
    )


def test_absent_classes_are_named() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0]], np.float32)
    assert absent_classes(np.array([0, 1, 2]), labels, ("All", "Some", "None")) == [
        "class 'Some' has no clip in fold 0, 2",
        "class 'None' has no curated clip",
    ]


def test_a_group_that_makes_one_giant_fold_is_told_with_its_share() -> None:
    groups = ["big"] * 14 + [str(number) for number in range(6)]
    clips = make_clips([[1]] * 20, source=groups)
    folds = assign_folds("random", 4, 0, clips, "", "source")
    largest = int(np.bincount(folds).argmax())
    size = int(np.bincount(folds).max())
    assert size >= 14
    assert uneven(folds, clips, "source") == [
        f"fold {largest} of 4 holds out {size} of 20 clips ({size / 20:.0%}), 14 of them of one group, source 'big'; "
        "the CV is mostly its score, by the network that learned from the fewest clips"
    ]
    assert uneven(np.array([0] * 8 + [1] * 2), make_clips([[1]] * 10), "") == [
        "fold 0 of 2 holds out 8 of 10 clips (80%); the CV is mostly its score, by the network that learned from the "
        "fewest clips"
    ]
    assert uneven(np.array([0, 0, 0, 1, 1]), make_clips([[1]] * 5), "") == []
