"""`select`: from the store to the run of the best combination, the same from the same store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tagging.commands.select import select
from tagging.ensemble.subsets import Limits
from tagging.errors import UserError
from tagging.runs.predictions import read_out_of_fold
from tagging.selection.candidates import Candidates, arrays_of, without_copies
from tagging.selection.settings import CandidateFilter, SelectionSettings
from tagging.tracking.store import Run
from tests.contract import check_contract
from tests.selection.test_candidates import ALL, tagged
from tests.trainings import Inside, the_run

Capture = pytest.CaptureFixture[str]


def problems(asked: CandidateFilter, settings: SelectionSettings | None = None) -> tuple[str, ...]:
    with pytest.raises(UserError) as error:
        select(asked, settings or SelectionSettings())
    return error.value.problems


def members(run: Run) -> str:
    return run.params["ensemble.members"]


def test_the_same_store_gives_the_same_answer_which_is_written_once(pool: Inside, capsys: Capture) -> None:
    first = select(CandidateFilter(), SelectionSettings())
    check_contract(pool.store, first)
    out = capsys.readouterr().out
    again = select(CandidateFilter(), SelectionSettings(), "another")
    assert again.id == first.id
    # the first is in the store now, and not in the pool
    told = f"not a candidate: ensemble ({first.id[:8]}): an ensemble joins with the tag ensemble = include\n"
    assert capsys.readouterr().out.replace(told, "").splitlines()[:-4] == out.splitlines()[:-3]
    assert out.startswith("demo: 4 candidates\n")
    metrics = first.metrics
    assert metrics["cv_lwlrap"] >= max(the_run(pool.store, name).metrics["cv_lwlrap"] for name in ALL) - 1e-9
    low, high = metrics["cv_lwlrap_low"], metrics["cv_lwlrap_high"]
    numbers = (
        f"CV lwlrap {metrics['cv_lwlrap']:.4f}   nested {metrics['nested_lwlrap']:.4f}   95 % {low:.4f} to {high:.4f}"
    )
    assert f"\n{numbers}\nthe CV is the best of 26 subsets, scored on the clips it was chosen on:\n" in out
    assert low < metrics["cv_lwlrap"] < high
    blends = pool.store.read_table(first.id, "tables/blends.parquet")
    assert blends["cv_lwlrap"][0] == pytest.approx(metrics["cv_lwlrap"], abs=1e-12)
    files = pool.store.list_files(first.id)
    assert {f"figures/{name}.png" for name in ("sizes", "candidates", "chosen", "class_lwlrap", "confusions")} <= {
        *files
    }
    candidates = pool.store.read_table(first.id, "tables/candidates.parquet")
    assert list(candidates["name"]) == ALL
    assert candidates["weight"].sum() == pytest.approx(1)
    assert first.tags["mlflow.note.content"].startswith(f"## CV lwlrap {metrics['cv_lwlrap']:.4f} (nested ")


def test_limits_and_the_nested_estimate_are_obeyed_and_kept_as_params(pool: Inside) -> None:
    settings = SelectionSettings(methods=("arithmetic",), limits=Limits(2, 2), by="nested")
    run = select(CandidateFilter(must=("plain",)), settings, "pair")
    assert run.name == "pair"
    assert "plain" in members(run)
    assert (run.params["select.by"], run.params["select.must"], run.params["select.subsets"]) == (
        "nested",
        "plain",
        "3",
    )
    blends = pool.store.read_table(run.id, "tables/blends.parquet")
    assert list(blends["way"]) == ["arithmetic, size 2"]
    assert run.metrics["nested_lwlrap"] == blends["nested_lwlrap"][0]


def test_greedy_chooses_weights(pool: Inside) -> None:
    run = select(CandidateFilter("demo"), SelectionSettings(methods=("geometric",), search="greedy"), "greedy")
    assert run.params["select.search"] == "greedy"
    assert not pool.store.has_file(run.id, "figures/sizes.png")


def test_limits_go_with_the_enumeration_alone(pool: Inside) -> None:
    assert problems(CandidateFilter(must=("plain",)), SelectionSettings(search="greedy")) == (
        "--size and --must limit --search enumerate; --search greedy chooses freely",
    )


def test_one_candidate_is_too_few_unless_it_is_asked_for(pool: Inside) -> None:
    only = CandidateFilter(where="params.seed = '1'")
    assert problems(only) == (
        "demo has 1 candidate (seed_1); 2 or more are needed",
        "train another experiment, or the same with --set seed=1; --min 1 takes what there is",
    )
    run = select(CandidateFilter(where=only.where, minimum=1), SelectionSettings(methods=("arithmetic",)), "one")
    assert members(run) == "seed_1"
    assert run.metrics["cv_lwlrap"] == pytest.approx(the_run(pool.store, "seed_1").metrics["cv_lwlrap"], abs=1e-9)


def test_candidates_of_other_clips_are_told_where_too_few_are_left(pool: Inside) -> None:
    seed_1 = the_run(pool.store, "seed_1")
    with tagged(pool, seed_1, {"data.clips": "0", "data.folds": "0"}):
        tiny = the_run(pool.store, "tiny")
        assert problems(CandidateFilter(runs=("seed_1", "tiny"))) == (
            "demo has 1 candidate (seed_1); 2 or more are needed",
            f"not a candidate: tiny ({tiny.id[:8]}): other clips and folds than seed_1 ({seed_1.id[:8]})",
            "train another experiment, or the same with --set seed=1; --min 1 takes what there is",
        )


def test_a_run_trained_on_other_labels_is_left_out(pool: Inside, capsys: Capture) -> None:
    tiny, lean = the_run(pool.store, "tiny"), the_run(pool.store, "lean")
    table = pool.store.read_table(tiny.id, "tables/per_clip.parquet")
    other = table.assign(labels=["Siren", *table["labels"][1:]])
    assert not other.equals(table)
    pool.store.log_table(tiny.id, other, "tables/per_clip.parquet")
    select(CandidateFilter(where="params.seed = '0'"), SelectionSettings(methods=("geometric",)))
    pool.store.log_table(tiny.id, table, "tables/per_clip.parquet")
    assert (
        f"not a candidate: tiny ({tiny.id[:8]}): other labels than lean ({lean.id[:8]}): "
        "the data set's table was changed in between\n"
    ) in capsys.readouterr().out


def test_of_runs_that_say_the_same_the_newest_stays(pool: Inside) -> None:
    names = ("tiny", "seed_1", "plain", "lean")
    runs = [the_run(pool.store, name) for name in names]  # the oldest first
    oof = read_out_of_fold(pool.store, runs)
    said = oof.probabilities[[0, 1, 0, 0]]
    said[2, 5, 1] = np.nextafter(said[2, 5, 1], 1)  # all but the same
    found, kept = without_copies(Candidates("demo", tuple(runs), ()), replace(oof, probabilities=said))
    tiny, seed_1, plain, lean = runs
    assert found == Candidates(
        "demo",
        (seed_1, plain, lean),
        ((tiny, f"the same out-of-fold predictions as lean ({lean.id[:8]}), which is newer"),),
    )
    assert np.array_equal(kept.probabilities, said[[1, 2, 3]])


def test_a_run_that_is_there_twice_counts_once(pool: Inside, capsys: Capture) -> None:
    tiny, lean = the_run(pool.store, "tiny"), the_run(pool.store, "lean")
    table = pool.store.read_table(lean.id, "predictions/oof.parquet")
    pool.store.log_table(lean.id, pool.store.read_table(tiny.id, "predictions/oof.parquet"), "predictions/oof.parquet")
    told = f"the same out-of-fold predictions as lean ({lean.id[:8]}), which is newer"
    asked = CandidateFilter(runs=("tiny", "lean"))
    assert problems(asked) == (
        "demo has 1 candidate (lean); 2 or more are needed",
        f"not a candidate: tiny ({tiny.id[:8]}): {told}",
        "train another experiment, or the same with --set seed=1; --min 1 takes what there is",
    )
    assert problems(replace(asked, must=("tiny",), minimum=1)) == (
        f"--must tiny: tiny ({tiny.id[:8]}) is no candidate: {told}",
        f"candidates: lean ({lean.id[:8]})",
    )
    pool.store.log_table(lean.id, table, "predictions/oof.parquet")
    assert capsys.readouterr().out == f"demo: 1 candidate\nnot a candidate: tiny ({tiny.id[:8]}): {told}\n"


def test_a_candidate_whose_predictions_cannot_be_used_is_left_out_with_the_reason(pool: Inside) -> None:
    tiny, plain = the_run(pool.store, "tiny"), the_run(pool.store, "plain")
    tables = {run.id: pool.store.read_table(run.id, "predictions/oof.parquet") for run in (tiny, plain)}
    broken = tables[tiny.id].copy()
    broken.loc[[3, 5], "Siren"] = np.nan
    pool.store.log_table(tiny.id, broken, "predictions/oof.parquet")
    pool.store.log_table(plain.id, tables[plain.id][1:], "predictions/oof.parquet")
    first = broken["fname"][3]
    found = problems(CandidateFilter(runs=("tiny", "plain", "lean")))
    for run in (tiny, plain):
        pool.store.log_table(run.id, tables[run.id], "predictions/oof.parquet")
    lean = the_run(pool.store, "lean")
    assert found == (
        "demo has 1 candidate (lean); 2 or more are needed",
        f"not a candidate: tiny ({tiny.id[:8]}): predictions/oof.parquet cannot be used: values of 2 rows are no "
        f"probabilities, first those of {first}; `python -m tagging predict --run {tiny.id[:8]}` computes it again",
        f"not a candidate: plain ({plain.id[:8]}): predictions/oof.parquet has other clips or folds than lean "
        f"({lean.id[:8]}), though its tags say the same",
        "train another experiment, or the same with --set seed=1; --min 1 takes what there is",
    )


def test_probabilities_above_1_are_named(pool: Inside) -> None:
    runs = [the_run(pool.store, name) for name in ("tiny", "plain")]
    oof = read_out_of_fold(pool.store, runs)
    broken = oof.probabilities.copy()
    broken[1, 2] = 1.5
    with pytest.raises(UserError) as error:
        arrays_of(runs, replace(oof, probabilities=broken))
    assert error.value.problems == ("plain: values outside 0..1; 1 of 36 clips are wrong, first in row 2",)


def test_the_order_of_a_runs_table_does_not_matter(pool: Inside) -> None:
    tiny, plain = the_run(pool.store, "tiny"), the_run(pool.store, "plain")
    expected = read_out_of_fold(pool.store, [tiny, plain])
    table = pool.store.read_table(plain.id, "predictions/oof.parquet")
    pool.store.log_table(plain.id, table[::-1], "predictions/oof.parquet")
    found = read_out_of_fold(pool.store, [tiny, plain])
    pool.store.log_table(plain.id, table, "predictions/oof.parquet")
    assert (found.probabilities == expected.probabilities).all()
    assert (found.fnames, found.classes) == (expected.fnames, expected.classes)
