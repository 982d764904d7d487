"""Steering the local service. `CONTROLS`: how each `kind` of the configuration is built.

Knows nothing of stores, probes and fencing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.models.control import CommandControlSettings, PolledHook
from config.models.control import Hook as HookSettings
from failover.control.command import CommandControl, CommandHooks, Ends, Hook, StillUp, never
from failover.ports.service import ServiceControl
from failover.support.launcher import Launcher


@dataclass(frozen=True, slots=True)
class ControlContext:
    """What a control needs besides its settings. `addresses`: where each configured node is reached.

    `still_up`: asks the probes once, for a service whose standbys are stopped. `ends`: how often the probes have told
    that the service has ended.
    """

    launcher: Launcher
    service: str
    node: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    still_up: StillUp | None = None
    ends: Ends = never


def _command(settings: CommandControlSettings, context: ControlContext) -> CommandControl:
    hooks = CommandHooks(
        service=context.service,
        node=context.node,
        promote=_hook(settings.promote),
        demote=_hook(settings.demote),
        follow=_hook(settings.follow) if settings.follow else None,
        role=_hook(settings.role) if settings.role else None,
        ready=_hook(settings.ready) if settings.ready else None,
        position=_hook(settings.position) if settings.position else None,
        addresses=context.addresses,
    )
    still_up = context.still_up if settings.standby == "stopped" else None
    return CommandControl(context.launcher, hooks, still_up, context.ends)


def _hook(settings: HookSettings | PolledHook) -> Hook:
    return Hook(settings.run, settings.timeout)


CONTROLS: dict[str, Callable[[Any, ControlContext], ServiceControl]] = {"command": _command}
