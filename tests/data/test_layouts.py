from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tests.data.build import write_fsdkaggle, write_sounds, write_text
from tests.shared import SHARED, needs_shared


def problems_of(folder: Path) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        read_dataset(folder)
    return caught.value.problems


def write_own(root: Path, *rows: str, header: str = "fname,labels") -> Path:
    write_text(root / "mine.csv", header, *rows)
    write_sounds(root / "sound", ["a.wav", "b.wav"])
    return root


def test_fsdkaggle_takes_classes_and_their_order_from_the_submission(tmp_path: Path) -> None:
    data = read_dataset(write_fsdkaggle(tmp_path / "mine"))
    assert (data.name, data.folder, data.classes) == ("mine", tmp_path / "mine", ("Bark", "Air"))
    assert data.curated.fnames == ("b.wav", "a.wav")
    assert data.curated.paths[0] == tmp_path / "mine" / "train_curated" / "b.wav"
    assert data.curated.labels.dtype == np.float32
    assert data.curated.labels.tolist() == [[1, 1], [0, 1]]
    assert data.noisy.labels.tolist() == [[1, 0]]
    assert data.test.fnames == ("t.wav",)
    assert data.test.labels.tolist() == [[0, 0]]
    assert data.warnings == ()


def test_a_name_can_be_given(tmp_path: Path) -> None:
    assert read_dataset(write_fsdkaggle(tmp_path), "dogs").name == "dogs"


def test_noisy_and_test_halves_may_be_absent(tmp_path: Path) -> None:
    write_text(tmp_path / "sample_submission.csv", "fname,Air")
    write_text(tmp_path / "train_curated.csv", "fname,labels", "a.wav,Air")
    write_sounds(tmp_path / "train_curated", ["a.wav"])
    data = read_dataset(tmp_path)
    assert (len(data.noisy), len(data.test), data.noisy.labels.shape) == (0, 0, (0, 1))
    assert data.warnings == ()


