"""The saved views as the UI of MLflow unpacks them."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from tagging.contract import Tag
from tagging.tracking.store import Store
from tagging.tracking.views import TAG, missing_views, views


def unpacked(name: str) -> dict[str, Any]:
    view = json.loads(views()[TAG + name])
    assert view["name"] == name
    kind, _, packed = view["state"].partition(";")
    assert kind == "deflate"
    return dict(json.loads(zlib.decompress(base64.b64decode(packed))))


def test_the_ranking_shows_parents_alone_the_best_first(store: Store) -> None:
    state = unpacked("ranking")
    parents = [store.start("demo", "experiment", name, {}, {}) for name in ("worse", "better")]
    for parent, score in zip(parents, (0.4, 0.6), strict=True):
        store.log_metrics(parent.id, {"cv_lwlrap": score})
        store.start("demo", "fold", "fold 0", {}, {}, parent)
    store.start("demo", "trial", "lr 0", {}, {}, store.start("demo", "sweep", "lr", {}, {}))
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    assert [run.name for run in store.find([state["searchFilter"]], "demo", order)] == ["better", "worse"]
    assert state["selectedColumns"][:7] == [
        *("metrics.`cv_lwlrap`", "metrics.`fold_lwlrap_std`", "tags.`teacher.leaks`", "tags.`apart`"),
        *("tags.`folds`", "metrics.`fold_lwlrap_mean`", "metrics.`nested_lwlrap`"),
    ]


def test_the_folds_stand_under_their_parents(store: Store) -> None:
    state = unpacked("folds")
    parent = store.start("demo", "experiment", "smoke", {}, {})
    fold = store.start("demo", "fold", "smoke fold 0", {"parent": "smoke 1234"}, {}, parent)
    store.start("demo", "fold", "lr 0 fold 0", {"parent": "lr 0 1234", Tag.LOCK: "sweep-0"}, {}, parent)  # of a trial
    assert [run.id for run in store.find([state["searchFilter"]], "demo")] == [fold.id]
    (key,) = state["groupBy"]["groupByKeys"]
    assert key["mode"] == "tag"
    assert fold.tags[key["groupByData"]] == "smoke 1234"


def test_the_sweeps_show_their_trials_the_best_first(store: Store) -> None:
    state = unpacked("sweeps")
    for kind in ("experiment", "stacker", "ensemble", "launch"):
        store.start("demo", kind, kind, {}, {})
    sweep = store.start("demo", "sweep", "lr", {}, {})
    for number, score in enumerate((0.4, 0.6)):
        trial = store.start("demo", "trial", f"lr {number}", {}, {}, sweep)
        store.log_metrics(trial.id, {"search_lwlrap": score})
        store.start("demo", "fold", "fold 0", {}, {}, trial)
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    assert [run.name for run in store.find([state["searchFilter"]], "demo", order)] == ["lr 1", "lr 0", "lr"]
    assert state["selectedColumns"][:2] == ["tags.`state`", "metrics.`search_lwlrap`"]


@pytest.mark.parametrize("name", ["ranking", "folds", "sweeps"])
def test_every_shown_column_has_a_place_and_a_width(name: str) -> None:
    state = unpacked(name)
    assert state["columnOrder"][1:] == state["selectedColumns"]
    assert set(state["columnWidths"]) == set(state["columnOrder"])


def test_only_data_sets_with_runs_of_ours_have_views(store: Store) -> None:
    store.connection.client.create_experiment("somebody else's")
    store.start("demo", "experiment", "smoke", {}, {})
    assert [experiment.name for experiment in store.data_sets()] == ["demo"]


def test_a_view_that_somebody_saved_anew_stays(store: Store) -> None:
    store.start("demo", "experiment", "smoke", {}, {})
    (experiment,) = store.experiments("demo")
    assert {tag: text for tag, text in experiment.tags.items() if tag.startswith(TAG)} == views()  # with the first run
    assert (missing_views({}), missing_views(experiment.tags)) == (views(), {})
    older = views()[TAG + "folds"].replace('"folds"', '"an older name"')
    mine = views()[TAG + "ranking"].replace('"updatedAt": 0', '"updatedAt": 1795377600000')
    sweeps = views()[TAG + "sweeps"]
    store.tag_experiment(experiment, {TAG + "folds": older, TAG + "ranking": mine, TAG + "sweeps": sweeps})
    (experiment,) = store.experiments("demo")
    assert missing_views(experiment.tags) == {TAG + "folds": views()[TAG + "folds"]}
    broken = {TAG + "ranking": "{broken", TAG + "folds": '{"name": "folds"}', TAG + "sweeps": ""}
    assert missing_views(broken) == {}
    store.tag_experiment(experiment, missing_views(experiment.tags))
    (experiment,) = store.experiments("demo")
    assert missing_views(experiment.tags) == {}
    assert experiment.tags[TAG + "ranking"] == mine
