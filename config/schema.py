"""The JSON Schema of the file, made from the models: for editors, and to find one's way.

Knows the models only through pydantic; describes, and checks nothing.
"""

import copy
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from config.durations import format_duration
from config.models import Config
from config.problems import KeyPath

JsonSchema = dict[str, Any]


def json_schema() -> JsonSchema:
    """Give the schema (draft 2020-12) with every key described; durations are text."""
    return copy.deepcopy(_schema())


@functools.cache
def _schema() -> JsonSchema:
    schema = Config.model_json_schema()
    for part in _parts(schema):
        default = part.get("default")
        if part.get("format") == "failover-duration" and isinstance(default, float):
            part["default"] = format_duration(default)
        if "default" in part and default is None:
            del part["default"]  # an absent key has no value; null would be refused
            _drop_null(part)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "failoverd"
    return schema


def _drop_null(part: JsonSchema) -> None:
    choices = [choice for choice in part.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) == 1:
        del part["anyOf"]
        part.update({**choices[0], **part})
    elif choices:
        part["anyOf"] = choices


def _parts(schema: Any) -> Iterator[JsonSchema]:
    if isinstance(schema, dict):
        yield schema
        for part in list(schema.values()):
            yield from _parts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _parts(part)


def resolved(part: JsonSchema) -> JsonSchema:
    """Follow a `$ref`, if there is one."""
    reference = part.get("$ref")
    if reference is None:
        return part
    target: JsonSchema = _schema()["$defs"][str(reference).rsplit("/", 1)[-1]]
    return target


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error's location leads: the keys as written, and those allowed beside the last."""

    path: KeyPath
    siblings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # of the union that stands there, if one does


def place_of(location: tuple[str | int, ...]) -> Place:
    """Turn pydantic's location (which names the chosen kinds too) into the path of the file."""
    part = _schema()
    path: KeyPath = ()
    siblings: tuple[str, ...] = ()
    for step in location:
        part = resolved(part)
        if "discriminator" in part:
            part = _chosen(part, step)
        else:
            path = (*path, step)
            siblings = tuple(part.get("properties", ()))
            part = _below(part, step)
    kinds = resolved(part).get("discriminator", {}).get("mapping", ())
    return Place(path, siblings, tuple(kinds))


def _chosen(part: JsonSchema, kind: str | int) -> JsonSchema:
    reference = part["discriminator"]["mapping"].get(kind)
    return resolved({"$ref": reference}) if reference else {}


def _below(part: JsonSchema, step: str | int) -> JsonSchema:
    properties = part.get("properties", {})
    below: object
    if step in properties:
        below = properties[step]
    elif isinstance(step, int):
        below = part.get("items")
    else:
        below = part.get("additionalProperties") or _only_pattern(part)
    return below if isinstance(below, dict) else {}


def _only_pattern(part: JsonSchema) -> object:
    patterns = part.get("patternProperties", {})
    return next(iter(patterns.values()), None)
