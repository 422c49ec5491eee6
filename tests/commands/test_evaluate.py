"""`evaluate`: runs and submissions against true labels, on a real store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gmean
from sklearn.metrics import label_ranking_average_precision_score

from tagging.cli import main
from tagging.commands.evaluate import evaluate_runs, evaluate_submission
from tagging.commands.submit import submit
from tagging.contract import File
from tagging.errors import UserError
from tagging.tracking.store import Run
from tests.blends import fold_of
from tests.project import Project, read_csv
from tests.trainings import Inside, the_run


def write_truth(path: Path, table: pd.DataFrame, rows: slice = slice(None)) -> pd.DataFrame:
    """Give the test clips labels out of the air: the metric does not mind."""
    classes = list(table.columns[1:])
    labels = [",".join({classes[number % 10], classes[number * 3 % 10]}) for number in range(len(table))]
    usage = ["Public" if number % 3 else "Private" for number in range(len(table))]
    truth = pd.DataFrame({"fname": table["fname"], "labels": labels, "usage": usage})[rows]
    truth.iloc[::-1].to_csv(path, index=False)
    return truth


def blend_of(inside: Inside, run: Run) -> pd.DataFrame:
    folds = [inside.store.read_table(run.id, f"predictions/test/fold_{fold}.parquet") for fold in range(3)]
    classes = [name for name in folds[0].columns if name not in ("fname", "fold")]
    means = pd.DataFrame(gmean([fold[classes].to_numpy(float) for fold in folds]), columns=classes)
    return pd.concat([folds[0][["fname"]], means], axis=1)


def sklearn_lwlrap(truth: pd.DataFrame, table: pd.DataFrame) -> float:
    classes = list(table.columns[1:])
    labels = np.array([[name in field.split(",") for name in classes] for field in truth["labels"]])
    scores = table.set_index("fname").loc[truth["fname"], classes].to_numpy()
    return label_ranking_average_precision_score(labels, scores, sample_weight=labels.sum(axis=1))


def another(inside: Inside, name: str, drop: str = "", score: float | None = None, dataset: str = "demo") -> Run:
    """Start a finished run with the test predictions of `tiny`, turned a little, or without the class `drop`."""
    source = the_run(inside.store)
    run = inside.store.start(dataset, "experiment", name, {}, {})
    for fold in range(3):
        table = inside.store.read_table(source.id, f"predictions/test/fold_{fold}.parquet")
        classes = [column for column in table.columns if column not in ("fname", "fold")]
        table[classes] = np.roll(table[classes].to_numpy(), len(name), axis=1)
        kept = table.drop(columns=[drop] if drop else [])
        inside.store.log_table(run.id, kept, f"predictions/test/fold_{fold}.parquet")
        inside.store.finish(fold_of(inside.store, run, fold).id, "FINISHED")
    inside.store.log_table(run.id, inside.store.read_table(source.id, File.FOLDS), File.FOLDS)
    if score is not None:
        inside.store.log_metrics(run.id, {"cv_lwlrap": score, "fold_lwlrap_std": 0.02})
    inside.store.finish(run.id, "FINISHED")
    return inside.store.get(run.id)


def test_a_run_is_scored_by_the_mean_over_its_folds_and_keeps_all_it_has(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = the_run(inside.store)
    table, before = blend_of(inside, run), set(inside.store.list_files(run.id))
    truth = write_truth(tmp_path / "truth.csv", table)
    evaluate_runs(tmp_path / "truth.csv", ["tiny"], "", None)
    after = inside.store.get(run.id)
    parts = {"": truth, "_public": truth[truth["usage"] == "Public"], "_private": truth[truth["usage"] == "Private"]}
    expected = {f"test_lwlrap{name}": pytest.approx(sklearn_lwlrap(part, table)) for name, part in parts.items()}
    assert after.metrics == run.metrics | expected
    assert after.tags == run.tags | {"test.truth": after.tags["test.truth"], "test.clips": "8"}
    assert set(inside.store.list_files(run.id)) - before == {
        "figures/test_class_lwlrap.png",
        "tables/test_per_class.csv",
        "tables/test_per_class.parquet",
        "tables/test_scores.csv",
        "tables/test_scores.parquet",
    }
    scores = inside.store.read_table(run.id, "tables/test_scores.parquet")
    assert scores.columns.to_list() == ["group", "clips", "lwlrap", "lwlrap_low", "lwlrap_high"]
    assert scores[["group", "clips"]].to_numpy().tolist() == [["all", 8], ["private", 3], ["public", 5]]
    classes = inside.store.read_table(run.id, "tables/test_per_class.parquet")
    assert classes["label"].to_list() == list(table.columns[1:])
    assert classes["clips"].sum() == sum(len(field.split(",")) for field in truth["labels"])
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["class", "clips", "lwlrap", "95", "%", "interval", "private", "public"]
    low, high = scores["lwlrap_low"][0], scores["lwlrap_high"][0]
    assert out[-5:-3] == [
        f"run tiny ({run.id[:8]}): 8 clips in {tmp_path}/truth.csv",
        f"test lwlrap {after.metrics['test_lwlrap']:.4f}   95 % interval {low:.4f} to {high:.4f}",
    ]
    spread = f"{run.metrics['cv_lwlrap']:.4f} ± {run.metrics['fold_lwlrap_std']:.4f}"
    assert out[-1] == f"CV lwlrap {spread}"


def test_a_submission_has_the_scores_of_its_run_on_a_part_of_the_clips(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_truth(tmp_path / "truth.csv", blend_of(inside, the_run(inside.store)), slice(1, 6))
    (by_run,) = evaluate_runs(tmp_path / "truth.csv", ["tiny"], "", None)
    submit("tiny", tmp_path / "mine.csv")
    capsys.readouterr()
    by_file = evaluate_submission(tmp_path / "truth.csv", tmp_path / "mine.csv", "")
    pd.testing.assert_frame_equal(by_file.scores, by_run.scores)
    pd.testing.assert_frame_equal(by_file.classes, by_run.classes)
    said = f"{tmp_path}/mine.csv: 5 clips of the 8 that are predicted in {tmp_path}/truth.csv"
    assert said in capsys.readouterr().out.splitlines()


def test_a_group_of_one_clip_is_shown_without_an_interval(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = the_run(inside.store)
    write_truth(tmp_path / "truth.csv", blend_of(inside, run), slice(0, 2))
    (evaluation,) = evaluate_runs(tmp_path / "truth.csv", ["tiny"], "", None)
    whole, private, public = evaluation.scores.to_dict("records")
    assert capsys.readouterr().out.splitlines()[-4:-1] == [
        f"test lwlrap {whole['lwlrap']:.4f}   95 % interval {whole['lwlrap_low']:.4f} to {whole['lwlrap_high']:.4f}",
        f"  private, 1 clip: {private['lwlrap']:.4f}",
        f"  public, 1 clip: {public['lwlrap']:.4f}",
    ]


def test_one_label_a_clip_gives_an_accuracy(inside: Inside, tmp_path: Path) -> None:
    table = blend_of(inside, the_run(inside.store))
    truth = write_truth(tmp_path / "truth.csv", table)
    truth["labels"] = truth["labels"].str.split(",").str[0]
    truth.drop(columns="usage").to_csv(tmp_path / "truth.csv", index=False)
    evaluate_runs(tmp_path / "truth.csv", ["tiny"], "", None)
    right = table.columns[1:][table.iloc[:, 1:].to_numpy().argmax(axis=1)] == truth["labels"]
    assert the_run(inside.store).metrics["test_accuracy"] == pytest.approx(right.mean())


def test_another_truth_replaces_the_figures_and_says_so(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = the_run(inside.store)
    table = blend_of(inside, run)
    write_truth(tmp_path / "truth.csv", table)
    for _ in range(2):
        evaluate_runs(tmp_path / "truth.csv", ["tiny"], "", None)
    assert capsys.readouterr().err == ""
    other = write_truth(tmp_path / "other.csv", table, slice(0, 4))
    evaluate_runs(tmp_path / "other.csv", ["tiny"], "", None)
    assert capsys.readouterr().err == (
        f"warning: run tiny ({run.id[:8]}) was evaluated by another truth before: its figures are replaced\n"
    )
    assert the_run(inside.store).metrics["test_lwlrap"] == pytest.approx(sklearn_lwlrap(other, table))


def test_figures_that_another_truth_does_not_give_are_nan(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = the_run(inside.store)
    table = blend_of(inside, run)
    truth = write_truth(tmp_path / "truth.csv", table)
    single = truth.assign(
        labels=truth["labels"].str.split(",").str[0], usage=truth["usage"].replace("Public", "Us,all")
    )
    single.to_csv(tmp_path / "single.csv", index=False)
    truth.drop(columns="usage").to_csv(tmp_path / "truth.csv", index=False)
    evaluate_runs(tmp_path / "single.csv", ["tiny"], "", None)
    capsys.readouterr()
    stale = ["test_accuracy", "test_accuracy_private", "test_accuracy_us_all"]
    stale += ["test_lwlrap_private", "test_lwlrap_us_all"]
    assert set(the_run(inside.store).metrics) - set(run.metrics) == {"test_lwlrap", *stale}
    evaluate_runs(tmp_path / "truth.csv", ["tiny"], "", None)
    assert capsys.readouterr().err == (
        f"warning: run tiny ({run.id[:8]}) was evaluated by another truth before: its figures are replaced, by NaN "
        f"where this one gives none: {', '.join(stale)}\n"
    )
    after = the_run(inside.store).metrics
    assert sorted(name for name, value in after.items() if np.isnan(value)) == stale
    assert after["test_lwlrap"] == pytest.approx(sklearn_lwlrap(truth, table))


def test_several_runs_are_compared_and_drawn(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_truth(tmp_path / "truth.csv", blend_of(inside, the_run(inside.store)))
    runs = [another(inside, name, score=score) for name, score in (("b", 0.3), ("cc", 0.2), ("ddd", None))]
    evaluations = evaluate_runs(Path("truth.csv"), ["tiny", *(run.id for run in runs), "tiny"], "", None)
    tested = [inside.store.get(run.id).metrics["test_lwlrap"] for run in (the_run(inside.store), *runs)]
    assert [evaluation.scores["lwlrap"][0] for evaluation in evaluations] == pytest.approx(tested)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 clips in truth.csv"
    rows = sorted(zip(tested, ("tiny", "b", "cc", "ddd"), strict=True), key=lambda row: -row[0])
    assert [line.split()[0] for line in lines[2:6]] == [name for _, name in rows]
    assert [line.partition(": ")[0] for line in lines[6:9]] == [
        f"rank correlation (Spearman) of CV and test, {group}" for group in ("all", "private", "public")
    ]
    assert lines[9:] == ["wrote cv_against_test.png: CV against test of 3 runs"]
    assert (tmp_path / "cv_against_test.png").stat().st_size > 10_000


def test_runs_are_named_one_by_one_or_with_commas_and_may_hold_blanks(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_truth(tmp_path / "truth.csv", blend_of(inside, the_run(inside.store)))
    for name, score in (("near", 0.3), ("lr_mixup 3", 0.4)):
        another(inside, name, score=score)
    shown = []
    for runs in (["--run", "tiny, lr_mixup 3,near"], ["--run", "tiny", "lr_mixup 3", "--run", "near"]):
        assert main(["evaluate", "--truth", "truth.csv", *runs]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0].endswith("wrote cv_against_test.png: CV against test of 3 runs\n")
    assert shown[1] == shown[0]


def test_all_runs_without_predictions_or_name_are_named_at_once(inside: Inside, tmp_path: Path) -> None:
    empty = inside.store.start("demo", "experiment", "empty", {}, {})
    inside.store.finish(empty.id, "FINISHED")
    with pytest.raises(UserError) as caught:
        evaluate_runs(tmp_path / "truth.csv", ["empty", "tini", "tiny"], "", None)
    assert caught.value.problems == (
        f"run empty ({empty.id}) has no finished fold; train it first",
        f"tini: no such run in sqlite:///{inside.folder}/mlflow.db; give a run id, four or more of its first "
        "characters, or the name of a finished experiment, trial, ensemble or stacker",
        "nearest names: tiny",
        "`python -m tagging show runs` lists what there is",
    )


def test_other_classes_and_bad_lines_are_named_at_once_and_nothing_is_logged(inside: Inside, tmp_path: Path) -> None:
    run = the_run(inside.store)
    table = blend_of(inside, run)
    truth = write_truth(tmp_path / "truth.csv", table)
    dropped = table.columns[1]
    other = another(inside, "other", drop=dropped)
    pd.concat([truth, pd.DataFrame({"fname": ["new.wav"], "labels": ["Moo"], "usage": ["Public"]})]).to_csv(
        tmp_path / "truth.csv", index=False
    )
    with pytest.raises(UserError) as caught:
        evaluate_runs(tmp_path / "truth.csv", ["tiny", "other"], "", None)
    ours, theirs = f"run tiny ({run.id[:8]})", f"run other ({other.id[:8]})"
    assert caught.value.problems == (
        f"{theirs} predicts other classes than {ours} (only here {dropped}); evaluate it by itself",
        f"{tmp_path}/truth.csv, line 10: unknown label 'Moo'; labels must be among the 10 classes that are predicted",
        f"{tmp_path}/truth.csv, line 10: {ours} has no prediction of 'new.wav'; remove the line",
        f"{tmp_path}/truth.csv, line 10: {theirs} has no prediction of 'new.wav'; remove the line",
    )
    assert the_run(inside.store).metrics == run.metrics


def test_runs_of_several_data_sets_are_not_compared(inside: Inside, tmp_path: Path) -> None:
    run = the_run(inside.store)
    write_truth(tmp_path / "truth.csv", blend_of(inside, run))
    near, far = another(inside, "near", score=0.3), another(inside, "far", score=0.5, dataset="elsewhere")
    with pytest.raises(UserError) as caught:
        evaluate_runs(tmp_path / "truth.csv", [run.id, near.id, far.id], "", None)
    assert caught.value.problems == (
        f"run far ({far.id[:8]}) is of data set elsewhere, run tiny ({run.id[:8]}) of demo: their CVs are of other "
        "clips; evaluate it by itself",
    )
    assert inside.store.get(near.id).metrics == near.metrics


def test_the_picture_needs_two_runs_and_a_place(inside: Inside, tmp_path: Path) -> None:
    write_truth(tmp_path / "truth.csv", blend_of(inside, the_run(inside.store)))
    with pytest.raises(UserError) as caught:
        evaluate_runs(tmp_path / "truth.csv", ["tiny"], "", Path("cv.png"))
    assert str(caught.value) == (
        "--out cv.png is for the picture of CV against test, which needs two runs or more in --run"
    )
    another(inside, "second", score=0.5)
    with pytest.raises(UserError) as caught:
        evaluate_runs(tmp_path / "truth.csv", ["tiny", "second"], "", tmp_path / "no" / "cv.png")
    assert str(caught.value) == f"{tmp_path}/no/cv.png: cannot be written: No such file or directory"


def test_it_takes_the_empty_parameters_of_mlflow_run(moved: Project, tmp_path: Path) -> None:
    sample = read_csv(next((moved.folder / "data").glob("demo-*")) / "sample_submission.csv")
    write_truth(tmp_path / "truth.csv", sample)
    arguments = ("--truth", str(tmp_path / "truth.csv"), "--run", "tiny, tiny", "--submission", "", "--group", "")
    assert "\ntest lwlrap 0." in moved.run("evaluate", *arguments, "--out", "").stdout


@pytest.mark.parametrize("both", [("--run", "", "--submission", ""), ("--run", "a b", "--submission", "mine.csv")])
def test_either_runs_or_a_submission_is_given(both: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--truth", "truth.csv", *both]) == 2
    assert capsys.readouterr().err == "error: give either --run RUN, one or several, or --submission FILE\n"


def test_a_truth_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    none = "error: no truth is named; give --truth FILE: a CSV table with the columns fname,labels\n"
    assert main(["evaluate", "--truth", "", "--run", "tiny"]) == 2
    assert capsys.readouterr().err == none
    assert main(["evaluate", "--truth", ""]) == 2
    assert capsys.readouterr().err == f"{none}error: give either --run RUN, one or several, or --submission FILE\n"
