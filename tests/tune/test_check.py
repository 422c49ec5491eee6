"""Whether spaces suit their experiments: the problems of each field, of two together, and of populations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging.config import experiment_names, load
from tagging.errors import UserError
from tests.tune.conftest import Write
from tune.check import check_space
from tune.space import distributions, load_space, space_names

HEAD = "experiment: base\ntrials: 4\nspace:\n"
LR = "  optimizer.lr: {kind: loguniform, low: 1e-4, high: 1e-2}\n"
PBT = "scheduler: {kind: pbt}\nsearcher: {kind: random}\nfolds: [0]\n"
STEADY = "set: {scheduler.kind: constant, early_stopping.patience: null}\n"


def check_problems(path: Path) -> list[str]:
    space = load_space(path)
    with pytest.raises(UserError) as error:
        check_space(space, None)
    return [problem.replace(str(path.parent), "") for problem in error.value.problems]


@pytest.mark.parametrize("name", space_names())
def test_every_shipped_space_loads_checks_and_has_notes(name: str) -> None:
    space = load_space(name)
    check_space(space, Path("/some/data"))
    assert space.name == name
    assert space.notes
    assert not any(dict(load(space.experiment).labels).values()), "it needs label lists"
    assert "rest" in {bounds.kind for bounds in space.space.values()} or set(distributions(space)) == set(space.space)


def test_what_is_wrong_between_space_and_experiment_comes_at_once(write: Write) -> None:
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
        "/x.yaml:16: folds is [0, 5]; base has folds 0 to 4",
        "/x.yaml:4: mixr is not a field; did you mean mixer? There are: " + ", ".join(type(load("base")).model_fields),
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
            HEAD + "  training.epochs: {kind: uniform, low: 10, high: 30}\n"
            "  mixer.sigmoid_min: {kind: loguniform, low: 1, high: 4}\n"
            "  model.cbam_ratio: {kind: uniform, low: 1.5, high: 4}\n",
            [
                "/x.yaml:4: between low and high of training.epochs: training.epochs is '10.5'; it must be a valid "
                "integer; give {kind: int, low: 10, high: 30}",
                "/x.yaml:5: between low and high of mixer.sigmoid_min: mixer.sigmoid_min is '1.5'; it must be a valid "
                "integer; give {kind: int, low: 1, high: 4, log: true}",
                "/x.yaml:6: low of model.cbam_ratio: model.cbam_ratio is '1.5'; it must be a valid integer",
            ],
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
            HEAD + "  sampling.frames: {kind: int, low: 64, high: 256}\nset: {predict.tile_step: 76}\n",
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
            ["/x.yaml:6: folds is [2, 3]; base has folds 0 to 2"],
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
def test_a_space_that_does_not_suit_its_experiment_stops(write: Write, text: str, problems: list[str]) -> None:
    names = ", ".join(experiment_names())
    assert check_problems(write(text)) == [problem.replace("{experiments}", names) for problem in problems]


def test_what_is_compared_and_what_does_not_touch_it_are_not_searched(write: Write) -> None:
    text = (
        HEAD
        + "  folds.seed: {kind: int, low: 1, high: 9}\n"
        + "  labels: {kind: choice, options: [{corrections: a.json}, {noisy_selection: b.json}]}\n"
        + "  predict.weights: {kind: choice, options: [best, last]}\n"
        + "  predict.tile_step: {kind: int, low: 16, high: 64}\n"
        + "  training: {kind: choice, options: [{folds: [0], compile: true}, {compile: false}]}\n"
    )
    scored = "decides on which clips and labels a trial is scored, so that scores could not be compared"
    finished = "is for finished networks; search_lwlrap, the score of trials, does not depend on it"
    assert check_problems(write(text)) == [
        f"/x.yaml:4: space.folds.seed: folds.seed {scored}; it cannot be searched",
        f"/x.yaml:5: space.labels: labels.corrections {scored}; it cannot be searched",
        f"/x.yaml:6: space.predict.weights: predict.weights {finished}; it cannot be searched",
        f"/x.yaml:7: space.predict.tile_step: predict.tile_step {finished}; it cannot be searched",
        "/x.yaml:8: space.training: training.folds does not decide what an experiment computes; it cannot be searched",
    ]


EPOCHS = "  training.epochs: {kind: int, low: 10, high: 30}\n"


@pytest.mark.parametrize("kind", ["asha", "median"])
@pytest.mark.parametrize(
    ("path", "searched"),
    [
        ("training.epochs", EPOCHS),
        ("training", "  training: {kind: choice, options: [{epochs: 10}, {epochs: 20, compile: true}]}\n"),
    ],
)
def test_a_scheduler_that_compares_at_equal_epochs_takes_trials_of_equal_length(
    write: Write, path: str, searched: str, kind: str
) -> None:
    assert check_problems(write(HEAD + searched + f"scheduler: {{kind: {kind}}}\n")) == [
        f"/x.yaml:4: space.{path}: scheduler.kind {kind} compares trials at equal epochs, so "
        "training.epochs must be one for all; give set: {training.epochs: N}, or scheduler: {kind: none}"
    ]
    check_space(load_space(write(HEAD + searched)), None)


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_the_grace_of_a_scheduler_lies_within_a_trial(write: Write, kind: str) -> None:
    text = HEAD + LR + f"scheduler: {{kind: {kind}, grace: 9}}\nset: {{folds.count: 4}}\n"
    path = write(text)
    for epochs, folds, whole, there in ((2, [], 8, "4 folds"), (4, [0, 3], 8, "2 folds"), (8, [1], 8, "1 fold")):
        given = {"set": {"training.epochs": str(epochs)}, "folds": folds}
        with pytest.raises(UserError) as error:
            check_space(load_space(path, given), None)
        assert str(error.value) == (
            f"{path}:5: scheduler.grace is 9, and a trial has {whole} epochs, {epochs} in each of {there}: none could "
            f"be stopped; give scheduler.grace {whole} or less, more training.epochs or more folds"
        )
        check_space(load_space(path, {**given, "set": {"training.epochs": "9"}}), None)
        check_space(load_space(path, {**given, "scheduler": {"grace": 8}}), None)
    # only the data say how many folds a column has
    path = write(text.replace("folds.count: 4", "folds.kind: column, training.epochs: 2"))
    check_space(load_space(path), None)


def test_a_population_does_not_search_its_length(write: Write) -> None:
    assert check_problems(write(HEAD + EPOCHS + PBT + STEADY)) == [
        "/x.yaml:4: space.training.epochs cannot change while a network trains; scheduler.kind pbt searches augment, "
        "loss, mixer, optimizer, sampling.curated, sampling.noisy, sampling.trusted"
    ]


def test_a_grid_of_fewer_trials_than_combinations_stops(write: Write) -> None:
    text = HEAD + "  seed: {kind: int, low: 1, high: 3}\n  mixer.labels: {kind: choice, options: [mean, union]}\n"
    path = write(text + "searcher: {kind: grid}\n")
    said = (
        "trials is 4, and the grid tries each of its 6 combinations once; give trials: 6 (--trials 6), "
        "fewer options, or searcher: {kind: random}"
    )
    assert check_problems(path) == [f"/x.yaml:2: {said}"]
    with pytest.raises(UserError) as error:
        check_space(load_space(path, {"trials": 5}), None)
    assert str(error.value) == "--trials: " + said.replace("is 4", "is 5")
    for trials in (6, 7):
        check_space(load_space(path, {"trials": trials}), None)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            HEAD + LR + "  model.dropout: {kind: uniform, low: 0, high: 0.5}\n"
            "  mixer.labels: {kind: choice, options: [mean, union]}\n" + PBT,
            [
                "/x.yaml:5: space.model.dropout cannot change while a network trains; scheduler.kind pbt searches "
                "augment, loss, mixer, optimizer, sampling.curated, sampling.noisy, sampling.trusted",
                "/x.yaml:6: space.mixer.labels: scheduler.kind pbt moves numbers; give a range, or options that "
                "are all numbers",
                "/x.yaml:7: scheduler.kind pbt moves the learning rate, and so does base by its scheduler.kind "
                "plateau; give set: {scheduler.kind: constant}",
                "/x.yaml:7: scheduler.kind pbt has its trials wait for each other, and early_stopping.patience is "
                "18; give set: {early_stopping.patience: null}",
            ],
        ),
        (
            HEAD + "  mixer.sigmoid_min: {kind: choice, options: [1, 2, some]}\n" + PBT + STEADY,
            [
                "/x.yaml:4: space.mixer.sigmoid_min: scheduler.kind pbt moves numbers; give a range, or options that "
                "are all numbers",
                "/x.yaml:4: option some of mixer.sigmoid_min: mixer.sigmoid_min is 'some'; it must be a valid integer",
            ],
        ),
    ],
)
def test_a_population_moves_what_can_move(write: Write, text: str, problems: list[str]) -> None:
    assert check_problems(write(text)) == problems


def test_a_population_over_what_can_move_passes(write: Write) -> None:
    share = "  mixer.prob: {kind: choice, options: [0.2, 0.5]}\n  augment.wrap_prob: {kind: uniform, low: 0, high: 1}\n"
    check_space(load_space(write(HEAD + LR + share + PBT + STEADY)), None)
    check_space(load_space(write(HEAD + share + PBT + "set: {early_stopping.patience: null}\n")), None)
