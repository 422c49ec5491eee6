"""What is said of the same sound under several names, and folds that keep it together."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.config import load
from tagging.data.dataset import Dataset
from tagging.errors import UserError
from tagging.jobs.duplicates import duplicates
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.prepare import prepare
from tests.data.build import make_clips, write_text
from tests.stand_in import stand_in

SMALL = (
    "features.sample_rate=8000 features.fmax=4000 features.n_fft=256 features.hop=64 features.n_mels=16 "
    "sampling.curated=1 sampling.noisy=0 threads=1"
)
FOLDS = {"0.wav": 0, "copy.wav": 1, "1.wav": 0, "1.flac": 0, "2.wav": 1, "3.wav": 1, "4.wav": 0, "5.wav": 1}


def prepared(folder: Path, *overrides: str) -> ExperimentJob:
    return prepare(load("base", [f"data.folder={folder}", *SMALL.split(), *overrides]))


def said(those: ExperimentJob) -> list[str]:
    return [line for line in those.warnings if line.startswith("the same sound")]


def test_the_same_sound_is_named_with_its_folds_and_labels_and_can_be_kept_in_one_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path / "project", monkeypatch)
    data, audio = tmp_path / "data", tmp_path / "data" / "audio"
    rows = [f"{name},{'Dog' if name == '1.flac' else 'Air'},{fold}" for name, fold in FOLDS.items()]
    table = write_text(data / "t.csv", "fname,labels,fold", *rows)
    audio.mkdir()
    for number in range(6):
        soundfile.write(audio / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 8000), 8000)
    shutil.copy(audio / "0.wav", audio / "copy.wav")
    soundfile.write(audio / "1.flac", *soundfile.read(audio / "1.wav"))
    labels = "the same sound has other labels: 1.wav (Air) = 1.flac (Dog)"
    assert said(prepared(data, "folds.kind=column")) == [
        "the same sound is in several folds, which flatters the CV (folds.group=content keeps it in one): "
        "0.wav (fold 0) = copy.wav (fold 1)",
        labels,
    ]
    grouped = prepared(data, "folds.count=3", "folds.group=content")
    folds = dict(zip(grouped.dataset.curated.fnames, grouped.folds.tolist(), strict=True))
    assert (folds["0.wav"], folds["1.wav"]) == (folds["copy.wav"], folds["1.flac"])
    assert said(grouped) == [labels]
    with pytest.raises(UserError) as caught:
        prepared(data, "folds.kind=column", "folds.group=content")
    assert caught.value.problems == (
        f"{table}: content '0.wav' crosses folds (fold 0, 1); put its clips into one fold",
    )


def test_a_column_called_content_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path / "project", monkeypatch)
    write_text(tmp_path / "t.csv", "fname,labels,content", "0.wav,Air,x", "1.wav,Air,y", "2.wav,Dog,x", "3.wav,Dog,y")
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 8000), 8000)
    folds = prepared(tmp_path, "folds.count=2", "folds.group=content").folds.tolist()
    assert (folds[0], folds[1]) == (folds[2], folds[3])


def test_the_same_sound_in_two_splits_is_named() -> None:
    curated, noisy, test = make_clips([[1, 0]] * 9), make_clips([[1, 0]]), make_clips([[0, 0]])
    dataset = Dataset("mine", Path("/mine"), ("Air", "Dog"), curated, noisy, test, ())
    same = {"curated": np.array([0, 1, 1, 1, 1, 1, 1, 1, 8]), "noisy": np.array([0]), "test": np.array([8])}
    assert duplicates(dataset, same, np.array([0, 0, 1, 1, 1, 1, 1, 1, 0])) == [
        "the same sound is in several folds, which flatters the CV (folds.group=content keeps it in one): "
        "1.wav (fold 0) = 2.wav (fold 1) = 3.wav (fold 1) = 4.wav (fold 1) = 5.wav (fold 1) = 2 more",
        "the same sound is curated and noisy, which flatters the CV where noisy clips are trained on: "
        "0.wav (curated) = 0.wav (noisy)",
        "the same sound is curated and test, which flatters scores of the test split: 8.wav (curated) = 0.wav (test)",
    ]
