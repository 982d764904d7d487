"""`fencing:` the chain that makes certain the old active is gone.

Knows the settings only. What a chain must have is checked in `config.checks`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from config.commands import Command
from config.durations import Duration
from config.models.control import RUN
from config.models.section import Name, Section, Switch, derived


class CommandMethodSettings(Section):
    """`kind: command`: a command of the operator's own."""

    kind: Literal["command"] = Field(description="A command fences: exit 0 is done, 1 is not done.")
    run: Command = Field(description=f"{RUN} `{{node.name}}`, `{{node.address}}` and `{{node.FACT}}` are filled in.")
    timeout: Duration = Field(default=30.0, description="When it is ended: the verdict is unknown.")


class ControllerMethodSettings(Section):
    """`kind: controller`: the old active's own controller is asked to demote."""

    kind: Literal["controller"] = Field(description="The old active's own controller demotes and says so, signed.")
    timeout: Duration = Field(default=5.0, description="When it counts as unknown.")


MethodSettings = Annotated[CommandMethodSettings | ControllerMethodSettings, Field(discriminator="kind")]
FENCER_KINDS = ("command", "controller")
BLOCKING_KINDS = frozenset({"controller", "ssh"})  # useless against a host without power


class FencingSettings(Section):
    """Methods by name, and the levels in which they are tried."""

    methods: Mapping[Name, MethodSettings] = Field(
        min_length=1, max_length=50, description="The fence methods, by names of your own."
    )
    levels: tuple[tuple[str, ...], ...] = Field(
        default=(),
        description="Tried in order; in a level every method must answer done. "
        "Default: each method a level, in the order of writing.",
        json_schema_extra=derived,
    )
    timeout: Duration = Field(default=180.0, description="The deadline of the whole chain.")
    accept_blocking: Switch = Field(
        default=False,
        description="Allow a chain that can never fence a host without power: the service then waits for an operator.",
    )

    @model_validator(mode="before")
    @classmethod
    def _each_method_a_level(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "levels" not in data:
            methods = data.get("methods")
            if isinstance(methods, Mapping):
                return {**data, "levels": tuple((name,) for name in methods)}
        return data
