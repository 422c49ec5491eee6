"""Ray, from its start to its end: on this machine alone, or joined to a cluster."""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import psutil

from tagging.errors import UserError
from tagging.signals import keeping_handlers

# Ray and Tune read these when they start; workers inherit them
_SETTINGS = {
    # a trial is a training like any other; with Ray's niceness of 15 it hardly gets a core beside other processes
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # tune/screen.py prints the table
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a tip about GPUs
    "TUNE_STATE_REFRESH_PERIOD": "inf",  # seconds; else Ray asks a dead head for a minute
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store is the log
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that fails reports its error alone
}
_SILENT: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
# bytes of a Unix socket's path, and of Ray's part of it: session_DATE_TIME_MICROSECONDS_PID/sockets/plasma_store
_SOCKET_PATH, _OF_RAY = 107, 64
_OBJECT_STORE = 100 * 2**20  # bytes; trials map the feature store and pass next to nothing through Ray's
_FOLDER = re.compile(r"ray-(\d+)-[a-z0-9_]{8}")  # of a session: the pid of its process, and what tempfile adds
# a closed terminal and SLURM send these to the driver and all processes below it. Only the driver takes them: it needs
# the others until the trials' runs are closed, and ends them itself. Ray does the same with SIGINT
_OF_THE_DRIVER = (signal.SIGHUP, signal.SIGUSR1)
_GONE_WITHIN = 5.0  # seconds for Ray's processes to end by themselves
_HEAD_WITHIN = 5.0  # seconds for a cluster's head to answer


class Unsaved:
    """Leaves nothing of the driver's objects in Ray's record of a sweep: the store is the memory."""

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to be pickled."""
        return {}


@contextmanager
def ray_session(cpus: int, gpus: float, address: str = "") -> Iterator[None]:
    """Start Ray for the block, and end all of its processes afterwards, however the block ends.

    Without an address, a Ray of its own has so many CPUs and GPUs for trials, listens on loopback alone and joins
    no other one. With `auto` or HOST:PORT it joins that cluster and uses the cluster's resources; UserError within
    seconds where there is none. Ray prints nothing and sends no usage statistics.
    """
    import ray
    from ray._private import ray_constants

    os.environ.update(_SETTINGS)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # the screen shows which worker died
    before = _processes()
    _remove_left_behind()
    with _session_folder() as folder:
        try:
            # the variable is for the processes that Ray starts, the constant for this one, if it imported ray before
            os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = str(int(bool(address)))
            ray_constants.ENABLE_RAY_CLUSTER = bool(address)  # else Ray listens on loopback alone
            with keeping_handlers():  # Ray installs a signal handler of its own
                if address:
                    _join(address)
                else:
                    _start(cpus, gpus, Path(folder))
            yield
        finally:
            started = _processes() - before
            ray.shutdown()
            _end(started | (_processes() - before))


def check_resources(cpu: int, gpu: float) -> None:
    """Raise UserError where a trial wants more CPU cores or GPUs than this machine has.

    Within a session that joined a cluster: more than its largest node has.
    """
    nodes = _nodes(gpu)
    what = "this machine" if len(nodes) == 1 else "the largest node"
    most_cpu, most_gpu = max(cpus for cpus, _ in nodes), max(gpus for _, gpus in nodes)
    problems = []
    if cpu > most_cpu:
        problems.append(f"a trial is to have {cpu} CPU cores; {what} has {most_cpu}. Give --cpu {most_cpu} or less")
    if gpu > most_gpu:
        has = f"has {most_gpu}. Give --gpu {most_gpu} or less" if most_gpu else "has none that torch sees. Give --gpu 0"
        problems.append(f"a trial is to have {gpu:g} GPU; {what} {has}")
    if not problems and not any(_fit(node, cpu, gpu) for node in nodes):
        problems.append(f"a trial is to have {cpu} CPU cores and {gpu:g} GPU; no node has both")
    if problems:
        raise UserError(*problems)


def check_start(cpu: int, gpu: float | Literal["auto"], address: str) -> None:
    """Raise UserError where no trial could start, before anything is written; errors of `ray_session` too.

    To ask a cluster for its resources, it is joined and left again.
    """
    if not address:
        check_resources(cpu, 0 if gpu == "auto" else gpu)
        _check_room_for_sockets()
        return
    if gpu == "auto":
        raise UserError("--gpu auto measures on this machine; give the trials of a cluster a share, such as --gpu 0.25")
    with ray_session(0, 0, address):
        check_resources(cpu, gpu)


def trials_at_once(cpu: int, gpu: float, at_once: int) -> int:
    """Return how many trials of `cpu` cores and `gpu` GPUs run side by side, `at_once` at most unless it is 0.

    A trial with a share has it of one GPU: with 0.3, three fit on each. UserError by `check_resources` where none fits.
    """
    check_resources(cpu, gpu)
    fit = sum(_fit(node, cpu, gpu) for node in _nodes(gpu))
    return min(fit, at_once) if at_once else fit


def sees_gpu() -> bool:
    """Tell whether torch sees a GPU on this machine."""
    import torch

    return torch.cuda.is_available()


def _nodes(gpu: float) -> list[tuple[int, int]]:
    """Return CPU cores and GPUs of this machine, or of each node of the cluster that was joined.

    For trials without a GPU, this machine's GPUs are not counted, which would import torch.
    """
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in found]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not gpu:
        return [(cores, 0)]
    import torch

    return [(cores, torch.cuda.device_count())]


def _fit(node: tuple[int, int], cpu: int, gpu: float) -> int:
    cpus, gpus = node
    by_cpu = cpus // cpu
    if not gpu:
        return by_cpu
    by_gpu = gpus * int(1 / gpu + 1e-9) if gpu <= 1 else int(gpus // gpu)
    return min(by_cpu, by_gpu)


def _check_room_for_sockets() -> None:
    """Raise UserError where the paths of Ray's sockets would be too long."""
    room = _SOCKET_PATH - _OF_RAY
    try:
        with _session_folder() as folder:
            taken = len(os.fsencode(folder))
    except FileNotFoundError:
        raise UserError("no folder for temporary files can be written to; set TMPDIR to one") from None
    if taken > room:
        raise UserError(
            f"{folder}: too long a path for Ray's sockets, at most {room} bytes; set TMPDIR to a shorter one"
        )


