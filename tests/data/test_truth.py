"""Truth tables and submissions: what is read of them, and everything wrong with one at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagging.data.findings import Findings
from tagging.data.truth import Truth, read_submission, read_truth
from tagging.errors import UserError
from tests.data.build import write_text

CLASSES = ["Air", "Bark", "Chirp"]
RELEASED = (
    "fname,labels,usage,freesound_id,license",
    'b.wav,"Chirp,Air",Public,1,CC0',
    "a.wav,Bark,Private,2,CC0",
    "c.wav,Air,Public,3,CC0",
)


def read(path: Path, *fnames: str, group: str = "") -> Truth:
    return read_truth(path, CLASSES, {"run tiny (12345678)": fnames}, group, Findings())


def problems(path: Path, *fnames: str, group: str = "") -> list[str]:
    with pytest.raises(UserError) as caught:
        read(path, *fnames, group=group)
    return list(caught.value.problems)


def test_the_released_table_is_parted_by_its_usage(tmp_path: Path) -> None:
    truth = read(write_text(tmp_path / "t.csv", *RELEASED), "a.wav", "b.wav", "c.wav", "not_in_the_table.wav")
    assert truth.fnames == ("b.wav", "a.wav", "c.wav")
    np.testing.assert_array_equal(truth.labels, [[1, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert {name: mask.tolist() for name, mask in truth.groups.items()} == {
        "private": [False, True, False],
        "public": [True, False, True],
    }


def test_another_column_parts_it_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", *RELEASED)
    assert list(read(path, "a.wav", "b.wav", "c.wav", group="freesound_id").groups) == ["1", "2", "3"]
    plain = write_text(tmp_path / "plain.csv", "fname,labels", "a.wav,Bark")
    assert read(plain, "a.wav").groups == {}


def test_a_group_is_not_called_as_all_clips_are(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", "fname,labels,part", "a.wav,Bark,b", "b.wav,Air,All")
    assert problems(path, "a.wav", "b.wav", group="part") == [
        f"{path}, line 3: the column 'part' has a group 'all', which stands for all clips; call it something else"
    ]


def test_a_column_of_many_values_parts_nothing(tmp_path: Path) -> None:
    fnames = [f"{number:02d}.wav" for number in range(21)]
    path = write_text(tmp_path / "t.csv", "fname,labels,id", *(f"{fname},Bark,{fname}" for fname in fnames))
    assert problems(path, *fnames, group="id") == [
        f"{path}: the column 'id' parts the clips into 21 groups, such as '00.wav'; at most 20 are scored: name a "
        "column of few values with --group"
    ]
    path.write_text(path.read_text().replace(",20.wav", ",19.wav"))
    assert len(read(path, *fnames, group="id").groups) == 20


def test_the_digest_is_of_clips_labels_and_groups_in_any_order(tmp_path: Path) -> None:
    header, *rows = RELEASED
    fnames = ("a.wav", "b.wav", "c.wav")
    first = read(write_text(tmp_path / "t.csv", header, *rows), *fnames)
    assert read(write_text(tmp_path / "u.csv", header, *rows[::-1]), *fnames).digest == first.digest
    other = write_text(tmp_path / "v.csv", header, *rows[:2], rows[2].replace("Public", "Private"))
    assert read(other, *fnames).digest != first.digest


def test_all_problems_of_a_table_come_at_once(tmp_path: Path) -> None:
    path = write_text(
        tmp_path / "t.csv",
        "fname,labels,usage",
        "a.wav,Bork,Public",
        "b.wav,,Public",
        'a.wav,"Air,",Private',
        "d.wav,Air,",
    )
    assert problems(path, "a.wav", "b.wav") == [
        f"{path}, line 2: unknown label 'Bork'; did you mean 'Bark'?; labels must be among the 3 classes that are "
        "predicted",
        f"{path}, line 3: the labels field is empty; give at least one label, or remove the line; labels must be among "
        "the 3 classes that are predicted",
        f"{path}, line 4: an empty label in 'Air,'; remove the comma too many",
        f"{path}, line 4: 'a.wav' is listed already in line 2; leave one line a clip, its labels joined by commas",
        f"{path}, line 5: run tiny (12345678) has no prediction of 'd.wav'; remove the line",
        f"{path}, line 5: the column 'usage' is empty; fill it in, since it parts the clips into groups",
    ]


def test_a_table_that_is_not_there_or_empty_and_a_column_that_is_missing(tmp_path: Path) -> None:
    wanted = "name a CSV file with the columns fname,labels"
    assert problems(tmp_path / "no.csv") == [f"{tmp_path}/no.csv: there is no such table; {wanted}"]
    assert problems(tmp_path) == [f"{tmp_path}: is a folder, not a table; {wanted}"]
    path = write_text(tmp_path / "t.csv", "fname,labels,usage")
    assert problems(path) == [f"{path}: the table lists no clip; add a line for each clip"]
    assert problems(path, group="usages") == [
        f"{path}, line 1: no column 'usages'; the header is 'fname,labels,usage'; did you mean 'usage'?"
    ]


def test_earlier_findings_come_first(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", "fname,labels")
    for place in (path, tmp_path / "no.csv"):
        with pytest.raises(UserError) as caught:
            read_truth(place, CLASSES, {}, "", Findings(["something else"]))
        assert caught.value.problems[0] == "something else"
        assert len(caught.value.problems) == 2


def problems_of_submission(path: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_submission(path)
    return list(caught.value.problems)


def test_a_submission_is_read_in_its_own_order(tmp_path: Path) -> None:
    fnames, classes, scores = read_submission(
        write_text(tmp_path / "s.csv", "Bark,fname,Air", "0.25,b.wav,1e-3", "1,a.wav,0")
    )
    assert (fnames, classes) == (("b.wav", "a.wav"), ("Bark", "Air"))
    np.testing.assert_array_equal(scores, [[0.25, 0.001], [1, 0]])


def test_all_problems_of_a_submission_come_at_once(tmp_path: Path) -> None:
    path = write_text(tmp_path / "s.csv", "fname,Bark,Air", "a.wav,0.1,much", "b.wav,nan,0.2", "a.wav,0.3,")
    assert problems_of_submission(path) == [
        f"{path}, line 4: 'a.wav' is listed already in line 2; leave one line a clip",
        f"{path}, line 3: Bark is 'nan'; it must be a finite number",
        f"{path}, line 2: Air is 'much'; it must be a finite number",
        f"{path}, line 4: Air is ''; it must be a finite number",
    ]


def test_a_table_without_classes_or_clips_is_no_submission(tmp_path: Path) -> None:
    shape = "a submission has one column a class beside fname, and one line a clip"
    for lines in (("fname", "a.wav"), ("fname,Bark",)):
        path = write_text(tmp_path / "s.csv", *lines)
        assert problems_of_submission(path) == [f"{path}: {shape}"]
    assert problems_of_submission(tmp_path / "no.csv") == [
        f"{tmp_path}/no.csv: there is no such submission; name a CSV file with the column fname and one a class"
    ]
