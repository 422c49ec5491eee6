"""Audio tagging: train, search, choose and ship taggers, every run of them tracked in MLflow."""
