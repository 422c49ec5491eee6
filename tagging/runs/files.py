"""Where a run keeps what it predicted, and its folds: paths within the run."""

from __future__ import annotations

FOLDS = "data/folds.parquet"
OOF = "predictions/oof.parquet"
OOF_TILES = "predictions/oof_tiles.parquet"
PER_CLIP = "tables/per_clip.parquet"  # with the labels that clips came with
WARNINGS = "data/warnings.txt"  # a line each; one of a clip that the run has no predictions of begins with LEFT_OUT
LEFT_OUT = "left out: "


def half_folder(half: str) -> str:
    """Return the folder that holds what each fold says of a half, `test` or `noisy`."""
    return f"predictions/{half}"


def half_path(half: str, fold: int) -> str:
    """Return the file that holds what a fold says of a half, `test` or `noisy`."""
    return f"{half_folder(half)}/fold_{fold}.parquet"
