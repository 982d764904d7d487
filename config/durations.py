"""Durations as people write them (`500ms`, `6s`, `2m`, `1h`) and as programs use them: seconds.

Knows no clock and no setting.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from config.refusals import refusal

LONGEST_S = 7 * 24 * 3600.0
_WRITTEN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)", re.ASCII)
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_EXPECTED = "write a number and its unit: 500ms, 6s, 2m or 1h"


def parse_duration(text: str) -> float:
    """Give the seconds of `500ms`, `6s`, `2m` or `1h`.

    Raises ValueError when the text is none of these.
    """
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError(f"not a duration: {text[:40]!r}")
    return float(written[1]) * _MILLISECONDS[written[2]] / 1000


def format_duration(seconds: float) -> str:
    """Write seconds the way that `parse_duration` reads: 0.5 -> 500ms, 600.0 -> 10m."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    for unit, size_s in (("h", 3600), ("m", 60)):
        if seconds >= size_s and seconds % size_s == 0:
            return f"{seconds / size_s:g}{unit}"
    return f"{seconds:g}s"


def _read(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise refusal(f"{str(value)[:20]} is a number without a unit", _unit_hint(value))
    if not isinstance(value, str):
        raise refusal("expected a duration", _EXPECTED)
    try:
        seconds = parse_duration(value)
    except ValueError:
        raise refusal(f'"{value[:40]}" is not a duration', _EXPECTED) from None
    if seconds > LONGEST_S:
        raise refusal(f"{value} is too long", f"the longest is {format_duration(LONGEST_S)}")
    return seconds


def _unit_hint(value: float) -> str:
    example = f"{value}s" if _WRITTEN.fullmatch(f"{value}s") else "6s"
    return f"say a unit: {example}"


def _read_positive(value: object) -> float:
    seconds = _read(value)
    if seconds == 0:
        raise refusal("must be longer than zero", "write 500ms, say")
    return seconds


def _json_schema(description: str) -> WithJsonSchema:
    pattern = r"^\d+(\.\d+)?(ms|s|m|h)$"
    return WithJsonSchema(
        {
            "type": "string",
            "format": "failover-duration",
            "pattern": pattern,
            "examples": ["500ms", "6s", "2m", "1h"],
            "title": description,
        }
    )


_AS_WRITTEN = PlainSerializer(format_duration, return_type=str, when_used="json")

Duration = Annotated[float, BeforeValidator(_read_positive), _AS_WRITTEN, _json_schema("A duration above zero")]
"""Seconds, above zero. In a file only with a unit."""

Delay = Annotated[float, BeforeValidator(_read), _AS_WRITTEN, _json_schema("A duration, or 0s")]
"""Seconds, zero allowed. In a file only with a unit."""
