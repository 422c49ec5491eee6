"""Submissions that were written by whatever program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagging.data.submission import read_submission
from tagging.errors import UserError
from tests.data.build import write_text


def problems(path: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_submission(path)
    return list(caught.value.problems)


def test_it_is_read_in_its_own_order(tmp_path: Path) -> None:
    fnames, classes, scores = read_submission(
        write_text(tmp_path / "s.csv", "Bark,fname,Air", "0.25,b.wav,1e-3", "1,a.wav,0")
    )
    assert (fnames, classes) == (("b.wav", "a.wav"), ("Bark", "Air"))
    np.testing.assert_array_equal(scores, [[0.25, 0.001], [1, 0]])


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    path = write_text(tmp_path / "s.csv", "fname,Bark,Air", "a.wav,0.1,much", "b.wav,nan,0.2", "a.wav,0.3,")
    assert problems(path) == [
        f"{path}, line 4: 'a.wav' is listed already in line 2; leave one line a clip",
        f"{path}, line 3: Bark is 'nan'; it must be a finite number",
        f"{path}, line 2: Air is 'much'; it must be a finite number",
        f"{path}, line 4: Air is ''; it must be a finite number",
    ]


def test_a_table_without_classes_or_clips_is_no_submission(tmp_path: Path) -> None:
    shape = "a submission has one column a class beside fname, and one line a clip"
    for lines in (("fname", "a.wav"), ("fname,Bark",)):
        path = write_text(tmp_path / "s.csv", *lines)
        assert problems(path) == [f"{path}: {shape}"]
    assert problems(tmp_path / "no.csv") == [
        f"{tmp_path}/no.csv: there is no such submission; name a CSV file with the column fname and one a class"
    ]
