"""All tags, metrics and files of each kind of run, and the check of a finished run against them."""

from __future__ import annotations

from fnmatch import filter as matching
from fnmatch import fnmatchcase

from tagging.contract import (
    DATA_TAGS,
    FOLDED,
    FROM_SOUND,
    KINDS,
    SYSTEM,
    TOP,
    TRAINED,
    WITH_PREDICTIONS,
    File,
    Kind,
    Metric,
    Tag,
    split_path,
)
from tagging.tracking.store import Run, Store

# tables of all names: (kinds whose finished runs all have them, kinds of which some runs have them, the names).
# A * stands for any text.
Names = tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...]
_SCORED = (*TRAINED, Kind.ENSEMBLE)
TAGS: Names = (
    (KINDS, (), (Tag.KIND, Tag.OWNER, Tag.NAME, "mlflow.user", "mlflow.source.name", "mlflow.source.type")),
    ((), KINDS, (Tag.STATE, Tag.ERROR, "mlflow.source.git.commit")),
    ((*TOP, Kind.TRIAL, Kind.FOLD), (Kind.LAUNCH,), (Tag.NOTE,)),
    ((*TOP, Kind.TRIAL), (), DATA_TAGS),
    ((*WITH_PREDICTIONS, Kind.FOLD), (Kind.LAUNCH,), (Tag.FINGERPRINT,)),
    (WITH_PREDICTIONS, (), ("git.commit", "git.dirty", Tag.RECIPE)),
    (_SCORED, (Kind.TRIAL,), (Tag.CANDIDATE, "worst")),
    ((), WITH_PREDICTIONS, (Tag.MEMBERSHIP, Tag.LEAKS, "test.truth", "test.clips")),
    ((), _SCORED, (Tag.APART,)),
    ((Kind.TRIAL, Kind.ENSEMBLE), TRAINED, (Tag.DIFFERS,)),
    ((Kind.TRIAL,), TRAINED, (Tag.BASE,)),
    (FOLDED, (), ("warnings",)),
    ((), FOLDED, ("labels.sha256",)),
    (TRAINED, (), ("folds",)),
    (
        (),
        FROM_SOUND,
        (
            Tag.INIT_RUN,
            Tag.INIT_NAME,
            Tag.TEACHER_RUN,
            Tag.TEACHER_NAME,
            "weights.sha256",
            "teacher.sha256",
            "autocast",
        ),
    ),
    ((Kind.FOLD, Kind.TRIAL), (), (Tag.PARENT,)),
    ((Kind.FOLD,), (), (Tag.FOLD, "parent")),
    ((Kind.SWEEP, Kind.TRIAL), (Kind.FOLD,), (Tag.LOCK,)),
    ((Kind.TRIAL,), (), (Tag.TRIAL_NUMBER, Tag.TRIAL_VALUES, Tag.TRIAL_OVERRIDES)),
    ((), (Kind.TRIAL,), (Tag.TRIAL_EXCHANGES, Tag.CHECKPOINTS)),
    ((Kind.SWEEP,), (), ("space", Tag.SPACE_EXPERIMENT, Tag.EXPERIMENT_DIGEST)),
    ((Kind.LAUNCH,), (), ("pid", "pid.start")),
    ((), (Kind.LAUNCH,), ("launch.run", "mlflow.project.*", "mlflow.gitRepoURL")),
)
METRICS: Names = (
    (_SCORED, (Kind.TRIAL,), (Metric.CV_LWLRAP,)),
    (TRAINED, (Kind.TRIAL,), ("cv_lwlrap_corrected",)),
    (WITH_PREDICTIONS, (), (Metric.FOLD_MEAN,)),
    ((), WITH_PREDICTIONS, (Metric.FOLD_STD, Metric.CV_ACCURACY, "test_*")),
    ((), FOLDED, ("best_epoch_gain",)),
    ((), (Kind.ENSEMBLE,), (Metric.NESTED_LWLRAP, Metric.CV_LOW, Metric.CV_HIGH)),
    ((Kind.FOLD,), (), (Metric.FOLD_LWLRAP, Metric.BEST_VAL)),
    # of a fold that is trained epoch by epoch
    ((), (Kind.FOLD,), ("train_loss", "val_loss", "val_lwlrap", "val_lwlrap_ema", "lr", "samples_per_s")),
    ((), (Kind.FOLD,), ("epochs", "best_epoch")),
    ((Kind.FOLD,), (), (f"{SYSTEM}*",)),
    ((), (Kind.FOLD,), ("fit_seconds",)),  # of a stacker's fold that is fitted at once
    (
        (),
        (Kind.TRIAL,),
        (Metric.SEARCH_LWLRAP, "value/*", Metric.TRIAL_EPOCHS, Metric.TRIAL_SECONDS, "parameters", Metric.MEMORY_SHARE),
    ),
    ((Kind.SWEEP,), (), ("trials_finished", "trials_pruned", "trials_failed")),
    ((), (Kind.SWEEP,), ("best_lwlrap",)),
)
FILES: Names = (
    (WITH_PREDICTIONS, (), (File.FOLDS, File.ENVIRONMENT)),
    (FOLDED, (), (File.CONFIG,)),
    ((*TRAINED, Kind.ENSEMBLE, Kind.SWEEP), (Kind.FOLD, Kind.TRIAL), (File.REPORT,)),
    ((), WITH_PREDICTIONS, (File.DIFF, File.WARNINGS)),
    ((), FROM_SOUND, (f"{File.CODE}/*",)),
    ((*_SCORED, Kind.FOLD), (Kind.TRIAL,), (File.OOF,)),
    ((Kind.EXPERIMENT,), (Kind.TRIAL, Kind.FOLD), (File.OOF_TILES,)),
    ((), WITH_PREDICTIONS, (split_path("test", "*"), split_path("noisy", "*"))),
    (_SCORED, (Kind.TRIAL,), ("tables/per_class.*", "tables/per_clip.*", "figures/class_lwlrap.png")),
    (_SCORED, (Kind.TRIAL,), ("figures/confusions.png",)),
    ((), FOLDED, ("figures/learning_curves.png", "labels/*")),
    ((), WITH_PREDICTIONS, ("tables/test_*", "figures/test_class_lwlrap.png", "submission.csv", "kernel/*")),
    ((Kind.ENSEMBLE,), (), (File.ENSEMBLE,)),
    ((), (Kind.ENSEMBLE,), ("tables/blends.*", "tables/candidates.*", "figures/*.png")),
    ((Kind.STACKER,), (Kind.TRIAL,), (File.STACKER,)),
    ((), (Kind.FOLD,), (f"{File.CHECKPOINTS}/*",)),
    ((), (Kind.TRIAL,), (File.SCHEDULE,)),
    ((Kind.SWEEP,), (), (File.SPACE, "tables/trials.*", "figures/*.png")),
    ((), (Kind.SWEEP,), ("experiment.yaml", "*.db")),
)


def check_contract(store: Store, run: Run, pictures: bool = True) -> None:
    """Assert that all that a run has is in the contract for its kind, and that it has all that the kind always has.

    Without `pictures`, for tests in which none are drawn.
    """
    for table, names in ((TAGS, run.tags), (METRICS, run.metrics), (FILES, store.list_files(run.id))):
        allowed = [name for always, some, group in table for name in group if run.kind in (*always, *some)]
        always_there = [name for always, _, group in table for name in group if run.kind in always]
        extra = [name for name in names if not any(fnmatchcase(name, pattern) for pattern in allowed)]
        missing = [pattern for pattern in always_there if not matching(list(names), pattern)]
        if not pictures:
            missing = [pattern for pattern in missing if not pattern.startswith("figures/")]
        assert (extra, missing) == ([], []), run.title
