from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagging.data.dataset import Clips
from tagging.data.label_lists import apply_corrections, read_label_list, select_noisy
from tagging.data.labels import encode_labels
from tagging.data.tables import read_table
from tagging.errors import UserError
from tests.data.build import make_clips, write_text
from tests.shared import SHARED, needs_shared

CLASSES = ("Air", "Bark", "Run")
LIST = Path("list.json")
LABELS = SHARED / "data" / "fsdkaggle2019-labels"


def clips_of_three() -> Clips:
    return make_clips([[1, 0, 0], [0, 1, 1], [0, 0, 1]])


def test_corrections_replace_all_labels_of_a_clip_or_remove_it() -> None:
    entries = {"1.wav": "Air", "2.wav": "remove"}
    targets, removed, warnings = apply_corrections(clips_of_three(), CLASSES, entries, LIST)
    assert targets.dtype == np.float32
    assert targets.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert removed.tolist() == [False, False, True]
    assert warnings == []


def test_a_selection_trusts_or_drops() -> None:
    entries = {"1.wav": "Run,Bark", "2.wav": "remove"}
    trusted, dropped, warnings = select_noisy(clips_of_three(), CLASSES, entries, LIST)
    assert (trusted.tolist(), dropped.tolist(), warnings) == ([False, True, False], [False, False, True], [])


def test_a_list_that_changes_nothing_warns() -> None:
    assert apply_corrections(clips_of_three(), CLASSES, {"0.wav": "Air"}, LIST)[2] == [
        "list.json: the list changes nothing"
    ]
    assert select_noisy(clips_of_three(), CLASSES, {}, LIST)[2] == ["list.json: the list changes nothing"]


@pytest.mark.parametrize("use", [apply_corrections, select_noisy])
def test_unknown_files_and_labels_stop_with_all_their_names(use) -> None:
    entries = {"0.wav": "Brak", "7.wav": "Air", "8.wav": "remove", "1.wav": ""}
    with pytest.raises(UserError) as caught:
        use(clips_of_three(), CLASSES, entries, LIST)
    allowed = "labels must be classes of the data set"
    assert caught.value.problems == (
        "list.json: entry '7.wav' is not in train.csv; remove the entry, or mend its name",
        "list.json: entry '8.wav' is not in train.csv; remove the entry, or mend its name",
        f"list.json: entry '0.wav': unknown label 'Brak'; did you mean 'Bark'?; {allowed}",
        "list.json: entry '1.wav': the labels are empty; give at least one label, or 'remove' to leave the clip out; "
        f"{allowed}",
    )


def test_remove_written_otherwise_is_hinted_at() -> None:
    with pytest.raises(UserError) as caught:
        apply_corrections(clips_of_three(), CLASSES, {"0.wav": "Remove", "1.wav": "Bark,remove"}, LIST)
    assert caught.value.problems == (
        "list.json: entry '0.wav': unknown label 'Remove'; did you mean 'remove'?; "
        "labels must be classes of the data set",
        "list.json: entry '1.wav': unknown label 'remove'; labels must be classes of the data set",
    )


def test_a_selection_does_not_relabel() -> None:
    with pytest.raises(UserError) as caught:
        select_noisy(clips_of_three(), CLASSES, {"7.wav": "Air", "1.wav": "Bark", "0.wav": "Air"}, LIST)
    assert caught.value.problems == (
        "list.json: entry '7.wav' is not in train.csv; remove the entry, or mend its name",
        "list.json: entry '1.wav' says 'Bark' where the table says 'Bark,Run'; a selection does not relabel: "
        "give the table's labels to trust the clip, or 'remove'",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n"a": "X",\n}', ", line 3: not readable as JSON"),
        ('["a"]', ': a label list is one JSON object {"clip.wav": "remove" or "Bark,Run", ...}'),
        ('{"a": "X", "a": "Y"}', ": listed more than once: 'a'; leave one entry of each"),
        ('{"a": 1, "b": {}}', ": neither \"remove\" nor labels as text: 'a', 'b'"),
    ],
)
def test_what_is_no_label_list_stops(tmp_path: Path, text: str, message: str) -> None:
    path = write_text(tmp_path / "list.json", text)
    with pytest.raises(UserError) as caught:
        read_label_list(path)
    assert caught.value.problems[0].startswith(f"{path}{message}")


def test_a_missing_list_stops_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_label_list(tmp_path / "no.json")
    assert caught.value.problems == (
        f"{tmp_path}/no.json: there is no such label list; put it there, or give its path from the project's root",
    )
    with pytest.raises(UserError) as caught:
        read_label_list(tmp_path)
    assert caught.value.problems == (f"{tmp_path}: is a folder, not a label list; name the JSON file",)


def test_a_byte_order_mark_is_no_part_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('{"a": "X"}', "utf-8-sig")
    assert read_label_list(tmp_path / "list.json") == {"a": "X"}


def real_clips(name: str, classes: list[str]) -> Clips:
    table = read_table(LABELS / name, ("fname", "labels"))
    fnames, fields = table.columns["fname"], table.columns["labels"]
    labels, unknown = encode_labels(fields, classes)
    assert not unknown
    return Clips(fnames, tuple(LABELS / fname for fname in fnames), labels, {}, table.path, table.lines)


@pytest.fixture(scope="module")
def real_classes() -> list[str]:
    fields = read_table(LABELS / "train_curated.csv", ("labels",)).columns["labels"]
    return sorted({label for field in fields for label in field.split(",")})


@needs_shared
@pytest.mark.parametrize(
    ("name", "gone", "changed"), [("C12", 5, 7), ("C71", 14, 57), ("C73", 15, 58), ("C76", 14, 62)]
)
def test_the_real_corrections(name: str, gone: int, changed: int, real_classes: list[str]) -> None:
    clips = real_clips("train_curated.csv", real_classes)
    path = LABELS / f"corrections_{name}.json"
    targets, removed, warnings = apply_corrections(clips, real_classes, read_label_list(path), path)
    assert (int(removed.sum()), int((targets != clips.labels).any(axis=1).sum())) == (gone, changed)
    assert warnings == []


@needs_shared
@pytest.mark.parametrize(("version", "drops"), [("v1", 0), ("v2", 6999)])
def test_the_real_selections(version: str, drops: int, real_classes: list[str]) -> None:
    clips = real_clips("train_noisy.csv", real_classes)
    path = LABELS / f"noisy_corrections_{version}.json"
    trusted, dropped, _ = select_noisy(clips, real_classes, read_label_list(path), path)
    assert (int(trusted.sum()), int(dropped.sum()), bool((trusted & dropped).any())) == (1745, drops, False)


def test_a_missing_list_of_the_winning_solution_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_label_list(tmp_path / "corrections_C76.json")
    assert caught.value.problems == (
        f"{tmp_path}/corrections_C76.json: there is no such label list; it is corrections.json of "
        "github.com/lRomul/argus-freesound at commit 31156c79 (sha1 of its content "
        "60ac22d71d12e8a91a464a84039055f2b47f06bd): put it into the data folder",
    )
