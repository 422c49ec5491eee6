"""Runs a command that ends with the process that started it, whichever way that ends, by SIGKILL too.

It is started as a file, followed by the command, in a session of its own. Its stdin is a pipe whose other end that
process alone holds and never writes to: the pipe ends with it, on every system that has pipes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

STOP_S = 10.0  # for the command to end by itself


def main(command: list[str]) -> None:
    """Run the command; where it or stdin ends, end all that is left of this process's group, this process last."""
    # sent to the group below; a function that does nothing, since what is ignored would be by the command too
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while process.poll() is None and not select.select([sys.stdin], [], [], 0.2)[0]:
        pass
    os.killpg(0, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
