from __future__ import annotations

import pytest

from tagging.errors import UserError
from tagging.tracking.store import Run, Store


def ended(store: Store, name: str, kind: str = "experiment", status: str = "FINISHED") -> Run:
    run = store.start("demo", kind, name, {}, {})
    store.finish(run.id, status)
    return run


def test_a_run_is_found_by_id_by_the_beginning_of_it_and_by_name(store: Store) -> None:
    run, fold = ended(store, "corr_noisy_007"), ended(store, "fold 0", kind="fold", status="FAILED")
    for text in (run.id, run.id[:12], "corr_noisy_007"):
        assert store.resolve(text).id == run.id
    assert store.resolve(fold.id).id == fold.id
    assert store.resolve(fold.id[:12]).id == fold.id


def test_a_name_means_the_newest_finished_run_that_holds_predictions(store: Store) -> None:
    ended(store, "a")
    newest = ended(store, "a", kind="stacker")
    ended(store, "a", status="KILLED")
    ended(store, "a", kind="fold")
    store.start("demo", "experiment", "a", {}, {})
    assert store.resolve("a").id == newest.id


def test_a_name_that_reads_like_the_beginning_of_an_id_is_a_name(store: Store) -> None:
    run = ended(store, "x")
    named = ended(store, run.id[:6])
    assert store.resolve(run.id[:6]).id == named.id


def test_an_unknown_run_brings_the_nearest_names(store: Store) -> None:
    ended(store, "corr_noisy_007")
    ended(store, "smoke")
    ended(store, "corr_noisy_008", status="FAILED")
    with pytest.raises(UserError) as error:
        store.resolve("cor_noisy_7")
    assert error.value.problems == (
        f"cor_noisy_7: no such run in {store.uri}; give a run id, four or more of its first characters, "
        "or the name of a finished experiment, trial, ensemble or stacker",
        "nearest names: corr_noisy_007",
        "`python -m tagging show runs` lists what there is",
    )


def test_the_beginning_of_several_ids_lists_them(store: Store) -> None:
    experiment = store.start("demo", "experiment", "first", {}, {}).experiment_id
    ids: dict[str, list[str]] = {}
    start = ""
    while len(ids.get(start, [])) < 2:  # ids are random: four digits meet after some 300 runs
        made = store._client.create_run(experiment, run_name="many", tags={"kind": "experiment"})
        start = made.info.run_id[:4]
        ids.setdefault(start, []).append(made.info.run_id)
    with pytest.raises(UserError) as error:
        store.resolve(start)
    assert error.value.problems == (
        f"{start}: 2 runs have an id that begins so; give more of it:",
        *(f"  {run_id}  experiment many (demo, RUNNING)" for run_id in reversed(ids[start])),
    )


def test_a_name_without_a_finished_run_lists_what_there_is(store: Store) -> None:
    run = ended(store, "smoke", status="KILLED")
    with pytest.raises(UserError) as error:
        store.resolve("smoke")
    assert error.value.problems == (
        "smoke: no run of this name is finished; to take one as it is, give its id:",
        f"  {run.id}  experiment smoke (demo, KILLED)",
    )


def test_a_sweep_is_found_by_name_also_while_it_runs(store: Store) -> None:
    ended(store, "lr_mixup", kind="sweep")
    running = store.start("demo", "sweep", "lr_mixup", {}, {})
    ended(store, "lr_mixup")
    assert store.resolve("lr_mixup", kinds=("sweep",), unfinished=True).id == running.id
    assert store.resolve(running.id[:12], kinds=("sweep",), unfinished=True).id == running.id
