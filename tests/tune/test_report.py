"""What a sweep leaves in the store: a table, pictures, the best experiment and a page that says how it went."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from mlflow import MlflowClient

from tagging.tracking.store import Run, Store
from tune import figures
from tune.records import TrialRecord, records
from tune.report import describe_sweep, summarise_sweep
from tune.schema import Space
from tune.study import importance

AddTrial = Callable[..., Run]
SEARCH = "**A search** for better settings of the experiment `base` in the space `lr_mixup`"
LOG = {"optimizer.lr"}
SPACE = Space.model_validate(
    {"experiment": "base", "trials": 4, "space": {"optimizer.lr": {"kind": "loguniform", "low": 1e-4, "high": 1e-2}}}
)
KEPT = {"space": {}, "data": ""}
COSINE, PLATEAU = '{"kind": "cosine", "first": 6}', '{"kind": "plateau"}'
PICTURES = ["history", "importance", "parallel_coordinates", "slices"]


def report_of(sweep: Run) -> str:
    link = f"#/experiments/{sweep.experiment_id}/runs/{sweep.id}/artifacts/report.html"
    return f"**Report:** [report.html]({link}) shows what decides the score, and what to try next"


def record(
    number: int, score: float | None, state: str = "FINISHED", values: dict[str, Any] | None = None, error: str = ""
) -> TrialRecord:
    values = values or {"optimizer.lr": 1e-4 * 2**number, "mixer.prob": 0.1 * (number % 10)}
    return TrialRecord(
        number=number,
        run_id=f"{number:032x}",
        state=state,
        values=values,
        lwlrap=score,
        cv_lwlrap=None,
        epochs=9,
        seconds=2.5,
        parameters=1000,
        error=error,
    )


def many(count: int) -> list[TrialRecord]:
    """Return trials of every kind of field; the learning rate alone decides, every third is pruned or failed."""
    draw = np.random.default_rng(0)
    trials = []
    for number in range(count):
        rate = float(10 ** draw.uniform(-4, -2))
        values = {
            "optimizer.lr": rate,
            "augment.spec_augment.max_masks": int(draw.integers(1, 9)),
            "augment.resized_crop.ratio_max": float(draw.uniform(1.8, 2.6)),
            "scheduler": [COSINE, PLATEAU][number % 2],
            "model.frequency_channel": bool(draw.integers(2)),
            "early_stopping.patience": [None, 5, 18][number % 3],
        }
        score = 0.8 - 0.1 * (math.log10(rate) + 3) ** 2
        state = ("FINISHED", "FINISHED", "FAILED" if number % 2 else "PRUNED")[number % 3]
        trials.append(record(number, None if state == "FAILED" else score, state, values=values))
    return trials


def words_in(figure: Figure) -> list[str]:
    """Draw the figure and return every text in it that is shown."""
    FigureCanvasAgg(figure).draw()
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return [text for text in found if text]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_sweep_gets_its_table_pictures_experiment_and_numbers(store: Store, sweep: Run, add_trial: AddTrial) -> None:
    first = add_trial(0, {"optimizer.lr": 1e-3, "scheduler": PLATEAU}, 0.71, "optimizer.lr=1e-3", cv_lwlrap=0.7)
    second = add_trial(1, {"optimizer.lr": 2e-3, "scheduler": COSINE}, 0.5, "seed=2", state="PRUNED")
    add_trial(2, {"optimizer.lr": 4e-3, "scheduler": None}, None, "seed=3", state="FAILED", error="ValueError: no")
    summarise_sweep(store, sweep, records(store, sweep), SPACE, KEPT)
    assert store.list_files(sweep.id) == [
        "experiment.yaml",
        *(f"figures/{name}.png" for name in PICTURES),
        "report.html",
        "tables/trials.csv",
        "tables/trials.parquet",
    ]
    table = store.read_table(sweep.id, "tables/trials.parquet")
    assert list(table) == [
        *("number", "run_id", "state", "optimizer.lr", "scheduler", "lwlrap", "cv_lwlrap"),
        *("epochs", "seconds", "parameters", "error"),
    ]
    assert table["run_id"].tolist()[:2] == [first.id, second.id]
    assert table["state"].tolist() == ["FINISHED", "PRUNED", "FAILED"]
    assert table["optimizer.lr"].tolist() == [1e-3, 2e-3, 4e-3]
    assert table["scheduler"].tolist() == [PLATEAU, COSINE, "null"]
    assert table["lwlrap"].isna().tolist() == [False, False, True]
    assert table["cv_lwlrap"].isna().tolist() == [False, True, True]
    assert table["error"].tolist() == ["", "", "ValueError: no"]
    for name in PICTURES:
        picture = imread(store.fetch(sweep.id, f"figures/{name}.png"))
        assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20
    assert store.read_text(sweep.id, "experiment.yaml").startswith("base: base\nnotes: >-\n  Trial 0 of the sweep")
    done = store.get(sweep.id)
    assert done.metrics == {"best_lwlrap": 0.71, "trials_finished": 1, "trials_pruned": 1, "trials_failed": 1}
    assert done.tags["mlflow.note.content"] == describe_sweep(done, records(store, sweep))


def test_a_resumed_sweep_is_summarised_again(store: Store, sweep: Run, add_trial: AddTrial) -> None:
    add_trial(0, {"seed": 1}, 0.7)
    for _ in range(2):
        summarise_sweep(store, sweep, records(store, sweep), SPACE, KEPT)
    add_trial(1, {"seed": 2}, 0.8)
    summarise_sweep(store, sweep, records(store, sweep), SPACE, KEPT)
    client = MlflowClient(store.uri)
    points = {
        name: [point.value for point in client.get_metric_history(sweep.id, name)]
        for name in store.get(sweep.id).metrics
    }
    assert points == {"best_lwlrap": [0.7, 0.8], "trials_finished": [1, 2], "trials_pruned": [0], "trials_failed": [0]}
    assert "\nseed: 2\n" in store.read_text(sweep.id, "experiment.yaml")
    assert len(store.read_table(sweep.id, "tables/trials.parquet")) == 2
    assert store.get(sweep.id).tags["mlflow.note.content"].startswith("## Best lwlrap 0.8000 ([trial 1]")


def test_a_sweep_without_trials_is_summarised_too(store: Store, sweep: Run) -> None:
    summarise_sweep(store, sweep, [], SPACE, KEPT)
    assert store.get(sweep.id).metrics == {"trials_finished": 0, "trials_pruned": 0, "trials_failed": 0}
    assert not store.has_file(sweep.id, "experiment.yaml")
    assert store.get(sweep.id).tags["mlflow.note.content"] == (
        f"## No finished trial yet\n\n{SEARCH}\n\n**0 trials**\n\n{report_of(sweep)}\n\n**How to continue**\n\n"
        f"```\npython -m tune search --resume {sweep.id[:8]}   # continue this sweep\n```\n"
    )


def test_the_page_of_a_sweep(sweep: Run) -> None:
    trials = [
        record(0, 0.70),
        record(1, 0.79),
        record(2, 0.812345, values={"optimizer.lr": 0.00123456, "scheduler": COSINE, "early_stopping.patience": None}),
        record(3, 0.9, "PRUNED"),
        record(4, None, "FAILED", error="RuntimeError: out of `memory`\n  at line 3"),
        record(5, None, "FAILED", error="RuntimeError: out of `memory`\n  at line 3"),
        record(6, None, "FAILED", error="ValueError: no"),
        record(7, 0.3, "KILLED"),
    ]
    link = f"#/experiments/{sweep.experiment_id}/runs/"
    text = (
        f"## Best lwlrap 0.8123 ([trial 2]({link}{2:032x}) of 8)\n"
        "\n"
        f"{SEARCH}\n"
        "\n"
        f"**It leads** the second, [trial 1]({link}{1:032x}), by 0.0223 and the median of the finished ones by 0.0223. "
        "The best of many scores is flattered by the choice: train it with another seed before you trust its lead\n"
        "\n"
        "**Its values** `optimizer.lr=0.001235 scheduler=cosine, first 6 early_stopping.patience=null`\n"
        "\n"
        "**8 trials**: 3 finished, 1 pruned, 1 interrupted, 3 failed\n"
        "\n"
        "**Most common error** (2 of 3): `RuntimeError: out of 'memory'`\n"
        "\n"
        f"{report_of(sweep)}\n"
        "\n"
        "**How to continue**\n"
        "\n"
        "```\n"
        f"python -m tune promote {sweep.id[:8]} --trial best --name my_experiment"
        "   # write experiments/my_experiment.yaml\n"
        f"python -m tune search --resume {sweep.id[:8]}   # continue this sweep\n"
        "```\n"
    )
    assert describe_sweep(sweep, trials) == text
    head, lead = text.split("\n\n", 1)
    assert describe_sweep(sweep, trials, notes="Small enough.") == f"{head}\n\nSmall enough.\n\n{lead}"


def test_a_page_has_room_for_its_commands(sweep: Run) -> None:
    values = {f"augment.field_{index}": "x" * 90 for index in range(200)}
    trials = [record(0, 0.7, values=values), record(1, None, "FAILED", error="y" * 9000)]
    text = describe_sweep(sweep, trials, notes="z" * 9000)
    assert len(text) < 8000  # MLflow cuts the rest
    assert "python -m tune promote" in text


def test_the_history_shows_every_trial_and_the_best_so_far() -> None:
    trials = [record(0, 0.6), record(1, 0.9, "PRUNED"), record(2, 0.8), record(3, 0.7), record(4, None, "FAILED")]
    figure = figures.history("lr_mixup", trials)
    assert figure.get_suptitle() == "lr_mixup: lwlrap of 5 trials, and the best so far"
    assert legend(figure) == ["finished (3)", "pruned (1)", "failed (1)", "best so far", "best: trial 2, 0.8000"]
    (axes,) = figure.axes
    assert axes.get_xlabel() == "trial, in the order started; at the foot: without a score"
    assert axes.get_ylabel() == "lwlrap (search_lwlrap)"
    lines = {str(line.get_marker()): line for line in axes.lines if line.get_label() != "best: trial 2, 0.8000"}
    assert lines["o"].get_xydata().tolist() == [[0, 0.6], [2, 0.8], [3, 0.7]]
    assert lines["x"].get_xydata().tolist() == [[1, 0.9]]
    assert lines["v"].get_xdata().tolist() == [4]
    (best_so_far,) = (line for line in axes.lines if line.get_label() == "best so far")
    assert best_so_far.get_xydata().tolist() == [[0, 0.6], [2, 0.8], [3, 0.8], [4, 0.8]]


def test_parallel_coordinates_name_every_field_and_choice() -> None:
    trials = many(12)
    figure = figures.parallel_coordinates("lr_mixup", trials, LOG)
    shown = words_in(figure)
    assert figure.get_suptitle() == "lr_mixup: what 12 trials chose, and the lwlrap it led to"
    for label in (
        *(
            "optimizer.\nlr\n(logarithmic)",
            "augment.\nspec_augment.\nmax_masks",
            "scheduler",
            "early_stopping.\npatience",
        ),
        *("cosine,\nfirst 6", "plateau", "true", "false", "null", "5", "18"),
        "lwlrap\n(search_lwlrap)",
    ):
        assert label in shown
    assert legend(figure)[:3] == ["finished (8)", "pruned (2)", "failed (2)"]
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert sorted(len(line.get_xdata()) for line in dashed) == [6, 6, 7, 7]  # failed ones have no score to end at


def test_a_logarithmic_axis_is_so_in_place_and_name() -> None:
    trials = [
        record(number, 0.1 * number, values={"optimizer.lr": 10.0**-number, "seed": number}) for number in (1, 2, 3)
    ]
    (axes, *_) = figures.parallel_coordinates("s", trials, LOG).axes
    heights = sorted(line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 3)
    np.testing.assert_allclose(heights, [0, 0.5, 1])
    panels = figures.slices("s", trials, LOG).axes
    assert [(panel.get_xlabel(), panel.get_xscale()) for panel in panels] == [
        ("optimizer.lr (logarithmic)", "log"),
        ("seed", "linear"),
    ]


def test_slices_hold_every_scored_trial_in_every_panel() -> None:
    trials = many(12)
    figure = figures.slices("lr_mixup", trials, LOG)
    scored = [trial.lwlrap for trial in trials if trial.lwlrap is not None]
    assert len(figure.axes) == 6
    for axes in figure.axes:
        drawn = [
            y
            for line in axes.lines
            if line.get_marker() in "ox" and not str(line.get_label()).startswith("best")
            for y in line.get_ydata()
        ]
        assert sorted(drawn) == sorted(scored)
    assert figure.axes[3].get_xlabel() == "scheduler"
    assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == ["cosine,\nfirst 6", "plateau"]


def test_what_decides_is_the_most_important() -> None:
    finished = [trial for trial in many(60) if trial.state == "FINISHED"]
    shares = importance(finished, LOG)
    assert list(shares) == sorted(shares, key=lambda field: -shares[field])
    assert set(shares) == set(finished[0].values)
    assert next(iter(shares)) == "optimizer.lr"
    assert shares["optimizer.lr"] > 0.8
    (axes,) = figures.importances("lr_mixup", many(60), LOG).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(shares)
    assert [bar.get_width() for bar in axes.patches] == list(shares.values())
    assert axes.get_xlabel() == "share of the variance of lwlrap (fANOVA, 40 finished trials: few, so a hint at most)"


@pytest.mark.parametrize(
    ("trials", "told"),
    [
        ([], "0 finished trials"),
        ([record(0, 0.5), record(1, 0.6, "PRUNED")], "1 finished trial"),
        ([record(0, 0.5), record(1, 0.5)], "2 finished trials"),
        ([record(0, 0.5, values={"seed": 1}), record(1, 0.6, values={"seed": 1})], "2 finished trials"),
    ],
)
def test_too_few_trials_for_an_importance_say_so(trials: list[TrialRecord], told: str) -> None:
    shown = words_in(figures.importances("lr_mixup", trials, LOG))
    assert (f"too few to tell: {told}\n(two or more with different values and different lwlrap are needed)") in shown


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_pictures_are_drawn_of_any_number_of_trials_without_pyplot(count: int) -> None:
    before = "matplotlib.pyplot" in sys.modules
    trials = many(count)
    for figure in (
        figures.history("lr_mixup", trials),
        figures.parallel_coordinates("lr_mixup", trials, LOG),
        figures.importances("lr_mixup", trials, LOG),
        figures.slices("lr_mixup", trials, LOG),
    ):
        assert any(text.startswith("lr_mixup: ") for text in words_in(figure))
    assert ("matplotlib.pyplot" in sys.modules) is before


def test_a_field_that_not_every_trial_has_leaves_a_gap() -> None:
    trials = [record(0, 0.5, values={"seed": 1}), record(1, 0.6, values={"seed": 2, "mixer.prob": 0.5})]
    (axes, *_) = figures.parallel_coordinates("s", trials, ()).axes
    gaps = [np.isnan(line.get_ydata()).tolist() for line in axes.lines if len(line.get_xdata()) == 3]
    assert gaps == [[False, True, False], [False, False, False]]
    assert words_in(figures.slices("s", trials, ()))
    assert words_in(figures.importances("s", trials, ()))
