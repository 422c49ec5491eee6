"""Every text of every picture is inside the picture, whatever the names, and however many rows there are."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tagging.report import evaluation, figures, selection
from tagging.report.canvas import fitted, picture, wrapped
from tests.project import ROOT
from tests.report.test_evaluation import scored
from tests.report.texts import LONG, assert_readable, texts_in

ROWS = [1, 5, pytest.param(50, marks=pytest.mark.long), pytest.param(300, marks=pytest.mark.long)]


def epochs(fold, rates):
    rng = np.random.default_rng(fold)
    values = {name: rng.random(len(rates)) for name in ("train_loss", "val_loss", "val_lwlrap")}
    return pd.DataFrame({"epoch": range(1, len(rates) + 1), **values, "lr": rates})


def pictures(rows, name):
    """Return every picture of the reports with so many rows that bear so long names."""
    rng = np.random.default_rng(rows)
    names = [f"{name} {row}" for row in range(rows)]
    scores, clips = rng.random(rows), rng.integers(1, 2000, rows)
    alike = np.minimum(rng.uniform(0.5, 1, (rows, rows)), 1)
    runs = [evaluation.Scored(one, f"{0:032x}", 0.8, 0.1, scored(0, 0.8, 0.7).scores) for one in names]
    sizes = range(1, rows + 1)
    return {
        "learning_curves": figures.learning_curves(name, {fold: epochs(fold, [1e-2, 1e-4]) for fold in range(rows)}),
        "class_lwlrap": figures.class_lwlrap(name, "1,000 test clips, 95 % intervals", names, scores, clips),
        "confusions": figures.confusions(name, [(one, one, 3) for one in names]),
        "score_by_size": selection.score_by_size(
            f"arithmetic means of {rows}", sizes, scores, [(0, 1)] * rows, scores, 1
        ),
        "correlations": selection.correlations("how alike the candidates are", names, alike),
        "chosen_share": selection.chosen_share("arithmetic means of 5 candidates", names, scores, [0]),
        "cv_against_test": evaluation.cv_against_test(name, runs),
    }


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", ["smoke", LONG])
def test_all_texts_are_inside_the_picture_and_none_is_a_formula(rows, name):
    for figure in pictures(rows, name).values():
        assert_readable(figure)


@pytest.mark.parametrize(
    ("rates", "shown"),
    [
        ([1e-3], ["0.0001", "0.001", "0.01"]),
        ([2e-3, 5e-3], ["0.002", "0.003", "0.004"]),
        ([1e-2, 1e-5], ["1e-05", "0.0001", "0.001", "0.01"]),
    ],
)
def test_learning_rates_are_written_as_numbers(rates, shown):
    figure = figures.learning_curves("smoke", {0: epochs(0, rates)})
    assert_readable(figure)
    assert set(shown) <= {text.get_text() for text in texts_in(figure)}


def test_a_legend_names_the_folds_it_has_room_for():
    figure = figures.learning_curves("smoke", {fold: epochs(fold, [1e-3]) for fold in range(20)})
    names = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert [name.partition(":")[0] for name in names] == [*(f"fold {fold}" for fold in range(14)), "and 6 folds more"]


def test_a_dollar_in_a_name_stays_one():
    figure = figures.confusions("smoke", [("a$b$", "US$", 2)])
    assert "a$b$ → US$" in [text.get_text() for text in texts_in(figure)]


def test_a_long_name_loses_its_middle_and_a_long_title_gets_lines():
    assert fitted("corr_noisy_007", 1.2, 8) == "corr_noisy_007"
    assert fitted("corr_noisy_007_after_train_seed_3", 1.2, 8) == "corr_nois…in_seed_3"
    assert wrapped("the best blend of each size", 1, 8) == "the best blend of\neach size"
    assert wrapped("corr_noisy_007_after_train_seed_3", 1, 8) == "corr_noisy_007_af\nter_train_seed_3"
    assert fitted("", 1, 8) == ""
    high = picture(LONG, 9, 5)
    lines = high.get_suptitle().splitlines()
    assert " ".join(lines).split() == LONG.split()
    assert high.get_size_inches().tolist() == pytest.approx([9, 5 + 0.2 * (len(lines) - 1)])


def test_every_picture_is_made_where_its_title_is_given_room():
    sources = [path for room in ("tagging", "tune") for path in (ROOT / room).rglob("*.py")]
    makers = [path.name for path in sources if "Figure(figsize" in path.read_text() or ".suptitle(" in path.read_text()]
    assert sorted(makers) == ["canvas.py", "sound.py"]  # a spectrogram on a page has no title
    assert isinstance(picture("smoke", 9, 5), Figure)
