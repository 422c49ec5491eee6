"""Tags and metrics that people changed in the UI, or lost: told with the run, and nothing falls over them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tagging.commands.predict import predict_again
from tagging.commands.select import select
from tagging.commands.submit import submit
from tagging.commands.train import train
from tagging.errors import UserError
from tagging.runs.finished import comparable
from tagging.selection.settings import CandidateFilter, SelectionSettings
from tagging.tracking.store import Run
from tests.selection.test_ensemble_run import write
from tests.trainings import Inside, the_run


@pytest.fixture
def fold(pool: Inside) -> Iterator[Run]:
    """A fold of `plain` that gets its tag back."""
    child = pool.store.children(the_run(pool.store, "plain").id)[1]
    yield child
    pool.store.set_tags(child.id, {"fold": child.tags["fold"]})


@pytest.mark.parametrize("text", ["x", "", "-1", "1.0", "²", "9" * 50])
def test_a_fold_that_does_not_say_which_it_is_of_is_told(pool: Inside, fold: Run, tmp_path: Path, text: str) -> None:
    pool.store.set_tags(fold.id, {"fold": text})
    told = f"{fold.title}: its tag fold is {text[:40]!r}, not a number as 0 or 1; set it right in the UI"
    for command in (lambda: predict_again("plain"), lambda: submit("plain", tmp_path / "submission.csv")):
        with pytest.raises(UserError) as error:
            command()
        assert error.value.problems == (told,)
    with pytest.raises(UserError) as error:
        select(CandidateFilter(runs=("tiny", "plain")), SelectionSettings())
    plain = the_run(pool.store, "plain")
    assert error.value.problems[1] == f"not a candidate: {plain.title}: {told}"


def test_a_fold_without_its_tag_is_told_and_stops_no_other_run(pool: Inside, fold: Run) -> None:
    pool.store.connection.client.delete_tag(fold.id, "fold")
    with pytest.raises(UserError) as error:
        predict_again("plain")
    assert error.value.problems == (
        f"{fold.title}: its tag fold is gone; set it again in the UI, or train the run again",
    )
    predict_again("tiny")  # whose page is compared with the best other run


def test_a_run_of_one_fold_that_is_called_a_candidate_stops_no_other_run(inside: Inside) -> None:
    run, store = the_run(inside.store), inside.store
    data = {name: text for name, text in run.tags.items() if name.startswith("data.")}
    called = store.start("demo", "experiment", "called", {"candidate": "yes", **data}, {})
    fold = store.start("demo", "fold", "fold 0", {"fold": "0"}, {}, called)
    store.log_metrics(fold.id, {"fold_lwlrap": 1.0})
    store.log_metrics(called.id, {"cv_lwlrap": 1.0})
    for one in (fold, called):
        store.finish(one.id, "FINISHED")
    assert predict_again("tiny") == pytest.approx(run.metrics, abs=1e-6)


def test_a_run_of_which_metrics_are_gone_is_shown_and_made_anew(
    inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    run = the_run(inside.store)
    store = inside.store
    forget(inside, run, "fold_lwlrap_mean", "cv_lwlrap")
    train(inside.tiny(), {})
    assert "\nfold lwlrap nan ± " in capsys.readouterr().out
    forget(inside, store.children(run.id)[1], "fold_lwlrap")
    predict_again("tiny")
    assert store.get(run.id).metrics == pytest.approx(run.metrics, abs=1e-6)


def forget(inside: Inside, run: Run, *metrics: str) -> None:
    """Delete metrics of a run, for which MLflow has no call."""
    with closing(sqlite3.connect(inside.folder / "mlflow.db")) as database, database:
        for metric in metrics:
            for table in ("latest_metrics", "metrics"):
                database.execute(f"DELETE FROM {table} WHERE run_uuid = ? AND key = ?", (run.id, metric))


def test_an_interrupted_run_without_its_owner_is_left_alone(inside: Inside) -> None:
    run = the_run(inside.store)
    inside.store.finish(run.id, "KILLED")
    inside.store.connection.client.delete_tag(run.id, "owner")
    assert train(inside.tiny("training.folds=[0]"), {}).id != run.id


def test_an_interrupted_ensemble_that_lost_its_owner_is_written_again(pool: Inside) -> None:
    first = write(pool, ["tiny", "seed_1"], [1, 4])
    pool.store.finish(first.id, "KILLED")
    pool.store.connection.client.delete_tag(first.id, "owner")
    again = write(pool, ["tiny", "seed_1"], [1, 4])
    assert again.id != first.id
    assert again.metrics["cv_lwlrap"] == first.metrics["cv_lwlrap"]


def test_a_candidate_without_its_data_tags_is_left_out(pool: Inside) -> None:
    plain = the_run(pool.store, "plain")
    pool.store.connection.client.delete_tag(plain.id, "data.clips")
    with pytest.raises(UserError) as error:
        select(CandidateFilter(runs=("tiny", "plain")), SelectionSettings())
    with pytest.raises(UserError) as lacking:
        comparable(pool.store, the_run(pool.store, "plain"))
    pool.store.set_tags(plain.id, {"data.clips": plain.tags["data.clips"]})
    assert error.value.problems[:2] == (
        "demo has 1 candidate (tiny); 2 or more are needed",
        f"not a candidate: {plain.title}: its tag data.clips is gone",
    )
    assert lacking.value.problems == (
        f"{plain.title}: its tag data.clips is gone; set it again in the UI, or train the run again",
    )


def test_a_metric_that_must_be_there_is_told_where_it_is_none() -> None:
    run = Run("0" * 32, "a", "FINISHED", "1", "demo", {}, {}, {"cv_lwlrap": float("nan")}, 0, None)
    for metric in ("cv_lwlrap", "fold_lwlrap_mean"):
        with pytest.raises(UserError) as error:
            run.score(metric)
        assert str(error.value) == (
            f"a (00000000): its metric {metric} is gone, or no number; "
            "`python -m tagging predict --run 00000000` computes it again"
        )
