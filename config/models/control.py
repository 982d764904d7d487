"""`control:` how the service is promoted, demoted and asked what it is.

Knows the hooks' settings only; running them is the control's own matter.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.commands import Command
from config.durations import Duration
from config.models.intervals import at_most, refuse_too_slow
from config.models.section import Section
from config.models.units import UnitName
from config.refusals import refusal

RUN = "A path, a shell line or an argument list."
DEADLINE = "When the hook is ended; its answer is then `unknown`."
JOB_DEADLINE = "When systemd's job is waited for no longer; the answer is then `unknown`."
UNIT_ROLE_EVERY_S = 5.0


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


FollowKey = Annotated[FollowHook | None, Field(description="Tells a standby who the active is now.")]
RoleKey = Annotated[
    PolledHook | None,
    Field(description="Prints `active` or `standby`: what the service itself says. Recommended."),
]
ReadyKey = Annotated[Hook | None, Field(description="Exit 0: this standby may be promoted now.")]
PositionKey = Annotated[
    PositionHook | None, Field(description="Prints a number, higher is fresher: the freshest goes first.")
]


class CommandControlSettings(Section):
    """`kind: command`: hooks of the operator's own."""

    kind: Literal["command"] = Field(description="The service is steered by commands.")
    standby: Literal["running", "stopped"] = Field(
        default="running",
        description="Whether a standby's service is up; if `stopped`, its probes do not count.",
    )
    unit: UnitName | None = Field(
        default=None,
        description="The systemd unit that the hooks start and stop, if there is one. It is only looked at: nothing "
        "else may start it (S3).",
    )
    promote: PromoteHook = Field(description="Makes the service active. Must be repeatable.")
    demote: Hook = Field(description="Makes sure that the service is not active.")
    follow: FollowKey = None
    role: RoleKey = None
    ready: ReadyKey = None
    position: PositionKey = None

    @property
    def tells_role(self) -> bool:
        """Whether anything can say what the service is."""
        return self.role is not None

    @property
    def role_every_s(self) -> float | None:
        """Seconds between the questions what it is; None where nothing can tell."""
        return self.role.every if self.role else None


class UnitOrder(Section):
    """What systemd is asked to do: at most one of the verbs, each with a unit."""

    timeout: Duration = Field(default=10.0, description=JOB_DEADLINE)

    @model_validator(mode="after")
    def _is_one_order(self) -> "UnitOrder":
        written = [verb for verb, _ in self.orders()]
        if len(written) > 1:
            raise refusal("say one thing only", f"found {' and '.join(written)}")
        return self

    def orders(self) -> Iterator[tuple[str, str]]:
        """The verbs that are written, with their units."""
        for verb in ("start", "stop", "restart", "reload"):
            unit = getattr(self, verb, None)
            if unit is not None:
                yield verb, unit


class PromoteOrder(UnitOrder):
    """Makes the service active; must be repeatable. Default: `start` of the service's own unit."""

    start: UnitName | None = Field(default=None, description="Start this unit; one that is up stays as it is.")
    restart: UnitName | None = Field(default=None, description="Restart this unit.")
    reload: UnitName | None = Field(default=None, description="Reload this unit (its `ExecReload=` promotes).")
    timeout: Duration = Field(default=60.0, description=JOB_DEADLINE)


class DemoteOrder(UnitOrder):
    """Makes sure that the service is not active. Default: `stop` of the service's own unit."""

    stop: UnitName | None = Field(default=None, description="Stop this unit.")
    start: UnitName | None = Field(default=None, description="With `standby: running`: start this unit.")
    restart: UnitName | None = Field(default=None, description="With `standby: running`: restart this unit.")
    reload: UnitName | None = Field(default=None, description="With `standby: running`: reload this unit.")


class SystemdControlSettings(Section):
    """`kind: systemd`: a unit is started and stopped, by jobs whose result counts."""

    kind: Literal["systemd"] = Field(description="The service is a systemd unit.")
    unit: UnitName = Field(description="The service's own unit: `orders-db.service`.")
    standby: Literal["running", "stopped"] = Field(
        default="stopped",
        description="Whether a standby's unit is up. If `stopped`, its state is its role, and its probes do not count; "
        "if `running`, `role` is needed.",
    )
    promote: PromoteOrder = Field(
        default_factory=PromoteOrder, description="What makes the service active. Must be repeatable."
    )
    demote: DemoteOrder = Field(
        default_factory=DemoteOrder,
        description="What makes sure that the service is not active. `done` only if nothing of the unit runs "
        "any more, or `role` says standby.",
    )
    follow: FollowKey = None
    role: RoleKey = None
    ready: ReadyKey = None
    position: PositionKey = None

    @model_validator(mode="after")
    def _stops_what_must_be_stopped(self) -> "SystemdControlSettings":
        verb = self.demote_order[0]
        if self.standby == "stopped" and verb != "stop":
            raise refusal(
                f"demote would {verb} a unit, but a standby is stopped (standby: stopped)",
                "write stop, or standby: running with a role hook",
            )
        return self

    @property
    def promote_order(self) -> tuple[str, str]:
        """Verb and unit."""
        return next(self.promote.orders(), ("start", self.unit))

    @property
    def demote_order(self) -> tuple[str, str]:
        """Verb and unit."""
        return next(self.demote.orders(), ("stop", self.unit))

    @property
    def tells_role(self) -> bool:
        """A unit that runs on the active only is a role in itself."""
        return self.role is not None or self.standby == "stopped"

    @property
    def role_every_s(self) -> float | None:
        """Seconds between the questions what it is; None where nothing can tell."""
        if self.role is not None:
            return self.role.every
        return UNIT_ROLE_EVERY_S if self.standby == "stopped" else None


ControlSettings = Annotated[CommandControlSettings | SystemdControlSettings, Field(discriminator="kind")]
CONTROL_KINDS = ("command", "systemd")
