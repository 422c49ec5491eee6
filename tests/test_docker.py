"""The image and the commands around it, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
DOCKER_RUN = f"""\
docker run --rm $(test -t 0 -a -t 1 && echo --interactive --tty) \
--user "$(id -u):$(id -g)" --env "USER=$(id -un)" --hostname "$(uname -n)" --pid host \
--mount "type=bind,source={ROOT},target={ROOT}" --workdir "{ROOT}" """


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order, each as its word and the rest on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def what_make_runs(*arguments: str) -> str:
    """Return the commands of a target on one line, none of them started."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")},
        capture_output=True,
        text=True,
        check=True,
    )
    return " ".join(done.stdout.replace("\\\n", " ").split())


def test_the_image_holds_the_pinned_list_and_nothing_else_of_the_project() -> None:
    assert [rest for word, rest in instructions() if word in ("COPY", "ADD")] == ["requirements.txt /opt/"]
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip" in rest]
    assert installs == [
        "python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir -r /opt/requirements.txt"
    ]


def test_only_the_pinned_list_goes_to_the_build() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    # not the environment, not .git, and above all neither sound nor runs nor the store
    assert rules == ["*", "!requirements.txt"]


@pytest.mark.skipif(torch.version.cuda is None, reason="this torch comes without CUDA")
def test_the_base_image_is_of_the_cuda_that_torch_brings() -> None:
    (base,) = [rest for word, rest in instructions() if word == "FROM"]
    assert re.fullmatch(rf"nvidia/cuda:{torch.version.cuda}\.\d+-base-ubuntu24\.04", base)


def test_the_image_does_not_run_as_root() -> None:
    words = [word for word, _ in instructions()]
    assert dict(instructions())["USER"] == "tagger"
    assert words.index("USER") > max(place for place, word in enumerate(words) if word == "RUN")


def test_the_image_answers_with_the_help_of_the_mounted_checkout() -> None:
    last = dict(instructions())
    python, *command = json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"])
    assert python == "python"
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: python -m tagging ")


def test_the_build_takes_the_checkout() -> None:
    assert what_make_runs("docker-build") == "docker build --tag audio-tagging ."


def test_a_container_is_the_same_machine_with_the_checkout_at_its_own_path() -> None:
    plain = what_make_runs("docker-run", "ARGS=", "GPU=", "PORT=", "DATA=")
    assert plain == f"{DOCKER_RUN}--env MLFLOW_TRACKING_URI --shm-size 4g audio-tagging"


def test_gpu_port_and_sound_are_given_when_asked_for() -> None:
    asked = ("GPU=all", "PORT=5001", "DATA=/sound/my clips", "ARGS=train smoke --set optimizer.lr=1e-3 seed=1")
    assert what_make_runs("docker-run", *asked) == (
        f'{DOCKER_RUN}--volume "/sound/my clips:/sound/my clips:ro" --env MLFLOW_TRACKING_URI --shm-size 4g '
        '--gpus \'"all"\' --publish "127.0.0.1:5001:5001" '
        "audio-tagging train smoke --set optimizer.lr=1e-3 seed=1"
    )


def test_every_option_of_the_container_has_its_reason_in_the_docs() -> None:
    command, _, _ = what_make_runs("docker-run", "GPU=all", "PORT=5000", "DATA=/sound").partition("audio-tagging")
    reasons = re.findall(r"^\| (`--.*?) \|", (ROOT / "docs" / "docker.md").read_text(), flags=re.MULTILINE)
    options = set(re.findall(r"--[a-z-]+", command.replace(str(ROOT), "")))
    assert options == set(re.findall(r"--[a-z-]+", " ".join(reasons)))
