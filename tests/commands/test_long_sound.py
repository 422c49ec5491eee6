"""A recording of an hour: memory does not grow with it, and what is said of it is what is said of the whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.commands.test_predict import demo_folder
from tests.project import ROOT, read_csv
from tests.trainings import Trained

MOST = 1.3e9  # bytes
SCRIPT = """\
import json, sys
from tagging.cli import main
from tests.memory import peak
status = main(sys.argv[1:])
print("\\n" + json.dumps([status, peak()]))
"""


def test_a_long_file_is_tagged_in_blocks_as_it_is_as_a_whole(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = tmp_path / "sound"
    sound.mkdir()
    clips = [
        soundfile.read(path, dtype="float32") for path in sorted((demo_folder(trained.project) / "test").iterdir())
    ]
    soundfile.write(sound / "long.flac", np.concatenate([np.stack([clip, clip], axis=1) for clip, _ in clips]), 48000)
    soundfile.write(sound / "short.wav", *clips[0])
    tables = []
    for name, held in (("whole.csv", 2**30), ("blocks.csv", 30000)):
        monkeypatch.setattr("tagging.predicting.new_sound.HELD", held)
        monkeypatch.setattr("tagging.data.audio.BLOCK", 2 * held)
        trained.project.run("predict", str(sound), "--run", "tiny", "--out", str(tmp_path / name))
        tables.append(read_csv(tmp_path / name))
    assert list(tables[1]["fname"]) == ["long.flac", "short.wav"]
    # both are written with six digits
    assert np.abs(tables[0].iloc[:, 1:] - tables[1].iloc[:, 1:]).to_numpy().max() < 1.5e-6


@pytest.mark.long
@pytest.mark.parametrize("hours", [1, 6])
def test_the_memory_of_a_prediction_does_not_grow_with_a_recording(
    trained: Trained, tmp_path: Path, hours: int
) -> None:
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 44100, 1) as file:
        for minute in range(60 * hours):
            file.write(rng.normal(0, 10.0 ** (minute % 4 - 4), 60 * 44100).astype(np.float32))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "predict", str(tmp_path / "long.wav"), "--run", "tiny"],
        cwd=trained.project.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    status, peak = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert peak < MOST
