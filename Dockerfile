# The environment alone: Python 3.12 and the pinned list. The code, data/, mlruns/ and mlflow.db are not in it:
# `make docker-run` mounts the checkout that holds them. docs/docker.md says why.

# `base`, since torch's wheels bring CUDA 13.2 and cuDNN themselves: all that the image has to do is to let the
# machine's driver in, and to refuse one that is too old for CUDA 13.2.
FROM nvidia/cuda:13.2.0-base-ubuntu24.04

# git notes the commit in each run, certificates are for `download`, and with training.compile torch and triton
# build kernels by g++ and Python's headers.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates g++ git python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

COPY requirements.txt /opt/
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir -r /opt/requirements.txt

# Files in the checkout must come out as the caller's, so the user is any number, without a name and a home:
# caches go to /tmp, and libraries that ask for the user's name find one.
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp USER=tagger
RUN useradd --system tagger
USER tagger

ENTRYPOINT ["python", "-m", "tagging"]
CMD ["--help"]
