"""A fold's run that was deleted: each command that needs it says so, and what brings it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from tagging.commands import kernel
from tagging.commands.evaluate import evaluate_runs
from tagging.commands.predict import predict_again, tag_folder
from tagging.commands.select import select
from tagging.commands.submit import submit
from tagging.commands.train import train
from tagging.errors import UserError
from tagging.selection.settings import CandidateFilter, SelectionSettings
from tagging.tracking.store import Run
from tests.blends import fold_of
from tests.selection.test_ensemble_run import write
from tests.trainings import Inside, the_run

HOW = (
    "the command that trained it trains what it lacks: `python -m tagging train plain`, with the --set and --data of "
    "that time"
)


@pytest.fixture
def lost(pool: Inside) -> Iterator[tuple[Run, Run]]:
    """Delete a fold of `plain` as the UI does; returns both runs."""
    run = the_run(pool.store, "plain")
    fold = next(child for child in pool.store.children(run.id) if child.tags["fold"] == "1")
    pool.store.connection.client.delete_run(fold.id)
    yield run, fold
    pool.store.connection.client.restore_run(fold.id)


def lacks(run: Run, fold: Run) -> str:
    restore = f"mlflow runs restore --run-id {fold.id}"
    return f"plain ({run.id[:8]}) lacks fold 1 of its 3: run {fold.id} is deleted; bring it back with `{restore}`"


def test_what_predicts_with_a_run_that_lost_a_fold_stops_with_how_to_bring_it_back(
    pool: Inside, lost: tuple[Run, Run], tmp_path: Path
) -> None:
    (demo,) = (pool.folder / "data").glob("demo-*")
    blend = write(pool, ["tiny", "plain"], [1, 3])
    commands: list[Callable[[], object]] = [
        lambda: submit("plain", tmp_path / "submission.csv"),
        lambda: tag_folder("plain", demo / "test", None, 3),
        lambda: tag_folder(blend.id, demo / "test", None, 3),
        lambda: predict_again("plain"),
        lambda: kernel.pack("plain", tmp_path / "kernel"),
        lambda: kernel.pack(blend.id, tmp_path / "kernel"),
        lambda: kernel.pack("plain", tmp_path / "kernel", train=True),
        lambda: evaluate_runs(tmp_path / "truth.csv", ["plain"], "", None),
    ]
    for command in commands:
        with pytest.raises(UserError) as error:
            command()
        assert error.value.problems == (lacks(*lost), HOW)
    assert not list(tmp_path.iterdir())


def test_what_learns_from_a_run_that_lost_a_fold_stops(pool: Inside, lost: tuple[Run, Run]) -> None:
    fields = {"init.run": "init.run=plain", "teacher.run": "teacher.run=plain teacher.noisy=0.5"}
    for field, override in fields.items():
        with pytest.raises(UserError) as error:
            train(pool.tiny(override, "name=heir"), {})
        assert error.value.problems == (f"{field}: {lacks(*lost)}", HOW)


def test_a_run_that_lost_a_fold_is_no_candidate(pool: Inside, lost: tuple[Run, Run]) -> None:
    reason = f"it lacks {lacks(*lost).partition(' lacks ')[2]}"
    with pytest.raises(UserError) as error:
        select(CandidateFilter(runs=("tiny", "plain")), SelectionSettings())
    assert error.value.problems[:2] == (
        "demo has 1 candidate (tiny); 2 or more are needed",
        f"not a candidate: plain ({lost[0].id[:8]}): {reason}",
    )


def delete_for_good(inside: Inside, run: Run) -> None:
    """Delete a run as `mlflow gc` does, but for its files."""
    database = SqlAlchemyStore(inside.store.uri, str(inside.folder))
    inside.store.connection.client.delete_run(run.id)
    database._hard_delete_run(run.id)


def test_a_fold_that_is_gone_for_good_or_was_not_finished_is_told(inside: Inside) -> None:
    run = the_run(inside.store)
    delete_for_good(inside, inside.store.children(run.id)[1])
    title, how = f"tiny ({run.id[:8]}) lacks fold 1 of its 3", HOW.replace("plain", "tiny")
    with pytest.raises(UserError) as error:
        predict_again("tiny")
    assert error.value.problems == (f"{title}: there is no run of it any more", how)
    again = fold_of(inside.store, run, 1)
    with pytest.raises(UserError) as error:
        predict_again("tiny")
    assert error.value.problems == (f"{title}: run {again.id} is RUNNING, not FINISHED", how)


def test_a_member_that_is_gone_for_good_is_named_with_what_to_do(inside: Inside) -> None:
    blend, tiny = write(inside, ["tiny"], [1]), the_run(inside.store)
    (demo,) = (inside.folder / "data").glob("demo-*")
    delete_for_good(inside, tiny)
    with pytest.raises(UserError) as error:
        tag_folder(blend.id, demo / "test", None, 3)
    assert error.value.problems == (
        f"blend ({blend.id[:8]}) needs its member tiny: there is no run {tiny.id} in {inside.store.uri}: one that was "
        "deleted is gone for good after `mlflow gc`",
        "without its members an ensemble predicts nothing new; `select` makes another one",
    )


def test_a_run_of_some_folds_predicts_with_them_and_says_so(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(inside.tiny("name=some training.folds=[0,2] training.epochs=1"), {})
    capsys.readouterr()
    submit(run.id, tmp_path / "both.csv")
    said = capsys.readouterr()
    told = f"warning: some ({run.id[:8]}) has"
    assert said.err == f"{told} 2 of its 3 folds (0, 2): its predictions are of these alone\n"
    assert said.out == f"wrote {tmp_path}/both.csv: 8 clips by 2 folds of run some ({run.id})\n"
    inside.store.connection.client.delete_run(inside.store.children(run.id)[0].id)
    submit(run.id, tmp_path / "one.csv")
    said = capsys.readouterr()
    assert said.err == f"{told} 1 of its 3 folds (2): its predictions are of these alone\n"
    assert said.out == f"wrote {tmp_path}/one.csv: 8 clips by 1 fold of run some ({run.id})\n"
    assert (tmp_path / "one.csv").read_text() != (tmp_path / "both.csv").read_text()
