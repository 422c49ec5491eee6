"""Tables on a case small enough to do by hand."""

import numpy as np
import pandas as pd

from tagging.report.tables import per_class_table, per_clip_table

CLASSES = ["Bark", "Gong", "Meow", "Yell"]
TRUTH = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
SCORES = np.array(
    [[0.9, 0.5, 0.1, 0.3], [0.2, 0.7, 0.1, 0.1], [0.1, 0.8, 0.1, 0.1], [0.1, 0.2, 0.3, 0.1]],
    dtype=np.float32,
)


def test_a_row_a_class():
    expected = pd.DataFrame(
        {
            "label": CLASSES,
            "clips": [2, 1, 1, 0],
            "lwlrap": [(1 + 1 / 2) / 2, 1, 2 / 4, np.nan],
            "most_confused_with": ["Gong", None, "Gong", None],
            "confused_clips": [1, 0, 1, 0],
        }
    )
    pd.testing.assert_frame_equal(per_class_table(CLASSES, TRUTH, SCORES), expected)


def test_corrected_scores_stand_beside_the_original_ones():
    corrected = np.array([0.8, 1, 0.6, np.nan])
    table = per_class_table(CLASSES, TRUTH, SCORES, corrected)
    assert list(table)[2:4] == ["lwlrap", "lwlrap_corrected"]
    np.testing.assert_array_equal(table["lwlrap_corrected"], corrected)


def test_the_most_frequent_confusion_is_named():
    truth, scores = np.tile(TRUTH[1], (3, 1)), np.tile(SCORES[1], (3, 1))
    scores[0, 3] = 0.9
    row = per_class_table(CLASSES, truth, scores).iloc[0]
    assert (row["most_confused_with"], row["confused_clips"]) == ("Gong", 2)


def test_a_row_a_clip():
    folds = np.array([0, 1, 0, 1])
    expected = pd.DataFrame(
        {
            "fname": ["a.wav", "b.wav", "c.wav", "d.wav"],
            "fold": folds,
            "labels": ["Bark,Meow", "Bark", "Gong", ""],
            "lwlrap": [(1 + 2 / 4) / 2, 1 / 2, 1, np.nan],
            "top_label": ["Bark", "Gong", "Gong", "Meow"],
            "top_probability": np.array([0.9, 0.7, 0.8, 0.3], dtype=np.float32),
        }
    )
    table = per_clip_table(["a.wav", "b.wav", "c.wav", "d.wav"], folds, CLASSES, TRUTH, SCORES)
    pd.testing.assert_frame_equal(table, expected)


def test_tables_survive_parquet(tmp_path):
    table = per_class_table(CLASSES, TRUTH, SCORES)
    table.to_parquet(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)
