"""The table of docs/architecture.md, kept true: which room may import what."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tagging.augment.mixers import MixSettings
from tagging.augment.views import AUGMENTATIONS
from tagging.config import Stacker, flatten, load
from tagging.config.problems import sections_of
from tagging.config.schema import Experiment
from tagging.config.sections.augment import Augment, Mixer
from tagging.config.sections.data import Features
from tagging.config.sections.training import Plateau
from tagging.features.settings import LogMelSettings
from tagging.models.registry import MODELS
from tagging.training.losses import LOSSES

ROOT = Path(__file__).parents[1]
TAGGING = ROOT / "tagging"
# room: (third-party libraries, own rooms beside errors, seeds and sources); None: any of the project's
MAY_IMPORT: dict[str, tuple[set[str], set[str] | None]] = {
    "config": ({"pydantic", "yaml"}, set()),
    "data": ({"numpy", "soundfile", "soxr", "sklearn", "iterstrat", "filelock"}, set()),
    "features": ({"torch", "numpy", "scipy", "filelock"}, set()),
    "augment": ({"torch", "numpy"}, {"features"}),
    "models": ({"torch", "timm"}, set()),
    "training": ({"torch", "numpy", "safetensors"}, {"augment", "features", "inference", "metrics"}),
    "inference": ({"torch", "numpy"}, {"features"}),
    "ensemble": ({"numpy", "scipy", "torch", "numba", "sklearn"}, {"metrics"}),
    "kernel": (
        {"torch", "numpy"},
        {"augment", "commandline", "data", "ensemble", "features", "inference", "models", "predicting", "report"}
        | {"training"},
    ),
    "runs": (
        {"numpy", "pandas"},
        {"config", "data", "ensemble", "inference", "metrics", "progress", "report", "tracking"},
    ),
    "jobs": (
        {"numpy", "pandas", "torch"},
        {"augment", "config", "data", "ensemble", "features", "inference", "metrics", "models", "pages", "progress"}
        | {"report", "runs", "tracking", "training"},
    ),
    "pages": (
        {"numpy", "pandas", "scipy"},
        {"config", "data", "ensemble", "metrics", "report", "review", "runs", "tracking"},
    ),
    "predicting": ({"numpy", "pandas", "torch"}, None),
    "selection": ({"numpy", "pandas", "torch", "rich"}, None),
    "packing": ({"torch"}, None),
    "live": ({"numpy", "soxr", "nicegui", "fastapi", "starlette"}, None),
    "review": (
        {"numpy", "fastapi", "nicegui"},
        {"config", "data", "features", "jobs", "predicting", "progress", "report", "runs", "tracking"},
    ),
    "report": (
        {"numpy", "pandas", "matplotlib", "jinja2", "markupsafe", "soundfile", "filelock", "vl_convert"},
        {"metrics"},
    ),
    "tracking": ({"mlflow", "pandas", "filelock", "psutil", "pynvml", "sqlalchemy"}, set()),
    "commands": ({"numpy", "pandas", "torch", "pydantic", "rich"}, None),
    "metrics.py": ({"numpy"}, set()),
    "contract.py": (set(), set()),
    "errors.py": (set(), {"masking"}),
    "loopback.py": (set(), set()),
    "masking.py": (set(), set()),
    "project.py": (set(), set()),
    "seeds.py": ({"torch"}, set()),
    "sources.py": (set(), set()),
    "user_code.py": (set(), set()),
    "progress.py": ({"tqdm"}, {"output"}),
    "cli": (
        set(),
        {"config", "commands", "data", "ensemble", "jobs", "packing", "selection", "tracking"}
        | {"commandline", "progress"},
    ),
    "commandline.py": (set(), {"output", "signals"}),
    "output.py": (set(), {"masking"}),
    "signals.py": (set(), set()),
    "__main__.py": (set(), {"cli", "commandline"}),
    "__init__.py": (set(), set()),
}
COMMON = {"contract", "errors", "loopback", "masking", "project", "seeds", "sources", "user_code"}
# rooms that know runs of the store, in the order in which they may know each other; commands may know them all
ON_RUNS = ("runs", "pages", "jobs", "predicting", "selection", "packing", "live", "commands")


def imports(path: Path) -> set[str]:
    """Return every module a file imports, absolute: `torch.nn`, `tagging.features.table`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(room: str) -> list[Path]:
    place = TAGGING / room
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def test_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in TAGGING.iterdir() if path.name != "__pycache__"}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_it_may_and_no_more(room: str) -> None:
    libraries, rooms = MAY_IMPORT[room]
    for path in files(room):
        for module in imports(path):
            top, _, below = module.partition(".")
            if top in sys.stdlib_module_names:
                continue
            if top != "tagging":
                assert top in libraries, f"{path.name} imports {module}"
            elif rooms is not None and below:
                own = below.split(".")[0]
                allowed = rooms | COMMON | {room.removesuffix(".py"), "RECIPE_VERSION", "VERSION"}
                assert own in allowed, f"{path.name} imports {module}"


def test_rooms_on_runs_know_only_those_before() -> None:
    for place, room in enumerate(ON_RUNS):
        for path in files(room):
            used = {module.split(".")[1] for module in imports(path) if module.startswith("tagging.")}
            assert not used & set(ON_RUNS[place + 1 :]), path


