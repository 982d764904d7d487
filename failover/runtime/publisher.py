"""Publishes the member record: the newest only, an active at once, everything else a little later.

A failover must not wait behind its own announcements: roles that last a few milliseconds are written only if they
last, and who has just handed over does not make its successor read about it while that one takes the lock.
"""

from __future__ import annotations

from failover.core.values import Member, Role
from failover.ports.store import Store
from failover.runtime.engine import Cancellable
from failover.runtime.lease import Clock

PATIENCE_S = 0.05


class Publisher:
    """Writes the newest member record."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._pending: Member | None = None
        self._timer: Cancellable | None = None

    def publish(self, member: Member) -> None:
        """Write it: at once where it says active, else after a moment."""
        self._pending = member
        if member.role is Role.ACTIVE:
            self._flush()
        elif self._timer is None:
            self._timer = self._clock.call_later(PATIENCE_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        member, self._pending = self._pending, None
        if member is not None and member.session:
            self._store.publish(member.session, member)
