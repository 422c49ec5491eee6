from pathlib import Path

import pytest
import yaml

from tagging import project
from tagging.config import experiment_names, flatten, load
from tagging.config.load import deciding, load_stored, numbers_digest, switched_off, to_yaml
from tagging.config.schema import Experiment
from tagging.config.tree import read_yaml
from tagging.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text("seed: 1\noptimizer:\n  lr: 9e-4\n")
    return tmp_path


def problems(folder: Path, text: str, *overrides: str) -> list[str]:
    (folder / "x.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        load("x", overrides, folder=folder)
    return [problem.replace(str(folder), "") for problem in error.value.problems]


def test_base_yaml_repeats_the_schemas_defaults_in_full() -> None:
    base = load("base")
    assert base.model_copy(update={"name": ""}) == Experiment()
    _, lines = read_yaml(project.experiments() / "base.yaml")
    off = tuple(path for path in switched_off(Experiment()) if path != "teacher.")  # may be left out of it
    absent = {path for path in set(flatten(Experiment())) - set(lines) if not path.startswith(off)}
    assert absent == {"name", "notes"}


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_loads_and_says_why(name: str) -> None:
    experiment = load(name)
    assert experiment.name == name
    assert experiment.notes or name in ("base", "stacker")  # which hold the defaults


def test_all_problems_come_at_once_with_line_path_and_nearest_name(folder: Path) -> None:
    text = (
        "base: base\noptimizer:\n  lrr: 1e-3\ntraining:\n  epochs: -3\n  folds: [0, a]\n"
        "data:\n  kind: folder\n  fodler: x\nfolds:\n  kind: xx\npredict: 5\nsampling:\n  noisy: 0.5\nscheduler: 3\n"
    )
    assert problems(folder, text, "mixr.prob=3", "training.precision=no") == [
        "/x.yaml:9: data.fodler is not a field; did you mean folder? There are: kind, folder, name, skip_unreadable",
        "/x.yaml:11: folds.kind is 'xx'; allowed: 'random', 'stratified', 'column'",
        "/x.yaml:13: sampling: curated + noisy + trusted is 1.3; the three must add up to 1",
        "/x.yaml:3: optimizer.lrr is not a field; did you mean lr? There are: lr, beta1, beta2, eps, weight_decay",
        "/x.yaml:15: scheduler is '3', but it is a section with a kind: plateau, constant, cosine, one_cycle",
        "/x.yaml:5: training.epochs is '-3'; it must be greater than or equal to 1",
        "/x.yaml:6: training.folds.1 is 'a'; it must be a valid integer",
        "--set training.precision: training.precision is 'no'; it must be 'float32', 'bf16' or 'fp16'",
        "/x.yaml:12: predict is '5', but it is a section with the fields weights, tile_step, batch_size, noisy",
        "--set mixr.prob: mixr is not a field; did you mean mixer? There are: " + ", ".join(Experiment.model_fields),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: nowhere\n", "/x.yaml:1: base: 'nowhere' is no experiment beside it or in {folder}/"),
        ("base: x\n", "/x.yaml: its chain of bases comes back to x.yaml"),
        ("seed: [1\n", "/x.yaml:2: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("- 1\n", "/x.yaml:1: the file must be a mapping of fields, such as `seed: 1`"),
        ("seed: 1\nseed: 2\n", "/x.yaml:2: seed is given twice"),
        (
            "features: {fmax: 30000}\n",
            "/x.yaml:1: features: fmax 30000 Hz lies above half the sample_rate, 22050 Hz",
        ),
        (
            "predict: {weights: ema}\n",
            "/x.yaml: predict.weights is ema, but training.ema_decay is 0; give a decay, as 0.999",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(folder: Path, text: str, message: str) -> None:
    assert problems(folder, text) == [message.format(folder=folder.name)]


def test_an_unknown_experiment_brings_the_nearest_name(folder: Path) -> None:
    with pytest.raises(UserError) as error:
        load("bas", folder=folder)
    assert str(error.value) == "no experiment is called 'bas'; did you mean base? There are: base"


def test_overrides_that_are_no_overrides_are_all_named(folder: Path) -> None:
    assert problems(folder, "base: base\n", "seed", "2=3", "training.folds=[0") == [
        "--set seed: not of the form PATH=VALUE, such as optimizer.lr=1e-3",
        "--set 2=3: not of the form PATH=VALUE, such as optimizer.lr=1e-3",
        "--set training.folds=[0: the value is not a list such as [0, 2]",
    ]


def test_scalars_take_the_type_of_their_field(folder: Path) -> None:
    (folder / "x.yaml").write_text("base: base\nnotes: no\noptimizer: {lr: 9e-4}\nearly_stopping: {patience: null}\n")
    experiment = load("x", ["seed=3 notes=two words training.folds=[0, 2]", "data.skip_unreadable=yes"], folder=folder)
    assert experiment.notes == "two words"
    assert load("x", folder=folder).notes == "no"
    assert experiment.optimizer.lr == 9e-4
    assert experiment.early_stopping.patience is None
    assert experiment.training.folds == (0, 2)
    assert experiment.seed == 3
    assert experiment.data.skip_unreadable is True


def test_a_changed_kind_replaces_its_section_and_an_unchanged_one_merges(folder: Path) -> None:
    (folder / "below.yaml").write_text("folds: {kind: random, seed: 7, count: 3}\n")
    (folder / "same.yaml").write_text("base: below\nfolds: {count: 4}\n")
    (folder / "other.yaml").write_text("base: below\nfolds: {kind: stratified}\n")
    same, other = load("same", folder=folder).folds, load("other", folder=folder).folds
    assert (same.kind, same.seed, same.count) == ("random", 7, 4)
    assert (other.kind, other.seed, other.count) == ("stratified", 42, 5)


def test_data_replaces_the_data_section(folder: Path) -> None:
    (folder / "x.yaml").write_text("data: {kind: demo}\n")
    data = load("x", data=Path("/some/where: else"), folder=folder).data
    assert data.model_dump() == {
        "kind": "folder",
        "folder": "/some/where: else",
        "name": "",
        "skip_unreadable": False,
    }


def test_the_resolved_yaml_reads_back_equal(tmp_path: Path) -> None:
    for name in experiment_names():
        experiment = load(name)
        (tmp_path / "config.yaml").write_text(to_yaml(experiment))
        assert load(tmp_path / "config.yaml") == experiment


def test_only_names_paths_and_devices_do_not_decide_numbers() -> None:
    base = load("base")
    assert set(flatten(base)) - set(deciding(base)) == {
        *("name", "notes", "device", "threads", "training.folds"),
        *("data.kind", "data.folder", "data.name", "report.clips"),
        *("demo.seed", "demo.curated", "demo.noisy", "demo.test"),
        *("labels.corrections", "labels.noisy_selection"),
        *("teacher.run", "teacher.curated", "teacher.noisy", "augment.python"),  # while there is none
    }
    assert numbers_digest(load("base", ["name=x device=cpu"])) == numbers_digest(base)
    assert numbers_digest(load("base", ["seed=1"])) != numbers_digest(base)


def test_a_section_that_is_off_leaves_fingerprints_as_they_were_before_it() -> None:
    base = load("base")
    # of version 3 of the recipe, before there were teachers
    assert numbers_digest(base) == "0be873f1e2b7c69926e49c59db68e63663e990cd825e92c42cf9ed2870aefffc"
    assert numbers_digest(load("base", ["teacher.run=x"])) == numbers_digest(base)
    for share in ("teacher.noisy=0.5", "teacher.curated=0.5"):
        taught = load("base", ["teacher.run=x", share])
        assert numbers_digest(taught) != numbers_digest(base)
        assert numbers_digest(load("base", ["teacher.run=y", share])) != numbers_digest(taught)


def test_a_share_without_a_teacher_stops() -> None:
    with pytest.raises(UserError) as error:
        load("base", ["teacher.noisy=0.5"])
    assert str(error.value) == ("--set teacher.noisy: teacher: noisy is 0.5, but no run is named; give teacher.run=RUN")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["model.kind=feature_extractor", "sampling.frames=48", "predict.tile_step=16"],
            "sampling.frames is 48; model.kind feature_extractor needs 64 or more",
        ),
        (
            ["model.kind=feature_extractor", "features.n_mels=32"],
            "features.n_mels is 32; model.kind feature_extractor needs 64 or more",
        ),
        (
            ["model.kind=simple_attention", "model.base_size=2", "model.cbam_ratio=17"],
            "model: cbam_ratio 17 exceeds the 16 channels that base_size gives",
        ),
        (
            ["model.kind=simple_atention"],
            "model.kind is 'simple_atention'; did you mean simple_attention? allowed: 'skip_attention', "
            "'aux_skip_attention', 'rnn_aux_skip_attention', 'simple_attention', 'simple_kaggle', "
            "'feature_extractor', 'timm', 'python'",
        ),
        (
            ["model.base_size=2", "model.cbam_ratio=65"],
            "model: cbam_ratio 65 exceeds the 64 channels that base_size gives",
        ),
    ],
)
def test_a_network_that_there_is_not_or_a_size_that_does_not_fit_stops(overrides: list[str], problem: str) -> None:
    with pytest.raises(UserError) as error:
        load("base", overrides)
    (found,) = error.value.problems
    assert found.endswith(problem)


def test_an_unknown_loss_stops_with_the_nearest_one() -> None:
    with pytest.raises(UserError) as error:
        load("base", ["loss.noisy.kind=soft_bec loss.noisy.q=0.5"])
    assert error.value.problems == (
        "--set loss.noisy.kind: loss.noisy.kind is 'soft_bec'; did you mean soft_bce? "
        "allowed: 'bce', 'soft_bce', 'lq', 'focal', 'lsep', 'python'",
    )


def test_a_stored_config_is_read_by_the_names_its_fields_have_today(tmp_path: Path) -> None:
    stored = load("base", ["loss.noisy.beta=0.6 loss.trusted.weight=0.3 seed=4"])
    tree = stored.model_dump(mode="json")
    loss = tree.pop("loss")
    heads = {name: weight for name, weight in loss.items() if name.startswith("aux")}
    former = {"curated_weight": 0.5, "trusted_weight": 0.3, "noisy_weight": 0.5, "noisy_beta": 0.6}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**tree, "loss": former | heads}))
    assert load_stored(path) == stored
    assert load_stored(path, ["threads=1"]).threads == 1
    with pytest.raises(UserError, match=r"loss\.curated_weight is not a field"):
        load(path)
    path.write_text(to_yaml(stored))
    assert load_stored(path) == stored


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            "scheduler.kind=cosine scheduler.min_lr=1e-2",
            "scheduler.min_lr 0.01 exceeds optimizer.lr 0.0009; give a smaller scheduler.min_lr",
        ),
        (
            "loss.curated.weight=0 loss.trusted.weight=0 loss.noisy.weight=0",
            "loss: curated.weight, trusted.weight and noisy.weight are all 0, so that nothing is learned; "
            "give one of them more",
        ),
        (
            "scheduler.kind=one_cycle scheduler.start_factor=inf",
            "scheduler.start_factor is 'inf'; it must be a finite number",
        ),
        (
            "scheduler.kind=one_cycle scheduler.end_factor=inf",
            "scheduler.end_factor is 'inf'; it must be a finite number",
        ),
        (
            "loss.noisy.kind=lq loss.noisy.q=1e-9",
            "loss.noisy.q is '1e-9'; it must be greater than or equal to 0.001",
        ),
        (
            "loss.noisy.kind=focal loss.noisy.gamma=11",
            "loss.noisy.gamma is '11'; it must be less than or equal to 10",
        ),
        ("augment.noise.max_db=61", "augment.noise.max_db is '61'; it must be less than or equal to 60"),
        ("augment.filter.db=61", "augment.filter.db is '61'; it must be less than or equal to 60"),
    ],
)
def test_a_training_that_cannot_learn_stops(overrides: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        load("base", [overrides])
    (found,) = error.value.problems
    assert found.partition(": ")[2] == problem


def test_a_device_that_there_is_not_is_answered_with_those_there_are() -> None:
    with pytest.raises(UserError) as error:
        load("base", ["device=mps"])
    assert str(error.value) == "--set device: device is 'mps'; it must be auto, cpu, cuda or cuda:N"


def test_a_name_is_of_one_line_without_escapes(folder: Path) -> None:
    assert problems(folder, 'base: base\nname: "a\\e[31m"\ndata: {name: "two\\nlines"}\n') == [
        "/x.yaml:2: name is 'a\\x1b[31m'; it must be one line without control characters",
        "/x.yaml:3: data.name is 'two\\nlines'; it must be one line without control characters",
    ]


def test_a_text_can_be_emptied_on_the_command_line() -> None:
    labels = load("corr_noisy_007", ["labels.corrections= seed=1 labels.noisy_selection="]).labels
    assert (labels.corrections, labels.noisy_selection) == ("", "")
