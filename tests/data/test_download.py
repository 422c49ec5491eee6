"""The whole way from a record to a data set, also when it is interrupted."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tagging.data import download
from tagging.data.download import download_fsdkaggle2019, space_needed
from tagging.data.folds import assign_folds
from tagging.data.fsdkaggle import CURATED, NOISY
from tagging.data.layouts import read_dataset
from tagging.data.tables import read_table
from tests.data.build import write_sound
from tests.data.record_server import BASE, CURATED_ZIP, META_ZIP, TABLES, TEST_ZIP, Server, bring, check, problem_of
from tests.data.split_archive import pack
from tests.shared import SHARED, needs_shared

LABELS = SHARED / "data" / "fsdkaggle2019-labels"


def test_the_archives_become_a_data_set(server: Server, tmp_path: Path) -> None:
    bring(server, tmp_path / "deep" / "fsd")
    folder = tmp_path / "deep" / "fsd"
    check(folder)
    assert (folder / "train_curated.csv").read_text() == (
        'fname,labels,freesound_id,license\nc1.wav,Accordion,8,CC-BY\nc2.wav,"Bark,Accordion",7,CC0\n'
    )
    assert (folder / "sample_submission.csv").read_text() == (
        "fname,Accordion,Bark,Zipper_(clothing)\nt1.wav,0,0,0\nt2.wav,0,0,0\n"
    )
    assert (folder / "test_post_competition.csv").read_text() == TABLES["test_post_competition.csv"]
    assert (folder / "train_noisy" / "n2.wav").read_bytes() == (folder / "test" / "t1.wav").read_bytes()


def test_a_dry_run_lists_what_is_needed_and_writes_nothing(server: Server, tmp_path: Path) -> None:
    files = download_fsdkaggle2019(tmp_path / "fsd", server.api, dry_run=True, progress=lambda *_: None)
    noisy = sorted(name for name in server.files if "noisy.z0" in name or "noisy.z1" in name)
    names = [META_ZIP, CURATED_ZIP, TEST_ZIP, *noisy, f"{BASE}audio_train_noisy.zip"]
    assert [remote.name for remote in files] == names
    assert [remote.size for remote in files] == [len(server.files[name]) for name in names]
    assert space_needed(files) == int(2.5 * sum(remote.size for remote in files))
    assert list(tmp_path.iterdir()) == []
    assert server.asked == []


def test_progress_names_each_step_and_ends_full(server: Server, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    download_fsdkaggle2019(tmp_path, server.api, progress=lambda *call: calls.append(call))
    ends = {label: (done, total) for label, done, total in calls}
    assert {"fetching FSDKaggle2019.meta.zip", "unpacking train_noisy", "unpacking meta"} <= set(ends)
    assert all(done == total for done, total in ends.values())


def test_what_is_done_is_not_done_again(server: Server, tmp_path: Path) -> None:
    bring(server, tmp_path)
    written = (tmp_path / "train_noisy" / "n1.wav").stat().st_mtime_ns
    server.asked.clear()
    bring(server, tmp_path)
    assert server.asked == []
    assert (tmp_path / "train_noisy" / "n1.wav").stat().st_mtime_ns == written
    shutil.rmtree(tmp_path / "test")
    bring(server, tmp_path)
    assert server.asked == [TEST_ZIP]
    check(tmp_path)


def test_a_folder_of_something_else_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "train_curated.csv").write_text("mine")
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}: FSDKaggle2019 goes here, but something else is here already ('train_curated.csv'); choose "
        "another folder, or move it away"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["train_curated.csv"]


def test_two_at_once_are_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    with FileLock(tmp_path / "download" / ".lock"):
        assert problem_of(server, tmp_path) == (
            f"{tmp_path}: another process downloads into this folder; wait for its end"
        )


def test_a_disk_without_room_stops_before_the_first_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "UNPACKED_SHARE", 1e15)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_200_000_000))
    needed = space_needed(download_fsdkaggle2019(tmp_path, server.api, dry_run=True, progress=lambda *_: None))
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}: {needed / 1e9:.1f} GB are needed for the archives and what is in them, 3.2 GB are free; make "
        "room, or choose a folder on another disk"
    )
    assert server.asked == []


def test_a_disk_that_fills_up_is_said_and_gone_on_from(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", fail)
        assert problem_of(server, tmp_path) == (
            f"{tmp_path}: the disk is full; make room and start the same command again, it continues from there"
        )
    server.asked.clear()
    bring(server, tmp_path)
    assert server.asked == []
    check(tmp_path)


class KilledError(BaseException):
    """Nothing in the code catches it, as nothing catches a SIGKILL."""


def test_killed_at_any_moment_the_same_command_ends_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = 0
    stop_at = 0
    replace = Path.replace

    def pass_by(*_: object) -> None:
        nonlocal moments
        moments += 1
        if moments == stop_at:
            raise KilledError

    def stop_or_replace(path: Path, target: Path) -> None:
        pass_by()
        replace(path, target)

    monkeypatch.setattr(Path, "replace", stop_or_replace)
    download_fsdkaggle2019(tmp_path / "whole", server.api, progress=pass_by)
    last = moments
    assert last > 40
    for moment in range(1, last + 1):
        folder = tmp_path / str(moment)
        moments, stop_at = 0, moment
        with pytest.raises(KilledError):
            download_fsdkaggle2019(folder, server.api, progress=pass_by)
        bring(server, folder)
        check(folder)
        for path in (tmp_path / "whole").rglob("*.*"):
            assert (folder / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


@needs_shared
@pytest.mark.long
def test_the_real_tables_in_any_order_give_the_folds_of_the_winning_solution(server: Server, tmp_path: Path) -> None:
    listed = {half: read_table(LABELS / f"{half}.csv", ("fname", "labels")).columns for half in (CURATED, NOISY)}
    classes = {label for labels in listed[NOISY]["labels"] for label in labels.split(",")}
    tables = TABLES | {"vocabulary.csv": "".join(f"{number},{name}\n" for number, name in enumerate(classes))}
    sound = write_sound(tmp_path / "sound.wav").read_bytes()
    for name in [name for name in server.files if NOISY in name]:
        del server.files[name]
    for half, columns in listed.items():
        rows = [f'7,{fname},"{labels}"\n' for fname, labels in zip(columns["fname"], columns["labels"], strict=True)]
        random.Random(0).shuffle(rows)
        tables[f"{half}_post_competition.csv"] = "".join(["freesound_id,fname,labels\n", *rows])
        server.files[f"{BASE}audio_{half}.zip"] = pack("x", dict.fromkeys(columns["fname"], sound))
    server.files[META_ZIP] = pack("x", {name: text.encode() for name, text in tables.items()})
    bring(server, tmp_path / "fsd")
    data = read_dataset(tmp_path / "fsd")
    assert (data.classes, data.curated.fnames, data.noisy.fnames) == (
        tuple(sorted(classes)),
        listed[CURATED]["fname"],
        listed[NOISY]["fname"],
    )
    digits = "".join(map(str, assign_folds("random", 5, 42, data.curated, "", "")))
    assert hashlib.sha1(digits.encode()).hexdigest() == "d3710d0d91435afdba5022d1956b6ae7650abd4c"
