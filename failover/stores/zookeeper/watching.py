"""Watches on lock, breadcrumb, control record and members, turned into events.

All of it runs on the connection's thread, in the order in which the server sent it. An event that comes while a
single read of the same record is under way needs no further read: the server answers a connection in order, so an
answer that has not come yet was read after the event, and has set the watch anew. Lock and breadcrumb are two reads: an
event for the lock between their answers says that they do not belong together, and both are read again.
Deliberately unknown here: what anybody concludes from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kazoo.protocol.states import EventType, WatchedEvent

from failover.core.events import ControlChanged, Event, LockSeen
from failover.core.values import Control, Crumb, Lock, Member
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.members import MemberWatch
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import answered, control_in, crumb_in, lock_in, missing


@dataclass(slots=True)
class Readings:
    """What was read last, whoever read it. Reads never go back in time within one session."""

    holder: Lock | None = None
    crumb: Crumb = field(default_factory=Crumb)
    control: Control = field(default_factory=Control)


class Watching:
    """Reads everything once (`settled` is then called), and tells of every change after that."""

    def __init__(self, client: SessionClient, paths: Paths, readings: Readings, tell: Callable[[Event], None]) -> None:
        self._client = client
        self._paths = paths
        self._readings = readings
        self._tell = tell
        self._members = MemberWatch(client, paths, self._on_event, self._members_read)
        self._settled: Callable[[Control, tuple[Member, ...]], None] | None = None
        self._settling = False
        self._lock_under_way = self._control_under_way = False
        self._lock_answered = self._torn = False
        self._told_lock: tuple[Lock | None, Crumb] | None = None
        self._told_control = -1

    def read_all(self, settled: Callable[[Control, tuple[Member, ...]], None] | None = None) -> None:
        """Read everything afresh; nothing is told before all of it is there.

        With `settled`, control and members go to it instead of being told; the lock is told in any case.
        """
        self._settled = settled
        self._settling = True
        self._told_lock = None
        self._read_control()
        self._members.read_all()
        self._read_lock(expect_free=False)

    def _on_event(self, event: WatchedEvent) -> None:
        """A watch fired, or (NONE) the connection went away: everything is read again when it is back."""
        if event.type == EventType.NONE or not self._client.connected or self._client.closing:
            return
        if event.path in (self._paths.lock, self._paths.crumb):
            self._torn = self._torn or (self._lock_answered and event.path == self._paths.lock)
            told = {EventType.DELETED: True, EventType.CREATED: False} if event.path == self._paths.lock else {}
            self._read_lock(expect_free=told.get(event.type, self._readings.holder is None))
        elif event.path == self._paths.control:
            self._read_control()
        else:
            self._members.changed(event.path, event.type == EventType.DELETED)

    # --- the lock -------------------------------------------------------------------------------

    def _read_lock(self, expect_free: bool) -> None:
        """Lock and breadcrumb in one round trip. Which call leaves a watch depends on whether it is there."""
        if self._lock_under_way:
            return
        self._lock_under_way = True
        self._lock_answered = self._torn = False
        look = self._client.exists_async if expect_free else self._client.get_async
        lock = look(self._paths.lock, watch=self._on_event)
        crumb = self._client.get_async(self._paths.crumb, watch=self._on_event)
        lock.rawlink(self._first_answered)
        crumb.rawlink(lambda _: self._lock_read(expect_free, lock, crumb))

    def _first_answered(self, _: Any) -> None:
        self._lock_answered = True

    def _lock_read(self, expect_free: bool, lock: Any, crumb: Any) -> None:
        self._lock_under_way = self._lock_answered = False
        if not answered(lock, crumb):
            return
        if self._torn or missing(lock) is not expect_free:
            self._read_lock(expect_free=missing(lock) is not self._torn)
            return
        if missing(crumb):
            self._await_crumb()
        self._readings.holder = None if expect_free else lock_in(self._paths.lock, lock)
        self._readings.crumb = crumb_in(self._paths.crumb, crumb)
        self._tell_lock()

    def _await_crumb(self) -> None:
        """`get` leaves no watch where nothing is; `exists` does."""
        found = self._client.exists_async(self._paths.crumb, watch=self._on_event)
        found.rawlink(lambda _: None if missing(found) else self._crumb_appeared(found))

    def _crumb_appeared(self, found: Any) -> None:
        if found.exception is None:
            self._read_lock(self._readings.holder is None)

    def _tell_lock(self) -> None:
        if self._settling:
            self._try_to_settle()
            return
        self._members.flush()
        seen = (self._readings.holder, self._readings.crumb)
        if seen != self._told_lock:
            self._told_lock = seen
            self._tell(LockSeen(self._client.session, *seen))

    # --- the control record ---------------------------------------------------------------------

    def _read_control(self) -> None:
        if self._control_under_way:
            return
        self._control_under_way = True
        read = self._client.get_async(self._paths.control, watch=self._on_event)
        read.rawlink(self._control_read)

    def _control_read(self, read: Any) -> None:
        self._control_under_way = False
        if not answered(read):
            return
        self._readings.control = control_in(self._paths.control, read)
        if self._settling:
            self._try_to_settle()
        else:
            self._tell_control()

    def _tell_control(self) -> None:
        control = self._readings.control
        if control.version != self._told_control or control.error:
            self._told_control = control.version
            self._tell(ControlChanged(control))

    # --- members, and the first reading of all --------------------------------------------------

    def _members_read(self) -> None:
        if self._settling:
            self._try_to_settle()
        else:
            self._members.flush()

    def _try_to_settle(self) -> None:
        if self._lock_under_way or self._control_under_way or self._members.under_way:
            return
        self._settling = False
        settled, self._settled = self._settled, None
        if settled is not None:
            self._told_control = self._readings.control.version
            self._members.tell = self._tell
            settled(self._readings.control, self._members.current())
        else:
            self._tell_control()
        self._tell_lock()
