"""Scores of test clips against scikit-learn and SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import label_ranking_average_precision_score

from tagging.report.evaluation import Scored, class_table, cv_against_test, rank_correlation, score_table
from tests.report.test_figures import drawn

CLASSES = [f"class {number}" for number in range(6)]


def random_set(seed, clips=40, single=False):
    rng = np.random.default_rng(seed)
    truth = (rng.random((clips, len(CLASSES))) < (0 if single else 0.2)).astype(np.float32)
    truth[np.arange(clips), rng.integers(len(CLASSES) - 1, size=clips)] = 1
    truth[:, -1] = 0  # a class that no clip carries
    public = rng.random(clips) < 0.3
    return truth, rng.random(truth.shape) + 0.5 * truth, {"private": ~public, "public": public}


def test_a_row_for_all_clips_and_one_a_group():
    truth, scores, groups = random_set(0)
    table = score_table(truth, scores, groups, np.random.default_rng(0))
    assert list(table.columns) == ["group", "clips", "lwlrap", "lwlrap_low", "lwlrap_high"]
    assert list(table["group"]) == ["all", "private", "public"]
    for row, mask in zip(table.itertuples(), [np.full(40, True), *groups.values()], strict=True):
        expected = label_ranking_average_precision_score(
            truth[mask], scores[mask], sample_weight=truth[mask].sum(axis=1)
        )
        assert (row.clips, row.lwlrap) == (mask.sum(), pytest.approx(expected, abs=1e-12))
        assert row.lwlrap_low < row.lwlrap < row.lwlrap_high
    again = score_table(truth, scores, groups, np.random.default_rng(0))
    pd.testing.assert_frame_equal(again, table)


def test_a_group_of_one_clip_has_no_interval():
    truth, scores, _ = random_set(3)
    alone = np.arange(40) == 7
    table = score_table(truth, scores, {"alone": alone, "others": ~alone}, np.random.default_rng(0)).set_index("group")
    assert table["clips"].to_dict() == {"all": 40, "alone": 1, "others": 39}
    assert table["lwlrap"].notna().all()
    bounds = table[["lwlrap_low", "lwlrap_high"]]
    assert bounds.isna().all(axis=1).to_dict() == {"all": False, "alone": True, "others": False}


def test_one_label_a_clip_gives_an_accuracy():
    truth, scores, groups = random_set(1, single=True)
    table = score_table(truth, scores, groups, np.random.default_rng(0))
    right = scores.argmax(axis=1) == truth.argmax(axis=1)
    expected = [right.mean(), right[groups["private"]].mean(), right[groups["public"]].mean()]
    np.testing.assert_allclose(table["accuracy"], expected)


def test_a_row_a_class_with_each_group():
    truth, scores, groups = random_set(2)
    table = class_table(CLASSES, truth, scores, groups, np.random.default_rng(0)).set_index("label")
    alone = class_table(CLASSES, truth[groups["public"]], scores[groups["public"]], {}, np.random.default_rng(0))
    np.testing.assert_array_equal(table["lwlrap_in_public"], alone["lwlrap"])
    np.testing.assert_array_equal(table["clips_in_public"], alone["clips"])
    assert (table["clips_in_public"] + table["clips_in_private"] == table["clips"]).all()
    known, empty = table.iloc[:-1], table.iloc[-1]
    assert (known["lwlrap_low"] <= known["lwlrap"]).all()
    assert (known["lwlrap"] <= known["lwlrap_high"]).all()
    truth[1:, 4] = 0
    truth[0, 4] = 1
    single = class_table(CLASSES, truth, scores, {}, np.random.default_rng(0)).iloc[4]
    assert single["lwlrap"] > 0
    assert single[["lwlrap_low", "lwlrap_high"]].isna().all()
    assert empty[["lwlrap", "lwlrap_low", "lwlrap_high", "lwlrap_in_public"]].isna().all()


def test_a_group_may_be_called_as_a_bound_is():
    truth, scores, groups = random_set(4)
    named = dict(zip(("low", "high"), groups.values(), strict=True))
    table = class_table(CLASSES, truth, scores, named, np.random.default_rng(0))
    without = class_table(CLASSES, truth, scores, {}, np.random.default_rng(0))
    pd.testing.assert_frame_equal(table[without.columns], without)


@pytest.mark.parametrize("seed", range(3))
def test_the_rank_correlation_is_scipys(seed):
    first, second = np.random.default_rng(seed).integers(6, size=(2, 12)) / 6  # with ties
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


def test_too_few_or_equal_numbers_have_no_rank_correlation():
    assert np.isnan(rank_correlation([0.1, 0.2], [0.3, 0.4]))
    assert np.isnan(rank_correlation([0.1, 0.2, 0.3], [0.4, 0.4, 0.4]))


def scored(number, cv, test):
    scores = pd.DataFrame(
        {
            "group": ["all", "private", "public"],
            "clips": [100, 70, 30],
            "lwlrap": [test, test - 0.01, test + 0.05],
            "lwlrap_low": [test - 0.1] * 3,
            "lwlrap_high": [test + 0.1] * 3,
        }
    )
    return Scored(f"network {number}", f"{number:032x}", cv, 0.02 if number else np.nan, scores)


def test_each_group_has_a_panel_with_every_run():
    cv, test = [0.80, 0.82, 0.85, 0.84], [0.70, 0.69, 0.74, 0.75]
    figure = cv_against_test("fsd", [scored(*numbers) for numbers in zip(range(4), cv, test, strict=True)])
    assert figure.get_suptitle() == "CV against test lwlrap of 4 runs of fsd"
    expected = spearmanr(cv, test).statistic
    assert [axes.get_title() for axes in figure.axes] == [
        f"{group}: {clips} clips\nSpearman {expected:.2f}"
        for group, clips in (("all", 100), ("private", 70), ("public", 30))
    ]
    for axes, shift in zip(figure.axes, (0, -0.01, 0.05), strict=True):
        points = [container.lines[0].get_xydata()[0] for container in axes.containers]
        np.testing.assert_allclose(points, np.transpose([cv, np.add(test, shift)]))
        upright = axes.containers[1].lines[2][-1].get_segments()[0]
        np.testing.assert_allclose(upright, [[0.82, 0.59], [0.82, 0.79]])
        assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "4"]
    (legend,) = figure.legends
    assert legend.get_texts()[3].get_text() == "4: network 3 (00000000)"
    drawn(figure)


def test_a_group_without_an_interval_has_no_whisker():
    run = scored(0, 0.8, 0.7)
    run.scores.loc[2, ["lwlrap_low", "lwlrap_high"]] = np.nan
    figure = cv_against_test("fsd", [run])
    upright = [axes.containers[0].lines[2][-1].get_segments()[0] for axes in figure.axes]
    np.testing.assert_allclose(upright[:2], [[[0.8, 0.6], [0.8, 0.8]]] * 2)
    assert upright[2].size == 0
    drawn(figure)


@pytest.mark.parametrize("count", [1, 2])
def test_few_runs_have_no_rank_correlation(count):
    figure = cv_against_test("fsd", [scored(number, 0.8 + number / 10, 0.7) for number in range(count)])
    assert figure.axes[0].get_title() == "all: 100 clips"
