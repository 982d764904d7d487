"""A reference page of every key, made from the schema, so that it cannot fall behind.

Knows the schema only.
"""

import json
from collections.abc import Iterator

from config.schema import JsonSchema, json_schema, resolved

HEAD = """# Configuration reference

One YAML file for each controller. Durations are written with a unit: `500ms`, `6s`, `2m`, `1h`;
amounts too: `512MiB`, `2GB`, or a share: `90%`.
Secrets are references: `{file: PATH}` (mode 0600), `{credential: NAME}` (systemd)
or `{env: NAME}`. Unknown keys are refused.
"""
_FORMATS = {
    "failover-duration": "duration",
    "failover-address": "`host:port`",
    "failover-secret": "secret",
    "failover-command": "command",
    "failover-path": "absolute path",
    "failover-amount": "amount",
}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "null": "nothing",
    "object": "keys and values",
}


def markdown() -> str:
    """Give the page: a table for the top level, then one for each section and kind."""
    tables = [_table("Top level", "", json_schema()), *_sections("", json_schema())]
    return "\n".join([HEAD, *tables])


def _sections(path: str, section: JsonSchema) -> Iterator[str]:
    for key, value in section.get("properties", {}).items():
        name = f"{path}.{key}" if path else key
        for written, inner in _inner(name, value):
            yield _table(f"`{written}`", inner.get("description", ""), inner)
            yield from _sections(written.partition(" ")[0], inner)


def _inner(name: str, value: JsonSchema) -> Iterator[tuple[str, JsonSchema]]:
    part = resolved(value)
    if "items" in part:
        yield from _inner(f"{name}[]", part["items"])
    elif "discriminator" in part:
        for kind, reference in part["discriminator"]["mapping"].items():
            yield f"{name} (kind: {kind})", resolved({"$ref": reference})
    elif "properties" in part and part.get("format") != "failover-secret":
        yield name, part
    elif _of_any_name(part):
        yield from _inner(f"{name}.NAME", _of_any_name(part))


def _of_any_name(part: JsonSchema) -> JsonSchema:
    named = [*part.get("patternProperties", {}).values(), part.get("additionalProperties")]
    return named[0] if isinstance(named[0], dict) else {}


def _table(title: str, about: str, section: JsonSchema) -> str:
    lines = [f"## {title}", ""]
    if about:
        lines += [about, ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    required = section.get("required", ())
    for key, value in section.get("properties", {}).items():
        meaning = {**resolved(value), **value}["description"]
        cells = (f"`{key}`", _type(value), _default(value, key in required), meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _type(value: JsonSchema) -> str:
    part = {**resolved(value), **value}
    if part.get("format") in _FORMATS:
        return _FORMATS[part["format"]]
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return " or ".join(f"`{choice}`" for choice in part["enum"])
    if "discriminator" in part:
        return "one of the kinds " + ", ".join(part["discriminator"]["mapping"])
    if "anyOf" in part:
        return " or ".join(_type(choice) for choice in part["anyOf"])
    if part.get("type") == "array":
        return f"list of {_type(part['items'])}"
    kinds = part.get("type", "object")
    return " or ".join(_TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _default(value: JsonSchema, required: bool) -> str:
    if required:
        return "required"
    return f"`{json.dumps(value['default'])}`" if "default" in value else "–"
