"""Reading a JSON record field by field, so that whatever is wrong with it can be said with path and name.

Deliberately unknown here: what the records mean, and where they are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

Default = TypeVar("Default")

SCHEMA = 1
LARGEST_NUMBER = 10**100  # either way: more than anybody counts, and little enough to be written again, or told
LARGEST_RECORD = 65_536  # bytes; ZooKeeper's own limit is 1 MiB for everything in one packet


class RecordError(ValueError):
    """A record is there but cannot be read (the message names its path and what is wrong), or must not be written."""


class Fields:
    """The fields of one JSON object. Each method raises RecordError where the type is wrong."""

    def __init__(self, path: str, values: Mapping[str, object]) -> None:
        self._path = path
        self._values = values
        self._asked = {"schema"}

    def text(self, name: str, default: str | None = None) -> str:
        """A string; without `default` it must be there."""
        value = self._value(name, default)
        if not isinstance(value, str) or not is_text(value):
            raise self.wrong(f"{name} is not a text")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number; without `default` it must be there."""
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(f"{name} is not a whole number")
        if abs(value) > LARGEST_NUMBER:
            raise self.wrong(f"{name} is too large a number")
        return value

    def number_or_none(self, name: str) -> int | None:
        """A whole number, or null, which is also what a missing one means."""
        return None if self._value(name, None, required=False) is None else self.number(name)

    def text_or_none(self, name: str) -> str | None:
        """A string, or null, which is also what a missing one means."""
        return None if self._value(name, None, required=False) is None else self.text(name)

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.wrong(f"{name} is neither true nor false")
        return value

    def texts(self, name: str) -> dict[str, str]:
        """An object whose values are all strings; a missing one is empty."""
        values = self.nested(name)
        found = {} if values is None else dict(values._values)
        if not all(isinstance(value, str) and is_text(key + value) for key, value in found.items()):
            raise self.wrong(f"a value in {name} is not a text")
        return {key: str(value) for key, value in found.items()}

    def numbers(self, name: str) -> dict[str, float]:
        """An object whose values are all numbers; a missing one is empty."""
        values = self.nested(name)
        found = {} if values is None else dict(values._values)
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in found.values()):
            raise self.wrong(f"a value in {name} is not a number")
        try:
            return {key: float(value) for key, value in found.items() if isinstance(value, int | float)}
        except OverflowError:
            raise self.wrong(f"a value in {name} is too large a number") from None

    def nested(self, name: str) -> Fields | None:
        """An object within this one; None where it is null or missing."""
        value = self._value(name, None, required=False)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(f"{name} is not an object")
        return Fields(self._path, value)

    def items(self, name: str) -> tuple[object, ...]:
        """A list; a missing one is empty."""
        value = self._value(name, [])
        if not isinstance(value, list):
            raise self.wrong(f"{name} is not a list")
        return tuple(value)

    def nested_items(self, name: str) -> tuple[Fields, ...]:
        """A list of objects; a missing one is empty."""
        values = self.items(name)
        found = [Fields(self._path, value) for value in values if isinstance(value, Mapping)]
        if len(found) != len(values):
            raise self.wrong(f"{name} holds something that is not an object")
        return tuple(found)

    def rest(self) -> dict[str, object]:
        """The fields that nobody has asked for: they are kept when the record is rewritten."""
        return {name: value for name, value in self._values.items() if name not in self._asked}

    def wrong(self, what: str) -> RecordError:
        """The error to raise, with the record's path in front."""
        return RecordError(f"{self._path} cannot be read: {what}")

    def _value(self, name: str, default: object, required: bool = True) -> object:
        self._asked.add(name)
        if name not in self._values:
            if default is None and required:
                raise self.wrong(f"{name} is missing")
            return default
        return self._values[name]


def is_text(value: str) -> bool:
    """Whether it can be written out. JSON can name half a character, and no answer that shows it can be given then."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse(path: str, data: bytes) -> Fields:
    """The fields of the record `data` found at `path`. Raises RecordError."""
    if len(data) > LARGEST_RECORD:
        raise RecordError(f"{path} cannot be read: {len(data)} bytes are too many for a record")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: not JSON ({str(error)[:120]})") from None
    if not isinstance(values, dict):
        raise RecordError(f"{path} cannot be read: not a JSON object")
    fields = Fields(path, values)
    schema = fields.number("schema")
    if not 1 <= schema <= SCHEMA:
        raise fields.wrong(f"its schema is {schema}; this version reads up to {SCHEMA}: upgrade it")
    return fields


def unparse(values: Mapping[str, object]) -> bytes:
    """The bytes of a record. Raises RecordError where it is too large to be read back."""
    text = json.dumps({**values, "schema": SCHEMA}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > LARGEST_RECORD:
        raise RecordError(f"a record of {len(data)} bytes is too large (at most {LARGEST_RECORD})")
    return data
