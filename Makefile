# `make help` lists all targets.
.DEFAULT_GOAL := help
.PHONY: help setup train test test-long lint ui docker-build docker-run clean

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.installed
CHECKS := $(VENV)/.checks
WORKERS ?= 2
# `mlflow run --env-manager local` takes `python` from the PATH; nothing is sent anywhere
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the pinned dependencies (the others do it where needed)

$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 12) else \
	    f"Python 3.11 or 3.12 is needed, {sys.executable} is {v.major}.{v.minor}; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -r requirements.txt
	@touch $(READY)

$(CHECKS): $(READY) requirements-pages.txt requirements-dev.txt
	$(VENV)/bin/python -m pip install --quiet -r requirements-dev.txt
	@touch $(CHECKS)

train: $(READY) ## train the smoke experiment on sound made on the spot
	mlflow run . -e train --env-manager local -P experiment=smoke

test: export TEST_BEGUN := $(shell date +%s)
test: lint ## lint, types, and the tests that take moments [WORKERS=2]
	python -m pytest -n $(WORKERS) --dist worksteal -m "not long"

test-long: export TEST_BEGUN := $(shell date +%s)
test-long: $(CHECKS) ## the tests that are long by nature: rounds of kills, whole sweeps, full-size networks
	python -m pytest -n $(WORKERS) --dist worksteal -m long

lint: $(CHECKS) ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

ui: $(READY) ## open the MLflow UI on the project's runs
	python -m tagging ui

docker-build: ## build the image, which holds the environment: docs/docker.md
	docker build --tag audio-tagging .

# The container counts as this machine: path, user, host name and process numbers are the same inside and outside, so
# that either side finds the other's files, locks and broken-off runs. Ray needs more /dev/shm than Docker's 64 MB.
docker-run: ## run ARGS="train smoke" in it [GPU=all PORT=5000 DATA=/folder]
	docker run --rm $$(test -t 0 -a -t 1 && echo --interactive --tty) \
	    --user "$$(id -u):$$(id -g)" --env "USER=$$(id -un)" --hostname "$$(uname -n)" --pid host \
	    --mount "type=bind,source=$(CURDIR),target=$(CURDIR)" --workdir "$(CURDIR)" \
	    $(if $(DATA),--volume "$(DATA):$(DATA):ro") --env MLFLOW_TRACKING_URI --shm-size 4g \
	    $(if $(GPU),--gpus '"$(GPU)"') $(if $(PORT),--publish "127.0.0.1:$(PORT):$(PORT)") \
	    audio-tagging $(ARGS)

clean: ## remove the environment and caches; data and runs stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
