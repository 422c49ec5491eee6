"""The state of a review: the queue with its reasons, decisions about clips, errors left, and the command to train."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagging.config import load
from tagging.data.dataset import Dataset
from tagging.errors import UserError
from tagging.review.clips import ReviewedClips, read_clips
from tagging.review.decisions import KEEP, RELABEL, REMOVE, SKIP, TRUST
from tagging.review.queue import BELIEVED, DISAGREEMENT, DUPLICATE, WRONG, Reason
from tagging.review.workbench import Workbench, opened
from tagging.tracking.run import Run
from tests.data.build import make_clips
from tests.trainings import Inside, the_run

CLASSES = ("Air", "Bark", "Cat")
CURATED = [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
NOISY = [[1, 0, 0], [0, 1, 0]]


def run_of(name: str) -> Run:
    return Run(name * 8, name, "FINISHED", "1", "own", {}, {}, {}, 0, None)


@pytest.fixture
def clips() -> ReviewedClips:
    """Eight curated clips, of which the last is no cat but a bark, and of which two are one sound; two noisy ones."""
    curated, noisy = make_clips(CURATED), make_clips(NOISY)
    noisy = replace(noisy, fnames=("n0.wav", "n1.wav"), table=Path("noisy.csv"))
    one = np.where(curated.labels > 0, 0.9, 0.05).astype(np.float32)
    one[7] = [0.05, 0.95, 0.02]
    other = one.copy()
    other[2] = [0.3, 0.6, 0.05]
    dataset = Dataset("own", Path("/own"), CLASSES, curated, noisy, curated.keep(np.zeros(8, bool)), ())
    return ReviewedClips(
        runs=(run_of("one"), run_of("other")),
        experiment=load("base", ["name=own_one"]),
        dataset=dataset,
        curated=curated,
        noisy=noisy,
        out_of_fold=np.stack([one, other]),
        noisy_mean=np.array([[0.92, 0.01, 0.02], [0.9, 0.1, 0.1]], np.float32),
        same=np.array([0, 1, 2, 3, 4, 4, 6, 7, 8, 9]),
    )


@pytest.fixture
def bench(clips: ReviewedClips, tmp_path: Path) -> Iterator[Workbench]:
    with opened(clips, tmp_path / "corrections.json", tmp_path / "selection.json", "ann") as one:
        yield one


def test_the_queue_has_each_clip_once_with_all_reasons_the_strongest_kind_first(bench: Workbench) -> None:
    kinds = {bench.clips.fnames[one.clip]: [reason.kind for reason in one.reasons] for one in bench.suspects}
    assert kinds == {
        "7.wav": [WRONG],
        "4.wav": [DUPLICATE],
        "5.wav": [DUPLICATE],
        "2.wav": [DISAGREEMENT],
        "n0.wav": [BELIEVED],
    }
    by_name = {bench.clips.fnames[one.clip]: one.reasons[0] for one in bench.suspects}
    assert by_name["7.wav"].text == "likely Bark 0.95; unlikely Cat 0.02"
    assert by_name["4.wav"] == Reason(DUPLICATE, 1.0, "the same sound as 5.wav (Cat) with other labels")
    assert by_name["2.wav"].text == "one says Air 0.90; other says Bark 0.60"
    assert by_name["n0.wav"].text == "believed: Air 0.92"


def test_decisions_go_to_the_list_of_their_split_and_lower_the_errors_left(bench: Workbench) -> None:
    expected = bench.errors_left
    assert expected == pytest.approx(bench.errors.expected)
    suspects = {bench.clips.fnames[one.clip]: one for one in bench.suspects}
    bench.decide(suspects["7.wav"], RELABEL, bench.likely(7))
    assert bench.errors_left == pytest.approx(max(0, expected - 2))  # a label was wrong, and one was missing
    bench.decide(suspects["4.wav"], KEEP)
    bench.decide(suspects["2.wav"], SKIP)
    bench.decide(suspects["5.wav"], REMOVE)
    bench.decide(suspects["n0.wav"], TRUST)
    assert bench.done == 4
    assert bench.corrections.path.read_text() == '{\n "5.wav": "remove",\n "7.wav": "Bark"\n}\n'
    assert bench.selection.path.read_text() == '{\n "n0.wav": "Air"\n}\n'
    line = bench.corrections.lines[0]
    assert (line.who, line.clip, line.labels, line.run) == ("ann", "7.wav", "Bark", "one" * 8)
    assert line.reason == "wrong label: likely Bark 0.95; unlikely Cat 0.02"
    assert [bench.undo() for _ in range(2)] == [8, 5]
    assert bench.selection.path.read_text() == "{}\n"
    assert bench.done == 2


def test_what_can_be_decided_depends_on_the_split(bench: Workbench) -> None:
    assert bench.allowed(0) == (KEEP, RELABEL, REMOVE, SKIP)
    assert bench.allowed(8) == (KEEP, TRUST, REMOVE, SKIP)


def test_the_command_names_the_lists_that_hold_something(bench: Workbench) -> None:
    assert bench.command() == ""
    suspects = {bench.clips.fnames[one.clip]: one for one in bench.suspects}
    bench.decide(suspects["7.wav"], REMOVE)
    assert bench.command() == (
        f"python -m tagging train own_one --data /own --set labels.corrections={bench.corrections.path}"
    )
    bench.decide(suspects["n0.wav"], TRUST)
    assert bench.command().endswith(
        f"labels.corrections={bench.corrections.path} labels.noisy_selection={bench.selection.path}"
    )


def test_similar_clips_leave_the_clip_itself_out(bench: Workbench) -> None:
    assert [clip for clip, _ in bench.similar(7, 2)] == [3, 4]


def test_conflicts_of_a_merge_come_first(clips: ReviewedClips, tmp_path: Path) -> None:
    paths = [(tmp_path / f"{who}.json", tmp_path / f"{who}_noisy.json", who) for who in ("ann", "ben")]
    for path, decision in zip(paths, (KEEP, REMOVE), strict=True):
        with opened(clips, *path) as one:
            one.decide(next(suspect for suspect in one.suspects if suspect.clip == 4), decision)
    with opened(clips, *paths[0]) as bench:
        assert bench.corrections.merge(paths[1][0]) == ["4.wav: ann says keep; ben says remove"]
        first = bench.suspects[0]
        assert (first.clip, [reason.kind for reason in first.reasons]) == (4, ["conflict", DUPLICATE])
        assert first.reasons[0].text == "ann says keep; ben says remove"
        assert not bench.is_decided(4)


def test_a_list_that_does_not_fit_the_data_set_is_refused(clips: ReviewedClips, tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    path.write_text('{"0.wav": "Dog"}')
    with pytest.raises(UserError) as raised, opened(clips, path, tmp_path / "n.json", "ann"):
        pass
    assert str(raised.value) == (f"{path}: entry '0.wav': unknown label 'Dog'; labels must be classes of the data set")


def test_clips_of_a_run_are_read_with_the_labels_of_the_tables(inside: Inside) -> None:
    run = the_run(inside.store)
    clips = read_clips(inside.store, [run])
    oof = inside.store.read_table(run.id, "predictions/oof.parquet").set_index("fname")
    assert sorted(clips.curated.fnames) == sorted(oof.index)
    np.testing.assert_array_equal(
        clips.out_of_fold[0], oof.loc[list(clips.curated.fnames), list(clips.dataset.classes)].to_numpy()
    )
    assert (len(clips.noisy), clips.noisy_mean.shape, len(clips.same)) == (12, (12, 10), 48)
    assert len(set(clips.same.tolist())) == 48  # no sound is there twice
    table = clips.dataset.curated.table
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:1], *lines[2:]]) + "\n")
    lost = lines[1].partition(",")[0]
    (clips.dataset.folder / "train_curated" / lost).unlink()
    with pytest.raises(UserError) as raised:
        read_clips(inside.store, [run])
    assert str(raised.value) == (
        f"{run.title} predicted clips that {table} does not list now: {lost!r}; "
        "bring them back, or name the right folder with --data"
    )
