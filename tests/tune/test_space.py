import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from tagging.config import experiment_names, load
from tagging.errors import UserError
from tune.space import (
    check_space,
    digest,
    distributions,
    experiment_of,
    grid_points,
    load_space,
    overrides_of,
    space_names,
)

HEAD = "experiment: small\ntrials: 4\nspace:\n"
LR = "  optimizer.lr: {kind: loguniform, low: 1e-4, high: 1e-2}\n"
SCHEDULES = "  scheduler: {kind: choice, options: [{kind: plateau, patience: 4}, {kind: cosine, first: 6}]}\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return path

    return write


def load_problems(path: Path, **overrides: Any) -> list[str]:
    with pytest.raises(UserError) as error:
        load_space(path, overrides)
    return [problem.replace(str(path.parent), "") for problem in error.value.problems]


def check_problems(path: Path) -> list[str]:
    space = load_space(path)
    with pytest.raises(UserError) as error:
        check_space(space, None)
    return [problem.replace(str(path.parent), "") for problem in error.value.problems]


@pytest.mark.parametrize("name", space_names())
def test_every_shipped_space_loads_checks_and_says_why(name: str) -> None:
    space = load_space(name)
    check_space(space, Path("/some/data"))
    assert space.name == name
    assert space.notes
    assert load(space.experiment).labels == load("base").labels, "it needs label lists"
    assert "rest" in {bounds.kind for bounds in space.space.values()} or set(distributions(space)) == set(space.space)


def test_the_shipped_spaces_are_those_of_the_documents() -> None:
    assert space_names() == ["augment", "lr_mixup", "noisy"]


def test_it_starts_without_torch_and_ray() -> None:
    code = "import sys, tune.space; print({'torch', 'ray', 'mlflow', 'pandas', 'sklearn'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_unknown_space_brings_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_space("lr_mixpu")
    assert str(error.value) == (
        "no space is called 'lr_mixpu'; did you mean lr_mixup? There are: augment, lr_mixup, noisy"
    )
    with pytest.raises(UserError) as error:
        load_space(tmp_path / "x.yaml")
    assert str(error.value) == f"{tmp_path / 'x.yaml'}: no such space file"


def test_all_problems_of_a_file_come_at_once_with_line_path_and_nearest_name(write: Any) -> None:
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
        "/x.yaml:15: scheduler is 'asha', but it is a section with a kind: none, asha, median",
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
def test_a_space_that_is_wrong_by_itself_stops(write: Any, text: str, problem: str) -> None:
    assert load_problems(write(text)) == [problem]


def test_the_command_line_replaces_fields(write: Any) -> None:
    text = HEAD + LR + "searcher: {kind: tpe, startup: 3}\nresources: {cpu: 2}\n"
    path = write(text)
    space = load_space(path, {"experiment": "smoke", "trials": 9, "resources": {"gpu": 0.25}, "folds": [1]})
    assert (space.name, space.experiment, space.trials, space.folds) == ("x", "smoke", 9, (1,))
    assert (space.resources.cpu, space.resources.gpu) == (2, 0.25)
    assert (space.searcher.kind, space.scheduler.kind, space.keep, space.seed) == ("tpe", "none", 3, 0)
    assert load_space(path, {"searcher": {"kind": "random"}}).searcher.kind == "random"


