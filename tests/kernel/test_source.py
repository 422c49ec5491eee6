from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tagging.augment.filter import Filter
from tagging.features.settings import FrontEnd, LogMelSettings
from tagging.kernel import source
from tagging.kernel.plan import Network, Plan, Single, Weights
from tests.test_architecture import ROOT, imports

# what the other machine has: torch brings filelock, librosa brings soxr; timm where a network is one of its
THERE = {"torch", "numpy", "soundfile", "soxr", "filelock", "timm"}
PLAN = Plan(
    run='it\'s "quoted" (12345678)',
    classes=("Bark", "Meow"),
    networks=(
        Network(
            name="one",
            front_end=FrontEnd(LogMelSettings(fmin=0.1 + 0.2), "float16"),
            kind="simple_kaggle",
            arguments={"base_size": 2, "size": (128, 256), "download": None},
            window=256,
            step=64,
            batch_size=8,
            precision="bf16",
            folds={0: Weights("a.npz", "ab" * 32), 1: Weights("b.npz", "cd" * 32)},
            tile_seconds=1e-7 / 3,
        ),
    ),
    blend=Single("one"),
)


def file_of(module: str) -> Path:
    place = ROOT.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@pytest.mark.parametrize("main", ["kernel.main", "kernel.train"])
def test_modules_stand_after_those_that_they_import(main: str) -> None:
    order = source.in_order(f"tagging.{main}")
    assert order[-1] == f"tagging.{main}"
    assert len(set(order)) == len(order)
    for place, module in enumerate(order):
        assert source.own_imports(module) <= set(order[:place]), module
        assert module.rpartition(".")[0] in {"", *order[:place]}


@pytest.mark.parametrize("main", ["kernel.main", "kernel.train"])
def test_a_kernel_needs_only_what_is_there(main: str) -> None:
    used = {name.split(".")[0] for module in source.in_order(f"tagging.{main}") for name in imports(file_of(module))}
    assert used - set(sys.stdlib_module_names) - {"tagging"} <= THERE


def test_prediction_carries_no_training() -> None:
    rooms = {module.split(".")[1] for module in source.in_order("tagging.kernel.main") if "." in module}
    assert not rooms & {"augment", "training", "commands", "config", "tracking"}


def test_the_file_holds_the_modules_to_the_letter() -> None:
    text = source.one_file('Says "what" \\ it does."""', "kernel.main", PLAN)
    packed = re.findall(r"^# (\S+)\n_module\(\"(\S+)\", r'''(.*?)'''\)$", text, re.MULTILINE | re.DOTALL)
    assert [f"tagging{name.removeprefix('packed')}" for _, name, _ in packed] == source.in_order("tagging.kernel.main")
    for path, _, body in packed:
        unpacked = re.sub(r"^(\s*(?:from|import) )packed\b", r"\1tagging", body, flags=re.MULTILINE)
        assert unpacked == (ROOT / path).read_text()
    assert ast.get_docstring(ast.parse(text)) == 'Says "what" \\ it does."""'


def test_a_plan_is_made_anew_by_its_text() -> None:
    text = source.one_file("Title.", "kernel.main", PLAN)
    plan = text[text.index("\nPLAN = ") : text.index('\nif __name__ == "__main__"')]
    names = {kind.__name__: kind for kind in (FrontEnd, LogMelSettings, Network, Plan, Single, Weights)}
    exec(plan, names)
    assert names["PLAN"] == PLAN


def test_imports_for_type_checkers_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "tagging"
    package.mkdir()
    (package / "__init__.py").write_text("VERSION = 1\n")
    (package / "typed.py").write_text("")
    (package / "late.py").write_text("")
    (package / "one.py").write_text(
        "from typing import TYPE_CHECKING\nfrom tagging import VERSION\nif TYPE_CHECKING:\n    import tagging.typed\n"
        "def later():\n    from tagging import late\n"
    )
    monkeypatch.setattr(source, "ROOT", tmp_path)
    assert source.in_order("tagging.one") == ["tagging", "tagging.late", "tagging.one"]


@pytest.mark.parametrize("text", ["X = '''a'''\n", "# ends in \\\n"])
def test_a_module_that_a_raw_text_cannot_hold_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tagging").mkdir()
    (tmp_path / "tagging" / "__init__.py").write_text("")
    (tmp_path / "tagging" / "one.py").write_text(text)
    monkeypatch.setattr(source, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"^tagging\.one holds three single quotes or ends in a backslash"):
        source.one_file("Title.", "one", PLAN)


def test_settings_are_found_below_other_settings() -> None:
    # dataclasses in tuples and dicts of dataclasses are imported too
    tree = {"a": (Filter(0, "linear", 3, 5, 6, 6.0), [PLAN])}
    assert {type(one) for one in source.dataclasses_in(tree)} == {
        Filter,
        Plan,
        Network,
        FrontEnd,
        LogMelSettings,
        Weights,
        Single,
    }
