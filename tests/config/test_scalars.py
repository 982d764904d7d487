"""YAML 1.2 scalars: what is a number, what is a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.documents import parse
from config.scalars import value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("17", 17),
        ("-17", -17),
        ("0x11", 17),
        ("0o21", 17),
        ("010", 10),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        ("6s", "6s"),
        ("'17'", "17"),
        ("9" * 200, "9" * 200),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    found = parse(f"a: {text}").data["a"]
    assert (found, type(found)) == (value, type(value))


@given(st.sampled_from(["int", "float", "bool", "null", "str"]), st.text())
def test_no_text_upsets_the_reading_whatever_its_tag(kind: str, text: str) -> None:
    value = value_of(f"tag:yaml.org,2002:{kind}", text)
    assert value is None or isinstance(value, (str, int, float))


def test_a_lone_surrogate_is_replaced_since_no_terminal_takes_it() -> None:
    assert parse('a: "\\ud800"').data["a"] == "?"
