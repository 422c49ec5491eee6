"""Labels of held-out clips: where they leak into a run, which tags say so, and that all made from it inherit them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagging.commands.show import show_runs
from tagging.config import load
from tagging.jobs.prepare import job_of
from tagging.runs.leaks import leak_tags, leaks, warn_of_leaks
from tagging.runs.members import ensemble_of
from tagging.runs.predictions import read_out_of_fold
from tagging.selection.candidates import find_pool
from tagging.selection.ensemble_run import SelectionRecord, write_ensemble
from tagging.tracking.store import Run
from tests.stacked import Stacked
from tests.trainings import Inside, the_run

Capture = pytest.CaptureFixture[str]
MARKS = {"teacher.leaks": "yes", "ensemble": "exclude"}
END = (
    "the training learns from labels of its held-out clips, so the CV will be too good (docs/distil.md); "
    "the run stays out of ensembles until you set its tag `ensemble` to include\n"
)


def handed_on(run: Run) -> str:
    return f"warning: {run.name} ({run.id[:8]}) has the tag teacher.leaks: {END}"


@pytest.fixture
def leaky(inside: Inside) -> Run:
    """Mark `tiny` as a run whose labels leaked."""
    inside.store.set_tags(the_run(inside.store).id, MARKS)
    return the_run(inside.store)


@pytest.fixture
def leaky_member(stacked: Stacked) -> Iterator[Run]:
    """Mark one of two members, for a while."""
    member = stacked.run("other")
    stacked.store.set_tags(member.id, MARKS)
    yield stacked.run("other")
    for tag in MARKS:
        stacked.store.connection.client.delete_tag(member.id, tag)


def test_without_a_leak_there_is_no_tag_and_no_word(inside: Inside, capsys: Capture) -> None:
    job = job_of(inside.tiny("init.run=tiny teacher.run=tiny teacher.noisy=0.5"), inside.store)
    job.begin(the_run(inside.store), inside.store)
    assert not job.tags.keys() & MARKS.keys()
    assert capsys.readouterr().err == ""


def test_a_share_in_the_targets_of_curated_clips_leaks(inside: Inside, capsys: Capture) -> None:
    job = job_of(inside.tiny("teacher.run=tiny teacher.curated=0.5"), inside.store)
    source = the_run(inside.store)
    job.begin(source, inside.store)
    assert job.soft_targets
    taught = {"teacher.sha256": job.soft_targets.digest, "teacher.run": source.id, "teacher.name": "tiny"}
    assert job.tags == {**taught, **MARKS}
    assert capsys.readouterr().err == (
        "warning: teacher.curated is 0.5, and out-of-fold probabilities come from networks that saw other folds: " + END
    )


@pytest.mark.parametrize("fields", ["init.run=tiny", "teacher.run=tiny teacher.noisy=0.5"])
def test_weights_and_words_hand_it_on(inside: Inside, leaky: Run, fields: str, capsys: Capture) -> None:
    job = job_of(inside.tiny(fields), inside.store)
    job.begin(leaky, inside.store)
    assert MARKS.items() <= job.tags.items()
    assert capsys.readouterr().err == handed_on(leaky)


def test_all_ways_are_told_each_once(leaky: Run, capsys: Capture) -> None:
    ways = leaks([leaky, leaky], 0.25)
    assert ways == [
        "teacher.curated is 0.25, and out-of-fold probabilities come from networks that saw other folds",
        f"tiny ({leaky.id[:8]}) has the tag teacher.leaks",
    ]
    warn_of_leaks(ways)
    assert capsys.readouterr().err == f"warning: {'; '.join(ways)}: {END}"
    assert leak_tags(ways) == MARKS


def test_its_cv_is_marked_among_the_runs(leaky: Run, capsys: Capture) -> None:
    show_runs(20)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny ")]
    assert f" FINISHED  {leaky.metrics['cv_lwlrap']:.4f} (leaks)  " in line


def test_an_ensemble_hands_it_on(inside: Inside, leaky: Run, capsys: Capture) -> None:
    made = ensemble_of("geometric", [leaky], [1])
    run = write_ensemble(
        inside.store, "blend", made, read_out_of_fold(inside.store, [leaky]), SelectionRecord(how="by hand.")
    )
    assert MARKS.items() <= run.tags.items()
    assert "\n\n**The CV is too good:** the training learned" in run.tags["mlflow.note.content"]
    assert capsys.readouterr().err == handed_on(leaky)


def test_a_stacker_hands_it_on_and_is_no_candidate(stacked: Stacked, leaky_member: Run, capsys: Capture) -> None:
    run = stacked.train("name=heir model.kind=logistic")
    assert MARKS.items() <= run.tags.items()
    assert handed_on(leaky_member) in capsys.readouterr().err
    assert "\n\n**The CV is too good:** the training learned" in run.tags["mlflow.note.content"]
    assert (run.id, "its tag ensemble is exclude") in [(one.id, why) for one, why in find_pool(stacked.store).left_out]


def test_a_trial_that_is_prepared_bears_the_tags_too(stacked: Stacked, leaky_member: Run) -> None:
    assert job_of(stacked.load(), stacked.store).tags == MARKS
    assert job_of(load(stacked.folder / "experiments" / "stacked.yaml", ["members=[tiny]"]), stacked.store).tags == {}
