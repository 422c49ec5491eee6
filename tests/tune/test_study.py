"""The study of a sweep as a file: what Optuna reads of it, and that it is made anew."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from tests.tune.test_searcher import PLAN, RANGES, asked, record, searcher
from tune.schema import Random, Tpe
from tune.searcher import StudySearcher
from tune.study import new_study

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
    by_file = StudySearcher(PLAN, study, settings, RANGES, 6, seed=7, earlier=earlier)
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
