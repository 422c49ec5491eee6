import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from tagging.config import load
from tagging.errors import UserError
from tests.tune.conftest import Write
from tune.check import check_space
from tune.schema import Space
from tune.space import (
    digest,
    distributions,
    experiment_of,
    grid_points,
    grid_size,
    load_space,
    overrides_of,
    space_names,
)
from tune.sweep import experiment_digest

HEAD = "experiment: small\ntrials: 4\nspace:\n"
LR = "  optimizer.lr: {kind: loguniform, low: 1e-4, high: 1e-2}\n"
SCHEDULES = "  scheduler: {kind: choice, options: [{kind: plateau, patience: 4}, {kind: cosine, first: 6}]}\n"


def load_problems(path: Path, **overrides: Any) -> list[str]:
    with pytest.raises(UserError) as error:
        load_space(path, overrides)
    return [problem.replace(str(path.parent), "") for problem in error.value.problems]


def test_the_shipped_spaces_are_those_of_the_documents() -> None:
    assert space_names() == ["augment", "lr_mixup", "noisy", "stacker"]


def test_it_starts_without_torch_and_ray() -> None:
    code = "import sys, tune.space; print({'torch', 'ray', 'mlflow', 'pandas', 'sklearn'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_unknown_space_brings_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_space("lr_mixpu")
    assert str(error.value) == (
        "no space is called 'lr_mixpu'; did you mean lr_mixup? There are: augment, lr_mixup, noisy, stacker"
    )
    with pytest.raises(UserError) as error:
        load_space(tmp_path / "x.yaml")
    assert str(error.value) == f"{tmp_path / 'x.yaml'}: no such space file"


def test_all_problems_of_a_file_come_at_once_with_line_path_and_nearest_name(write: Write) -> None:
    text = (
        "experiment: small\ntrails: 4\nspace:\n"
        "  optimizer.lr: {kind: logunifrom, low: 1e-4}\n"
        "  mixer.prob: {kind: uniform, low: 0.5, high: 0.5}\n"
        "  model.dropout: {kind: uniform, low: x, hihg: 1}\n"
        "  seed: {low: 1, high: 3}\n"
        "  model.base_size: {kind: int, low: 8, high: 30, step: 8}\n"
        "  scheduler.kind: plateau\n"
        "  augment.noise.prob: {kind: loguniform, low: 0, high: 1}\n"
        "  mixer.labels: {kind: choice, options: [mean]}\n"
        "  sampling.frames: {kind: choice, options: [64, {kind: x}]}\n"
        "  sampling.batch_size: {kind: choice, options: [64, 64]}\n"
        "folds: [0, -1]\nscheduler: asha\nresources: {gpu: 1.5}\nobjectives: [lwlrap, time]\n"
    )
    kinds = "'uniform', 'loguniform', 'int', 'choice', 'rest'"
    assert load_problems(write(text), seed=-1) == [
        "/x.yaml:4: space.optimizer.lr.kind is 'logunifrom'; did you mean loguniform? allowed: " + kinds,
        "/x.yaml:5: space.mixer.prob: low 0.5 must be less than high 0.5",
        "/x.yaml:6: space.model.dropout.low is 'x'; it must be a valid number",
        "/x.yaml:6: space.model.dropout.high is missing",
        "/x.yaml:6: space.model.dropout.hihg is not a field; did you mean high? There are: kind, low, high",
        "/x.yaml:7: space.seed has no kind; allowed: " + kinds,
        "/x.yaml:8: space.model.base_size: steps of 8 from 8 do not end at 30, but at 24 or 32",
        "/x.yaml:9: space.scheduler.kind is 'plateau', but it is a section with a kind: uniform, loguniform, int, "
        "choice, rest",
        "/x.yaml:10: space.augment.noise.prob.low is '0'; it must be greater than 0",
        "/x.yaml:11: space.mixer.labels.options has 1 entries; it must have 2 or more",
        "/x.yaml:12: space.sampling.frames.options: the options are all values or all sections, not some of each",
        "/x.yaml:13: space.sampling.batch_size.options: 64 is given twice",
        "/x.yaml:15: scheduler is 'asha', but it is a section with a kind: none, asha, median, pbt",
        "/x.yaml:17: objectives.1 is 'time'; it must be 'lwlrap', 'parameters' or 'seconds'",
        "/x.yaml: trials is missing",
        "/x.yaml:14: folds.1 is '-1'; it must be greater than or equal to 0",
        "--seed: seed is -1; it must be greater than or equal to 0",
        "/x.yaml:16: resources: gpu is 1.5; a trial takes a share of one GPU or a whole number of them",
        "/x.yaml:2: trails is not a field; did you mean trials? There are: name, experiment, notes, space, set, "
        "searcher, scheduler, objectives, trials, folds, seed, keep, resources",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "experiment: small\ntrials: 4\nspace: {}\n",
            "/x.yaml:3: space has 0 entries; it must have 1 or more",
        ),
        (
            "experiment: small\ntrials: 4\nspace: 3\n",
            "/x.yaml:3: space is '3', but it is a mapping, such as {optimizer.lr: ...}",
        ),
        ("- 1\n", "/x.yaml:1: the file must be a mapping of fields, such as `seed: 1`"),
        (
            HEAD + LR + "objectives: [lwlrap, seconds]\nscheduler: {kind: asha}\n",
            "/x.yaml: objectives is ['lwlrap', 'seconds']; more than one wants scheduler.kind none, not asha",
        ),
        (
            HEAD + LR + "objectives: [lwlrap, seconds]\nsearcher: {kind: grid}\n",
            "/x.yaml: objectives is ['lwlrap', 'seconds']; more than one wants searcher.kind random or tpe, not grid",
        ),
        (HEAD + LR + "objectives: [seconds]\n", "/x.yaml: objectives is ['seconds']; lwlrap must be among them"),
        (
            HEAD + LR + "scheduler: {kind: pbt}\nfolds: [0, 1]\n",
            "/x.yaml: scheduler.kind pbt wants one fold, as folds: [0], not [0, 1]: weights pass from trial to trial "
            "in a fold",
        ),
        (
            HEAD + LR + "scheduler: {kind: pbt}\n",
            "/x.yaml: scheduler.kind pbt wants one fold, as folds: [0], not all of them: weights pass from trial to "
            "trial in a fold",
        ),
        (
            HEAD + LR + "scheduler: {kind: pbt}\nfolds: [0]\n",
            "/x.yaml: scheduler.kind pbt wants searcher.kind random, not tpe: it moves the values itself",
        ),
        (
            HEAD.replace("4", "1") + LR + "scheduler: {kind: pbt}\nfolds: [0]\nsearcher: {kind: random}\n",
            "/x.yaml: scheduler.kind pbt wants 2 trials or more, not 1",
        ),
        (
            HEAD + LR + "scheduler: {kind: pbt}\nfolds: [0]\nsearcher: {kind: random}\nresources: {gpu: auto}\n",
            "/x.yaml: scheduler.kind pbt wants a number for resources.gpu, not auto: no trial ends before the others",
        ),
        (
            HEAD + LR + "resources: {gpu: some}\n",
            "/x.yaml:5: resources.gpu: it is 'some'; it must be a number, 0 to 1024, or auto",
        ),
        (HEAD + LR + "folds: [1, 1]\n", "/x.yaml: folds names one of [1, 1] twice"),
        (
            HEAD + "  seed: {kind: int, low: 0, high: 8, log: true}\n",
            "/x.yaml:4: space.seed: log wants a low of 1 or more and a step of 1, not 0 and 1",
        ),
        (
            HEAD + "  mixer.prob: {kind: uniform, low: 0, high: inf}\n",
            "/x.yaml:4: space.mixer.prob.high is 'inf'; it must be a finite number",
        ),
        (
            HEAD + "  seed: {kind: choice, options: [1, [2]]}\n",
            "/x.yaml:4: space.seed.options: an option is a value or a section, not a list",
        ),
    ],
)
def test_a_space_that_is_wrong_by_itself_stops(write: Write, text: str, problem: str) -> None:
    assert load_problems(write(text)) == [problem]