def _session_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=f"ray-{os.getpid()}-", ignore_cleanup_errors=True)


def _remove_left_behind() -> None:
    """Remove the folders of sessions whose process was killed before it could remove its own."""
    for folder in Path(tempfile.gettempdir()).glob("ray-*"):
        named = _FOLDER.fullmatch(folder.name)
        with suppress(FileNotFoundError):  # another process may have been faster
            if named and not psutil.pid_exists(int(named[1])) and folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)


def _start(cpus: int, gpus: float, folder: Path) -> None:
    import ray

    # a token for this process alone; Ray's default is one in the home folder, which may be missing
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Ray's processes inherit the blocked signals; a signal that comes meanwhile reaches this process afterwards
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_DRIVER)
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            num_gpus=math.ceil(round(gpus, 6)),  # Ray takes whole GPUs, of which trials take shares
            object_store_memory=_OBJECT_STORE,
            include_dashboard=False,
            _temp_dir=str(folder),
            **_SILENT,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _join(address: str) -> None:
    import ray
    from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
    from ray._private.services import canonicalize_bootstrap_address
    from ray.exceptions import AuthenticationError

    how = "start one with `ray start --head`, and join it on this machine too (docs/cluster.md)"
    try:
        head = str(canonicalize_bootstrap_address(address))
    except (ConnectionError, ValueError, OSError):
        raise UserError(f"--address {address}: no Ray cluster is found there; {how}") from None
    if not answers(head):
        raise UserError(f"--address {address}: no Ray cluster answers at {head}; {how}")
    logging.getLogger("ray").setLevel(_SILENT["logging_level"])  # else Ray prints that it uses a token
    maybe_enable_token_auth_if_token_available()  # by itself Ray does so for `auto` alone
    try:
        ray.init(address=head, **_SILENT)
    except (AuthenticationError, ConnectionError, RuntimeError) as error:
        raise UserError(
            f"--address {address}: the cluster at {head} cannot be joined: {error}; "
            "are ~/.ray/auth_token and the versions of Python and Ray the same on its head and here?"
        ) from None


def answers(head: str) -> bool:
    """Tell whether anything listens at HOST:PORT; Ray itself would try for two minutes."""
    host, _, port = head.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _HEAD_WITHIN).close()
    except OSError:
        return False
    return True


def _processes() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _end(processes: set[psutil.Process]) -> None:
    """Wait until the processes have ended, and kill those that do not."""
    _, left = psutil.wait_procs(processes, timeout=_GONE_WITHIN)
    for process in left:
        process.kill()
