"""A simulated client's watches: what changed at the servers is read there a moment later, and told in order.

Deliberately unknown here: what anybody concludes from it.
"""

from __future__ import annotations

from failover.core.events import ControlChanged, Event, LockSeen, MembersChanged
from failover.core.values import Control, Crumb, Lock, Member
from failover.ports.store import Listener
from failover.stores.simulated.ensemble import Records, SimulatedEnsemble
from failover.stores.simulated.wire import Wire

KINDS = ("control", "members", "lock")
_LOCK_FIRST = 0.25  # how often a lock's watch comes before that of a member that went with it


class Watches:
    """From `begin` to `end`: the watches of one session. `late_s`: how much later than usual they fire."""

    def __init__(self, ensemble: SimulatedEnsemble, wire: Wire) -> None:
        self.late_s = 0.0
        self._ensemble = ensemble
        self._wire = wire
        self._listener: Listener | None = None
        self._session = ""
        self._changed: set[str] = set()
        self._told_members: tuple[Member, ...] = ()
        self._told_control = -1
        self._told_lock: tuple[Lock | None, Crumb] | None = None

    def begin(self, session: str, control: Control, members: tuple[Member, ...], tell: Listener) -> None:
        """`control` and `members` have been told; the lock will be, and what has changed since those were read."""
        self._session, self._listener = session, tell
        self._told_control, self._told_members, self._told_lock = control.version, members, None
        self._changed = {"lock"}
        now = self._wire.stale or self._ensemble.records
        if now.control.version != control.version:
            self._changed.add("control")
        if now.present() != members:
            self._changed.add("members")
        self._read_soon()

    def read_all(self) -> None:
        """After a reconnection: everything is read again."""
        self._told_control, self._told_members, self._told_lock = -1, (), None
        self._changed.update(KINDS)
        self._read_soon()

    def end(self) -> None:
        """Nothing more is told."""
        self._session = ""
        self._changed.clear()

    def fire(self, kind: str) -> None:
        """At the servers: something has changed."""
        if self._session and self._session == self._wire.session:
            self._changed.add(kind)
            if len(self._changed) == 1:
                self._read_soon()

    def _read_soon(self) -> None:
        session = self._session
        delay_s = self._ensemble.way_s() + self.late_s
        self._ensemble.clock.call_later(delay_s, lambda: self._read(session))

    def _read(self, session: str) -> None:
        if session != self._session or not self._changed or not self._wire.up:
            return
        records = self._wire.stale or self._ensemble.records
        kinds = [kind for kind in KINDS if kind in self._changed]
        self._changed.clear()
        if kinds[-2:] == ["members", "lock"] and self._ensemble.rng.random() < _LOCK_FIRST:
            kinds.remove("members")
            self._changed.add("members")
            self._read_soon()
        events = [event for kind in kinds if (event := self._event(kind, session, records))]
        if events:
            self._wire.send_down(lambda: self._tell(session, events))

    def _event(self, kind: str, session: str, records: Records) -> Event | None:
        if kind == "control":
            if records.control.version != self._told_control:
                self._told_control = records.control.version
                return ControlChanged(records.control)
        elif kind == "members":
            members = records.present()
            if members != self._told_members:
                self._told_members = members
                return MembersChanged(members)
        elif (records.lock, records.crumb) != self._told_lock:
            self._told_lock = (records.lock, records.crumb)
            return LockSeen(session, records.lock, records.crumb)
        return None

    def _tell(self, session: str, events: list[Event]) -> None:
        for event in events:
            if self._session == session and self._listener is not None:
                self._listener(event)
