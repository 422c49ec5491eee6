"""Start Ray, look at its processes, end it; prints what it saw as JSON. Run in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import ray  # before the session on purpose: sweeps import it at their top

from tune.session import ray_session


def listening(process: psutil.Process) -> list[str]:
    try:
        found = process.net_connections("inet")
    except psutil.NoSuchProcess:  # Ray starts some that end at once
        return []
    return [socket.laddr.ip for socket in found if socket.status == psutil.CONN_LISTEN]


@ray.remote(num_cpus=1, num_gpus=0.5)
def threads() -> str:
    return os.environ["OMP_NUM_THREADS"]


def main(how: str) -> None:
    seen: dict[str, object] = {}
    before = signal.getsignal(signal.SIGTERM)
    me = psutil.Process()
    try:
        with ray_session(cpus=2, gpus=0.5):
            seen["threads"] = ray.get(threads.remote())
            tree = [me, *me.children(recursive=True)]
            addresses = [address for process in tree for address in listening(process)]
            seen["addresses"], seen["ports"] = sorted(set(addresses)), len(addresses)
            seen["sigterm kept"] = signal.getsignal(signal.SIGTERM) == before
            seen["resources"] = [ray.cluster_resources()["CPU"], ray.cluster_resources()["GPU"]]
            seen["folder"] = str(Path(ray._private.worker._global_node.get_session_dir_path()).parent)
            if how == "ctrl-c":
                os.killpg(os.getpgid(0), signal.SIGINT)
                time.sleep(60)
    except KeyboardInterrupt:
        seen["interrupted"] = True
    seen["children"] = [process.pid for process in me.children(recursive=True)]
    seen["left"] = [process.pid for process in tree[1:] if alive(process)]
    seen["folder left"] = Path(str(seen.pop("folder"))).exists()
    print(json.dumps(seen))


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


if __name__ == "__main__":
    main(sys.argv[1])