def test_the_command_line_replaces_fields(write: Write) -> None:
    text = HEAD + LR + "searcher: {kind: tpe, startup: 3}\nresources: {cpu: 2}\n"
    path = write(text)
    space = load_space(path, {"experiment": "smoke", "trials": 9, "resources": {"gpu": 0.25}, "folds": [1]})
    assert (space.name, space.experiment, space.trials, space.folds) == ("x", "smoke", 9, (1,))
    assert (space.resources.cpu, space.resources.gpu) == (2, 0.25)
    assert (space.searcher.kind, space.scheduler.kind, space.keep, space.seed) == ("tpe", "none", 3, 0)
    assert load_space(path, {"searcher": {"kind": "random"}}).searcher.kind == "random"
    assert load_space(path, {"resources": {"gpu": "auto"}}).resources.gpu == "auto"


def test_an_experiment_given_by_a_relative_path_is_found_from_anywhere(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "e.yaml").write_text("base: small\nseed: 5\n")
    path = write(HEAD.replace("small", "mine/e.yaml") + LR)
    monkeypatch.chdir(tmp_path)
    spaces = load_space(path), load_space("lr_mixup", {"experiment": "mine/e.yaml"})
    (tmp_path / "ray").mkdir()
    monkeypatch.chdir(tmp_path / "ray")
    for space in spaces:
        check_space(space, None)
        gone_on_with = Space.model_validate(space.model_dump(mode="json"))
        assert space.experiment == gone_on_with.experiment == str(tmp_path / "mine" / "e.yaml")
    assert experiment_of(spaces[0], {"optimizer.lr": 1e-3}, None).seed == 5


