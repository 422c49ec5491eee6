"""Pictures of a selection hold what they are given, and nothing in them overlaps or is cut off."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from tagging.report.selection import BAR, OTHER, chosen_share, correlations, score_by_size
from tests.report.test_figures import assert_texts_apart


@pytest.mark.parametrize("largest", [1, 7, 20])
def test_scores_intervals_and_nested_estimates_stand_at_their_sizes(largest):
    rng = np.random.default_rng(0)
    sizes, scores, nested = list(range(1, largest + 1)), rng.random(largest), rng.random(largest)
    intervals = [(score - 0.02, score + 0.01) for score in scores]
    figure = score_by_size("pool", sizes, scores, intervals, nested, chosen=1)
    (axes,) = figure.axes
    best, dashed, mark = axes.lines
    for line, values in ((best, scores), (dashed, nested)):
        np.testing.assert_array_equal(line.get_xdata(), sizes)
        np.testing.assert_array_equal(line.get_ydata(), values)
    ends = [tuple(segment[:, 1]) for segment in axes.collections[0].get_segments()]
    np.testing.assert_allclose(ends, intervals)
    assert mark.get_xdata()[0] == 1
    assert figure.get_suptitle() == "pool: the best blend of each size"
    legend = figure.legends[0].get_texts()
    assert [text.get_text() for text in legend] == [
        "95 % of bootstrap samples of clips",
        "CV lwlrap, chosen and scored on the same clips",
        "nested estimate, chosen without the fold it is scored on",
        "chosen: 1 member",
    ]
    assert_texts_apart(figure, [*legend, axes.xaxis.label, axes.yaxis.label])


@pytest.mark.parametrize("number", [1, 3, 12])
def test_correlations_are_written_into_their_cells(number):
    rng = np.random.default_rng(0)
    values = rng.uniform(0.5, 1, (number, number))
    values[0, -1] = np.nan
    names = [f"corr_noisy_007 seed {index}" for index in range(number)]
    axes, _ = (figure := correlations("pool", names, values)).axes
    written = {tuple(map(round, text.get_position())): text.get_text() for text in axes.texts}
    assert written == {
        (column, row): f"{values[row, column]:.2f}"
        for row in range(number)
        for column in range(number)
        if row != column and not np.isnan(values[row, column])
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert_texts_apart(figure, [*axes.get_yticklabels(), *axes.texts])
    assert_texts_apart(figure, axes.get_xticklabels())


@pytest.mark.parametrize("number", [1, 6, 30])
def test_shares_are_sorted_and_members_stand_out(number):
    shares = np.random.default_rng(0).random(number)
    names = [f"corr_noisy_007 seed {index}" for index in range(number)]
    figure = chosen_share("pool", names, shares, [0])
    (axes,) = figure.axes
    order = np.argsort(-shares)
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], 100 * shares[order])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [names[index] for index in order]
    colours = dict(zip(labels, [bar.get_facecolor() for bar in axes.patches], strict=True))
    assert all(colours[name] == to_rgba(BAR if name == names[0] else OTHER) for name in names)
    assert [text.get_text() for text in axes.texts] == [f"{100 * share:.0f} %" for share in shares[order]]
    assert_texts_apart(figure, [*axes.get_yticklabels(), *axes.texts, axes.xaxis.label])
