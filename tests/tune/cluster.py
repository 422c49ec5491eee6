"""A Ray cluster on this machine: nodes on loopback addresses of their own, with a home and a token of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.project import ROOT
from tests.tune.processes import trial_workers

RAY = Path(sys.executable).with_name("ray")
HIDDEN = ("RAY_", "TUNE_", "MLFLOW_", "PYTEST_")


class Node:
    """A node as `ray start --block` makes it, of one core; it ends with all its processes."""

    def __init__(self, environment: Mapping[str, str], ip: str, temp: Path, *arguments: str) -> None:
        self.log = temp.with_suffix(".log")
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    *(str(RAY), "start", "--block", *arguments, "--node-ip-address", ip, "--num-cpus", "1"),
                    *("--object-store-memory", str(80 * 2**20), "--temp-dir", str(temp)),
                ],
                cwd=ROOT,
                env=dict(environment),
                stdout=log,
                stderr=log,
            )
        while "Ray runtime started" not in self.log.read_text():
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def tree(self) -> list[psutil.Process]:
        """Return all processes of the node."""
        me = psutil.Process(self._process.pid)
        return [me, *me.children(recursive=True)]

    def trials(self) -> list[psutil.Process]:
        """Return the node's processes that run trials."""
        return trial_workers(psutil.Process(self._process.pid))

    def kill(self) -> None:
        """Kill every process of the node with SIGKILL, and wait for their end."""
        if self._process.poll() is None:
            tree = self.tree()
            for process in tree:
                _kill(process)
            self._process.wait()
            psutil.wait_procs(tree, timeout=20)


class Cluster:
    """A head and a second node, in a folder whose path is short enough for sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shown = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN)}
        own = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        self.environment = {**shown, "HOME": str(folder), **own}
        subprocess.run(
            [str(RAY), "get-auth-token", "--generate"], env=self.environment, check=True, capture_output=True
        )
        # loopback has 16 million addresses: nodes are told apart, and no other machine reaches them by these
        self.address = f"127.0.0.2:{_free_port('127.0.0.2')}"
        port = self.address.partition(":")[2]
        head = ("--head", "--port", port, "--include-dashboard", "false")
        self.nodes = [Node(self.environment, "127.0.0.2", folder / "a", *head)]
        self.nodes.append(Node(self.environment, "127.0.0.3", folder / "b", "--address", self.address))

    def stop(self) -> None:
        """End all nodes."""
        for node in reversed(self.nodes):
            node.kill()


def _free_port(ip: str) -> int:
    with socket.socket() as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
