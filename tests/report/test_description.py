"""The description of a run, word for word."""

from dataclasses import replace

from tagging.report.description import Summary, describe
from tagging.report.wording import count

SUMMARY = Summary(
    run="corr_noisy_007-3",
    experiment="corr_noisy_007",
    notes="Trusted noisy clips make 42 % of a batch.\n",
    dataset="fsdkaggle2019",
    curated=4970,
    noisy=19815,
    test=1,
    cv_lwlrap=0.87654,
    fold_lwlrap_mean=0.8771,
    fold_lwlrap_std=0.00512,
    folds=5,
    class_lwlrap={"Bark": 0.91, "Bus": 0.7, "Gong": float("nan"), "Run": 0.99, "Sigh": 0.55, "Yell": 0.8},
    warnings=12,
    best_epoch_gain=0.0312,
)


def test_description_of_a_run():
    assert describe(SUMMARY) == (
        "## CV lwlrap 0.8765 (5 folds: 0.8771 ± 0.0051)\n"
        "\n"
        "**Experiment** `corr_noisy_007`: Trusted noisy clips make 42 % of a batch.\n"
        "\n"
        "**Data set** `fsdkaggle2019`: 4,970 curated clips, 19,815 noisy clips, 1 test clip; 6 classes\n"
        "\n"
        "**Best classes:** `Run` 0.990, `Bark` 0.910, `Yell` 0.800\n"
        "\n"
        "**Worst classes:** `Sigh` 0.550, `Bus` 0.700, `Yell` 0.800\n"
        "\n"
        "**How to go on**\n"
        "\n"
        "```\n"
        "python -m tagging predict --run corr_noisy_007-3 FOLDER   # tag new sound\n"
        "python -m tagging submit --run corr_noisy_007-3   # write submission.csv\n"
        "```\n"
        "\n"
        "Each fold is predicted by its best epoch on that same fold, which flatters the number: "
        "val_lwlrap there lies 0.0312 above the last epoch's on average.\n"
        "\n"
        "12 warnings recorded with this run.\n"
    )


def test_what_a_run_has_not_is_left_out():
    text = describe(replace(SUMMARY, run="my run", notes="", noisy=0, test=0, warnings=0, best_epoch_gain=None))
    assert "**Experiment** `corr_noisy_007`\n" in text
    assert "`fsdkaggle2019`: 4,970 curated clips; 6 classes\n" in text
    assert "submit" not in text
    assert "warning" not in text
    assert "best epoch" not in text
    assert "--run 'my run' FOLDER" in text


def test_a_number_agrees_with_its_noun():
    assert [count(n, "clip") for n in (0, 1, 2000)] == ["0 clips", "1 clip", "2,000 clips"]
    assert [count(n, "class") for n in (1, 80)] == ["1 class", "80 classes"]
