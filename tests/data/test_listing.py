"""Which files are sound, and what near names lead to."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from tagging.data.layouts import read_dataset
from tagging.data.listing import sound_at
from tagging.errors import UserError
from tagging.predicting.new_sound import list_clips
from tests.data.build import write_fsdkaggle, write_sounds, write_text
from tests.rights import rights_hold


def test_what_is_hidden_is_told_and_no_sound_wherever_a_folder_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sounds(tmp_path / "sound", ["1.wav", "b/2.WAV", "._1.wav", "__MACOSX/1.wav", ".trash/3.wav"])
    write_text(tmp_path / "sound" / ".DS_Store", "no sound")
    told = f"{tmp_path}/sound: left out, hidden: '._1.wav', '.trash', '__MACOSX'"
    lines: list[str] = []
    assert sound_at(tmp_path / "sound", lines.append) == [tmp_path / "sound/1.wav", tmp_path / "sound/b/2.WAV"]
    assert lines == [told]
    assert list_clips(tmp_path / "sound", None, ["x"]).fnames == ["1.wav", "b/2.WAV"]
    assert capsys.readouterr().out == f"warning: {told}\n"
    write_text(tmp_path / "mine.csv", "fname,labels", "1.wav,Air", "b/2.WAV,Air")
    assert read_dataset(tmp_path).warnings == (told,)


def test_a_hidden_file_that_a_table_names_is_read(tmp_path: Path) -> None:
    write_sounds(tmp_path / "sound", [".1.wav", ".2.wav"])
    write_text(tmp_path / "mine.csv", "fname,labels", ".1.wav,Air")
    data = read_dataset(tmp_path)
    assert data.curated.paths == (tmp_path / "sound" / ".1.wav",)
    assert data.warnings == (f"{tmp_path}/sound: left out, hidden: '.2.wav'",)


def test_links_are_followed_once_and_dead_ones_are_told(tmp_path: Path) -> None:
    folder, disk = tmp_path / "sound", tmp_path / "disk"
    write_sounds(folder, ["a/1.wav"])
    write_sounds(disk, ["deep/2.wav", "3.wav"])
    (folder / "linked").symlink_to(disk)
    (disk / "back").symlink_to(disk)
    (folder / "4.wav").symlink_to(disk / "3.wav")
    (folder / "0twin").symlink_to(folder / "a")
    (folder / "above").symlink_to(tmp_path)
    (folder / "gone").symlink_to(tmp_path / "no")
    (folder / "circle").symlink_to(folder / "circle")
    os.mkfifo(folder / "pipe.wav")
    lines: list[str] = []
    assert [path.relative_to(folder).as_posix() for path in sound_at(folder, lines.append)] == [
        "4.wav",
        "a/1.wav",
        "linked/3.wav",
        "linked/deep/2.wav",
    ]
    assert lines == [
        f"{folder}: left out, links that lead nowhere or no files: 'circle', 'gone', 'pipe.wav'",
        f"{folder}: left out, linked and looked at already under another name: '0twin', 'above', 'linked/back'",
    ]
    write_text(tmp_path / "mine.csv", "fname,labels", "4.wav,Air", "linked/deep/2.wav,Air")
    disk.rename(folder.parent / ".disk")
    with pytest.raises(UserError) as caught:
        read_dataset(tmp_path)
    assert caught.value.problems == (
        f"{tmp_path}/mine.csv, line 2: no file '4.wav' in {folder}; {folder}/4.wav is a link that leads nowhere: mend "
        "it, or remove the line",
        f"{tmp_path}/mine.csv, line 3: no file 'linked/deep/2.wav' in {folder}; {folder}/linked is a link that leads "
        "nowhere: mend it, or remove the line",
    )


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    write_sounds(folder, ["1.wav", "locked/2.wav"])
    write_text(tmp_path / "mine.csv", "fname,labels", "1.wav,Air", "locked/2.wav,Air")
    (folder / "locked").chmod(0)
    lines: list[str] = []
    with rights_hold():
        assert sound_at(folder, lines.append) == [folder / "1.wav"]
        assert lines == [f"{folder}: left out, cannot be listed: 'locked (Permission denied)'"]
        with pytest.raises(UserError) as caught:
            read_dataset(tmp_path)
        assert caught.value.problems == (
            f"{tmp_path}/mine.csv, line 3: no file 'locked/2.wav' in {folder}; {folder}/locked cannot be listed: mend "
            "its rights",
        )
        folder.chmod(0)
        for read in (lambda: sound_at(folder, lines.append), lambda: read_dataset(tmp_path)):
            with pytest.raises(UserError) as caught:
                read()
            assert caught.value.problems == (
                f"{folder}: the folder cannot be listed (Permission denied); mend its rights",
            )


@pytest.mark.parametrize(
    ("file", "given"),
    [
        ("0.WAV", "0.wav"),
        ("0.wav", "0.WAV"),
        (unicodedata.normalize("NFD", "Krähe.wav"), unicodedata.normalize("NFC", "Krähe.wav")),
        (unicodedata.normalize("NFC", "Krähe.wav"), unicodedata.normalize("NFD", "Krähe.wav")),
        ("64760.wav", "64760"),
        ("deep/0.wav", r"deep\0.wav"),
        ("deep/0.wav", r"Train_Curated\deep\0"),
        ("deep/0.wav", "train_curated/deep/0.wav"),
        ("deep/0.wav", "{folder}/deep/0.wav"),
        ("deep/0.wav", "{link}/deep/0.wav"),
        ("deep/0.wav", "{link}/deep/0.WAV"),
    ],
)
def test_a_near_name_that_one_file_fits_is_taken_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, given: str
) -> None:
    sound = write_fsdkaggle(tmp_path / "data") / "train_curated"
    (tmp_path / "link").symlink_to(sound)
    given = given.format(folder=sound, link=tmp_path / "link")
    write_sounds(sound, [file])
    write_text(tmp_path / "data" / "train_curated.csv", "fname,labels", f"{given},Air", "a.wav,Bark", "b.wav,Bark")
    data = read_dataset(tmp_path / "data")
    assert data.curated.fnames == (given, "a.wav", "b.wav")
    assert data.curated.paths == (sound / file, sound / "a.wav", sound / "b.wav")
    told = f"{sound}: files are spelt otherwise than in the table: {given!r} is {file!r}"
    assert data.warnings == (told,)
    write_text(tmp_path / "sample.csv", "fname,x", f"{given},0")
    assert list_clips(sound, tmp_path / "sample.csv", ["x"]).paths == [sound / file]
    assert capsys.readouterr().out == f"warning: {told}\n"


@pytest.mark.parametrize("given", [r"audio\0.wav", "{root}/audio/0.wav", r"Audio\0", "0"])
def test_ones_own_sound_is_found_by_near_names_alone(tmp_path: Path, given: str) -> None:
    write_sounds(tmp_path / "audio", ["0.wav"])
    write_text(tmp_path / "t.csv", "fname,labels", f"{given.format(root=tmp_path)},Air")
    assert read_dataset(tmp_path).curated.paths == (tmp_path / "audio" / "0.wav",)


def test_names_that_all_lack_their_ending_still_find_the_folder(tmp_path: Path) -> None:
    names = [f"{number}.wav" for number in range(7)]
    write_sounds(tmp_path / "dev_audio", names)
    write_text(tmp_path / "metadata" / "0.json", "no sound")
    write_text(tmp_path / "dev.csv", "fname,labels", *(f"{name[0]},Air" for name in names))
    data = read_dataset(tmp_path)
    assert data.curated.paths == tuple(tmp_path / "dev_audio" / name for name in names)
    assert data.warnings == (
        f"{tmp_path}/dev_audio: files are spelt otherwise than in the table: '0' is '0.wav', '1' is '1.wav', "
        "'2' is '2.wav', '3' is '3.wav', '4' is '4.wav' and 2 more",
    )


def test_a_name_that_several_files_fit_or_that_is_another_files_names_them(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    write_sounds(tmp_path / "train_curated", ["0.WAV", "0.Wav", "1.wav", "1.flac", "deep/2.wav", "deep/er/2.ogg"])
    write_text(
        tmp_path / "train_curated.csv",
        "fname,labels",
        *("0.wav,Air", "1,Air", "a.mp3,Air", "2.wav,Air", "b.wav,Air", "B.wav,Air", "b,Air", "c.wav,Air"),
    )
    with pytest.raises(UserError) as caught:
        read_dataset(tmp_path)
    table, folder = f"{tmp_path}/train_curated.csv", f"{tmp_path}/train_curated"
    assert caught.value.problems == (
        f"{table}, line 7: 'B.wav' is the same file as 'b.wav' in line 6; remove one of the two lines",
        f"{table}, line 8: 'b' is the same file as 'b.wav' in line 6; remove one of the two lines",
        f"{table}, line 2: no file '0.wav' in {folder}; '0.WAV', '0.Wav' lie there: name the right one, or remove "
        "the line",
        f"{table}, line 3: no file '1' in {folder}; '1.flac', '1.wav' lie there: name the right one, or remove "
        "the line",
        f"{table}, line 4: no file 'a.mp3' in {folder}; 'a.wav' lies there: name the right one, or remove the line",
        f"{table}, line 5: no file '2.wav' in {folder}; 'deep/2.wav', 'deep/er/2.ogg' lie there: name the right one, "
        "or remove the line",
        f"{table}, line 9: no file 'c.wav' in {folder}; add the file, or remove the line",
    )
