"""Two steps of a member at full size on the CPU, in a process of its own, as JSON on the screen.

python -m tests.members.full_size MEMBER
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tagging.config import load
from tests.members.standin import prepare_standin, write_standin
from tests.members.steps import two_steps
from tests.memory import peak


def main(member: str) -> None:
    """Print what the two steps show, and the most memory the process has held, in GB."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "fsdkaggle2019"
        write_standin(folder)
        seen = two_steps(prepare_standin(load(member, ["device=cpu"], data=folder)))
    print(json.dumps({**asdict(seen), "peak_gb": peak() / 1e9}))


if __name__ == "__main__":
    main(sys.argv[1])
