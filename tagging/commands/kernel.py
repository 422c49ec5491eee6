"""Pack a run into a kernel: one Python file and its weights, for a machine where nothing else of the project is."""

from __future__ import annotations

from pathlib import Path

from tagging.errors import UserError
from tagging.packing.folder import check_folder
from tagging.runs.finished import open_run


def pack(run_text: str, out: Path, time_limit: float | None = None, train: bool = False) -> None:
    """Write `out`/kernel.py, which predicts as a run does, and `out`/weights/; say how long it will take.

    With `train` the file trains the networks of the run itself, and there are no weights. `time_limit` in minutes is
    what the kernel keeps to unless its command line says otherwise. The file is kept in the run too. Raises UserError
    where the run or a member of it cannot be packed, and where `out` cannot be written or holds something else; what
    was there before is then as it was.
    """
    if train and time_limit is not None:
        raise UserError("a kernel that trains keeps to no time limit; leave out --time-limit, or --train")
    check_folder(out)
    store, run = open_run(run_text)
    from tagging.packing.pack import pack_training, pack_weights  # with torch

    if train:
        pack_training(store, run, out)
    else:
        pack_weights(store, run, out, time_limit)
