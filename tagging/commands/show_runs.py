"""Show the runs of the store."""

from __future__ import annotations

from tagging.commands.printing import print_rows
from tagging.contract import TOP, Metric, Tag
from tagging.progress import say
from tagging.tracking.ownership import close_abandoned
from tagging.tracking.store import Store


def show_runs(limit: int) -> None:
    """Print the newest experiments of the store with their scores; those that labels leaked into are marked."""
    store = Store.connect()
    close_abandoned(store)
    runs = [run for kind in TOP for run in store.search({Tag.KIND: kind})]
    rows = []
    for run in sorted(runs, key=lambda run: -run.start_time)[:limit]:
        metrics = run.metrics
        spread = f"{metrics[Metric.FOLD_MEAN]:.4f}" if Metric.FOLD_MEAN in metrics else ""
        if Metric.FOLD_STD in metrics:
            spread += f" ± {metrics[Metric.FOLD_STD]:.4f}"
        score = (
            f"{metrics[Metric.CV_LWLRAP]:.4f}{' (leaks)' if Tag.LEAKS in run.tags else ''}"
            if Metric.CV_LWLRAP in metrics
            else ""
        )
        rows.append([run.name, run.id[:8], run.dataset, run.status, score, spread])
    if rows:
        print_rows(["run", "id", "data set", "state", "CV lwlrap", "folds"], rows, left=6)
    else:
        say("no runs yet; `make train` makes the first")
