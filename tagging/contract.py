"""What a run of the store is: its kinds, and the names of its tags, metrics and files. Each name stands here alone.

A name that several modules use is a constant. `tests/contract.py` lists all names, with the kinds of runs that have
them, and holds real runs against them.
"""

from __future__ import annotations


class Kind:
    """What a run is: the values of the tag `kind`."""

    EXPERIMENT = "experiment"
    STACKER = "stacker"
    ENSEMBLE = "ensemble"
    SWEEP = "sweep"
    TRIAL = "trial"
    FOLD = "fold"
    LAUNCH = "launch"  # what `mlflow run` opens


TRAINED = (Kind.EXPERIMENT, Kind.STACKER)  # by `train`
FROM_SOUND = (Kind.EXPERIMENT, Kind.TRIAL)  # predict tile by tile; a stacker's trial does not, see Run.predicts_as
FOLDED = (Kind.EXPERIMENT, Kind.TRIAL, Kind.STACKER)  # have fold runs
WITH_PREDICTIONS = (Kind.EXPERIMENT, Kind.TRIAL, Kind.ENSEMBLE, Kind.STACKER)
ON_REQUEST = (Kind.TRIAL, Kind.ENSEMBLE)  # become candidates by the tag `ensemble = include`
TOP = (Kind.EXPERIMENT, Kind.SWEEP, Kind.ENSEMBLE, Kind.STACKER)  # have no parent
KINDS = (*TOP, Kind.TRIAL, Kind.FOLD, Kind.LAUNCH)


class Tag:
    """Names of tags."""

    KIND = "kind"
    NAME = "mlflow.runName"
    PARENT = "mlflow.parentRunId"
    NOTE = "mlflow.note.content"  # the run's page, in Markdown
    OWNER = "owner"  # the machine and work folder that the run belongs to
    FINGERPRINT = "fingerprint"
    FOLD = "fold"  # a fold run's number
    LOCK = "lock"  # of runs whose lock is not named by their fingerprint
    STATE = "state"  # PRUNED, ABANDONED or REPLACED, where MLflow's status does not tell
    ERROR = "error"
    CANDIDATE = "candidate"  # "yes" is set last, once everything else of the run is written
    MEMBERSHIP = "ensemble"  # a person's "include" or "exclude"
    LEAKS = "teacher.leaks"  # labels of held-out clips leaked into the run: its CV is too good
    INIT_RUN, INIT_NAME = "init.run", "init.name"
    TEACHER_RUN, TEACHER_NAME = "teacher.run", "teacher.name"
    DATA_CLASSES, DATA_CLIPS, DATA_FOLDS = "data.classes", "data.clips", "data.folds"
    RECIPE = "recipe"
    BASE = "base"
    DIFFERS = "differs"
    APART = "apart"
    TRIAL_NUMBER = "trial.number"
    TRIAL_VALUES = "trial.values"
    TRIAL_OVERRIDES = "trial.overrides"
    TRIAL_EXCHANGES = "trial.exchanges"
    SPACE_EXPERIMENT = "space.experiment"
    EXPERIMENT_DIGEST = "experiment.digest"
    CHECKPOINTS = "checkpoints"  # "dropped" with trials that lost theirs


class DataUse:
    """What a fold run reads clips for: the context of the data sets that the UI lists as its inputs."""

    TRAIN = "train"
    HELD_OUT = "held-out"
    TEST = "test"


# runs with equal ones have the same classes, clips and folds
DATA_TAGS = (Tag.DATA_CLASSES, Tag.DATA_CLIPS, Tag.DATA_FOLDS)


class Metric:
    """Names of metrics."""

    CV_LWLRAP = "cv_lwlrap"
    CV_ACCURACY = "cv_accuracy"
    FOLD_LWLRAP = "fold_lwlrap"
    FOLD_MEAN = "fold_lwlrap_mean"
    FOLD_STD = "fold_lwlrap_std"  # sample standard deviation
    NESTED_LWLRAP = "nested_lwlrap"
    CV_LOW, CV_HIGH = "cv_lwlrap_low", "cv_lwlrap_high"
    BEST_VAL = "best_val_lwlrap"
    SEARCH_LWLRAP = "search_lwlrap"
    TRIAL_EPOCHS = "trial_epochs"
    TRIAL_SECONDS = "trial_seconds"
    MEMORY_SHARE = "gpu_memory_share"


SYSTEM = "system/"  # begins the names of metrics that MLflow's sampler measures: the load of the machine


class File:
    """Paths of files within a run."""

    CONFIG = "config.yaml"
    REPORT = "report.html"
    FOLDS = "data/folds.parquet"
    WARNINGS = "data/warnings.txt"  # a line each; one of a clip that the run has no predictions of begins with LEFT_OUT
    OOF = "predictions/oof.parquet"
    OOF_TILES = "predictions/oof_tiles.parquet"
    PER_CLASS = "tables/per_class.parquet"
    PER_CLIP = "tables/per_clip.parquet"  # with the labels that clips came with
    ENSEMBLE = "ensemble.json"
    STACKER = "stacker.json"
    CHECKPOINTS = "checkpoints"  # a folder of fold runs
    DIFF = "code/git.diff"
    CODE = "code"  # a folder, with the user's own files too
    ENVIRONMENT = "environment.json"
    SPACE = "space.json"
    SCHEDULE = "schedule.json"


LEFT_OUT = "left out: "


def split_folder(split: str) -> str:
    """Return the folder that holds the predictions of a split, `test` or `noisy`."""
    return f"predictions/{split}"


def split_path(split: str, fold: int | str) -> str:
    """Return the file that holds a fold's predictions of a split, `test` or `noisy`."""
    return f"{split_folder(split)}/fold_{fold}.parquet"
