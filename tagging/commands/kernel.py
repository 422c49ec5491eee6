"""Pack a run into a kernel: one Python file and its weights, for a machine where nothing else of the project is.

Imports torch once the run is found.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tagging.contract import split_folder
from tagging.data.demo import make_demo
from tagging.data.listing import sound_at
from tagging.errors import UserError
from tagging.kernel.source import one_file
from tagging.packing.folder import FILE, check_folder, in_place
from tagging.progress import say, warn
from tagging.report.wording import count, span
from tagging.runs.finished import open_run, warn_of_untrained
from tagging.runs.stored import read_predictions
from tagging.tracking.store import Run, Store

if TYPE_CHECKING:
    from tagging.kernel.estimate import Estimate
    from tagging.kernel.plan import Plan

MEASURED = 16  # clips
PREDICTS = "--sound FOLDER [--sample sample_submission.csv] [--out submission.csv] [--time-limit MINUTES]"
TRAINS = "--data FOLDER [--sound FOLDER] [--sample sample_submission.csv] [--out submission.csv]"


def pack(run_text: str, out: Path, time_limit: float | None = None) -> None:
    """Write `out`/kernel.py, which predicts as a run does, and `out`/weights/; say how long it will take.

    `time_limit` in minutes is what the kernel keeps to unless it is told otherwise. The file is kept in the run too.
    Raises UserError where the run or a member of it cannot be packed, and where `out` cannot be written or holds
    something else; what was there before is then as it was.
    """
    check_folder(out)
    store, run = open_run(run_text)
    from tagging.kernel.weights import all_weights
    from tagging.packing.plan_of_run import plan_of

    with in_place(out) as draft:
        (draft / "weights").mkdir()
        plan = replace(plan_of(store, run, draft / "weights"), time_limit=time_limit)
        estimate = _measured(plan, draft / "weights")
        plan = estimate.with_costs(plan)
        (draft / FILE).write_text(one_file(_title(plan, "Tags sound", PREDICTS), "kernel.main", plan), "utf-8")
    store.log_file(run.id, out / FILE, "kernel")
    warn_of_untrained(store, run)
    _tell_needs(plan)
    _tell_time(plan, estimate, _test_clips(store, run))
    size = sum((out / "weights" / file.file).stat().st_size for file in all_weights(plan))
    files = count(len(all_weights(plan)), "file")
    say(f"wrote {out / FILE} and {files} of weights ({size / 1e6:.1f} MB): {_networks(plan)}")
    say(f"copy the folder {out} to the machine; there: python {FILE} --sound FOLDER --sample sample_submission.csv")


def pack_training(run_text: str, out: Path, time_limit: float | None = None) -> None:
    """Write `out`/kernel.py, which trains the networks of a run and predicts with them; errors as `pack`.

    A `time_limit` is an error too.
    """
    if time_limit is not None:
        raise UserError("a kernel that trains keeps to no time limit; leave out --time-limit, or --train")
    check_folder(out)
    store, run = open_run(run_text)
    from tagging.packing.plan_of_run import training_plan_of

    with in_place(out) as draft:
        training = training_plan_of(store, run)
        title = _title(training.plan, "Trains networks, and tags sound with them,", TRAINS)
        (draft / FILE).write_text(one_file(title, "kernel.train", training), "utf-8")
    store.log_file(run.id, out / FILE, "kernel/train")
    warn_of_untrained(store, run)
    _tell_needs(training.plan)
    say(f"wrote {out / FILE}, which trains {_networks(training.plan)}")
    say(f"copy it to the machine; there: python {FILE} --data FOLDER")


def _measured(plan: Plan, weights: Path) -> Estimate:
    """Measure the plan on synthetic clips, which need no data set."""
    from tagging.kernel.estimate import measure

    with tempfile.TemporaryDirectory(prefix="tagging-kernel-") as folder:
        make_demo(Path(folder) / "demo", seed=0, curated=10, noisy=0, test=MEASURED)
        return measure(plan, weights, sound_at(Path(folder) / "demo" / "test", warn))


def _title(plan: Plan, does: str, usage: str) -> str:
    needs = ", ".join(["torch", "NumPy", "soundfile", "soxr (which librosa brings)", *plan.modules])
    beside = ", and the folder weights/ beside it" if usage == PREDICTS else ""
    return (
        f"{does} as {plan.run} does: {_networks(plan)}, {len(plan.classes)} classes.\n\n"
        f"    python {FILE} {usage}\n\n"
        f"It needs {needs}{beside}; no internet.\n"
        "The numbers it works with stand at the end, in PLAN; before that stand the modules that it is made of.\n"
    )


def _networks(plan: Plan) -> str:
    folds = count(sum(len(network.folds) for network in plan.networks), "network")
    return folds if len(plan.networks) == 1 else f"{folds} of {len(plan.networks)} runs"


def _tell_needs(plan: Plan) -> None:
    for name in plan.modules:
        warn(f"a network of {plan.run} is one of {name}'s: the machine needs {name} (here: {version(name)})")


def _tell_time(plan: Plan, estimate: Estimate, clips: int) -> None:
    import torch

    seconds = clips * estimate.clip_seconds
    say(
        f"{estimate.clip_seconds:.2f} s a clip on this machine ({estimate.device}, "
        f"{count(torch.get_num_threads(), 'thread')}), measured on {MEASURED} synthetic clips of "
        f"{estimate.length:.1f} s on average: {clips} such clips take {span(seconds)}"
    )
    if plan.time_limit is not None and seconds > 60 * plan.time_limit:
        last = [network.name for network in reversed(plan.networks)]
        order = "the last folds first" if len(last) == 1 else f"in this order: {', '.join(last)}"
        warn(f"that is longer than {plan.time_limit:g} min: networks will be left out, {order}")


def _test_clips(store: Store, run: Run) -> int:
    """Return the number of the run's test clips, a thousand where it has none."""
    tables = store.list_files(run.id, split_folder("test"))
    return len(read_predictions(store, run, tables[0])) if tables else 1000
