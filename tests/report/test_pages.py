"""The pages of runs, word for word."""

from dataclasses import replace

from tagging.report.pages import (
    ROWS,
    Corrected,
    Linked,
    MemberRow,
    Rival,
    TaughtBy,
    TrialOf,
    page,
    worst_classes,
)
from tagging.report.wording import count

RIVAL = Rival(
    name="auxiliary_019",
    date="2026-11-22",
    link="#/experiments/1/runs/ab",
    differs="seed=1",
    cv_lwlrap=0.8801,
    gains=(0.01, -0.02, -0.002, 0.0, -0.005),
)
SUMMARY = {
    "run": "6bfe4238",
    "experiment": "corr_noisy_007",
    "notes": "Trusted noisy clips make 42 % of a batch.\n",
    "base": "base",
    "differs": "sampling.noisy=0.15 labels.corrections=mine.json",
    "dataset": "fsdkaggle2019",
    "curated": 4970,
    "noisy": 19815,
    "test": 1,
    "metrics": {
        "cv_lwlrap": 0.87654,
        "fold_lwlrap_mean": 0.8771,
        "fold_lwlrap_std": 0.00512,
        "best_epoch_gain": 0.0312,
    },
    "folds": 5,
    "class_lwlrap": {"Bark": 0.91, "Bus": 0.7, "Gong": float("nan"), "Run": 0.99, "Sigh": 0.55, "Yell": 0.8},
    "warnings": 12,
    "rival": RIVAL,
    "trial": None,
    "started_from": None,
    "taught_by": None,
    "corrected": None,
    "members": (),
    "report": "",
    "leaks": False,
}


def describe(**changes: object) -> str:
    return page("experiment", **(SUMMARY | changes))


def describe_ensemble(**changes: object) -> str:
    return page("ensemble", **(ENSEMBLE | changes))


def test_description_of_a_run():
    assert describe() == (
        "## CV lwlrap 0.8765 (5 folds: 0.8771 ± 0.0051)\n"
        "\n"
        "**The best other run** on 2026-11-22, [auxiliary_019](#/experiments/1/runs/ab) (`seed=1`), has "
        "0.8801: this one lies 0.0036 below it; fold by fold -0.0034 ± 0.0109, ahead in 1 of 5\n"
        "\n"
        "**Differs from** `base` in `sampling.noisy=0.15 labels.corrections=mine.json`\n"
        "\n"
        "**Experiment** `corr_noisy_007`: Trusted noisy clips make 42 % of a batch.\n"
        "\n"
        "**Data set** `fsdkaggle2019`: 4,970 curated clips, 19,815 noisy clips, 1 test clip; 6 classes\n"
        "\n"
        "**Best classes:** `Run` 0.990, `Bark` 0.910, `Yell` 0.800\n"
        "\n"
        "**Worst classes:** `Sigh` 0.550, `Bus` 0.700, `Yell` 0.800\n"
        "\n"
        "**How to continue**\n"
        "\n"
        "```\n"
        "python -m tagging predict --run 6bfe4238 FOLDER   # tag new sound\n"
        "python -m tagging submit --run 6bfe4238   # write submission.csv\n"
        "```\n"
        "\n"
        "Each fold is predicted by its best epoch on that same fold, which flatters the number: "
        "val_lwlrap there lies 0.0312 above the last epoch's on average.\n"
        "\n"
        "12 warnings recorded in `data/warnings.txt` of this run.\n"
    )


def test_what_a_run_has_not_is_left_out():
    metrics = {name: value for name, value in SUMMARY["metrics"].items() if name != "best_epoch_gain"}
    text = describe(notes="", noisy=0, test=0, warnings=0, metrics=metrics, base="", differs="", rival=None)
    assert "**Experiment** `corr_noisy_007`\n" in text
    assert "`fsdkaggle2019`: 4,970 curated clips; 6 classes\n" in text
    assert "**The same settings as** the defaults\n" in text
    assert "submit" not in text
    assert "other run" not in text
    assert "warning" not in text
    assert "best epoch" not in text


def test_the_report_is_linked_where_there_is_one():
    has = "the curves, each class, and the worst clips and suspicious labels to listen to"
    said = f"\n**Report:** [report.html](#/e) has {has}\n"
    assert said in describe(report="#/e")
    assert "**Report:**" not in describe()


def test_a_teacher_is_told_and_what_it_makes_of_the_score():
    teacher = TaughtBy("seven [1]", "#/runs/ab", curated=0, noisy=0.7)
    said = "**Learns from** [seven 1](#/runs/ab): its probabilities make up 70% of noisy clips in the training targets."
    text = describe(taught_by=teacher)
    assert f"\n\n{said} Scores count labels alone\n\n" in text


def test_a_leak_of_labels_is_told():
    assert "too good" not in describe()
    assert (
        "\n\n**The CV is too good:** the training learned from labels of its held-out clips, and the run stays "
        "out of ensembles unless its tag `ensemble` is set to include (docs/distil.md)\n\n"
    ) in describe(leaks=True)


def test_corrected_labels_and_where_weights_started_from_are_told():
    text = describe(corrected=Corrected(0.8912, 58, 1), started_from=Linked("auxiliary_019", "#/runs/ab"))
    assert (
        "ahead in 1 of 5\n"
        "\n"
        "**On corrected labels** 0.8912: `labels.corrections` relabels 58 clips and removes 1. The number above counts "
        "every curated clip with the labels it came with, whatever the list says, so that runs with other lists "
        "compare; `val_lwlrap` during training knows corrected labels alone\n"
        "\n"
        "**Differs from** `base` in `sampling.noisy=0.15 labels.corrections=mine.json`\n"
        "\n"
        "**Started from** the weights of [auxiliary_019](#/runs/ab)\n"
    ) in text


