"""Pictures hold the series they are made of, and nothing in them overlaps or is cut off."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tagging.report.figures import class_lwlrap, confusions, learning_curves


def history(epochs, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "epoch": np.arange(1, epochs + 1),
            "train_loss": rng.random(epochs),
            "val_loss": rng.random(epochs),
            "val_lwlrap": rng.random(epochs),
            "lr": 1e-3,
        }
    )


def drawn(figure):
    """Draw the figure and return the canvas."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def assert_texts_apart(figure, texts):
    """No two texts overlap, and none reaches beyond the picture."""
    renderer = drawn(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    for index, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
        assert not any(box.overlaps(other) for other in boxes[:index])


def curve(axes, label, style):
    (line,) = (line for line in axes.lines if line.get_label() == label and line.get_linestyle() == style)
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_learning_curves_hold_every_fold():
    histories = {1: history(7, 1), 0: history(9, 0).to_dict("records")}
    figure = learning_curves("smoke", histories)
    loss, lwlrap, rate = figure.axes
    assert figure.get_suptitle() == "smoke: learning curves of 2 folds"
    names = [text.get_text() for text in lwlrap.get_legend().get_texts()]
    for fold, name in enumerate(names):
        epochs = pd.DataFrame(histories[fold])
        best = epochs["val_lwlrap"].idxmax()
        assert name == f"fold {fold}: best {epochs['val_lwlrap'][best]:.4f} at epoch {best + 1}"
        series = [
            (loss, "--", "train_loss"),
            (loss, "-", "val_loss"),
            (lwlrap, "-", "val_lwlrap"),
            (rate, "-", "lr"),
        ]
        for axes, style, column in series:
            x, y = curve(axes, name, style)
            np.testing.assert_array_equal(x, epochs["epoch"])
            np.testing.assert_array_equal(y, epochs[column])
        ring = [line for line in lwlrap.lines if line.get_marker() == "o"][fold]
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (best + 1, epochs["val_lwlrap"][best])
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "loss (cross-entropy)",
        "validation lwlrap, one crop a clip",
        "learning rate",
    ]
    assert rate.get_xlabel() == "epoch"


def test_one_epoch_is_drawn_as_points():
    loss, lwlrap, rate = learning_curves("smoke", {0: history(1, 0)}).axes
    assert [line.get_marker() for line in loss.lines] == ["x", "."]
    assert [line.get_marker() for line in (*lwlrap.lines, *rate.lines)] == [".", "o", "."]


@pytest.mark.parametrize("count", [8, 10, 80])
def test_class_bars_are_sorted_and_legible(count):
    rng = np.random.default_rng(count)
    classes = [f"Accelerating_and_revving_{index}" for index in range(count)]
    lwlrap, clips = rng.random(count), rng.integers(1, 75, count)
    lwlrap[3], clips[3] = np.nan, 0
    figure = class_lwlrap("smoke", "out of fold", classes, lwlrap, clips)
    (axes,) = figure.axes
    order = np.argsort(-lwlrap)  # NaN last
    np.testing.assert_array_equal([bar.get_width() for bar in axes.patches], np.nan_to_num(lwlrap[order]))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label.split(" ")[0] for label in labels] == [classes[index] for index in order]
    assert labels[-1] == "Accelerating_and_revving_3 (0 clips)"
    numbers = [label.get_text() for label in axes.child_axes[0].get_yticklabels()]
    assert numbers == [f"{value:.3f}" for value in lwlrap[order[:-1]]] + ["no clip"]
    overall = np.nansum(lwlrap * clips) / clips.sum()
    assert axes.lines[0].get_label() == f"all labels: {overall:.4f}"
    assert axes.lines[0].get_xdata()[0] == pytest.approx(overall)
    assert_texts_apart(figure, [*axes.get_yticklabels(), *axes.child_axes[0].get_yticklabels()])


@pytest.mark.parametrize("count", [1, 8, 30])
def test_confusions_are_drawn_in_the_order_given(count):
    pairs = [(f"Female_speech_and_woman_{k}", f"Child_speech_and_kid_{k}", 50 - k) for k in range(count)]
    figure = confusions("smoke", pairs)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [number for _, _, number in pairs]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{true} → {wrong}" for true, wrong, _ in pairs]
    assert_texts_apart(figure, [*axes.get_yticklabels(), *axes.texts, axes.yaxis.label])


def test_no_confusions_say_so():
    (axes,) = confusions("smoke", []).axes
    assert [text.get_text() for text in axes.texts] == ["no label was outranked"]


def test_figures_leave_pyplot_alone():
    before = "matplotlib.pyplot" in sys.modules
    drawn(confusions("smoke", [("Bark", "Yell", 2)]))
    assert ("matplotlib.pyplot" in sys.modules) is before