def test_further_columns_are_kept_as_text_and_follow_a_mask(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    write_text(tmp_path / "train_curated.csv", "fold,fname,labels,", "3,a.wav,Air,", "1,b.wav,Bark,")
    curated = read_dataset(tmp_path).curated
    assert curated.columns == {"fold": ("3", "1")}
    kept = curated.keep(np.array([False, True]))
    assert (kept.fnames, kept.columns, kept.labels.tolist()) == (("b.wav",), {"fold": ("1",)}, [[1, 0]])
    assert kept.where(0) == f"{tmp_path}/train_curated.csv, line 3"


def test_own_data_sorts_its_classes_and_finds_the_sound_in_a_subfolder(tmp_path: Path) -> None:
    data = read_dataset(write_own(tmp_path, 'a.wav,"Dog,Air"', "b.wav,Air"))
    assert data.classes == ("Air", "Dog")
    assert data.curated.paths[1] == tmp_path / "sound" / "b.wav"
    assert (len(data.noisy), len(data.test)) == (0, 0)


def test_own_data_finds_the_sound_beside_the_table_and_by_inner_paths(tmp_path: Path) -> None:
    write_text(tmp_path / "mine.csv", "fname,labels", "a.wav,Air", "deep/er/./b.wav,Air")
    write_sounds(tmp_path, ["a.wav", "deep/er/b.wav"])
    write_text(tmp_path / "README.md", "not sound")
    data = read_dataset(tmp_path)
    assert data.curated.paths == (tmp_path / "a.wav", tmp_path / "deep/er/b.wav")
    assert data.warnings == ()


def test_a_label_given_twice_counts_once_and_blanks_do_not_count(tmp_path: Path) -> None:
    data = read_dataset(write_own(tmp_path, 'a.wav," Air , Air"', "", "b.wav, Dog"))
    assert data.classes == ("Air", "Dog")
    assert data.curated.labels.tolist() == [[1, 0], [0, 1]]


def test_a_table_from_excel_is_read(tmp_path: Path) -> None:
    write_own(tmp_path)
    (tmp_path / "mine.csv").write_bytes(b"\xef\xbb\xbffname,labels\r\na.wav,Air\r\nb.wav,Dog\r\n")
    assert read_dataset(tmp_path).curated.fnames == ("a.wav", "b.wav")


def test_the_folder_of_the_sound_may_be_a_link(tmp_path: Path) -> None:
    write_sounds(tmp_path / "disk", ["a.wav"])
    root = tmp_path / "data"
    write_text(root / "mine.csv", "fname,labels", "a.wav,Air")
    (root / "sound").symlink_to(tmp_path / "disk")
    assert read_dataset(root).curated.paths == (root / "sound" / "a.wav",)


def test_unlisted_sound_warns(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    write_sounds(tmp_path / "train_curated", ["x.wav", "._a.wav"])
    write_sounds(tmp_path / "test", ["y.wav", "z.wav"])
    assert read_dataset(tmp_path).warnings == (
        f"{tmp_path}/train_curated: 1 sound file is in no table and left out: 'x.wav'",
        f"{tmp_path}/train_curated: left out, hidden: '._a.wav'",
        f"{tmp_path}/test: 2 sound files are in no table and left out: 'y.wav', 'z.wav'",
    )


def test_a_submission_without_test_sound_warns(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    (tmp_path / "test" / "t.wav").unlink()
    (tmp_path / "test").rmdir()
    data = read_dataset(tmp_path)
    assert len(data.test) == 0
    assert data.warnings == (
        f"{tmp_path}/test: there is no such folder, so no clip of sample_submission.csv (1) is predicted",
    )


def test_missing_folder(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "no") == (
        f"{tmp_path}/no: there is no such folder; give the folder that holds the tables and the sound",
    )
    path = write_text(tmp_path / "file")
    assert problems_of(path) == (
        f"{path}: is a file, not a folder; give the folder that holds the tables and the sound",
    )


@pytest.mark.parametrize("table", ["train_curated.csv", "sample_submission.csv"])
def test_missing_fsdkaggle_table(tmp_path: Path, table: str) -> None:
    write_fsdkaggle(tmp_path)
    (tmp_path / table).unlink()
    assert problems_of(tmp_path) == (
        f"{tmp_path}/{table}: this table is missing; the layout of FSDKaggle2019 needs train_curated.csv and "
        "sample_submission.csv, and your own data needs one table of another name",
    )


def test_half_of_a_half(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    (tmp_path / "train_noisy.csv").unlink()
    assert problems_of(tmp_path) == (
        f"{tmp_path}/train_noisy.csv: this table is missing; it lists the clips of {tmp_path}/train_noisy: "
        "add it, or remove that folder",
    )
    write_text(tmp_path / "train_noisy.csv", "fname,labels", "n.wav,Bark")
    (tmp_path / "train_noisy").rename(tmp_path / "elsewhere")
    write_text(tmp_path / "sample_submission.csv", "fname,Bark,Air")
    assert problems_of(tmp_path) == (
        f"{tmp_path}/train_noisy: there is no such folder; it holds the clips of train_noisy.csv",
        f"{tmp_path}/sample_submission.csv: the table lists no clip; list those of {tmp_path}/test, "
        "or remove that folder",
    )


def test_no_table_and_several_tables(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == (
        f"{tmp_path}: there is no table; put one CSV file with the columns fname,labels into this folder, "
        "or the tables of FSDKaggle2019",
    )
    write_text(tmp_path / "one.csv")
    write_text(tmp_path / "two.CSV")
    assert problems_of(tmp_path) == (
        f"{tmp_path}: there are 2 tables, 'one.csv', 'two.CSV'; leave the one with the columns fname,labels "
        "and move the others away",
    )


def test_empty_tables(tmp_path: Path) -> None:
    assert problems_of(write_own(tmp_path)) == (
        f"{tmp_path}/mine.csv: the table lists no clip; add a line for each sound file",
    )
    write_text(tmp_path / "mine.csv")
    assert problems_of(tmp_path) == (
        f"{tmp_path}/mine.csv: the table is empty; its first line must name the columns fname,labels",
    )


def test_all_problems_of_all_tables_come_at_once(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    write_text(tmp_path / "train_curated.csv", "fname,labels", "a.wav,Brak", "b.wav,", 'a.wav,"Air,"', "c.wav,X")
    write_text(tmp_path / "train_noisy.csv", "file,labels", "n.wav,Bark")
    write_text(tmp_path / "sample_submission.csv", "fname,Bark,Air", "u.wav,0,0")
    curated, allowed = f"{tmp_path}/train_curated.csv", "the classes are the columns of sample_submission.csv"
    assert problems_of(tmp_path) == (
        f"{curated}, line 4: 'a.wav' is listed already in line 2; remove one of the two lines",
        f"{curated}, line 5: no file 'c.wav' in {tmp_path}/train_curated; add the file, or remove the line",
        f"{curated}, line 2: unknown label 'Brak'; did you mean 'Bark'?; {allowed}",
        f"{curated}, line 3: the labels field is empty; give at least one label, or remove the line; {allowed}",
        f"{curated}, line 4: an empty label in 'Air,'; remove the comma too many",
        f"{curated}, line 5: unknown label 'X'; {allowed}",
        f"{tmp_path}/train_noisy.csv, line 1: no column 'fname'; the header is 'file,labels'",
        f"{tmp_path}/sample_submission.csv, line 2: no file 'u.wav' in {tmp_path}/test; add the file, "
        "or remove the line",
    )


def test_paths_that_leave_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_sounds(outside, ["x.wav"])
    root = write_own(tmp_path / "data", "../x.wav,Air", f"{outside}/x.wav,Air", "/home/me/b.mp3,Air", "a.wav,Air")
    table, sound = root / "mine.csv", root / "sound"
    ends = ["", "", "; 'b.wav' lies there"]
    assert problems_of(root) == tuple(
        f"{table}, line {line}: {fname!r} leads out of {sound}; name a file inside that folder{end}"
        for line, (fname, end) in enumerate(
            zip(["../x.wav", f"{outside}/x.wav", "/home/me/b.mp3"], ends, strict=True), start=2
        )
    )


def test_sound_in_several_folders(tmp_path: Path) -> None:
    write_own(tmp_path, "a.wav,Air")
    write_sounds(tmp_path, ["a.wav"])
    assert problems_of(tmp_path) == (
        f"{tmp_path}/mine.csv: its files are found in several folders, '{tmp_path}', '{tmp_path}/sound'; "
        "keep the sound beside the table or in one subfolder",
    )


def test_a_long_list_shows_its_first_twenty(tmp_path: Path) -> None:
    write_own(tmp_path, *(f"{index}.wav,Air" for index in range(25)))
    problems = problems_of(tmp_path)
    assert problems[19] == (
        f"{tmp_path}/mine.csv, line 21: no file '19.wav' in {tmp_path}/sound; add the file, or remove the line"
    )
    assert problems[20:] == (f"... and 5 more files missing in {tmp_path}/sound",)


@needs_shared
def test_esc10_reads_with_its_folds() -> None:
    data = read_dataset(SHARED / "data" / "esc10")
    assert (len(data.curated), len(data.classes), data.warnings) == (400, 10, ())
    assert set(data.curated.columns["fold"]) == set("01234")
    assert data.curated.labels.sum(axis=0).tolist() == [40] * 10


@needs_shared
def test_fsd_mini_reads_once_unpacked(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SHARED / "tools" / "unpack_fsd_mini.py", tmp_path], check=True)
    data = read_dataset(tmp_path)
    assert (len(data.curated), len(data.noisy), len(data.test)) == (200, 242, 120)
    assert (data.classes[0], len(data.classes), data.warnings) == ("Baby_cry", 10, ())
