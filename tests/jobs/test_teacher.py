"""`teacher.run`: targets that hold what another run says, and teachers that do not fit."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tagging.errors import UserError
from tagging.jobs.earlier_runs import SoftTargets, SplitProbabilities, soft_targets
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.prepare import job_of
from tagging.tracking.store import Run, Store
from tagging.training.batches import TrainingBatches
from tagging.training.validation import Validation
from tests.project import Project
from tests.trainings import Inside, the_run

Connect = Callable[[Project], Store]
CLIPS, CLASSES = 12, 5
CURATED, NOISY = np.array([0, 1, 3, 4]), np.array([6, 7, 8, 10])  # rows of the store; some clips could not be read
SHARES = "teacher.run=tiny teacher.curated=0.25 teacher.noisy=0.75"


def taught(inside: Inside, *overrides: str) -> ExperimentJob:
    job = job_of(inside.tiny(*overrides), inside.store)
    assert isinstance(job, ExperimentJob)
    return job


def refused(inside: Inside, *overrides: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        taught(inside, *overrides)
    return list(caught.value.problems)


def title(run: Run) -> str:
    return f"teacher.run: {run.name} ({run.id[:8]})"


def said(inside: Inside, path: str, fnames: tuple[str, ...], classes: tuple[str, ...]) -> np.ndarray:
    table = inside.store.read_table(the_run(inside.store).id, path)
    return np.array([table[table["fname"] == fname][list(classes)].to_numpy()[0] for fname in fnames])


def soft_targets_of(curated: float, noisy: float) -> SoftTargets:
    rng = np.random.default_rng(0)
    out_of_fold = rng.random((4, CLASSES), np.float32)
    by_fold = {fold: rng.random((4, CLASSES), np.float32) for fold in range(3)}
    splits = (
        SplitProbabilities(CURATED, curated, dict.fromkeys(range(3), out_of_fold)),
        SplitProbabilities(NOISY, noisy, by_fold),
    )
    return SoftTargets("", splits)


def labels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(2, size=(CLIPS, CLASSES)).astype(np.float32))


@pytest.mark.parametrize("fold", range(3))
def test_each_clip_mixes_its_label_with_the_probability_of_the_teachers_fold(fold: int) -> None:
    given, targets = labels(), soft_targets_of(0.25, 0.75)
    found = targets.mixed_into(given, fold)
    for row in range(CLIPS):
        expected = given[row].numpy()
        for split in targets.splits:
            if row in split.rows:
                probabilities = split.by_fold[fold][split.rows.tolist().index(row)]
                expected = (1 - split.share) * expected + split.share * probabilities
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-6)


def test_no_share_gives_the_labels_and_a_full_one_the_teacher_to_the_bit() -> None:
    given = labels()
    before = given.clone()
    assert torch.equal(soft_targets_of(0.0, 0.0).mixed_into(given, 0), given)
    targets = soft_targets_of(1.0, 1.0)
    found = targets.mixed_into(given, 2)
    assert np.array_equal(found[CURATED].numpy(), targets.splits[0].by_fold[2])
    assert np.array_equal(found[NOISY].numpy(), targets.splits[1].by_fold[2])
    others = np.setdiff1d(np.arange(CLIPS), [*CURATED, *NOISY])
    assert torch.equal(found[others], given[others])
    assert torch.equal(given, before)


def test_a_folds_targets_are_those_of_its_own_teacher_alone(inside: Inside) -> None:
    job = taught(inside, SHARES)
    data, rows = job.dataset, job.rows
    out_of_fold = said(inside, "predictions/oof.parquet", data.curated.fnames, data.classes)
    for fold in range(3):
        training = job.training(fold)
        assert isinstance(training.batches, TrainingBatches)
        assert isinstance(training.evaluate, Validation)
        targets = training.batches.targets.numpy()
        noisy = said(inside, f"predictions/noisy/fold_{fold}.parquet", data.noisy.fnames, data.classes)
        np.testing.assert_allclose(targets[rows["curated"]], 0.75 * data.curated.labels + 0.25 * out_of_fold, atol=1e-6)
        np.testing.assert_allclose(targets[rows["noisy"]], 0.25 * data.noisy.labels + 0.75 * noisy, atol=1e-6)
        # what is held out is looked at with its labels
        held_out = job.folds == fold
        assert np.array_equal(training.evaluate.targets.numpy(), data.curated.labels[held_out])


def test_batches_without_a_share_are_those_without_a_teacher_to_the_bit(inside: Inside) -> None:
    plain, off = (taught(inside, *texts).training(1).batches for texts in ((), ("teacher.run=tiny",)))
    for step in range(3):
        one, other = plain.batch(1, step), off.batch(1, step)
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.targets, other.targets)


def test_the_fingerprint_knows_the_teacher_and_what_it_says(inside: Inside) -> None:
    source = the_run(inside.store)
    without = taught(inside).fingerprint()
    assert taught(inside, "teacher.run=tiny").fingerprint() == without
    first = taught(inside, SHARES)
    assert first.recipe.teacher.run == source.id
    assert first.fingerprint() != without
    assert taught(inside, f"{SHARES} training.folds=[1]").fingerprint() == first.fingerprint()
    change(inside, "predictions/noisy/fold_2.parquet", lambda table: table.assign(**{table.columns[-1]: 0.5}))
    assert taught(inside, SHARES).fingerprint() != first.fingerprint()
    curated_alone = "teacher.run=tiny teacher.curated=0.25"
    before = taught(inside, curated_alone).fingerprint()
    change(inside, "predictions/noisy/fold_2.parquet", lambda table: table.assign(**{table.columns[-1]: 0.25}))
    assert taught(inside, curated_alone).fingerprint() == before  # it learns nothing from that table


def change(inside: Inside, path: str, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    # by its file: MLflow's client remembers where a run's files lie, and copies of the project share their runs' ids
    file = inside.store.fetch(the_run(inside.store).id, path)
    how(pd.read_parquet(file)).to_parquet(file, index=False)


def test_a_teacher_without_a_share_is_warned_of(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    assert taught(inside, "teacher.run=tiny").soft_targets is None
    assert capsys.readouterr().err == (
        "warning: teacher.run is given, but teacher.curated and teacher.noisy are 0: nothing is learnt from it\n"
    )


def test_a_student_says_whom_it_learnt_from(inside: Inside) -> None:
    source = the_run(inside.store)
    student = taught(inside, "teacher.run=tiny teacher.noisy=0.5")
    assert student.soft_targets
    assert student.tags == {
        "teacher.sha256": student.soft_targets.digest,
        "teacher.run": source.id,
        "teacher.name": "tiny",
    }
    assert taught(inside).tags == {}


def test_a_run_that_is_not_there_or_no_teacher_stops(inside: Inside) -> None:
    share = "teacher.noisy=0.5"
    assert refused(inside, "teacher.run=tinny", share) == [
        f"teacher.run: tinny: no such run in sqlite:///{inside.folder}/mlflow.db; give a run id, four or more of its "
        "first characters, or the name of a finished experiment, trial, ensemble or stacker",
        "nearest names: tiny",
        "`python -m tagging show runs` lists what there is",
    ]
    source = the_run(inside.store)
    fold = inside.store.children(source.id)[1]
    assert refused(inside, f"teacher.run={fold.id}", share) == [
        f"teacher.run: tiny fold 1 ({fold.id[:8]}) is a fold; give its run {source.id[:8]}"
    ]
    sweep = inside.store.start("demo", "sweep", "lr", {}, {})
    inside.store.finish(sweep.id, "FINISHED")
    assert refused(inside, f"teacher.run={sweep.id}", share) == [
        f"teacher.run: lr ({sweep.id[:8]}) is a sweep; give an ensemble, experiment, stacker or trial"
    ]
    half = inside.store.start("demo", "experiment", "half", {}, {})
    inside.store.finish(half.id, "FINISHED")
    assert refused(inside, "teacher.run=half", share) == [
        f"{title(half)} has no out-of-fold probabilities; a run has them once all its folds are trained"
    ]


def test_noisy_clips_that_were_not_predicted_say_how_to_get_there(inside: Inside) -> None:
    source = the_run(inside.store)
    for fold in (0, 2):
        inside.store.fetch(source.id, f"predictions/noisy/fold_{fold}.parquet").unlink()
    assert refused(inside, SHARES) == [
        f"{title(source)} has not predicted the noisy clips: it lacks predictions/noisy/fold_0.parquet, "
        "predictions/noisy/fold_2.parquet; train it, or the members of an ensemble or stacker, with --set "
        "predict.noisy=true, or give teacher.noisy=0"
    ]
    assert taught(inside, "teacher.run=tiny teacher.curated=0.5").soft_targets is not None


def test_other_classes_clips_and_folds_are_named_at_once(inside: Inside) -> None:
    source = the_run(inside.store)
    job = taught(inside, SHARES)
    curated, classes = job.dataset.curated, job.dataset.classes
    fnames = ("0new.wav", *curated.fnames[1:])
    other = replace(
        job,
        dataset=replace(job.dataset, curated=replace(curated, fnames=fnames), classes=("Moo", *classes[1:])),
        folds=np.where(np.arange(36) == 5, (job.folds + 1) % 3, job.folds),
    )
    with pytest.raises(UserError) as caught:
        soft_targets(source, job.recipe.teacher, other, job.rows, inside.store)
    assert caught.value.problems == (
        f"{title(source)} was trained on other classes (only there {classes[0]}; only here Moo); "
        "name a run on the same classes",
        f"{title(source)} was trained on other curated clips (1 clip only there, such as {curated.fnames[0]}; 1 clip "
        "only here, such as 0new.wav); name a run on the same clips",
        f"{title(source)} has 1 clip in another fold, such as {curated.fnames[5]}: its probabilities were learnt from "
        "clips that are held out here; give the fields of `folds` that the run was trained with",
    )


def test_tables_with_gaps_or_without_sense_are_refused(inside: Inside) -> None:
    source, path = the_run(inside.store), "predictions/noisy/fold_1.parquet"
    table = inside.store.read_table(source.id, path)
    column = table.columns[4]
    change(inside, path, lambda table: table.assign(**{column: [np.nan, 1.5, *table[column][2:]]}))
    noisy = taught(inside).dataset.noisy.fnames
    assert refused(inside, SHARES) == [
        f"{source.title}: {path} cannot be used: values of 2 rows are no probabilities, first those of "
        f"{table['fname'][0]}; `python -m tagging predict --run {source.id[:8]}` computes it again"
    ]
    change(inside, path, lambda _: table[2:])
    assert refused(inside, SHARES) == [f"{title(source)} in {path} has no probabilities of 2 clips, such as {noisy[0]}"]


def train(project: Project, *overrides: str) -> str:
    return project.run("train", "tiny", "--set", "training.epochs=2", *overrides).stdout


def test_a_trained_student_names_its_teacher_and_is_predicted_anew_without_it(
    moved: Project, store_of: Connect
) -> None:
    store = store_of(moved)
    source = the_run(store)
    out = train(moved, "name=student", SHARES)
    assert f"\nthe targets hold probabilities of tiny ({source.id[:8]}) of data set demo\n" in out
    student = the_run(store, "student")
    assert (student.params["teacher.run"], student.tags["teacher.run"]) == (source.id, source.id)
    assert student.tags["ensemble"] == "exclude"
    assert (student.tags["teacher.name"], len(student.tags["teacher.sha256"])) == ("tiny", 64)
    assert (
        f"**Learns from** [tiny](#/runs/{source.id}): its probabilities make up 25% of curated clips and 75% of noisy "
        "clips in the training targets."
    ) in student.tags["mlflow.note.content"]
    assert f"trained before: run {student.id}" in train(moved, "name=student", SHARES)
    store.connection.client.delete_run(source.id)
    moved.run("predict", "--run", "student")
    assert store.get(student.id).metrics["cv_lwlrap"] == pytest.approx(student.metrics["cv_lwlrap"], abs=1e-6)


@pytest.mark.long
def test_killed_and_continued_a_student_ends_as_one_that_was_not(moved: Project, store_of: Connect) -> None:
    broken = ("train", "tiny", "--set", f"training.epochs=2 name=broken {SHARES}")
    assert moved.kill_when(lambda: bool(moved.epochs_in_work()), signal.SIGKILL, *broken) == -signal.SIGKILL
    moved.run(*broken)
    moved.run(*broken, "name=whole", "--again")
    store = store_of(moved)
    assert the_run(store, "whole").metrics == the_run(store, "broken").metrics


def test_a_student_teaches_in_its_turn(moved: Project, store_of: Connect) -> None:
    train(moved, "name=student", SHARES)
    train(moved, "name=heir", "teacher.run=student teacher.noisy=0.5 teacher.curated=0.5")
    store = store_of(moved)
    assert the_run(store, "heir").tags["teacher.run"] == the_run(store, "student").id
