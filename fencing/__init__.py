"""Making certain that a node is not active. `FENCERS`: how each `kind` of the configuration is built.

Knows nothing of the store, of elections, nor of what comes after.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.models.fencing import CommandMethodSettings, ControllerMethodSettings
from failover.ports.service import FenceMethod
from failover.support.launcher import Launcher
from fencing.command import CommandFence
from fencing.controller import ControllerFence
from fencing.peer import PeerAuth

__all__ = ["FENCERS", "FenceContext"]


@dataclass(frozen=True, slots=True)
class FenceContext:
    """What fence methods may need besides their settings.

    `nodes`: the configured facts of each node. `peer_auth`, `peer_tls`: for asking another controller.
    """

    launcher: Launcher
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    peer_auth: PeerAuth | None = None
    peer_tls: ssl.SSLContext | None = None


def _command(name: str, settings: CommandMethodSettings, context: FenceContext) -> FenceMethod:
    return CommandFence(name, settings.run, settings.timeout, context.launcher, context.nodes)


def _controller(name: str, settings: ControllerMethodSettings, context: FenceContext) -> FenceMethod:
    """Raises ValueError without the peers' secret."""
    if context.peer_auth is None:
        raise ValueError(f"fencing.methods.{name}: kind controller needs api.peer_secret")
    return ControllerFence(name, settings.timeout, context.peer_auth, context.peer_tls)


FENCERS: dict[str, Callable[[str, Any, FenceContext], FenceMethod]] = {
    "command": _command,
    "controller": _controller,
}
