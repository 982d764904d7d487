"""Durations are written with a unit and used as seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from config.durations import Delay, Duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("6s", 6.0), ("2m", 120.0), ("1h", 3600.0), ("1.5s", 1.5), ("0s", 0.0)],
)
def test_a_number_with_a_unit_is_so_many_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "s", "-1s", "1 s", "1S", "1d", "1m30s", "٣s", "1e3s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["500ms", "6s", "10m", "1h", "1.5s", "90s", "0s", "36h"])
def test_a_duration_is_written_as_it_was_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


@given(st.integers(min_value=1, max_value=100_000_000))
def test_whole_milliseconds_survive_writing_and_reading(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (6, "6 is a number without a unit"),
        (0.5, "0.5 is a number without a unit"),
        (True, "expected a duration"),
        ("6", '"6" is not a duration'),
        ("0s", "must be longer than zero"),
        ("169h", "169h is too long"),
    ],
)
def test_a_refusal_says_why(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Duration).validate_python(value)


@pytest.mark.parametrize(("value", "hint"), [(6, "say a unit: 6s"), (-1, "say a unit: 6s")])
def test_a_bare_number_is_told_to_say_a_unit(value: object, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Duration).validate_python(value)
    assert caught.value.errors()[0]["ctx"]["hint"] == hint


def test_a_delay_may_be_zero() -> None:
    assert TypeAdapter(Delay).validate_python("0s") == 0.0
