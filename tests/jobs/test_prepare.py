"""What the folds of an experiment share."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tagging.config import load
from tagging.errors import UserError
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.prepare import prepare
from tests.project import read_csv
from tests.trainings import Inside


@pytest.mark.parametrize(("pool", "expected"), [("all", [True, True, False]), ("trusted", [False, True, False])])
def test_noisy_draws_come_from_what_is_not_dropped_or_from_trusted_clips_alone(pool: str, expected: list[bool]) -> None:
    nothing = dict.fromkeys(field.name for field in dataclasses.fields(ExperimentJob))
    own = {
        "recipe": load("base", [f"sampling.noisy_pool={pool}"]),
        "trusted": np.array([False, True, False]),
        "dropped": np.array([False, False, True]),
    }
    assert ExperimentJob(**{**nothing, **own}).noisy_pool.tolist() == expected


@pytest.fixture
def sound(inside: Inside) -> Path:
    """Return a folder of sound and tables that label lists may be put into."""
    (demo,) = (inside.folder / "data").glob("demo-*")
    return Path(shutil.copytree(demo, inside.folder / "data" / "sound"))


def problems(inside: Inside, sound: Path, *overrides: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        prepare(inside.tiny(*overrides, data=sound))
    return list(caught.value.problems)


def test_missing_lists_are_named_at_once_beside_the_data(inside: Inside, sound: Path) -> None:
    lists = "labels.corrections=corrections_C12.json labels.noisy_selection=lists/mine.json"
    assert problems(inside, sound, lists) == [
        f"{sound}/corrections_C12.json: there is no such label list; it is corrections.json of "
        "github.com/lRomul/argus-freesound at commit 05a7aee7 (sha1 of its content "
        "e272047e8a0f752922797d76ade4e424d8cdd620): put it into the data folder",
        f"{sound}/lists/mine.json: there is no such label list; put it there, or give its path from the project's root",
    ]


def test_the_problems_of_both_lists_come_at_once_wherever_the_lists_lie(inside: Inside, sound: Path) -> None:
    (sound / "lists").mkdir()
    (inside.folder / "new.json").write_text('{"x.wav": "Buzz"}')
    assert problems(inside, sound, "labels.corrections=new.json labels.noisy_selection=lists") == [
        f"{inside.folder}/new.json: entry 'x.wav' is not in train_curated.csv; remove the entry, or mend its name",
        f"{sound}/lists: is a folder, not a label list; name the JSON file",
    ]


def test_a_selection_that_drops_every_noisy_clip_is_named(inside: Inside, sound: Path) -> None:
    noisy = read_csv(sound / "train_noisy.csv")["fname"]
    (sound / "none.json").write_text(json.dumps(dict.fromkeys(noisy, "remove")))
    assert problems(inside, sound, "labels.noisy_selection=none.json") == [
        "sampling.noisy is 0.2, but labels.noisy_selection drops all 12; give --set sampling.curated=1 sampling.noisy=0"
    ]


def test_a_selection_that_changes_nothing_is_warned_of(inside: Inside, sound: Path) -> None:
    noisy = read_csv(sound / "train_noisy.csv")
    trusting = dict(zip(noisy["fname"][:5], noisy["labels"][:5], strict=True))
    (sound / "some.json").write_text(json.dumps(trusting))
    warning = (
        "labels.noisy_selection trusts 5 clips and drops none, which changes nothing while sampling.trusted is 0 "
        "and sampling.noisy_pool is all"
    )
    selected = "labels.noisy_selection=some.json"
    assert warning in prepare(inside.tiny(selected, data=sound)).warnings
    for used in ("sampling.noisy=0.1 sampling.trusted=0.1", "sampling.noisy_pool=trusted"):
        assert warning not in prepare(inside.tiny(selected, used, data=sound)).warnings
    (sound / "some.json").write_text(json.dumps({**trusting, noisy["fname"][6]: "remove"}))
    assert warning not in prepare(inside.tiny(selected, data=sound)).warnings


def test_a_class_whose_clips_are_removed_from_a_fold_is_warned_of(inside: Inside, sound: Path) -> None:
    before = prepare(inside.tiny(data=sound))
    column = before.dataset.curated.labels[:, before.dataset.classes.index("Beeps")]
    first = [before.dataset.curated.fnames[row] for row in np.flatnonzero((column > 0) & (before.folds == 0))]
    (sound / "gone.json").write_text(json.dumps(dict.fromkeys(first, "remove")))
    after = prepare(inside.tiny("labels.corrections=gone.json", data=sound)).warnings
    assert "class 'Beeps' has no clip in fold 2" in before.warnings
    assert "class 'Beeps' has no clip in fold 0, 2" in after


def test_one_class_alone_warns(inside: Inside, sound: Path) -> None:
    for half in ("train_curated", "train_noisy"):
        table = read_csv(sound / f"{half}.csv")
        table.assign(labels="Buzz").to_csv(sound / f"{half}.csv", index=False)
    submission = read_csv(sound / "sample_submission.csv")
    submission[["fname"]].assign(Buzz=0).to_csv(sound / "sample_submission.csv", index=False)
    warnings = prepare(inside.tiny(data=sound)).warnings
    assert warnings[-1] == "there is one class, 'Buzz', so that lwlrap is 1 whatever a network learns; add another"
