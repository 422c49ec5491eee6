import hashlib
import json
import os
import shutil
import warnings

import numpy as np
import pytest
import torch

from tagging.errors import UserError
from tagging.features.logmel import LogMel
from tagging.features.store import open_store
from tagging.features.waveforms import trim_waveform
from tests.features.store_process import SETTINGS, decode, open_here

COUNT = 70  # two groups of 32 and a rest


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder of 70 short clips, of which number 40 cannot be decoded."""
    folder = tmp_path_factory.mktemp("sound")
    random = np.random.default_rng(0)
    for index in range(COUNT):
        samples = random.standard_normal(random.integers(800, 4000)) * 10 ** random.uniform(-5, 0)
        np.save(folder / f"{index:04}.npy", samples.astype(np.float32))
    (folder / "0040.npy").write_text("no sound at all")
    return folder


@pytest.fixture(scope="module")
def built(sound, tmp_path_factory):
    return open_here(tmp_path_factory.mktemp("stores"), sound)


def test_clips_are_the_log_mels_of_their_files(sound, built):
    logmel = LogMel(SETTINGS)
    assert len(built.logmels) == COUNT
    for index, path in enumerate(sorted(sound.iterdir())):
        if index == 40:
            continue
        expected = logmel([trim_waveform(np.load(path), SETTINGS)])[0]
        stored = built.logmels.clip(index)
        assert stored.dtype == torch.float16
        torch.testing.assert_close(stored.float(), expected, atol=0.0313, rtol=0)
        assert built.logmels.minima[index] == stored.float().min()


def test_float16_errs_by_half_a_unit_in_the_last_place(sound, built, tmp_path):
    exact = open_here(tmp_path, sound, "float32").logmels
    assert exact.frames.dtype == torch.float32
    error = (built.logmels.frames.float() - exact.frames).abs()
    assert error.max() <= 0.03125
    assert error[exact.frames.abs() < 64].max() <= 0.015625
    assert error.max() > 0.02


def test_undecodable_files_notes_and_contents_are_listed(sound, built):
    assert built.errors == {40: "is no array"}
    assert built.logmels.lengths[40] == 0
    assert built.notes[3] == ("made at 8000 Hz",)
    assert built.notes[4] == ()
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(sound.iterdir())]
    assert list(built.content) == hashes


def test_a_stored_log_mel_that_is_not_finite_counts_as_undecodable(tmp_path):
    folder = tmp_path / "sound"
    folder.mkdir()
    huge = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    np.save(folder / "a.npy", huge)
    np.save(folder / "b.npy", huge * np.float32(1e20))
    with np.errstate(over="ignore"):
        store = open_here(tmp_path / "stores", folder)
    assert store.errors == {1: "its samples are too large to be sound (its log-mel is not finite)"}


def test_done_says_what_the_store_is(built):
    done = json.loads((built.folder / "done.json").read_text())
    assert done["settings"]["sample_rate"] == 8000
    assert done["precision"] == "float16"
    assert (done["clips"], done["unreadable"]) == (COUNT, 1)
    assert done["frames"] == len(built.logmels.frames)


def test_opening_again_decodes_nothing_and_warns_of_nothing(sound, built):
    def never(path, rate):
        raise AssertionError("decoded again")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = open_here(built.folder.parent, sound, decode=never)
    assert again.folder == built.folder
    assert torch.equal(again.logmels.frames, built.logmels.frames)
    assert torch.equal(again.logmels.offsets, built.logmels.offsets)


def test_progress_counts_clips(sound, tmp_path):
    seen = []
    open_here(tmp_path, sound, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, COUNT), (32, COUNT), (64, COUNT), (COUNT, COUNT)]


@pytest.mark.parametrize("change", ["time", "size", "name", "precision", "settings"])
def test_whatever_changes_the_numbers_changes_the_key(sound, built, tmp_path, change):
    folder = tmp_path / "sound"
    shutil.copytree(sound, folder)
    root, settings, precision = tmp_path / "stores", SETTINGS, "float16"
    files = sorted(folder.iterdir())[:3]
    before = open_store(root, files, folder, settings, precision, decode, lambda done, total: None)
    if change == "time":
        os.utime(files[1], ns=(1, 1))
    elif change == "size":
        np.save(files[1], np.ones(900, np.float32))
    elif change == "name":
        files[1] = files[1].rename(folder / "0001b.npy")
    elif change == "precision":
        precision = "float32"
    else:
        settings = type(settings)(**{**vars(settings), "trim_db": 40.0})
    after = open_store(root, files, folder, settings, precision, decode, lambda done, total: None)
    assert after.folder != before.folder
    if change == "size":
        assert after.logmels.lengths[1] != before.logmels.lengths[1]


def test_the_folder_of_sound_may_move(sound, built, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(sound, folder)  # keeps times
    assert open_here(built.folder.parent, folder).folder == built.folder


def test_no_files_and_no_readable_files(tmp_path):
    folder = tmp_path / "sound"
    folder.mkdir()
    assert len(open_here(tmp_path / "stores", folder).logmels) == 0
    (folder / "a.npy").write_text("nothing")
    store = open_here(tmp_path / "stores", folder)
    assert store.errors == {0: "is no array"}
    assert store.logmels.frames.shape == (0, 16)


def test_damaged_frames_are_made_again(sound, built, tmp_path):
    root = tmp_path / "stores"
    shutil.copytree(built.folder.parent, root)
    frames = root / built.folder.name / "logmels.bin"
    whole = frames.read_bytes()
    frames.write_bytes(whole[: len(whole) // 2])
    open_here(root, sound)
    assert frames.read_bytes() == whole


def test_missing_files_are_listed_at_once(sound, tmp_path):
    files = [sound / "0001.npy", sound / "gone.npy", sound / "lost.npy"]
    with pytest.raises(UserError) as caught:
        open_store(tmp_path, files, sound, SETTINGS, "float16", decode, lambda done, total: None)
    assert len(caught.value.problems) == 2
    assert "gone.npy: cannot be read (No such file or directory)" in caught.value.problems[0]


def test_root_that_cannot_be_written_is_explained(sound, tmp_path):
    root = tmp_path / "file"
    root.write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot be written \(Not a directory\)"):
        open_here(root, sound)


def test_unknown_precision(sound, tmp_path):
    with pytest.raises(ValueError, match="precision is one of float32, float16, not int8"):
        open_here(tmp_path, sound, "int8")
