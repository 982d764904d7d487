"""Making certain that a node is not active. `FENCERS`: how each `kind` of the configuration is built.

Knows nothing of the store, of elections, nor of what comes after. A kind's modules are imported only where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from failover.ports.service import FenceMethod
from failover.support.launcher import Launcher
from failover.support.tls import TlsFiles

if TYPE_CHECKING:
    from config.models.fencing import (
        AgentMethodSettings,
        CommandMethodSettings,
        ControllerMethodSettings,
        EpochMethodSettings,
        ManualMethodSettings,
        RedfishMethodSettings,
        SshMethodSettings,
        WatchdogWaitMethodSettings,
    )
    from config.self_fencing import Promise
    from fencing.peer import PeerAuth

__all__ = ["FENCERS", "FenceContext"]


@dataclass(frozen=True, slots=True)
class FenceContext:
    """What fence methods may need besides their settings.

    `nodes`: the configured facts of each node. `peer_auth`, `peer_tls` (the CA): for asking another controller.
    `folder`: where a method may keep small files (mode 0700), or None. `promise`: what this node itself promises with
    its watchdog.
    """

    launcher: Launcher
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    peer_auth: PeerAuth | None = None
    peer_tls: TlsFiles | None = None
    service: str = ""
    folder: Path | None = None
    promise: Promise | None = None


def _command(name: str, settings: CommandMethodSettings, context: FenceContext) -> FenceMethod:
    from fencing.command import CommandFence

    return CommandFence(name, settings, context.launcher, context.nodes)


def _controller(name: str, settings: ControllerMethodSettings, context: FenceContext) -> FenceMethod:
    """Raises ValueError without the peers' secret."""
    from fencing.controller import ControllerFence

    if context.peer_auth is None:
        raise ValueError(f"fencing.methods.{name}: kind controller needs api.peer_secret")
    return ControllerFence(
        name, settings.timeout, context.peer_auth, context.peer_tls, settings.attempts, settings.connect_timeout
    )


def _manual(name: str, settings: ManualMethodSettings, _: FenceContext) -> FenceMethod:
    from fencing.waiting import ManualFence

    return ManualFence(name, settings.timeout, settings.attempts)


def _epoch(name: str, settings: EpochMethodSettings, _: FenceContext) -> FenceMethod:
    from fencing.waiting import EpochFence

    return EpochFence(name, settings.because)


def _agent(name: str, settings: AgentMethodSettings, context: FenceContext) -> FenceMethod:
    from fencing.agent.method import AgentFence

    return AgentFence(name, settings, context.launcher, context.nodes, context.folder)


def _ssh(name: str, settings: SshMethodSettings, context: FenceContext) -> FenceMethod:
    from fencing.ssh import SshFence

    return SshFence(name, settings, context.launcher, context.nodes)


def _watchdog_wait(name: str, settings: WatchdogWaitMethodSettings, context: FenceContext) -> FenceMethod:
    from fencing.watchdog.wait import WatchdogWait

    return WatchdogWait(name, settings.timeout, settings.attempts, settings.minimum, context.promise)


def _redfish(name: str, settings: RedfishMethodSettings, context: FenceContext) -> FenceMethod:
    from fencing.redfish.method import RedfishFence

    return RedfishFence(name, settings, context.nodes)


FENCERS: dict[str, Callable[[str, Any, FenceContext], FenceMethod]] = {
    "command": _command,
    "controller": _controller,
    "manual": _manual,
    "epoch": _epoch,
    "agent": _agent,
    "ssh": _ssh,
    "watchdog_wait": _watchdog_wait,
    "redfish": _redfish,
}
