"""`download` as a user runs it, against a server of this machine that behaves and misbehaves."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.data import remote_files
from tests.data.record_server import BASE, CURATED_ZIP, META_ZIP, TEST_ZIP, Server, archives, check, serving
from tests.data.split_archive import pack
from tests.project import Project

AGAIN = "start the same command again"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return archives(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def server(contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve the record; whoever asks in vain does not wait before asking again, as often as ever."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(remote_files, "WAITS_S", (0.0,) * len(remote_files.WAITS_S))
    with serving(contents) as served:
        yield served


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project without data and runs; downloads go elsewhere."""
    return Project(tmp_path_factory.mktemp("bare") / "project")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk to fill up")
    yield folder
    subprocess.run(["umount", folder], check=True)


def command(server: Server, folder: Path) -> tuple[str, ...]:
    return "download", "fsdkaggle2019", "--api", server.api, "--data", str(folder)


def shown(server: Server, folder: Path) -> str:
    return f"asking {server.api}\n{folder}: 2 curated, 3 noisy, 2 test clips\n"


def problem_of(project: Project, server: Server, folder: Path) -> str:
    done = project.run(*command(server, folder), code=2)
    assert done.stdout == f"asking {server.api}\n"
    return done.stderr


def test_a_dry_run_shows_files_sizes_and_the_space_needed(bare: Project, server: Server) -> None:
    curated, test = 2_345_678, 150_000
    server.sizes |= {CURATED_ZIP: curated, TEST_ZIP: test}
    done = bare.run("download", "fsdkaggle2019", "--api", server.api, "--dry-run")
    noisy = sorted(name for name in server.files if "noisy.z0" in name or "noisy.z1" in name)
    assert done.stdout.splitlines() == [
        f"asking {server.api}",
        f"       0.0 MB  {META_ZIP}",
        f"       2.3 MB  {CURATED_ZIP}",
        f"       0.1 MB  {TEST_ZIP}",
        *(f"       0.0 MB  {name}" for name in [*noisy, f"{BASE}audio_train_noisy.zip"]),
        f"       2.5 MB  in {len(noisy) + 4} files",
        "       6.2 MB  of space needed with what is in them, an estimate",
        f"to be put into {bare.folder}/data/fsdkaggle2019",
    ]
    assert done.stderr == ""
    assert not (bare.folder / "data").exists()
    assert server.asked == []


def test_a_download_is_ready_to_train_on_and_is_not_repeated(bare: Project, server: Server, tmp_path: Path) -> None:
    done = bare.run(*command(server, tmp_path / "fsd"))
    assert (done.stdout, done.stderr) == (shown(server, tmp_path / "fsd"), "")
    assert sorted(server.asked) == sorted(set(server.files) - {f"{BASE}doc.zip"})
    check(tmp_path / "fsd")
    server.asked.clear()
    done = bare.run(*command(server, tmp_path / "fsd"))
    assert (done.stdout, done.stderr) == (shown(server, tmp_path / "fsd"), "")
    assert server.asked == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_stopped_in_the_middle_the_same_command_goes_on(
    bare: Project, server: Server, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    half = len(server.files[CURATED_ZIP]) // 2
    server.hold_after[CURATED_ZIP] = half
    part = tmp_path / "fsd" / "download" / f"{CURATED_ZIP}.part"

    def reached() -> bool:
        return part.exists() and part.stat().st_size == half

    assert bare.kill_when(reached, number, *command(server, tmp_path / "fsd")) == code
    server.hold_after.clear()
    server.asked.clear()
    done = bare.run(*command(server, tmp_path / "fsd"))
    assert (done.stdout, done.stderr) == (shown(server, tmp_path / "fsd"), "")
    assert server.asked[0] == f"{CURATED_ZIP} bytes={half}-"
    assert META_ZIP not in server.asked
    check(tmp_path / "fsd")


def test_interrupted_by_the_server_the_same_command_continues(bare: Project, server: Server, tmp_path: Path) -> None:
    size = len(server.files[CURATED_ZIP])
    server.ranges = False  # so that no try comes further than the last
    server.break_after[CURATED_ZIP] = size // 2
    assert problem_of(bare, server, tmp_path / "fsd") == (
        f"error: {server.url(CURATED_ZIP)}: the connection broke off, 5 times in a row; {size // 2} of {size} bytes of "
        f"{CURATED_ZIP} are there; {AGAIN}, and it continues from there\n"
    )
    server.ranges = True
    server.break_after.clear()
    server.asked.clear()
    bare.run(*command(server, tmp_path / "fsd"))
    assert server.asked[0] == f"{CURATED_ZIP} bytes={size // 2}-"
    check(tmp_path / "fsd")


def test_without_a_connection(bare: Project, server: Server, tmp_path: Path) -> None:
    server.address = "http://127.0.0.1:1"
    assert problem_of(bare, server, tmp_path / "fsd") == (
        f"error: {server.api}: no connection ([Errno 111] Connection refused), 5 times in a row; check the network, "
        f"and {AGAIN}\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum(bare: Project, server: Server, tmp_path: Path) -> None:
    server.md5s[TEST_ZIP] = "0" * 32
    right = hashlib.md5(server.files[TEST_ZIP]).hexdigest()
    assert problem_of(bare, server, tmp_path / "fsd") == (
        f"error: {tmp_path}/fsd/download/{TEST_ZIP}: the checksum is wrong: expected md5 {'0' * 32}, got {right}; the "
        f"file was deleted; {AGAIN} to fetch it again\n"
    )
    server.md5s.clear()
    server.asked.clear()
    bare.run(*command(server, tmp_path / "fsd"))
    assert server.asked[0] == TEST_ZIP
    check(tmp_path / "fsd")


def test_a_size_that_is_a_lie(bare: Project, server: Server, tmp_path: Path) -> None:
    real = len(server.files[META_ZIP])
    server.sizes[META_ZIP] = real + 1
    assert problem_of(bare, server, tmp_path / "fsd") == (
        f"error: {server.url(META_ZIP)}: the record says {real + 1} bytes, the server sends {real}; {AGAIN} later, and "
        "tell who publishes the record where that does not help\n"
    )


def test_a_disk_that_fills_up(bare: Project, server: Server, tmp_path: Path, small_disk: Path) -> None:
    # silence packs so well that what is in the archive is far more than the estimate
    soundfile.write(tmp_path / "silence.wav", np.zeros(1_000_000), 44100)
    silence = (tmp_path / "silence.wav").read_bytes()
    server.files[CURATED_ZIP] = pack("x", {"c1.wav": silence, "c2.wav": silence})
    folder = small_disk / "fsd"
    assert problem_of(bare, server, folder) == (
        f"error: {folder}: the disk is full; make room and {AGAIN}, it continues from there\n"
    )
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    server.asked.clear()
    bare.run(*command(server, folder))
    assert server.asked == []
    check(folder)


def test_a_disk_that_is_too_small_from_the_start(bare: Project, server: Server, small_disk: Path) -> None:
    server.sizes[CURATED_ZIP] = 4_000_000_000
    size = sum(server.sizes.get(name, len(content)) for name, content in server.files.items() if "doc" not in name)
    assert problem_of(bare, server, small_disk) == (
        f"error: {small_disk}: {2.5 * size / 1e9:.1f} GB are needed for the archives and what is in them, 0.0 GB are "
        "free; make room, or choose a folder on another disk\n"
    )
    assert server.asked == []
