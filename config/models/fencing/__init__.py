"""`fencing:` the chain that makes certain the old active is gone. One module for each group of kinds.

Knows the settings only. What a chain must have is checked in `config.checks`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import Field, model_validator

from config.durations import Duration
from config.models.fencing.agent import AgentMethodSettings
from config.models.fencing.chain import ProvingSettings, VerifySettings
from config.models.fencing.command import CommandMethodSettings
from config.models.fencing.controller import ControllerMethodSettings
from config.models.fencing.redfish import RedfishMethodSettings
from config.models.fencing.ssh import SshMethodSettings
from config.models.fencing.waiting import EpochMethodSettings, ManualMethodSettings
from config.models.fencing.watchdog_wait import WatchdogWaitMethodSettings
from config.models.section import Name, Section, Switch, derived

__all__ = [
    "BLOCKING_KINDS",
    "FENCER_KINDS",
    "AgentMethodSettings",
    "CommandMethodSettings",
    "ControllerMethodSettings",
    "EpochMethodSettings",
    "FencingSettings",
    "ManualMethodSettings",
    "MethodSettings",
    "ProvingSettings",
    "RedfishMethodSettings",
    "SshMethodSettings",
    "VerifySettings",
    "WatchdogWaitMethodSettings",
]

MethodSettings = Annotated[
    CommandMethodSettings
    | ControllerMethodSettings
    | ManualMethodSettings
    | EpochMethodSettings
    | SshMethodSettings
    | AgentMethodSettings
    | WatchdogWaitMethodSettings
    | RedfishMethodSettings,
    Field(discriminator="kind"),
]
FENCER_KINDS: tuple[str, ...] = tuple(
    get_args(section.model_fields["kind"].annotation)[0] for section in get_args(get_args(MethodSettings)[0])
)
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
    verify: VerifySettings = Field(default_factory=VerifySettings, description="What must be true after a strike.")
    probe: ProvingSettings | None = Field(
        default=None, description="Prove on a schedule that each peer could be fenced. Default: only when asked."
    )
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