def test_what_is_wrong_between_space_and_experiment_comes_at_once(write: Any) -> None:
    text = (
        HEAD
        + "  mixr.prob: {kind: uniform, low: 0, high: 1}\n"
        + "  mixer.prob: {kind: uniform, low: -0.5, high: 1.5}\n"
        + "  model.dropout: {kind: uniform, low: 0.2, high: 1}\n"
        + "  mixer.labels: {kind: choice, options: [mean, uinon]}\n"
        + "  threads: {kind: int, low: 1, high: 2}\n"
        + "  data.skip_unreadable: {kind: choice, options: [true, false]}\n"
        + "  scheduler: {kind: choice, options: [{kind: cosin}, {kind: cosine, frist: 6}, {kind: plateau}]}\n"
        + "  scheduler.patience: {kind: int, low: 2, high: 8}\n"
        + "  optimizer: {kind: uniform, low: 1, high: 2}\n"
        + "  lr rate: {kind: uniform, low: 1, high: 2}\n"
        + "  loss.noisy.beta: {kind: uniform, low: 0, high: 1}\n"
        + "set: {mixer.sigmoid_min: 2, loss.noisy.beta: 0.5}\nfolds: [0, 5]\n"
    )
    lines = check_problems(write(text))
    assert lines == [
        "/x.yaml:8: space.threads: threads does not decide what an experiment computes; it cannot be searched",
        "/x.yaml:9: space.data.skip_unreadable: data.skip_unreadable does not decide what an experiment computes; "
        "it cannot be searched",
        "/x.yaml:11: space.scheduler.patience lies in scheduler, which is searched as a whole",
        "/x.yaml:13: space.lr rate: not the path of a field, such as optimizer.lr",
        "/x.yaml:15: set.loss.noisy.beta: loss.noisy.beta is searched; leave one of the two out",
        "/x.yaml:16: folds is [0, 5]; small has folds 0 to 4",
        "/x.yaml:4: mixr is not a field; did you mean mixer? There are: " + ", ".join(type(load("small")).model_fields),
        "/x.yaml:5: low of mixer.prob: mixer.prob is '-0.5'; it must be greater than or equal to 0",
        "/x.yaml:5: high of mixer.prob: mixer.prob is '1.5'; it must be less than or equal to 1",
        "/x.yaml:6: high of model.dropout: model.dropout is '1.0'; it must be less than 1",
        "/x.yaml:7: option uinon of mixer.labels: mixer.labels is 'uinon'; it must be 'mean' or 'union'",
        '/x.yaml:10: option {"kind": "cosin"} of scheduler: scheduler.kind is \'cosin\'; did you mean cosine? '
        "allowed: 'plateau', 'constant', 'cosine', 'one_cycle'",
        '/x.yaml:10: option {"kind": "cosine", "frist": 6} of scheduler: scheduler.frist is not a field; '
        "did you mean first? There are: kind, first, growth, min_lr",
        "/x.yaml:12: low of optimizer: optimizer is '1.0', but it is a section with the fields lr, beta1, beta2, eps, "
        "weight_decay",
        "/x.yaml:12: high of optimizer: optimizer is '2.0', but it is a section with the fields lr, beta1, beta2, eps, "
        "weight_decay",
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "experiment: smal\ntrials: 4\nspace:\n" + LR,
            [
                "/x.yaml:1: experiment: no experiment is called 'smal'; did you mean small? There are: {experiments}",
            ],
        ),
        (
            HEAD + LR + "set:\n  training.epohcs: 3\n  mixer.prob: 2\n",
            [
                "/x.yaml:7: set: mixer.prob is '2'; it must be less than or equal to 1",
                "/x.yaml:6: set: training.epohcs is not a field; did you mean epochs? There are: epochs, folds, "
                "precision, compile, ema_decay",
            ],
        ),
        (
            HEAD + LR + "set: {lr rate: 3}\n",
            ["/x.yaml:5: set.lr rate: not the path of a field, such as optimizer.lr"],
        ),
        (
            HEAD + "  sampling.noisy: {kind: uniform, low: 0, high: 0.8}\n"
            "  sampling.trusted: {kind: choice, options: [0.1, 0.4]}\n"
            "  sampling.curated: {kind: rest, of: [sampling.noisy, sampling.trusted]}\n",
            [
                "/x.yaml:6: space.sampling.curated: 1 - sampling.noisy - sampling.trusted falls to -0.2 where they "
                "are highest; it must not fall below 0"
            ],
        ),
        (
            HEAD + LR + "  loss.noisy.weight: {kind: rest, of: [loss.nosy.weight]}\n"
            "  loss.curated.weight: {kind: rest, of: [loss.noisy.weight]}\n",
            [
                "/x.yaml:5: space.loss.noisy.weight: of names loss.nosy.weight, which is no number",
                "/x.yaml:6: space.loss.curated.weight: of names loss.noisy.weight, which is a rest itself",
            ],
        ),
        (
            HEAD + "  sampling.noisy: {kind: uniform, low: 0, high: 1}\n",
            [
                "/x.yaml:3: every range at its middle: sampling: curated + noisy + trusted is 1.3; "
                "the three must add up to 1"
            ],
        ),
        (
            HEAD + "  mixer.sigmoid_min: {kind: int, low: 1, high: 15}\n",
            [
                "/x.yaml:4: high of mixer.sigmoid_min, the others at their middle: mixer: sigmoid_min 15 exceeds "
                "sigmoid_max 12"
            ],
        ),
        (
            HEAD + "  model.base_size: {kind: int, low: 2, high: 32}\n"
            "  model.cbam_ratio: {kind: int, low: 16, high: 544}\n",
            [
                "/x.yaml:4: low of model.base_size, the others at their middle: model: cbam_ratio 280 exceeds the 64 "
                "channels that base_size gives"
            ],
        ),
        (
            HEAD + "  sampling.frames: {kind: int, low: 64, high: 256}\n"
            "  predict.tile_step: {kind: int, low: 72, high: 80}\n",
            [
                "/x.yaml:4: low of sampling.frames, the others at their middle: predict.tile_step 76 exceeds "
                "sampling.frames 64: tiles would leave sound out"
            ],
        ),
        (
            HEAD + "  mixer.sigmoid_min: {kind: int, low: 1, high: 7}\n"
            "  mixer.sigmoid_max: {kind: int, low: 6, high: 12}\n",
            [
                "/x.yaml:4: high of mixer.sigmoid_min with low of mixer.sigmoid_max: mixer: sigmoid_min 7 exceeds "
                "sigmoid_max 6"
            ],
        ),
        (
            HEAD + LR + "set: {folds.count: x}\nfolds: [2, 9]\n",
            ["/x.yaml:5: set: folds.count is 'x'; it must be a valid integer"],
        ),
        (
            HEAD + LR + "set: {folds.count: 3}\nfolds: [2, 3]\n",
            ["/x.yaml:6: folds is [2, 3]; small has folds 0 to 2"],
        ),
        (
            HEAD + LR + "searcher: {kind: grid}\n",
            [
                "/x.yaml:4: space.optimizer.lr is of kind loguniform; a grid takes ranges of kind choice and int, "
                "give its values as options"
            ],
        ),
    ],
)
def test_a_space_that_does_not_suit_its_experiment_stops(write: Any, text: str, problems: list[str]) -> None:
    names = ", ".join(experiment_names())
    assert check_problems(write(text)) == [problem.replace("{experiments}", names) for problem in problems]


