"""The memory of a process."""

from __future__ import annotations

import re
from pathlib import Path


def peak() -> int:
    """Return the most bytes that this process has had resident since its program was started.

    `resource.getrusage` counts the pages of the process that started this one too, where that is the larger.
    """
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(kilobytes)
