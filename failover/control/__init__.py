"""Steering the local service. `CONTROLS`: how each `kind` of the configuration is built.

Knows nothing of stores, probes and fencing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from config.models.control import CommandControlSettings, ControlSettings, PolledHook, SystemdControlSettings
from config.models.control import Hook as HookSettings
from failover.control.command import CommandControl, CommandHooks, Ends, never
from failover.control.hooks import AskingHooks, Hook, HookAsker
from failover.ports.service import Look, ServiceControl
from failover.support.launcher import Launcher
from failover.support.systemd import connect

if TYPE_CHECKING:
    from failover.support.systemd_bus import SystemdBus


@dataclass(frozen=True, slots=True)
class ControlContext:
    """What a control needs besides its settings. `addresses`: where each configured node is reached.

    `look`: asks the probes once, where the service itself cannot be asked. `ends`: how often the probes have told
    that the service has ended. `systemd`: gives the bus, where a unit is steered.
    """

    launcher: Launcher
    service: str
    node: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    look: Look | None = None
    ends: Ends = never
    systemd: Callable[[], SystemdBus] = connect


def _command(settings: CommandControlSettings, context: ControlContext) -> CommandControl:
    hooks = CommandHooks(**_asking(settings, context), promote=_hook(settings.promote), demote=_hook(settings.demote))
    return CommandControl(context.launcher, hooks, context.look, settings.standby == "stopped", context.ends)


def _systemd(settings: SystemdControlSettings, context: ControlContext) -> ServiceControl:
    from failover.control.systemd import Order, SystemdControl, UnitOrders

    orders = UnitOrders(
        unit=settings.unit,
        standby_stopped=settings.standby == "stopped",
        promote=Order(*settings.promote_order, settings.promote.timeout),
        demote=Order(*settings.demote_order, settings.demote.timeout),
        role=_hook(settings.role) if settings.role else None,
    )
    hooks = HookAsker(context.launcher, AskingHooks(**_asking(settings, context)))
    return SystemdControl(context.systemd(), orders, hooks)


def _asking(settings: ControlSettings, context: ControlContext) -> dict[str, Any]:
    """The hooks that every kind may have, and whom they are told of."""
    names = ("follow", "role", "ready", "position")
    hooks = {name: _hook(hook) for name in names if (hook := getattr(settings, name)) is not None}
    return {**hooks, "service": context.service, "node": context.node, "addresses": context.addresses}


def _hook(settings: HookSettings | PolledHook) -> Hook:
    return Hook(settings.run, settings.timeout)


CONTROLS: dict[str, Callable[[Any, ControlContext], ServiceControl]] = {"command": _command, "systemd": _systemd}