def test_what_a_name_or_a_setting_may_hold_breaks_no_page() -> None:
    rival = replace(RIVAL, name="a [b](c) `d`", differs="x=" + "y" * 9000)
    text = describe(rival=rival, differs="z=" + "y" * 9000)
    assert "[a b(c) d](#/experiments/1/runs/ab)" in text
    assert len(text) < 8000  # MLflow cuts the rest
    assert "python -m tagging submit" in text


def test_the_worst_classes_fit_into_a_table() -> None:
    assert worst_classes(SUMMARY["class_lwlrap"]) == "Sigh 0.550, Bus 0.700, Yell 0.800"


def test_a_number_agrees_with_its_noun():
    assert [count(n, "clip") for n in (0, 1, 2000)] == ["0 clips", "1 clip", "2,000 clips"]
    assert [count(n, "class") for n in (1, 80)] == ["1 class", "80 classes"]


BEST = MemberRow(
    name="corr_noisy_007",
    link="#/experiments/1/runs/ab",
    kind="experiment",
    differs="sampling.noisy=0.01 sampling.trusted=0.42 sampling.curated=0.57 seed=1",
    weight=0.75,
    cv_lwlrap=0.86,
    fold_std=0.005,
    seed_std=0.0021,
)
OTHER = MemberRow(
    name="a|b",
    link="#/experiments/1/runs/cd",
    kind="stacker",
    differs="",
    weight=0.25,
    cv_lwlrap=0.85,
    fold_std=None,
    seed_std=None,
)
ENSEMBLE = {
    "run": "6bfe4238",
    "method": "geometric",
    "how": "among 9 candidates by the CV.",
    "report": "#/e",
    "dataset": "fsdkaggle2019",
    "curated": 4970,
    "test": 3361,
    "metrics": {
        "cv_lwlrap": 0.87654,
        "nested_lwlrap": 0.8712,
        "cv_lwlrap_low": 0.8701,
        "cv_lwlrap_high": 0.8829,
        "fold_lwlrap_mean": 0.8771,
        "fold_lwlrap_std": 0.0051,
    },
    "class_lwlrap": {"Bark": 0.91, "Bus": 0.7, "Gong": float("nan"), "Run": 0.99, "Sigh": 0.55},
    "members": [BEST, OTHER],
    "gain": "against corr_noisy_007 alone +0.0165 (95 % +0.0021 to +0.0310)",
    "leaks": False,
}


def test_description_of_an_ensemble() -> None:
    assert describe_ensemble() == (
        "## CV lwlrap 0.8765 (nested 0.8712; 95 % 0.8701 to 0.8829; folds 0.8771 ± 0.0051)\n"
        "\n"
        "**Geometric mean** of 2 members; the best of them alone, [corr_noisy_007](#/experiments/1/runs/ab), has "
        "0.8600: together 0.0165 above it\n"
        "\n"
        "**Gain** against corr_noisy_007 alone +0.0165 (95 % +0.0021 to +0.0310)\n"
        "\n"
        "**Chosen** among 9 candidates by the CV.\n"
        "\n"
        "| member | kind | differs | weight | CV lwlrap | ± folds | ± seeds |\n"
        "|---|---|---|--:|--:|--:|--:|\n"
        "| [corr_noisy_007](#/experiments/1/runs/ab) | experiment "
        "| `sampling.noisy=0.01 sampling.trusted=0.42 sampling.curated=0.57 seed=1` "
        "| 0.750 | 0.8600 | 0.0050 | 0.0021 |\n"
        "| [ab](#/experiments/1/runs/cd) | stacker |  | 0.250 | 0.8500 |  |  |\n"
        "\n"
        "**Report:** [report.html](#/e) shows what each member adds, to which classes, and plays "
        "the worst clips\n"
        "\n"
        "**Data set** `fsdkaggle2019`: 4,970 curated clips, 3,361 test clips\n"
        "\n"
        "**Best classes:** `Run` 0.990, `Bark` 0.910, `Bus` 0.700\n"
        "\n"
        "**Worst classes:** `Sigh` 0.550, `Bus` 0.700, `Bark` 0.910\n"
        "\n"
        "**How to continue**\n"
        "\n"
        "```\n"
        "python -m tagging predict --run 6bfe4238 FOLDER   # tag new sound\n"
        "python -m tagging submit --run 6bfe4238   # write submission.csv\n"
        "```\n"
    )


def test_a_headline_has_what_is_known() -> None:
    assert describe_ensemble(metrics={"cv_lwlrap": 0.5}).startswith("## CV lwlrap 0.5000\n\n")


def test_one_member_is_not_held_against_itself() -> None:
    alone = describe_ensemble(members=[BEST])
    assert "**Geometric mean** of 1 member\n\n" in alone


def test_many_members_fit_into_what_mlflow_keeps() -> None:
    longest = replace(BEST, differs="sampling.noisy=0.01 " * 50)
    many = describe_ensemble(members=[longest] * 60, test=0)
    assert f"`{'sampling.noisy=0.01 ' * 6}…`" in many  # between two fields
    assert many.count("[corr_noisy_007]") == ROWS + 1
    assert f"\n… and {60 - ROWS} more in `ensemble.json`\n" in many
    assert len(many) < 8000
    assert "submit" not in many


def test_a_trial_names_its_sweep_and_how_it_becomes_an_experiment() -> None:
    text = describe(trial=TrialOf(Linked("lr", "#/runs/abc"), "0123abcd", "4"))
    line = (
        "\n\n**Trial 4** of the sweep [lr](#/runs/abc); `python -m tune promote 0123abcd --trial 4 --name "
        "my_experiment` makes an experiment of it\n\n"
    )
    assert line in text