def test_an_experiments_file_that_is_not_there_is_named_in_full(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        check_space(load_space(write(HEAD + LR), {"experiment": "mine/e.yaml"}), None)
    assert str(error.value) == f"--experiment: experiment: {tmp_path}/mine/e.yaml: no such experiment file"


def test_ranges_are_optunas_distributions(write: Write) -> None:
    text = (
        HEAD + LR + SCHEDULES + "  mixer.prob: {kind: uniform, low: 0, high: 1}\n"
        "  model.base_size: {kind: int, low: 8, high: 32, step: 8}\n"
        "  mixer.mixup_max: {kind: rest, of: [mixer.prob]}\n"
        "  early_stopping.patience: {kind: choice, options: [5, null]}\n"
    )
    space = load_space(write(text))
    plateau, cosine = '{"kind": "plateau", "patience": 4}', '{"kind": "cosine", "first": 6}'
    assert distributions(space) == {
        "optimizer.lr": FloatDistribution(1e-4, 1e-2, log=True),
        "scheduler": CategoricalDistribution((plateau, cosine)),
        "mixer.prob": FloatDistribution(0, 1),
        "model.base_size": IntDistribution(8, 32, step=8),
        "early_stopping.patience": CategoricalDistribution((5, None)),
    }
    values = {
        "optimizer.lr": 3e-4,
        "scheduler": cosine,
        "mixer.prob": 0.9,
        "model.base_size": 16,
        "early_stopping.patience": None,
    }
    create_trial(params=values, distributions=distributions(space), value=0.5)  # Optuna takes them
    assert overrides_of(space, values) == [
        "optimizer.lr=0.0003",
        "scheduler.kind=cosine",
        "scheduler.first=6",
        "mixer.prob=0.9",
        "model.base_size=16",
        "mixer.mixup_max=0.1",
        "early_stopping.patience=null",
    ]
    experiment = experiment_of(space, values, Path("/d"))
    assert experiment.scheduler.model_dump() == {"kind": "cosine", "first": 6, "growth": 2, "min_lr": 1e-5}
    assert (experiment.optimizer.lr, experiment.mixer.mixup_max) == (3e-4, 0.1)
    assert experiment.early_stopping.patience is None
    assert experiment.data.model_dump()["folder"] == "/d"


def test_a_chosen_section_of_the_experiments_kind_merges_into_it(write: Write) -> None:
    space = load_space(write(HEAD + SCHEDULES + "set: {scheduler.kind: plateau}\n"))
    experiment = experiment_of(space, {"scheduler": '{"kind": "plateau", "patience": 4}'}, None)
    base = load("base").scheduler
    assert experiment.scheduler == base.model_copy(update={"patience": 4})


def test_a_rest_counts_with_fields_that_are_not_searched(write: Write) -> None:
    text = (
        "experiment: corr_noisy_007\ntrials: 1\nset: {sampling.trusted: 0.4}\nspace:\n"
        "  sampling.noisy: {kind: uniform, low: 0, high: 0.6}\n"
        "  sampling.curated: {kind: rest, of: [sampling.noisy, sampling.trusted]}\n"
    )
    space = load_space(write(text))
    check_space(space, None)
    sampling = experiment_of(space, {"sampling.noisy": 0.6}, None).sampling
    assert (sampling.curated, sampling.noisy, sampling.trusted) == (0.0, 0.6, 0.4)


def test_a_grid_holds_every_combination_once(write: Write) -> None:
    text = (
        HEAD + "  optimizer.lr: {kind: choice, options: [1e-3, 1e-4]}\n"
        "  model.base_size: {kind: int, low: 8, high: 24, step: 8}\nsearcher: {kind: grid}\n"
    )
    space = load_space(write(text), {"trials": 6})
    check_space(space, None)
    assert grid_size(space) == 6
    assert grid_points(space) == [
        {"optimizer.lr": lr, "model.base_size": size} for lr in (1e-3, 1e-4) for size in (8, 16, 24)
    ]


def test_the_digest_is_of_what_decides_the_trials(write: Write) -> None:
    text = HEAD + LR
    before = digest(load_space(write(text)))
    same = "notes: x\nname: y\nkeep: 1\nresources: {cpu: 2}\n"
    assert digest(load_space(write(text.replace("trials: 4", "trials: 5") + same))) == before
    assert digest(load_space(write(text + "set: {device: cpu, threads: 1}\n"))) == before
    for other in (
        text.replace("1e-4", "2e-4"),
        text.replace("small", "base"),
        text + "folds: [0]\n",
        text + "seed: 1\n",
        text + "searcher: {kind: random}\n",
        text + "searcher: {kind: tpe, startup: 5}\n",
        text + "scheduler: {kind: asha}\n",
        text + "objectives: [lwlrap, seconds]\n",
        text + "set: {mixer.prob: 0.7}\n",
    ):
        assert digest(load_space(write(other))) != before, other


def test_the_experiment_has_a_digest_of_its_own(write: Write, tmp_path: Path) -> None:
    experiment = tmp_path / "mine.yaml"
    experiment.write_text("base: small\n")
    space = load_space(write(HEAD.replace("small", str(experiment)) + LR))
    both = digest(space), experiment_digest(space)
    experiment.write_text("base: small\ndevice: cpu\nnotes: x\n")
    assert (digest(space), experiment_digest(space)) == both
    experiment.write_text("base: small\nmixer: {prob: 0.7}\n")
    assert digest(space) == both[0]
    assert experiment_digest(space) != both[1]
