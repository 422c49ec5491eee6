"""Show experiments, the schema and the runs of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tagging.config import Experiment
from tagging.config.load import sections_of, to_yaml

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def show_experiment(experiment: Experiment) -> None:
    """Print every field of an experiment as it resolves, as YAML."""
    print(to_yaml(experiment), end="")


def show_schema() -> None:
    """Print every field with its type, default and meaning, and every variant of a kind."""
    for line in schema_lines(Experiment, ""):
        print(line)


def schema_lines(section: type[BaseModel], prefix: str) -> list[str]:
    """Return two lines a field of a section, its variants and the sections below it."""
    lines = []
    for name, field in section.model_fields.items():
        path = f"{prefix}{name}"
        variants = sections_of(field.annotation)
        for kind, variant in variants.items():
            if len(variants) > 1 or kind:
                lines += ["", f"{path}.kind = {kind}: {_sentence(variant)}"]
            else:
                lines += ["", f"{path}: {_sentence(variant)}"]
            lines += schema_lines(variant, f"{path}.")
        if not variants and name != "kind":
            lines += [f"  {path} = {_default(field)}  ({_allowed(field)})", f"      {field.description}"]
    return lines


def show_runs(limit: int) -> None:
    """Print the newest experiments of the store with their scores."""
    from tagging.tracking.ownership import close_abandoned
    from tagging.tracking.store import Store

    store = Store.connect()
    close_abandoned(store)
    runs = [run for kind in ("experiment", "ensemble", "stacker") for run in store.search({"kind": kind})]
    table = Table("run", "id", "data set", "state", "CV lwlrap", "folds", box=None, pad_edge=False)
    for run in sorted(runs, key=lambda run: -run.start_time)[:limit]:
        metrics = run.metrics
        spread = f"{metrics['fold_lwlrap_mean']:.4f}" if "fold_lwlrap_mean" in metrics else ""
        if "fold_lwlrap_std" in metrics:
            spread += f" ± {metrics['fold_lwlrap_std']:.4f}"
        score = f"{metrics['cv_lwlrap']:.4f}" if "cv_lwlrap" in metrics else ""
        table.add_row(escape(run.name), run.id[:8], escape(run.dataset), run.status, score, spread)
    Console().print(table if runs else "no runs yet; `make train` makes the first")


def _sentence(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _default(field: FieldInfo) -> Any:
    return '""' if field.default == "" else "null" if field.default is None else field.default


def _allowed(field: FieldInfo) -> str:
    """Return a field's type and bounds in words."""
    annotation = str(field.annotation)
    words = annotation if "Literal" in annotation else getattr(field.annotation, "__name__", annotation)
    words = words.replace("typing.Literal", "one of ").replace("typing.", "")
    bounds = [
        f"{sign} {getattr(item, name):g}"
        for item in field.metadata
        for name, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
        if hasattr(item, name)
    ]
    return ", ".join([words, *bounds])
