"""Which runs may be members: by tags, filter and name; and what is said of those that may not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from tagging.errors import UserError
from tagging.runs.members import distinct_names
from tagging.runs.result import seed_spread
from tagging.selection.candidates import HOW_TO_GET, find_pool, reasons_of, required
from tagging.tracking.store import Run
from tests.trainings import Inside, the_run

ALL = ["tiny", "seed_1", "plain", "lean"]


@contextmanager
def tagged(inside: Inside, run: Run, tags: Mapping[str, str]) -> Iterator[None]:
    """Give a run other tags for a while."""
    inside.store.set_tags(run.id, tags)
    yield
    for tag in tags:
        if tag in run.tags:
            inside.store.set_tags(run.id, {tag: run.tags[tag]})
        else:
            inside.store.connection.client.delete_tag(run.id, tag)


def names(inside: Inside, dataset: str = "", where: str = "", runs: tuple[str, ...] = ()) -> list[str]:
    return [run.name for run in find_pool(inside.store, dataset, where, runs).runs]


def reasons(inside: Inside, runs: tuple[str, ...] = ()) -> dict[str, str]:
    return {run.name: why for run, why in find_pool(inside.store, names=runs).left_out}


def problems(inside: Inside, dataset: str = "", where: str = "", runs: tuple[str, ...] = ()) -> tuple[str, ...]:
    with pytest.raises(UserError) as error:
        find_pool(inside.store, dataset, where, runs)
    return error.value.problems


def test_all_finished_experiments_of_the_newest_data_set_are_candidates_the_oldest_first(pool: Inside) -> None:
    assert names(pool) == names(pool, "demo") == ALL


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"ensemble": "exclude"}, "its tag ensemble is exclude"),
        ({"kind": "trial"}, "a trial joins with the tag ensemble = include"),
        ({"kind": "ensemble"}, "an ensemble joins with the tag ensemble = include"),
        ({"candidate": "no"}, "it lacks folds"),
        ({"data.clips": "0"}, "other clips than lean ({lean})"),
        ({"data.classes": "0", "data.folds": "0"}, "other classes and folds than lean ({lean})"),
    ],
)
def test_a_run_that_does_not_fit_is_left_out_with_the_reason(pool: Inside, tags: dict[str, str], reason: str) -> None:
    lean = the_run(pool.store, "lean").id[:8]
    with tagged(pool, the_run(pool.store, "plain"), tags):
        assert names(pool) == ["tiny", "seed_1", "lean"]
        assert reasons(pool) == {"plain": reason.format(lean=lean)}
    assert names(pool) == ALL


def test_a_trial_joins_when_a_person_says_so(pool: Inside) -> None:
    with tagged(pool, the_run(pool.store, "plain"), {"kind": "trial", "ensemble": "include"}):
        assert names(pool) == ALL


def test_a_run_that_is_not_finished_is_left_out(pool: Inside) -> None:
    run = the_run(pool.store, "plain")
    pool.store.finish(run.id, "KILLED")
    assert reasons(pool) == {"plain": "KILLED, not FINISHED"}
    pool.store.finish(run.id, "FINISHED")


def test_a_filter_in_mlflows_language_limits_the_pool(pool: Inside) -> None:
    with tagged(pool, the_run(pool.store, "plain"), {"team": "a"}):
        assert names(pool, where="tags.team = 'a' and metrics.cv_lwlrap > 0") == ["plain"]
    assert names(pool, where="params.seed = '1'") == ["seed_1"]


def test_a_wrong_filter_comes_back_with_mlflows_reason(pool: Inside) -> None:
    assert problems(pool, where="metrics.cv_lwlrap > 0.8 or metrics.cv_lwlrap < 0.7") == (
        "the filter 'metrics.cv_lwlrap > 0.8 or metrics.cv_lwlrap < 0.7' is refused: Invalid clause(s) in filter "
        "string: 'or'",
    )


def test_names_ids_and_beginnings_limit_the_pool(pool: Inside) -> None:
    plain = the_run(pool.store, "plain").id
    assert names(pool, runs=("tiny", plain)) == names(pool, runs=(plain[:8], "tiny", "tiny")) == ["tiny", "plain"]


def test_a_name_beside_the_filter_is_told(pool: Inside) -> None:
    tiny = the_run(pool.store, "tiny").id[:8]
    assert problems(pool, where="params.seed = '1'", runs=("seed_1", "tiny")) == (
        f"--runs tiny: tiny ({tiny}, data set demo) is not among the runs asked for",
        "leave out --where or --data-set, or name other runs",
    )


def test_an_unknown_data_set_brings_the_nearest(pool: Inside) -> None:
    assert problems(pool, dataset="dem") == (
        "--data-set dem: no run is of this data set; did you mean demo? There are: demo",
    )


def test_without_candidates_what_is_missing_is_said(pool: Inside) -> None:
    tiny = the_run(pool.store, "tiny")
    with tagged(pool, tiny, {"ensemble": "exclude"}):
        assert problems(pool, runs=("tiny",)) == (
            "there is no candidate for an ensemble among tiny",
            f"not a candidate: tiny ({tiny.id[:8]}): its tag ensemble is exclude",
            HOW_TO_GET,
        )
    assert problems(pool, where="metrics.cv_lwlrap > 1") == (
        "there is no candidate for an ensemble that meets 'metrics.cv_lwlrap > 1'",
        HOW_TO_GET,
    )


def test_runs_of_another_data_set_are_left_out_when_they_are_named(pool: Inside) -> None:
    store = pool.store
    data = dict.fromkeys(("data.classes", "data.clips", "data.folds"), "0")
    away = store.start("elsewhere", "experiment", "away", {"candidate": "yes", **data}, {})
    store.finish(away.id, "FINISHED")
    try:
        assert [run.name for run in find_pool(store).runs] == ["away"]  # the newest decides
        assert names(pool, "demo") == ALL
        found = find_pool(store, names=("tiny", "away"))
        assert [(run.name, why) for run, why in found.left_out] == [("tiny", "of data set demo")]
        with pytest.raises(UserError) as error:
            required(store, find_pool(store, "demo"), ["away", "tiny"])
        assert error.value.problems[0] == f"--must away: away ({away.id[:8]}) is no candidate: of data set elsewhere"
    finally:
        store.connection.client.delete_run(away.id)


def test_who_must_be_a_member_must_be_a_candidate(pool: Inside) -> None:
    plain, tiny = (the_run(pool.store, name) for name in ("plain", "tiny"))
    with tagged(pool, plain, {"ensemble": "exclude"}):
        found = find_pool(pool.store, where="params.seed = '0'")
        assert required(pool.store, found, ["lean", "tiny", "tiny"]) == [0, 1]
        with pytest.raises(UserError) as error:
            required(pool.store, found, ["plain", "seed_1"])
    lean, seed_1 = (the_run(pool.store, name).id[:8] for name in ("lean", "seed_1"))
    assert error.value.problems == (
        f"--must plain: plain ({plain.id[:8]}) is no candidate: its tag ensemble is exclude",
        f"--must seed_1: seed_1 ({seed_1}) is no candidate: not in the pool asked for",
        f"candidates: tiny ({tiny.id[:8]}), lean ({lean})",
    )


def test_many_runs_out_for_one_reason_are_a_line() -> None:
    trials = [Run(f"{number:032x}", f"t{number}", "", "", "", {}, {}, {}, 0, None) for number in range(6)]
    assert reasons_of([(run, "a trial") for run in trials]) == [
        "not a candidate: t0 (00000000), t1 (00000000), t2 (00000000), t3 (00000000) and 2 more runs: a trial"
    ]
    assert distinct_names([trials[0], trials[1], trials[0]]) == ["t0 00000000", "t1", "t0 00000000"]


def test_the_spread_over_seeds_is_known_where_nothing_else_differs(pool: Inside) -> None:
    runs = find_pool(pool.store).runs
    tiny, seed_1 = runs[:2]
    expected = abs(tiny.metrics["cv_lwlrap"] - seed_1.metrics["cv_lwlrap"]) / 2**0.5
    assert seed_spread(runs) == pytest.approx({tiny.id: expected, seed_1.id: expected})
