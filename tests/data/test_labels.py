"""Labels that are not what they look like: lists and other separators stop, classes that look alike warn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging.data.labels import class_names, is_list, list_items, warn_of_alike
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tests.data.build import write_fsdkaggle, write_sounds, write_text
from tests.shared import SHARED, needs_shared

ONE_EACH = "or rename it if it is one; labels are separated by commas"


def own(root: Path, *fields: str) -> Path:
    """Write a data set of the own layout in which each clip has one of the label fields."""
    write_text(root / "t.csv", "fname,labels", *(f"{row}.wav,{field}" for row, field in enumerate(fields)))
    write_sounds(root, [f"{row}.wav" for row in range(len(fields))])
    return root


def problems(folder: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_dataset(folder)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def warnings(folder: Path) -> list[str]:
    return [warning.removeprefix(f"{folder}/") for warning in read_dataset(folder).warnings]


@pytest.mark.parametrize(
    ("field", "items"),
    [
        ("['a', 'b']", ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ("['a']", ["a"]),
        ("['a' 'b c']", ["a", "b c"]),
        ("('a',)", ["a"]),
        ("{'a', 'b'}", ["a", "b"]),
        ("[a, b]", ["a", "b"]),
        ("[]", []),
    ],
)
def test_lists_as_programs_write_them_are_seen(field: str, items: list[str]) -> None:
    assert is_list(field)
    assert list_items(field) == items


@pytest.mark.parametrize("field", ["[noise]", "(a),(b)", "Sink_(filling_or_washing)", "a,b", "", "'a'", "{x}"])
def test_names_in_brackets_are_no_lists(field: str) -> None:
    assert not is_list(field)


def test_lists_stop_with_their_line_in_either_layout(tmp_path: Path) -> None:
    assert problems(own(tmp_path / "own", "\"['a', 'b']\"", '"[""b""]"', "[]", "a")) == [
        "t.csv, line 2: \"['a', 'b']\" is a list; write \"a,b\"; labels are separated by commas",
        't.csv, line 3: \'["b"]\' is a list; write "b"; labels are separated by commas',
        "t.csv, line 4: '[]' is a list; give at least one label, or remove the line; labels are separated by commas",
    ]
    root = write_fsdkaggle(tmp_path / "fsd")
    write_text(root / "train_noisy.csv", "fname,labels", "n.wav,\"['Bark', 'Air']\"")
    assert problems(root) == [
        "train_noisy.csv, line 2: \"['Bark', 'Air']\" is a list; write \"Bark,Air\"; "
        "the classes are the columns of sample_submission.csv"
    ]


@pytest.mark.parametrize("sign", ["; ", ";", "|", "，", "/", " & ", "+"])
def test_labels_joined_by_another_sign_stop_where_they_occur_alone_too(tmp_path: Path, sign: str) -> None:
    joined = f"Rain{sign}Dog_bark"
    assert problems(own(tmp_path, joined, "Rain", "Dog_bark", f'"Rain,{joined}"')) == [
        f"t.csv, line {line}: {joined!r} reads as the labels 'Rain', 'Dog_bark'; write \"Rain,Dog_bark\", {ONE_EACH}"
        for line in (2, 5)
    ]


def test_a_sign_that_no_name_holds_parts_labels_that_occur_elsewhere_in_part(tmp_path: Path) -> None:
    assert problems(own(tmp_path, "a;b", "b;c", "c|a")) == [
        f"t.csv, line 2: 'a;b' reads as the labels 'a', 'b'; write \"a,b\", {ONE_EACH}",
        f"t.csv, line 3: 'b;c' reads as the labels 'b', 'c'; write \"b,c\", {ONE_EACH}",
        f"t.csv, line 4: 'c|a' reads as the labels 'c', 'a'; write \"c,a\", {ONE_EACH}",
    ]


def test_a_sign_in_a_name_is_part_of_it(tmp_path: Path) -> None:
    names = (
        "Sneeze/Cough",
        "Cough",
        "R&B",
        "Drum + Bass",
        "Water_tap_and_faucet",
        "Sink_(filling_or_washing)",
        "[sic]",
    )
    folder = own(tmp_path, *names)
    assert read_dataset(folder).classes == tuple(sorted(names))
    assert warnings(folder) == []


def test_what_may_be_several_labels_warns(tmp_path: Path) -> None:
    assert warnings(own(tmp_path, "a;b", "Dog Bark", "Dog", "Bark")) == [
        f"t.csv, line {line}: {name!r} is taken for one class; labels are separated by commas"
        for line, name in ((3, "Dog Bark"), (2, "a;b"))
    ]


def test_unknown_labels_that_are_several_are_told_so(tmp_path: Path) -> None:
    root = write_fsdkaggle(tmp_path)
    write_text(root / "train_curated.csv", "fname,labels", "b.wav,Bark;Air", "a.wav,Bark/Air")
    allowed = "or rename it if it is one; the classes are the columns of sample_submission.csv"
    assert problems(root) == [
        f"train_curated.csv, line {line}: {label!r} reads as the labels 'Bark', 'Air'; write \"Bark,Air\", {allowed}"
        for line, label in ((2, "Bark;Air"), (3, "Bark/Air"))
    ]


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ("Dog bark", "dog bark", "'Dog bark' and 'dog bark'"),
        ("Dog  bark", "Dog bark", "'Dog  bark' and 'Dog bark'"),
        ("Dog_bark", "Dog bark", "'Dog bark' and 'Dog_bark'"),
        ("Dog", "Dog\u200b", r"'Dog' and 'Dog\u200b'"),
        ("Dog", "“Dog”", "'Dog' and '“Dog”'"),
        ("Dog's", "Dog’s", "\"Dog's\" and 'Dog’s'"),
        ("Kr\u00e4he", "Kra\u0308he", r"'Kra\u0308he' and 'Kr\xe4he'"),
        ("Ａir", "Air", "'Air' and 'Ａir'"),
    ],
)
def test_classes_that_look_alike_warn_with_both_spellings(tmp_path: Path, one: str, two: str, said: str) -> None:
    folder = own(tmp_path, one, two)
    data = read_dataset(folder)
    assert data.classes == tuple(sorted((one, two)))
    line = 2 if data.classes[1] == one else 3
    assert warnings(folder) == [
        f"t.csv, line {line}: {said} look alike but are 2 classes; if they are one, spell them alike"
    ]


def test_classes_that_look_alike_in_the_header_of_a_submission_warn(tmp_path: Path) -> None:
    root = write_fsdkaggle(tmp_path)
    write_text(root / "sample_submission.csv", "fname,Bark,Air,air", "t.wav,0,0,0")
    assert warnings(root) == [
        "sample_submission.csv, line 1: 'Air' and 'air' look alike but are 2 classes; if they are one, spell them alike"
    ]


def test_an_unknown_label_that_looks_like_a_class_shows_the_difference(tmp_path: Path) -> None:
    root = write_fsdkaggle(tmp_path)
    write_text(root / "sample_submission.csv", "fname,Bark,Air,Kr\u00e4he", "t.wav,0,0,0")
    write_text(root / "train_noisy.csv", "fname,labels", "n.wav,Kra\u0308he")
    assert problems(root) == [
        r"train_noisy.csv, line 2: unknown label 'Kra\u0308he'; did you mean 'Kr\xe4he'?; "
        "the classes are the columns of sample_submission.csv"
    ]


def test_a_table_without_any_label_stops(tmp_path: Path) -> None:
    empty = "the labels field is empty; give at least one label, or remove the line; labels are separated by commas"
    assert problems(own(tmp_path, "", "")) == [f"t.csv, line {line}: {empty}" for line in (2, 3)]


@needs_shared
def test_the_names_of_fsdkaggle2019_are_classes_that_do_not_look_alike() -> None:
    table = (SHARED / "data" / "fsdkaggle2019-labels" / "train_noisy.csv").read_text().splitlines()[1:]
    classes = class_names([line.partition(",")[2].strip('"') for line in table])
    assert len(classes) == 80
    assert "Male_speech_and_man_speaking" in classes
    assert "Sink_(filling_or_washing)" in classes
    assert warn_of_alike(classes, str) == []
