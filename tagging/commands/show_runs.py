"""Show the runs of the store."""

from __future__ import annotations

from tagging.commands.printing import print_rows
from tagging.progress import say
from tagging.runs.leaks import LEAKS
from tagging.tracking.ownership import close_abandoned
from tagging.tracking.store import Store


def show_runs(limit: int) -> None:
    """Print the newest experiments of the store with their scores; those that labels leaked into are marked."""
    store = Store.connect()
    close_abandoned(store)
    runs = [run for kind in ("experiment", "sweep", "ensemble", "stacker") for run in store.search({"kind": kind})]
    rows = []
    for run in sorted(runs, key=lambda run: -run.start_time)[:limit]:
        metrics = run.metrics
        spread = f"{metrics['fold_lwlrap_mean']:.4f}" if "fold_lwlrap_mean" in metrics else ""
        if "fold_lwlrap_std" in metrics:
            spread += f" ± {metrics['fold_lwlrap_std']:.4f}"
        score = f"{metrics['cv_lwlrap']:.4f}{' (leaks)' if LEAKS in run.tags else ''}" if "cv_lwlrap" in metrics else ""
        rows.append([run.name, run.id[:8], run.dataset, run.status, score, spread])
    if rows:
        print_rows(["run", "id", "data set", "state", "CV lwlrap", "folds"], rows, left=6)
    else:
        say("no runs yet; `make train` makes the first")
