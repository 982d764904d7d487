"""`control:` how the service is promoted, demoted and asked what it is.

Knows the hooks' settings only; running them is the control's own matter.
"""

from typing import Literal

from pydantic import Field, model_validator

from config.commands import Command
from config.durations import Duration
from config.models.intervals import at_most, refuse_too_slow
from config.models.section import Section

RUN = "A path, a shell line or an argument list."
DEADLINE = "When the hook is ended; its answer is then `unknown`."


class Hook(Section):
    """A command with a deadline."""

    run: Command = Field(description=RUN)
    timeout: Duration = Field(default=10.0, description=DEADLINE)


class PromoteHook(Hook):
    """Makes the service active; must be repeatable."""

    timeout: Duration = Field(default=60.0, description=DEADLINE)


class FollowHook(Hook):
    """Tells a standby who the active is now."""

    timeout: Duration = Field(default=60.0, description=DEADLINE)


class PolledHook(Section):
    """A command that is run again and again."""

    run: Command = Field(description=RUN)
    every: Duration = Field(default=5.0, description="From one start to the next.")
    timeout: Duration = Field(
        default_factory=at_most(2.0),
        description=f"{DEADLINE} Default: 2s, or `every` if that is shorter.",
    )

    @model_validator(mode="after")
    def _answers_before_the_next(self) -> "PolledHook":
        refuse_too_slow(self.timeout, self.every)
        return self


class PositionHook(PolledHook):
    """Prints how fresh this node's data is."""

    every: Duration = Field(default=2.0, description="From one start to the next.")


class CommandControlSettings(Section):
    """`kind: command`: hooks of the operator's own."""

    kind: Literal["command"] = Field(description="The service is steered by commands.")
    standby: Literal["running", "stopped"] = Field(
        default="running",
        description="Whether a standby's service is up; if `stopped`, its probes do not count.",
    )
    promote: PromoteHook = Field(description="Makes the service active. Must be repeatable.")
    demote: Hook = Field(description="Makes sure that the service is not active.")
    follow: FollowHook | None = Field(default=None, description="Tells a standby who the active is now.")
    role: PolledHook | None = Field(
        default=None,
        description="Prints `active` or `standby`: what the service itself says. Recommended.",
    )
    ready: Hook | None = Field(default=None, description="Exit 0: this standby may be promoted now.")
    position: PositionHook | None = Field(
        default=None, description="Prints a number, higher is fresher: the freshest goes first."
    )


ControlSettings = CommandControlSettings
CONTROL_KINDS = ("command",)
