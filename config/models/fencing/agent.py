"""`kind: agent`: any installed `fence_*` program.

Knows the settings only: what an agent takes is in its metadata, which `fencing.agent` reads.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, ValidationInfo
from pydantic import WithJsonSchema as Schema

from config.durations import Duration
from config.models.fencing.method import DEADLINE, RESTORE, MethodSection
from config.models.section import AbsolutePath, Switch
from config.refusals import refusal
from config.secrets import REFERENCE_SCHEMA, Secret, read_secret

MOST_PLUGS = 16
_PROGRAM = r"fence_[a-z0-9_]+"
_EXPECTED = "write text, a number, true or false, a list of plugs, or {file: PATH} for a secret"

OptionValue = str | int | bool | tuple[str, ...] | Secret


def _program(text: str) -> str:
    if not re.fullmatch(_PROGRAM, text, re.ASCII):
        raise refusal(f'"{text[:64]}" is not the name of a fence agent', "write fence_ipmilan, say")
    return text


def _action(value: object) -> object:
    if value is False:
        return "off"  # what `off` without quotes is to readers of YAML 1.1
    if value == "reboot":
        hint = "write off, and restore: true to give the power back once a peer is active"
        raise refusal("a reboot cannot be read back: nothing would show that the node was ever off", hint)
    if value != "off":
        raise refusal("the only action is off", "write action: off, or leave it out")
    return value


def _option(value: object, info: ValidationInfo) -> OptionValue:
    if isinstance(value, (str, bool, int, Secret)):
        return value
    if isinstance(value, Mapping):
        return read_secret(value, info)
    if isinstance(value, (list, tuple)):
        return _plugs(value)
    raise refusal("expected the value of an option", _EXPECTED)


def _plugs(value: Any) -> tuple[str, ...]:
    plain = [item for item in value if isinstance(item, (str, int)) and not isinstance(item, bool)]
    if not plain or len(plain) != len(value) or len(plain) > MOST_PLUGS:
        raise refusal(f"expected a list of 1 to {MOST_PLUGS} plugs", "write [7, 8]")
    return tuple(str(item) for item in plain)


def _written(value: OptionValue) -> Any:
    if isinstance(value, Secret):
        return value.reference.as_written()
    return list(value) if isinstance(value, tuple) else value


OPTION_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": ["string", "integer", "boolean"]},
        {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1, "maxItems": MOST_PLUGS},
        REFERENCE_SCHEMA,
    ]
}
OptionField = Annotated[Any, PlainValidator(_option), PlainSerializer(_written, return_type=Any), Schema(OPTION_SCHEMA)]
Program = Annotated[str, AfterValidator(_program), Schema({"type": "string", "pattern": f"^{_PROGRAM}$"})]


class AgentMethodSettings(MethodSection):
    """`kind: agent`: any installed `fence_*` program, asked through its standard input."""

    kind: Literal["agent"] = Field(description="A fence agent switches the node off, and says afterwards that it is.")
    agent: Program = Field(description="The program: `fence_ipmilan`. `failoverctl fence agents` lists what there is.")
    action: Annotated[Literal["off"], BeforeValidator(_action)] = Field(
        default="off", description="What it does. `off` is the only one that can be read back."
    )
    options: Mapping[str, OptionField] = Field(
        min_length=1,
        max_length=60,
        description="The agent's own parameters (`failoverctl fence agents NAME`): text, numbers, `true` or `false`, "
        "a list of plugs, a reference to a secret. `{node.FACT}` is filled in.",
    )
    ca: AbsolutePath | None = Field(
        default=None, description="The certificates that the device's own must be signed by, a PEM file."
    )
    allow_insecure: Switch = Field(
        default=False, description="Allow `ssl_insecure`: then anyone on the device's network can answer OFF for it."
    )
    timeout: Duration = Field(default=40.0, description=DEADLINE)
    restore: Switch = Field(default=False, description=RESTORE)

    @property
    def templates(self) -> Mapping[tuple[str | int, ...], tuple[str, ...]]:
        """The texts with placeholders, by the path of their key."""
        texts = {name: (value,) if isinstance(value, str) else value for name, value in self.options.items()}
        return {("options", name): value for name, value in texts.items() if isinstance(value, tuple)}
