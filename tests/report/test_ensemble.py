"""The description of an ensemble, word for word."""

from __future__ import annotations

from dataclasses import replace

from tagging.report.ensemble import ROWS, EnsembleSummary, MemberRow, describe_ensemble, headline

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
SUMMARY = EnsembleSummary(
    run="6bfe4238",
    method="geometric",
    how="among 9 candidates by the CV.",
    dataset="fsdkaggle2019",
    curated=4970,
    test=3361,
    metrics={
        "cv_lwlrap": 0.87654,
        "nested_lwlrap": 0.8712,
        "cv_lwlrap_low": 0.8701,
        "cv_lwlrap_high": 0.8829,
        "fold_lwlrap_mean": 0.8771,
        "fold_lwlrap_std": 0.0051,
    },
    class_lwlrap={"Bark": 0.91, "Bus": 0.7, "Gong": float("nan"), "Run": 0.99, "Sigh": 0.55},
    members=[BEST, OTHER],
    gain="against corr_noisy_007 alone +0.0165 (95 % +0.0021 to +0.0310)",
)


def test_description_of_an_ensemble() -> None:
    assert describe_ensemble(SUMMARY) == (
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
        "**Data set** `fsdkaggle2019`: 4,970 curated clips, 3,361 test clips\n"
        "\n"
        "**Best classes:** `Run` 0.990, `Bark` 0.910, `Bus` 0.700\n"
        "\n"
        "**Worst classes:** `Sigh` 0.550, `Bus` 0.700, `Bark` 0.910\n"
        "\n"
        "**How to go on**\n"
        "\n"
        "```\n"
        "python -m tagging predict --run 6bfe4238 FOLDER   # tag new sound\n"
        "python -m tagging submit --run 6bfe4238   # write submission.csv\n"
        "```\n"
    )


def test_a_headline_has_what_is_known() -> None:
    assert headline({"cv_lwlrap": 0.5}) == "CV lwlrap 0.5000"


def test_one_member_is_not_held_against_itself() -> None:
    alone = describe_ensemble(replace(SUMMARY, members=[BEST]))
    assert "**Geometric mean** of 1 member\n\n" in alone


def test_many_members_fit_into_what_mlflow_keeps() -> None:
    longest = replace(BEST, differs="sampling.noisy=0.01 " * 50)
    many = describe_ensemble(replace(SUMMARY, members=[longest] * 60, test=0))
    assert f"`{'sampling.noisy=0.01 ' * 6}…`" in many  # between two fields
    assert many.count("[corr_noisy_007]") == ROWS + 1
    assert f"\n… and {60 - ROWS} more in `ensemble.json`\n" in many
    assert len(many) < 8000
    assert "submit" not in many
