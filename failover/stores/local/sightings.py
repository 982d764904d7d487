"""What was told last, so that only changes are told.

Deliberately unknown here: where the view comes from.
"""

from __future__ import annotations

from collections.abc import Iterator

from failover.core.events import ControlChanged, Event, LockSeen, MembersChanged, SessionOpened
from failover.core.values import Control, Crumb, Lock, Member
from failover.ports.store import View


class Sightings:
    """Compares one view with the next; members are told before the lock."""

    def __init__(self, session: str, opened: Event) -> None:
        self._session = session
        self._control = Control()
        self._members: tuple[Member, ...] = ()
        self._lock: tuple[Lock | None, Crumb] | None = None
        if isinstance(opened, SessionOpened):
            self._control, self._members = opened.control, opened.members

    def changes(self, view: View) -> Iterator[Event]:
        """The events that lead from the last view to this one."""
        if view.control != self._control:
            self._control = view.control
            yield ControlChanged(view.control)
        if view.members != self._members:
            self._members = view.members
            yield MembersChanged(view.members)
        if (view.holder, view.crumb) != self._lock:
            self._lock = (view.holder, view.crumb)
            yield LockSeen(self._session, view.holder, view.crumb)
