"""Show experiments, the schema, and the runs of the store."""

from __future__ import annotations

import math

from tagging.commandline import importing
from tagging.config import Recipe
from tagging.config.load import to_yaml
from tagging.contract import TOP, Metric, Tag


def show_experiment(experiment: Recipe) -> None:
    """Print every field of an experiment as it resolves, as YAML."""
    print(to_yaml(experiment), end="")


def show_schema(field: str = "") -> None:
    """Print the schema, or the part of one field or section, as `describe.schema_text` does."""
    from tagging.config.describe import schema_text

    print(schema_text(field))


def show_runs(limit: int) -> None:
    """Print the newest runs without a parent with their scores; those that labels leaked into are marked."""
    with importing():
        from tagging.commands.printing import print_rows, score_text
        from tagging.tracking.ownership import close_abandoned
        from tagging.tracking.store import Store

    store = Store.connect()
    close_abandoned(store)
    runs = [run for kind in TOP for run in store.search({Tag.KIND: kind})]
    rows = []
    for run in sorted(runs, key=lambda run: -run.start_time)[:limit]:
        cv, mean, std = (
            run.metrics.get(name, math.nan) for name in (Metric.CV_LWLRAP, Metric.FOLD_MEAN, Metric.FOLD_STD)
        )
        score = score_text(cv) + (" (leaks)" if Tag.LEAKS in run.tags and not math.isnan(cv) else "")
        rows.append([run.name, run.id[:8], run.dataset, run.status, score, score_text(mean, std)])
    if rows:
        print_rows(["run", "id", "data set", "state", "CV lwlrap", "folds"], rows, left=6)
    else:
        print("no runs yet; `make train` makes the first")
