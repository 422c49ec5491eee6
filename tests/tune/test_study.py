"""The study of a sweep as a file that Optuna reads, and the front of several objectives, against every pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from matplotlib.image import imread
from optuna.study import StudyDirection
from optuna.trial import TrialState

from tagging.tracking.store import Run, Store
from tests.tune.test_report import KEPT, SPACE
from tests.tune.test_searcher import asked, plan, record, searcher
from tune.records import TrialRecord, records
from tune.report import describe_sweep, summarise_sweep
from tune.schema import Random, Tpe
from tune.searcher import StudySearcher
from tune.study import front, new_study

NAMES = ["lwlrap", "parameters"]


def test_a_study_knows_its_objectives_and_an_older_file_is_replaced(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "work", tmp_path / "work"):
        study = new_study(NAMES, folder, "lr")
        assert study.directions == [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
        study.add_trial(optuna.create_trial(values=[0.5, 1000.0]))
        assert len(study.trials) == 1
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["study.db"]


@pytest.mark.parametrize("settings", [Random(), Tpe(startup=1)])
def test_by_a_file_a_search_goes_as_without_and_optuna_can_read_it(settings: Random | Tpe, tmp_path: Path) -> None:
    earlier = [record(0, "FINISHED", 0.6), record(1, "PRUNED", 0.2), record(3, "KILLED")]
    study = new_study(["lwlrap"], tmp_path, "lr")
    by_file = StudySearcher(plan(searcher=settings), study, 6, earlier)
    configs = asked(by_file, 3)
    assert configs == asked(searcher(settings, 6, earlier=earlier), 3)
    by_file.on_trial_result("ray1", {"lwlrap": 0.4, "epochs": 1})
    by_file.on_trial_complete("ray0", {"lwlrap": 0.7, "epochs": 8, "whole": True})
    by_file.on_trial_complete("ray1", {"lwlrap": 0.4, "epochs": 1})
    read = optuna.load_study(study_name="lr", storage=f"sqlite:///{tmp_path / 'study.db'}").trials
    assert [(trial.user_attrs["trial"], trial.state) for trial in read] == [
        (0, TrialState.COMPLETE),
        (1, TrialState.PRUNED),
        (3, TrialState.COMPLETE),
        (2, TrialState.PRUNED),
        (4, TrialState.RUNNING),
    ]
    assert [trial.params for trial in read[2:]] == [config["values"] for config in configs]
    assert (read[2].value, read[3].intermediate_values) == (0.7, {1: 0.4})


BOTH = ("lwlrap", "parameters")


def trial(
    number: int, lwlrap: float | None, parameters: int, seconds: float = 1, state: str = "FINISHED"
) -> TrialRecord:
    return TrialRecord(number, f"{number:032x}", state, {"x": number}, lwlrap, None, 3, seconds, "", parameters)


def test_equals_a_look_at_every_pair() -> None:
    draw = np.random.default_rng(0)
    trials = [
        trial(number, round(draw.random(), 1), int(draw.integers(1, 9)), float(draw.integers(1, 9)))
        for number in range(60)
    ]
    for objectives in (BOTH, ("lwlrap", "seconds"), ("lwlrap", "parameters", "seconds")):
        points = np.array(
            [[-getattr(one, name) if name == "lwlrap" else getattr(one, name) for name in objectives] for one in trials]
        )
        beaten = [any((other <= own).all() and (other < own).any() for other in points) for own in points]
        expected = {one.number for one, worse in zip(trials, beaten, strict=True) if not worse}
        assert {one.number for one in front(trials, objectives)} == expected


def test_only_finished_trials_count_and_the_best_comes_first() -> None:
    trials = [
        trial(0, 0.5, 10),
        trial(1, 0.9, 30),
        trial(2, 0.99, 1, state="PRUNED"),
        trial(3, None, 1),
        trial(4, 0.4, 20),
    ]
    assert [one.number for one in front(trials, BOTH)] == [1, 0]
    assert front([], BOTH) == []


def test_a_sweep_shows_its_front(store: Store, sweep: Run, add_trial: Callable[..., Run]) -> None:
    for number, (score, size) in enumerate([(0.5, 1000.0), (0.7, 3000.0), (0.6, 4000.0)]):
        add_trial(number, {"optimizer.lr": 1e-3}, score, parameters=size)
    trials = records(store, sweep)
    summarise_sweep(store, sweep, trials, SPACE.model_copy(update={"objectives": tuple(BOTH)}), KEPT)
    picture = imread(Path(store.fetch(sweep.id, "figures/front_parameters.png")))
    assert picture.std() > 0.01
    link = f"#/experiments/{sweep.experiment_id}/runs/"
    assert describe_sweep(sweep, trials, BOTH).split("\n\n")[4:6] == [
        "**The front**: none is better in lwlrap and parameters",
        f"|  | lwlrap | parameters |\n| --- | --- | --- |\n| [trial 1]({link}{trials[1].run_id}) | 0.7 | 3000 |\n"
        f"| [trial 0]({link}{trials[0].run_id}) | 0.5 | 1000 |",
    ]
    assert "front" not in describe_sweep(sweep, trials)
