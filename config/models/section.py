"""What every section of the file shares: frozen, closed to unknown keys, plain field types.

Knows no section. Attributes carry the names of the YAML keys; every duration is in seconds.
"""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
)

from config.refusals import refusal

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
_FACT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)


class Section(BaseModel):
    """One mapping of the file. Inputs stay out of errors: one of them may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=False)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        allowed = "letters, digits, dot, dash and underscore, at most 64, no dot at either end"
        raise refusal(f'"{text[:64]}" is not a name', f"use {allowed}")
    return text


def _fact_name(text: str) -> str:
    if text == "name":
        raise refusal('"name" is the key of the node itself', "choose another word")
    if not _FACT.fullmatch(text):
        raise refusal(f'"{text[:64]}" is not the name of a fact', "use letters, digits, underscore")
    return text


def _fact(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _absolute(value: object) -> Path:
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise refusal("expected an absolute path", "write it from the root: /run/failoverd")
    return Path(value)


def _text(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise refusal("the text is empty" if not value.strip() else "the text holds a NUL")
    return value


Text = Annotated[str, AfterValidator(_text)]
Name = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$", "maxLength": 64}),
]
FactName = Annotated[str, AfterValidator(_fact_name)]
FactValue = Annotated[str, BeforeValidator(_fact), WithJsonSchema({"type": ["string", "integer"]})]
AbsolutePath = Annotated[
    Path,
    BeforeValidator(_absolute),
    WithJsonSchema({"type": "string", "format": "failover-path", "pattern": "^/"}),
]
Switch = StrictBool


def derived(schema: dict[str, Any]) -> None:
    """Leave a default out of the JSON Schema that is really taken from other keys."""
    schema.pop("default", None)


Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Lag = Annotated[StrictInt, Field(ge=0, le=10**18)]
FewOrNone = Annotated[StrictInt, Field(ge=0, le=50)]
Count = Annotated[StrictInt, Field(ge=1, le=1000)]
Priority = Annotated[StrictInt, Field(ge=-1_000_000, le=1_000_000)]
