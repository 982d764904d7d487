"""pydantic's errors -> findings in plain words: what is wrong, what was expected.

Knows pydantic's error types and the schema; no file and no line. Values are shown only where
a secret cannot stand.
"""

import json
import re
from collections.abc import Callable, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.problems import Finding, KeyPath, did_you_mean, likely, printable_key
from config.releases import comes_later
from config.schema import Place, place_of

NOT_YET = "is not available in this release"
Words = tuple[str, str]
_NOT_WRITTEN = object()
_WHY_REQUIRED: dict[KeyPath, str] = {
    ("fencing",): "without fencing nobody can be promoted safely after a failure",
    ("fencing", "methods"): "a chain without any method could never fence",
    ("health",): "without a probe the service is never known to be healthy",
}


def findings_of(error: ValidationError, data: Mapping[str, object]) -> list[Finding]:
    """Give one finding for each error that is not the echo of another."""
    every = error.errors(include_url=False)
    findings = [_finding(details, data) for details in every if not _is_echo(details, every)]
    return [finding for finding in findings if not _is_copied(finding.path, data)]


def _is_echo(details: ErrorDetails, every: list[ErrorDetails]) -> bool:
    """Tell whether a list is only short because its items were refused one by one."""
    place = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in every
    )


def _is_copied(path: KeyPath, data: Mapping[str, object]) -> bool:
    """Tell whether the value is `listen`'s, which is told already."""
    return path == ("api", "advertise") and _value_at(path, data) is _NOT_WRITTEN


def _finding(details: ErrorDetails, data: Mapping[str, object]) -> Finding:
    kind = details["type"]
    if kind == "extra_forbidden":
        return _unknown_key(place_of(details["loc"]))
    at_key = details["loc"][-1:] == ("[key]",)  # pydantic's mark: a name in a mapping is refused
    place = place_of(details["loc"][:-1] if at_key else details["loc"])
    if kind == "missing":
        hint = _WHY_REQUIRED.get(place.path, "add the key")
        return Finding(place.path, "is required", hint, at_key=True)
    if kind.startswith("union_tag") or (kind == "literal_error" and place.path[-1] == "kind"):
        return _wrong_kind(details, place, data)
    if kind == "refused":
        context = details.get("ctx", {})
        return Finding(place.path, context["message"], context["hint"], at_key=at_key)
    message, hint = _WORDS.get(kind, _unforeseen)(details)
    why = _WHY_REQUIRED.get(place.path, "")
    return Finding(place.path, message, hint or why, at_key=at_key)


def _unknown_key(place: Place) -> Finding:
    if comes_later(place.path):
        return Finding(place.path, NOT_YET, "remove the key", at_key=True, excess=True)
    word = str(place.path[-1])
    hint = did_you_mean(word, place.siblings) or f"known keys: {', '.join(place.siblings)}"
    meant = likely(word, place.siblings)
    return Finding(place.path, "unknown key", hint, at_key=True, meant=meant, excess=not meant)


def _wrong_kind(details: ErrorDetails, place: Place, data: Mapping[str, object]) -> Finding:
    context = details.get("ctx", {})
    available = place.kinds or _quoted(context.get("expected", ""))
    path = place.path if place.path[-1:] == ("kind",) else (*place.path, "kind")
    choice = f"available: {', '.join(available)}"
    if details["type"] == "union_tag_not_found":
        return Finding(path, "is required", choice, at_key=True)
    found = _value_at(path, data)
    if not isinstance(found, str):
        return Finding(path, f"expected a kind, found {shown(found)}", choice)
    if comes_later(path, found):
        return Finding(path, f"kind {printable(found)} {NOT_YET}", choice)
    guess = did_you_mean(found, available)
    return Finding(path, f"kind {printable(found)} is unknown", f"{guess} {choice}".strip())


def _value_at(path: KeyPath, data: object) -> object:
    for key in path:
        if isinstance(data, Mapping):
            data = data.get(key, _NOT_WRITTEN)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return _NOT_WRITTEN
    return data


def _quoted(text: object) -> tuple[str, ...]:
    return tuple(re.findall(r"'([^']*)'", str(text)))


def printable(text: str) -> str:
    """Quote a text for a message, cut short."""
    return json.dumps(text if len(text) <= 40 else text[:40] + "…", ensure_ascii=False)


def shown(value: object) -> str:
    """Say what was found, in the words of the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {str(value)[:40]}"
    if isinstance(value, str):
        return f"the text {printable(value)}"
    return "a list" if isinstance(value, (list, tuple)) else "keys and values"


def _expected(what: str, *, hint_for_text: str = "") -> Callable[[ErrorDetails], Words]:
    def words(details: ErrorDetails) -> Words:
        found = details["input"]
        return f"expected {what}, found {shown(found)}", hint_for_text

    return words


def _expected_text(details: ErrorDetails) -> Words:
    found = details["input"]
    quote = "put it in quotes" if isinstance(found, (bool, int, float)) else ""
    return f"expected text, found {shown(found)}", quote


def _expected_structure(what: str, example: str) -> Callable[[ErrorDetails], Words]:
    def words(details: ErrorDetails) -> Words:
        found = details["input"]
        text = "text" if isinstance(found, str) else shown(found)  # it may be a misplaced secret
        return f"expected {what}, found {text}", example

    return words


def _one_of(details: ErrorDetails) -> Words:
    allowed = _quoted(details.get("ctx", {}).get("expected", ""))
    found = details["input"]
    guess = did_you_mean(found, allowed) if isinstance(found, str) else ""
    return f"expected {' or '.join(allowed)}, found {shown(found)}", guess


def _bound(words: str, key: str) -> Callable[[ErrorDetails], Words]:
    return lambda details: (f"must be {words} {details['ctx'][key]}, found {details['input']}", "")


def _length(words: str, key: str) -> Callable[[ErrorDetails], Words]:
    return lambda details: (f"must have {words} {details['ctx'][key]}", "")


def _unforeseen(details: ErrorDetails) -> Words:
    return f"not accepted ({printable_key(details['type'])})", ""


_KEYS = _expected_structure("keys and values", "write key: value pairs below it, or {key: value}")
_LIST = _expected_structure("a list", "write [a, b], or lines that start with a dash")
_NUMBER = _expected("a whole number")
_SWITCH = _expected("true or false", hint_for_text="without quotes")

_WORDS: dict[str, Callable[[ErrorDetails], Words]] = {
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "dict_type": _KEYS,
    "mapping_type": _KEYS,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "int_type": _NUMBER,
    "bool_type": _SWITCH,
    "string_type": _expected_text,
    "literal_error": _one_of,
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
    "too_short": lambda _: ("must not be empty", ""),
    "too_long": _length("at most", "max_length"),
}