def test_ranges_are_optunas_distributions(write: Any) -> None:
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


def test_a_chosen_section_of_the_experiments_kind_merges_into_it(write: Any) -> None:
    space = load_space(write(HEAD + SCHEDULES + "set: {scheduler.kind: plateau}\n"))
    experiment = experiment_of(space, {"scheduler": '{"kind": "plateau", "patience": 4}'}, None)
    base = load("small").scheduler
    assert experiment.scheduler == base.model_copy(update={"patience": 4})


def test_a_rest_counts_with_fields_that_are_not_searched(write: Any) -> None:
    text = (
        "experiment: corr_noisy_007\ntrials: 1\nset: {sampling.trusted: 0.4}\nspace:\n"
        "  sampling.noisy: {kind: uniform, low: 0, high: 0.6}\n"
        "  sampling.curated: {kind: rest, of: [sampling.noisy, sampling.trusted]}\n"
    )
    space = load_space(write(text))
    check_space(space, None)
    sampling = experiment_of(space, {"sampling.noisy": 0.6}, None).sampling
    assert (sampling.curated, sampling.noisy, sampling.trusted) == (0.0, 0.6, 0.4)


def test_a_grid_holds_every_combination_once(write: Any) -> None:
    text = (
        HEAD + "  optimizer.lr: {kind: choice, options: [1e-3, 1e-4]}\n"
        "  model.base_size: {kind: int, low: 8, high: 24, step: 8}\nsearcher: {kind: grid}\n"
    )
    space = load_space(write(text))
    check_space(space, None)
    assert grid_points(space) == [
        {"optimizer.lr": lr, "model.base_size": size} for lr in (1e-3, 1e-4) for size in (8, 16, 24)
    ]


def test_a_grid_of_what_cannot_be_counted_stops(write: Any) -> None:
    with pytest.raises(UserError) as error:
        grid_points(load_space(write(HEAD + LR)))
    assert str(error.value).endswith(
        "x.yaml:4: space.optimizer.lr is of kind loguniform; a grid takes ranges of kind choice and int, "
        "give its values as options"
    )


def test_the_digest_is_of_what_decides_the_trials(write: Any) -> None:
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
