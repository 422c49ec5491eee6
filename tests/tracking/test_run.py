from __future__ import annotations

import pytest

from tagging.tracking.run import clause, metric_name, param_value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("val_lwlrap", "val_lwlrap"),
        ("lwlrap/Acoustic_guitar", "lwlrap/Acoustic_guitar"),
        ("lwlrap/Sink_(filling_or_washing)", "lwlrap/Sink_filling_or_washing"),
        ("Bathtub_(filling_or_washing)", "Bathtub_filling_or_washing"),
        ("R&B", "R_B"),
        ("Drum & bass", "Drum _ bass"),
        ("[a], {b}", "a_ _b"),
        ("/a//b/", "a/b"),
        ("../x", "x"),
        ("()", "_"),
        ("__kept__", "__kept__"),
        ("x" * 300, "x" * 250),
    ],
)
def test_any_class_name_becomes_a_metric_name(text: str, name: str) -> None:
    assert metric_name(text) == name
    assert metric_name(name) == name


def test_a_long_param_is_shortened_and_says_so() -> None:
    assert param_value("x" * 6000) == "x" * 6000
    short = param_value("x" * 6001)
    assert len(short) == 6000
    assert short.endswith("x … (shortened here: 6001 characters, in full in config.yaml)")
    assert param_value(None) == "None"


def test_a_clause_takes_the_quotes_that_the_text_has_not() -> None:
    assert clause("tags.a", "b") == "tags.a = 'b'"
    assert clause("tags.a", "it's") == 'tags.a = "it\'s"'
    assert clause("tags.a", "'\"") == ""
    assert clause("attributes.run_id", "ab%", "LIKE") == "attributes.run_id LIKE 'ab%'"
