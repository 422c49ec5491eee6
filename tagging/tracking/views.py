"""The tables of runs that the MLflow UI opens with: which columns, which runs, in which order.

MLflow 3.17 keeps a saved view as a tag of its experiment and lists it in the menu of saved views. The form of the
tag is not documented; a UI that does not know it shows its own table.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from tagging.contract import Tag

TAG = "mlflow.sharedViewState."
RANKING = "ranking"
FOLDS = "folds"
SWEEPS = "sweeps"

_NAME = "attributes.`Run Name`"
# each column as the UI calls it, with its width in pixels; one that no run has is not shown
_RANKING_COLUMNS = {
    _NAME: 200,
    "metrics.`cv_lwlrap`": 95,
    "metrics.`fold_lwlrap_std`": 115,
    "tags.`teacher.leaks`": 115,  # of runs whose CV is too good
    "tags.`apart`": 400,
    "tags.`folds`": 70,  # how many of all are finished: what a broken one has, and one that runs
    "metrics.`fold_lwlrap_mean`": 130,
    "metrics.`nested_lwlrap`": 115,  # of ensembles alone
    "metrics.`test_lwlrap`": 95,  # these three of runs that were evaluated; the groups are FSDKaggle2019's
    "metrics.`test_lwlrap_public`": 140,
    "metrics.`test_lwlrap_private`": 140,
    "tags.`worst`": 280,
    "tags.`error`": 280,
    "metrics.`cv_accuracy`": 100,
}
_FOLDS_COLUMNS = {
    _NAME: 350,  # "Group: ", a name, the beginning of an id
    "metrics.`fold_lwlrap`": 100,
    "metrics.`best_val_lwlrap`": 125,
    "metrics.`best_epoch`": 100,
    "metrics.`epochs`": 100,
    "metrics.`train_loss`": 100,
    "metrics.`val_loss`": 100,
    "metrics.`samples_per_s`": 125,
}
_SWEEPS_COLUMNS = {
    _NAME: 250,
    "tags.`state`": 95,  # beside the name: MLflow's own mark of a trial that was stopped is that of a broken one
    "metrics.`search_lwlrap`": 115,
    "metrics.`best_lwlrap`": 100,
    "metrics.`cv_lwlrap`": 95,
    "tags.`teacher.leaks`": 115,
    "tags.`differs`": 480,
    "metrics.`trial_epochs`": 100,
    "metrics.`trial_seconds`": 110,
    "metrics.`trials_finished`": 115,
    "tags.`error`": 280,
}
_BY_PARENT = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "parent"}]}


def views() -> dict[str, str]:
    """Return the tags of an MLflow experiment that hold its views.

    `ranking`: no folds and no trials, the best CV lwlrap first; `folds`: the folds of each run that is no trial,
    together with their average; `sweeps`: the trials of all sweeps, the best first, then the sweeps.
    """
    # the language of filters knows no OR: what is nothing else has a place
    no_search = "tags.kind != 'fold' and tags.kind != 'trial' and tags.kind != 'sweep'"
    ranking = _state(_RANKING_COLUMNS, no_search, "metrics.`cv_lwlrap`")
    others = ("fold", "experiment", "stacker", "ensemble", "launch")
    searches = " and ".join(f"tags.kind != '{kind}'" for kind in others)
    sweeps = _state(_SWEEPS_COLUMNS, searches, "metrics.`search_lwlrap`")
    # folds of a trial have the tag of its lock
    folds = _state(_FOLDS_COLUMNS, f"tags.kind = 'fold' and tags.`{Tag.LOCK}` IS NULL", "attributes.start_time") | {
        "groupBy": _BY_PARENT
    }
    return {TAG + key: _tag(key, state) for key, state in ((RANKING, ranking), (FOLDS, folds), (SWEEPS, sweeps))}


def missing_views(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the views that an MLflow experiment with these tags does not have, or has in an older version of ours.

    A view that somebody saved anew in the UI bears the time of that, and stays as it is.
    """
    return {
        key: value
        for key, value in views().items()
        if tags.get(key) != value and (key not in tags or '"updatedAt": 0,' in tags[key])
    }


def _state(columns: dict[str, int], where: str, order: str) -> dict[str, Any]:
    return {
        "searchFilter": where,
        "orderByKey": order,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [column for column in columns if column != _NAME],  # which is always shown
        "columnOrder": list(columns),
        "columnWidths": columns,
    }


def _tag(name: str, state: dict[str, Any]) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})
