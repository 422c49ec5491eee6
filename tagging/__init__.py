"""Audio tagging: train, search, choose and ship taggers, every run of them tracked in MLflow."""

VERSION = "0.1.0"  # as pyproject.toml has it
# Part of every fingerprint: raise it when the same config on the same data gives other numbers, or fields are renamed.
RECIPE_VERSION = 4
