"""The table: `on(roles, event, handler, reason, to)`. A missing row is a bug, not a default.

The reason is the log line, the history line and the label in the generated diagram; a handler may say it more
exactly. `to` names the roles in which the row may end; ending elsewhere breaks an invariant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from failover.core.events import Event
from failover.core.move import Move
from failover.core.state import BrokenInvariant
from failover.core.values import Role

Handler = Callable[[Move, Any], None]

# Roles that several rows share.
IDLE = (Role.STARTING, Role.OUT, Role.STANDBY)
WON = (Role.FENCING, Role.CLAIMING)
CAMPAIGN = (Role.CAMPAIGNING, *WON)
BUSY = (*CAMPAIGN, Role.PROMOTING, Role.ACTIVE, Role.DEMOTING)
# Where a campaign that is called off may end.
CALLED_OFF = (Role.OUT, Role.DEMOTING)
# Where `Move.reconsider` may end: in a new session whose lock has not been read, from anywhere, and with a service
# that is known to be standby.
OPENED = (Role.OUT, Role.STANDBY, Role.DEMOTING)
FROM_OUT = (Role.OUT, Role.STANDBY, Role.CAMPAIGNING, Role.DEMOTING)
FROM_STANDBY = (Role.OUT, Role.STANDBY, Role.CAMPAIGNING)


@dataclass(frozen=True, slots=True)
class Row:
    """In `role`, on `event`: call `handler`, because of `reason`; it ends in one of `to`."""

    role: Role
    event: type[Event]
    handler: Handler
    reason: str
    to: frozenset[Role]


ROWS: dict[tuple[Role, type[Event]], Row] = {}


def on(
    roles: Role | Iterable[Role],
    event: type[Event],
    handler: Handler,
    reason: str,
    to: Iterable[Role] = (),
    or_stay: bool = False,
) -> None:
    """Add a row for each role. `to` empty: the role stays. `or_stay`: it may stay, too."""
    others = frozenset(to)
    for role in [roles] if isinstance(roles, Role) else list(roles):
        if (role, event) in ROWS:
            raise BrokenInvariant(f"two rows for {role.value} on {event.__name__}")
        allowed = others | {role} if or_stay or not others else others
        ROWS[role, event] = Row(role, event, handler, reason, allowed)


def nothing(move: Move, event: Any) -> None:
    """The row's reason says why nothing is done."""
