"""The whole file as one frozen model.

Knows the sections by name; reading and checking are done in `config.loading`.
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from config.models.api import ApiSettings
from config.models.control import ControlSettings
from config.models.fencing import FencingSettings
from config.models.health import HealthSettings
from config.models.limits import LimitSettings
from config.models.section import AbsolutePath, FactName, FactValue, Lag, Name, Priority, Section, Switch
from config.models.store import StoreSettings
from config.models.watchdog import WatchdogSettings
from config.problems import Problem
from config.refusals import refusal

Facts = Mapping[FactName, FactValue]


def _one_counts(probes: tuple[HealthSettings, ...]) -> tuple[HealthSettings, ...]:
    if not any(probe.critical for probe in probes):
        raise refusal("no probe is critical, so the service would always count as well", "leave one critical")
    return probes


class Config(Section):
    """Everything that one controller is told. Durations are in seconds."""

    service: Name = Field(description="What is kept available; one lock per service.")
    node: Name = Field(
        default_factory=socket.gethostname,
        validate_default=True,
        description="This host's instance. Default: the host's name.",
    )
    state_dir: AbsolutePath = Field(
        default=Path("/run/failoverd"),
        description="Where the controller keeps its own state (mode 0700, on tmpfs).",
    )
    priority: Priority = Field(default=0, description="The candidate with the highest goes first.")
    candidate: Switch = Field(default=True, description="`false`: this node never becomes active.")
    max_lag: Lag | None = Field(
        default=None,
        description="Bars this node while its `position` is further behind the last active's, as last seen, "
        "or behind the freshest one that is there. In the units of `control.position`.",
    )
    store: StoreSettings = Field(description="Where the lock lives.")
    nodes: Mapping[Name, Facts] = Field(
        default_factory=dict,
        description="Every node, with facts (address and any others) that fence methods may use.",
    )
    control: ControlSettings = Field(description="How the service is steered.")
    health: Annotated[tuple[HealthSettings, ...], AfterValidator(_one_counts)] = Field(
        min_length=1, max_length=50, description="The probes; all critical ones must pass."
    )
    fencing: FencingSettings = Field(description="How the old active is fenced.")
    on_store_loss: Literal["hold", "step_down"] = Field(
        default="hold",
        description="`hold`: stay as you are, peers fence first. `step_down`: demote before the lease ends.",
    )
    on_stop: Literal["auto", "handover", "keep"] = Field(
        default="auto",
        description="`handover`: a stop demotes and hands over. `keep`: the next controller carries on. "
        "`auto`: keep where systemd restarts the controller's unit, else hand over.",
    )
    watchdog: WatchdogSettings | None = Field(
        default=None, description="This node resets itself rather than serve without the lock."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="Brakes and patience.")
    api: ApiSettings = Field(default_factory=ApiSettings, description="The REST API.")

    _warnings: tuple[Problem, ...] = PrivateAttr(default=())

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed but unwise, as found when the file was loaded."""
        return self._warnings
