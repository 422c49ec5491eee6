"""Audio tagging: train, search, choose and ship taggers, every run of them tracked in MLflow."""

# Part of every fingerprint: raise it when the same config on the same data gives other numbers, or fields are renamed.
RECIPE_VERSION = 4
