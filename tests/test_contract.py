from __future__ import annotations

from tagging.contract import KINDS, File, Kind, Metric, Tag
from tests.contract import FILES, METRICS, TAGS, check_contract
from tests.selection.test_ensemble_run import write
from tests.stacked import Stacked
from tests.trainings import Inside


def constants(group: type) -> set[str]:
    return {value for name, value in vars(group).items() if name.isupper()}


def test_the_tables_hold_every_constant() -> None:
    assert constants(Kind) == set(KINDS)
    for table, group in ((TAGS, Tag), (METRICS, Metric), (FILES, File)):
        names = [name for _, _, some in table for name in some]
        folders = {name.removesuffix("/*") for name in names}
        assert constants(group) <= {*folders, *(name.replace(".*", ".parquet") for name in names)}


def test_trained_and_stacked_runs_are_as_the_contract_says(stacked: Stacked) -> None:
    runs = stacked.store.find([])
    assert {run.kind for run in runs} == {Kind.EXPERIMENT, Kind.STACKER, Kind.FOLD}
    for run in runs:
        check_contract(stacked.store, run)


def test_an_ensemble_is_as_the_contract_says(pool: Inside) -> None:
    check_contract(pool.store, write(pool, ["tiny", "plain"], [1, 1]))
