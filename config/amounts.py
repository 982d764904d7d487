"""Amounts as people write them: sizes (`512MiB`), and shares (`90%`); programs use bytes, and numbers out of a hundred.

Knows no setting, and not what an amount is measured against.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from config.refusals import refusal

_WRITTEN = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)(B|[kKMGT]i?B|%)", re.ASCII)
_BYTES = {"": 1, "K": 1000, "Ki": 1024, "M": 1000**2, "Mi": 1024**2, "G": 1000**3, "Gi": 1024**3}
_BYTES |= {"T": 1000**4, "Ti": 1024**4}
_SIZE = "write 512MiB or 2GiB"
_SHARE = "write a share: 90%"
_COUNT = "write a number: 1000"
LARGEST = 10**15
MOST_RATIO = 1000


@dataclass(frozen=True, slots=True)
class Share:
    """So many out of a hundred."""

    percent: float

    def __str__(self) -> str:
        return f"{self.percent:g}%"


Amount = Share | int


def parse_amount(text: str) -> Amount:
    """Give the bytes of `512MiB`, or the share `90%`. Raises ValueError when the text is neither."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError(f"not an amount: {text[:40]!r}")
    number, unit = float(written[1]), written[2]
    if unit == "%":
        return Share(number)
    return round(number * _BYTES[unit.removesuffix("B").replace("k", "K")])


def format_bytes(size: float) -> str:
    """Write bytes for people: 1.5 GiB."""
    for unit, step in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= step:
            return f"{size / step:.3g} {unit}" if size < 1000 * step else f"{size / step:.0f} {unit}"
    return f"{size:.0f} B"


def _share(share: Share, most: float) -> Share:
    if not 0 < share.percent <= most:
        raise refusal(f"{share} is out of range", f"write more than 0%, at most {most:g}%")
    return share


def _parsed(value: object, hint: str) -> Amount | None:
    if isinstance(value, Share):
        return value
    if not isinstance(value, str):
        return None
    try:
        return parse_amount(value)
    except ValueError:
        raise refusal(f'"{value[:40]}" is not an amount', hint) from None


def _read_size(value: object) -> Amount:
    hint = f"{_SIZE}, or a share: 80%"
    amount = _parsed(value, hint)
    if isinstance(amount, Share):
        return _share(amount, 100)
    if amount is None and isinstance(value, (int, float)) and not isinstance(value, bool):
        raise refusal(f"{str(value)[:20]} is a number without a unit", hint)
    if amount is None:
        raise refusal("expected a size", hint)
    if not 0 < amount <= LARGEST:
        raise refusal(f"{value} is out of range", hint)
    return amount


def _read_count(value: object) -> Amount:
    hint = f"{_COUNT}, or a share: 90%"
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 < value <= LARGEST:
            raise refusal(f"{str(value)[:20]} is out of range", hint)
        return value
    amount = _parsed(value, hint)
    if not isinstance(amount, Share):
        raise refusal("expected a number or a share", hint)
    return _share(amount, 100)


def _read_share(value: object) -> float:
    amount = _parsed(value, _SHARE)
    if not isinstance(amount, Share):
        raise refusal("expected a share", _SHARE)
    return _share(amount, 100).percent


def _read_ratio(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= MOST_RATIO:
        raise refusal("expected a number above 0", "write 2 or 1.5, say")
    return float(value)


def _schema(pattern: str, *others: dict[str, Any]) -> WithJsonSchema:
    written = {"type": "string", "format": "failover-amount", "pattern": pattern}
    return WithJsonSchema({"anyOf": [written, *others]} if others else written)


_NUMBER = r"\d+(\.\d+)?"
Size = Annotated[
    Amount,
    BeforeValidator(_read_size),
    PlainSerializer(lambda amount: str(amount) if isinstance(amount, Share) else f"{amount}B", return_type=str),
    _schema(rf"^{_NUMBER}([kKMGT]i?B|B|%)$"),
]
"""Bytes, or a share of what there is. In a file only with a unit."""

Number = Annotated[
    Amount,
    BeforeValidator(_read_count),
    PlainSerializer(lambda amount: str(amount) if isinstance(amount, Share) else amount),
    _schema(rf"^{_NUMBER}%$", {"type": "integer", "minimum": 1}),
]
"""So many, or a share of what is allowed."""

Percent = Annotated[
    float,
    BeforeValidator(_read_share),
    PlainSerializer(lambda percent: f"{percent:g}%", return_type=str),
    _schema(rf"^{_NUMBER}%$"),
]
"""A share, out of a hundred."""

Ratio = Annotated[
    float,
    BeforeValidator(_read_ratio),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MOST_RATIO}),
]
"""A number above zero, without a unit."""