def test_no_module_is_imported_by_what_it_imports() -> None:
    """Within rooms and between them; an import in a function, or for types alone, counts too."""
    places = [*TAGGING.rglob("*.py"), *(ROOT / "tune").rglob("*.py")]
    dotted = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in places]
    modules = {name.removesuffix(".__init__"): path for name, path in zip(dotted, places, strict=True)}
    used = {name: imports(path) & (modules.keys() - {name}) for name, path in modules.items()}
    order = list(TopologicalSorter(used).static_order())  # raises CycleError with the circle
    assert len(order) == len(modules) > 150


def test_the_core_knows_no_config_and_no_store() -> None:
    for room in ("features", "augment", "models", "inference", "ensemble", "metrics.py"):
        assert not MAY_IMPORT[room][0] & {"pydantic", "mlflow", "pandas"}
    for name in ("losses.py", "sampling.py"):
        used = {module for module in imports(TAGGING / "training" / name) if module.startswith("tagging")}
        assert {module.split(".")[1] for module in used if "." in module} <= {"sources", "user_code"}


def test_numba_is_imported_in_one_place_which_only_a_function_imports() -> None:
    for path in TAGGING.rglob("*.py"):
        used = {module.partition(".")[0] for module in imports(path)}
        assert "numba" not in used or path.name == "on_numba.py", path
        at_the_top = {node.module for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)}
        assert "tagging.ensemble.on_numba" not in at_the_top, path


def test_nicegui_is_imported_by_the_pages_alone() -> None:
    for path in TAGGING.rglob("*.py"):
        used = {module.partition(".")[0] for module in imports(path)}
        assert not used & {"nicegui", "fastapi", "starlette"} or path.name == "page.py", path


def test_ray_and_optuna_are_imported_under_tune_alone_which_nothing_else_imports() -> None:
    for path in [*TAGGING.rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        assert not {module.split(".")[0] for module in imports(path)} & {"ray", "tune", "optuna"}, path


TUNE = {
    "matplotlib",
    "numpy",
    "optuna",
    "pandas",
    "psutil",
    "pydantic",
    "pydantic_core",
    "ray",
    "rich",
    "torch",
    "yaml",
}


def test_tune_imports_what_it_may_and_leaves_mlflow_to_the_store() -> None:
    found = {
        module.split(".")[0] for path in (ROOT / "tune").rglob("*.py") for module in imports(path)
    } - sys.stdlib_module_names
    assert found == TUNE | {"tagging", "tune"}


def test_tune_knows_no_command() -> None:
    for path in (ROOT / "tune").rglob("*.py"):
        assert not any(module.startswith("tagging.commands") for module in imports(path)), path


# sections that are handed over whole to one constructor
WHOLE = ("features.", "augment.", "mixer.", "model.", "scheduler.", "loss.noisy.")
COUNTED = "sampling.draws_per_epoch"  # read as the steps of an epoch, `Draws.steps`


def test_every_leaf_of_the_config_is_read_somewhere() -> None:
    code = "".join(path.read_text() for room in ON_RUNS for path in files(room))
    unread = [
        path
        for path in {**flatten(Experiment()), **flatten(Stacker())}
        if path != COUNTED and not path.startswith(WHOLE) and not re.search(rf"\.{path.split('.')[-1]}\b", code)
    ]
    assert unread == []


def test_sections_handed_over_whole_fit_their_constructors() -> None:
    assert set(inspect.signature(LogMelSettings).parameters) == set(Features.model_fields) - {"precision"}
    assert set(Plateau.model_fields) - {"kind"} < set(inspect.signature(ReduceLROnPlateau).parameters)


def test_the_config_holds_each_augmentation_in_the_order_of_application() -> None:
    own = [name for name, field in Augment.model_fields.items() if sections_of(field.annotation)]
    assert own == list(AUGMENTATIONS)
    assert set(inspect.signature(MixSettings).parameters) == set(Mixer.model_fields)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_takes_what_its_section_holds(name: str) -> None:
    section = type(getattr(Augment(), name))
    assert set(inspect.signature(AUGMENTATIONS[name]).parameters) == set(section.model_fields)


@pytest.mark.parametrize("kind", MODELS)
def test_a_network_takes_what_its_section_holds(kind: str) -> None:
    section = load("base", [f"model.kind={kind}"]).model
    arguments = set(inspect.signature(MODELS[kind]).parameters) - {"num_classes", "in_channels", "size"}
    assert set(type(section).model_fields) - {"kind", "frequency_channel"} == arguments


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_takes_what_its_section_holds(kind: str) -> None:
    section = load("base", [f"loss.noisy.kind={kind}"]).loss.noisy
    arguments = set(inspect.signature(LOSSES[kind]).parameters) - {"logits", "targets"}
    assert set(type(section).model_fields) - {"kind", "weight", "keep_below"} == arguments


def test_the_documents_table_names_every_room() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text()
    for room in MAY_IMPORT:
        if not room.startswith("__"):
            name = f"`tagging/{room}`" if room.endswith(".py") else f"`tagging/{room}/`"
            assert name in table, name
