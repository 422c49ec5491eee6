"""Search: two trials side by side by TPE and ASHA, against the original's random draws, one at a time: equal time."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from tagging.tracking.store import Store

ROOT = Path(__file__).parents[1]
SPACE = "lr_mixup"
# small enough for some dozens of trials in some minutes on two cores
SMALL = (
    *("features.n_mels=32", "model.base_size=8", "sampling.frames=64", "sampling.draws_per_epoch=160"),
    *("training.epochs=18", "predict.tile_step=64", "predict.noisy=false"),
)
GRACE = 3  # epochs
# the original drew at random, trained one network at a time with all the machine has, and stopped none
SCHEMES = {
    "original": ({"searcher": {"kind": "random"}, "scheduler": {"kind": "none"}}, ("--at-once", "1", "--cpu", "2")),
    "ours": (
        {"searcher": {"kind": "tpe", "startup": 10}, "scheduler": {"kind": "asha", "grace": GRACE, "reduction": 3}},
        ("--at-once", "2", "--cpu", "1"),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What a search came to: lwlrap of its best finished trial, and how many trials and epochs it took."""

    best: float
    finished: int
    begun: int
    epochs: int


def main() -> None:
    """Run both schemes with each seed; print both best scores and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("data", type=Path, help="the data set's folder, such as data/fsd-mini")
    parser.add_argument("--minutes", type=float, default=8, help="for each search (default: 8)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds (default: 1)")
    given = parser.parse_args()
    data = given.data.absolute()
    with tempfile.TemporaryDirectory(prefix="sweeps-") as folder:
        project = _project(Path(folder))
        if _run(project, "tagging", "features", "fsd_mini_small", "--data", str(data), "--set", *SMALL).wait():
            raise SystemExit(2)
        for seed in range(given.seeds):
            # in turn, so that neither always has the calmer half of the time
            order = sorted(SCHEMES, reverse=bool(seed % 2))
            found = {scheme: _search(project, scheme, seed, data, given.minutes) for scheme in order}
            for scheme, outcome in found.items():
                print(
                    f"seed {seed}, {scheme}: best lwlrap {outcome.best:.4f}; {outcome.finished} of {outcome.begun} "
                    f"trials finished, {outcome.epochs} epochs in {given.minutes:g} min"
                )
            print(f"seed {seed}: ours / original {found['ours'].best / found['original'].best:.3f}", flush=True)


def _project(folder: Path) -> Path:
    """Copy what a search needs, so that nothing of it stays in this project."""
    for name in ("tagging", "experiments", "tune"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    space = yaml.safe_load((folder / "tune" / "spaces" / f"{SPACE}.yaml").read_text())
    fixed = dict(text.split("=") for text in SMALL)
    for scheme, (settings, _) in SCHEMES.items():
        changes = {"experiment": "fsd_mini_small", "set": fixed, "folds": [0], "trials": 1000, **settings}
        (folder / "tune" / "spaces" / f"{scheme}.yaml").write_text(yaml.safe_dump({**space, **changes}))
    return folder


def _search(project: Path, scheme: str, seed: int, data: Path, minutes: float) -> Outcome:
    """Search for so long, with a store of its own, and stop as Ctrl-C does."""
    uri = f"sqlite:///{project}/{scheme}-{seed}.db"
    arguments = ("search", scheme, "--seed", str(seed), "--data", str(data), *SCHEMES[scheme][1])
    process = _run(project, "tune", *arguments, uri=uri)
    try:
        raise SystemExit(f"the search {scheme} ended too early, with {process.wait(60 * minutes)}")
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
    os.environ["MLFLOW_TRACKING_URI"] = uri
    store = Store.connect()
    trials = store.search({"kind": "trial"})
    finished = [trial for trial in trials if trial.status == "FINISHED"]
    return Outcome(
        best=max((trial.metrics["search_lwlrap"] for trial in finished), default=float("nan")),
        finished=len(finished),
        begun=len(trials),
        epochs=sum(len(store.curve(trial.id, "search_lwlrap")) for trial in trials),
    )


def _run(project: Path, module: str, *arguments: str, uri: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, **({"MLFLOW_TRACKING_URI": uri} if uri else {})}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=project, env=environment, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    main()
