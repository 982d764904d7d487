"""Amounts are written with a unit, and used as bytes, or as numbers out of a hundred."""

import pytest
from pydantic import TypeAdapter, ValidationError

from config.amounts import Number, Percent, Ratio, Share, Size, format_bytes, parse_amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("512MiB", 512 * 1024**2),
        ("512MB", 512_000_000),
        ("2GiB", 2 * 1024**3),
        ("1.5KiB", 1536),
        ("1kB", 1000),
        ("7B", 7),
        ("90%", Share(90.0)),
        ("0.5%", Share(0.5)),
    ],
)
def test_a_number_with_a_unit_is_so_many_bytes_or_a_share(text: str, amount: object) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "5", "MiB", "-1MiB", "1 MiB", "1m", "1MIB", "%", "٣%", "1e3B"])
def test_anything_else_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_amount(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(7, "7 B"), (1536, "1.5 KiB"), (512 * 1024**2, "512 MiB"), (1010 * 1024**2, "1010 MiB"), (1024**4, "1 TiB")],
)
def test_bytes_are_written_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Size, 512, "512 is a number without a unit"),
        (Size, "110%", "110% is out of range"),
        (Size, "0%", "0% is out of range"),
        (Size, "9999TiB", "9999TiB is out of range"),
        (Size, True, "expected a size"),
        (Number, 0, "0 is out of range"),
        (Number, True, "expected a number or a share"),
        (Number, 1.5, "expected a number or a share"),
        (Number, "5MiB", "expected a number or a share"),
        (Percent, 90, "expected a share"),
        (Percent, "5MiB", "expected a share"),
        (Ratio, 0, "expected a number above 0"),
        (Ratio, "2", "expected a number above 0"),
        (Ratio, float("nan"), "expected a number above 0"),
    ],
)
def test_a_wrong_amount_is_refused_in_words(kind: object, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [(Size, "80%", "80%"), (Size, "1KiB", "1024B"), (Number, 5, 5), (Number, "90%", "90%"), (Percent, "5%", "5%")],
)
def test_an_amount_is_written_as_it_could_be_read(kind: object, value: object, written: object) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(kind)
    read = adapter.validate_python(value)
    assert adapter.dump_python(read, mode="json") == written
    assert adapter.validate_python(written) == read
