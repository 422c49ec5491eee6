"""The picture of several runs holds their numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tagging.report.comparison import Scored, cv_against_test
from tests.report.test_figures import drawn


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
