"""The way to systemd, for who may never go it: the client is loaded where a unit is named, and nowhere else.

Idle memory counts, and so does the time until a restarted controller is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from failover.support.systemd_bus import SystemdBus


def connect() -> SystemdBus:
    """Give a client of the system's bus; it connects at its first call."""
    from failover.support.systemd_bus import SystemdBus

    return SystemdBus()
