"""What no reader can hold is refused in one line, in files of experiments, ensembles and spaces and in --set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tagging.config import Experiment, Stacker, load
from tagging.config.ensemble import EnsembleRecipe, load_ensemble
from tagging.config.problems import sections_of
from tagging.config.tree import read_overrides
from tagging.data.label_lists import read_label_list
from tagging.errors import UserError
from tune.schema import Space
from tune.space import grid_size, load_space

GROWING = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
READERS: dict[str, Callable[[Path], object]] = {
    "experiment": load,
    "ensemble": lambda path: load_ensemble(str(path)),
    "space": load_space,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed: 1\nnotes: a\0b\n", ":2: not valid YAML: the character '\\x00' is none of a text"),
        ("seed: 1\nnotes: \x1b[31m\n", ":2: not valid YAML: the character '\\x1b' is none of a text"),
        ("folds: &a [*a]\n", ":1: not valid YAML: *a stands inside what it names"),
        ("a: &a\n  b: *a\n", ":2: not valid YAML: *a stands inside what it names"),
        (f"folds: {'[' * 2000}\n", ":1: not valid YAML: nested more than 20 deep"),
        (f"folds: {'{a: ' * 2000}\n", ":1: not valid YAML: nested more than 20 deep"),
        ("".join(f"{' ' * n}a:\n" for n in range(30)), ":21: not valid YAML: nested more than 20 deep"),
        (GROWING, ":12: not valid YAML: more than 10,000 values"),
        (f"folds: [{'1,' * 20000}]\n", ":1: not valid YAML: more than 10,000 values"),
        ('notes: "\\UFFFFFFFF"\n', ":1: not valid YAML: an escape that is no character"),
        ('seed: 1\nnotes: "a \\ud800"\n', ":2: not valid YAML: an escape that is half of a character"),
        ("? [a, b]\n: 1\n", ":1: a key must be the name of a field"),
        (f"seed: {'1' * 5000}\n{'x' * 5000}: 1\n", None),
    ],
    ids=[
        "zero",
        "escape",
        "itself",
        "itself below",
        "lists",
        "maps",
        "lines",
        "aliases",
        "many",
        "sign",
        "half",
        "key",
        "long",
    ],
)
def test_a_file_is_refused_in_one_line(reader: str, text: str, problem: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        READERS[reader](path)
    if problem:
        assert error.value.problems == (f"{path}{problem}",)
    assert all(len(line) < len(str(path)) + 400 and "\n" not in line for line in error.value.problems)


def test_an_alias_is_read_as_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("notes: &a words\nname: *a\nsampling: &b {noisy: 0.2}\naugment: {}\n")
    assert load(tmp_path / "x.yaml").name == "words"


@pytest.mark.parametrize(
    "value", ["[&a [*a]]", "{a: &a [*a]}", "[" * 2000, "[" * 2000 + "]" * 2000, '["\\UFFFFFFFF"]', "[a\0]"]
)
def test_an_override_is_refused_in_one_line(value: str) -> None:
    with pytest.raises(UserError) as error:
        read_overrides([f"training.folds={value}"])
    text = f"training.folds={value}"
    shown = text if len(text) <= 100 else f"{text[:60]}... ({len(text):,} characters)"
    assert error.value.problems == (f"--set {shown}: the value is not a list such as [0, 2]",)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "training.epochs=1000000000000",
            "training.epochs is '1000000000000'; it must be less than or equal to 1000000",
        ),
        (f"seed={'1' * 5000}", f"seed is '{'1' * 59}... (5,002 characters); it must be a number of fewer digits"),
        (
            f"scheduler.kind=one_cycle training.epochs=1{'0' * 4000}",
            f"training.epochs is '1{'0' * 58}... (4,003 characters); it must be less than or equal to 1000000",
        ),
        (
            f"optimizer.lr={'1' * 5000}",
            f"optimizer.lr is '{'1' * 59}... (5,002 characters); it must be a finite number",
        ),
        (f"a{'.b' * 5000}=1", "not of the form PATH=VALUE, such as optimizer.lr=1e-3"),
        (f"{'a' * 5000}=1", "not of the form PATH=VALUE, such as optimizer.lr=1e-3"),
    ],
    ids=lambda text: text[:20],
)
def test_a_huge_number_or_path_is_refused_and_not_echoed_whole(override: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        load("base", [override])
    (found,) = error.value.problems
    assert found.partition(": ")[2] == problem


def whole_numbers(section: type[BaseModel], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return the JSON schema of each field of whole numbers below a section, lists of such too."""
    found = []
    properties = section.model_json_schema()["properties"]
    for name, field in section.model_fields.items():
        schema = properties[name]
        for variant in sections_of(field.annotation).values():
            found += whole_numbers(variant, f"{prefix}{name}.")
        for part in [schema, schema.get("items", {}), *schema.get("anyOf", [])]:
            if part.get("type") == "integer":
                found.append((prefix + name, part))
    return found


def test_every_whole_number_has_an_upper_limit() -> None:
    found = [pair for schema in (Experiment, Stacker, EnsembleRecipe, Space) for pair in whole_numbers(schema)]
    assert len(found) > 60
    assert [path for path, schema in found if not {"maximum", "exclusiveMaximum", "enum"} & set(schema)] == []


def test_a_grid_is_counted_without_being_made(tmp_path: Path) -> None:
    wide = (
        "experiment: base\ntrials: 3\nsearcher: {kind: grid}\nspace: {seed: {kind: int, low: 0, high: 1000000000000}}\n"
    )
    (tmp_path / "x.yaml").write_text(wide)
    assert grid_size(load_space(tmp_path / "x.yaml")) == 10**12 + 1


@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"a.wav": {"1" * 5000}}}'], ids=["nested", "digits"])
def test_a_label_list_that_no_reader_holds_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError) as error:
        read_label_list(tmp_path / "x.json")
    form = 'a label list is one JSON object {"clip.wav": "remove" or "Bark,Run", ...}'
    assert str(error.value) == f"{tmp_path}/x.json: {form}"
