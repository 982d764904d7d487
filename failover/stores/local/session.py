"""One session on this host: the flocks that it holds, and the transactions that only it can do.

The kernel lets go of the flocks when the process ends, however it ends. Everything here runs under the mutex.
Deliberately unknown here: threads, and who hears the answers.
"""

from __future__ import annotations

from dataclasses import replace

from failover.core.effects import Claim, HandOver, TakeLock
from failover.core.events import (
    Claimed,
    HandedOver,
    LockTaken,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Lock, Node
from failover.stores.local.files import FlockFile
from failover.stores.local.folder import ServiceFolder

NOT_OURS = "the lock is not the one that was won: it is gone, or another's"


class LocalSession:
    """Holds the session's lock file from its making to `end`."""

    def __init__(self, folder: ServiceFolder, id_: str, node: Node, held: FlockFile) -> None:
        self.id = id_
        self.node = node
        self._folder = folder
        self._session_file = held
        self._lock_file: FlockFile | None = None
        self._lock: Lock | None = None

    def take(self, ask: TakeLock) -> LockTaken:
        """Take the flock, and only then number it; the number is on the disk before it counts."""
        control = self._folder.control()
        if control.version != ask.control_version:
            why = control.error or "the control record was changed meanwhile"
            return LockTaken(ask.attempt, TakeOutcome.CONTROL, control=control, detail=why)
        if self._lock is None and not self._win():
            holder, crumb = self._folder.lock(), self._folder.crumb()
            return LockTaken(ask.attempt, TakeOutcome.HELD, holder, crumb)
        return LockTaken(ask.attempt, TakeOutcome.WON, self._lock, self._folder.crumb())

    def _win(self) -> bool:
        held = FlockFile(self._folder.lock_file)
        won = False
        try:
            if held.try_to_hold():
                lock = Lock(self._folder.next_epoch(), self.id, self.node.name)
                self._folder.write_holder(lock)
                won = True
                self._lock_file, self._lock = held, lock
        finally:
            if not won:
                held.close()
        return won

    def claim(self, ask: Claim) -> Claimed:
        """Write the breadcrumb by compare-and-set."""
        if not self.holds(ask.lock):
            return Claimed(ask.attempt, ask.epoch, WriteOutcome.GONE, detail=NOT_OURS)
        found = self._folder.crumb()
        if found.error or found.version != ask.version:
            why = found.error or "the breadcrumb was changed meanwhile"
            return Claimed(ask.attempt, ask.epoch, WriteOutcome.CONFLICT, crumb=found, detail=why)
        crumb = self._folder.write_crumb(ask.record, found.version + 1)
        return Claimed(ask.attempt, ask.epoch, WriteOutcome.DONE, crumb.version, crumb)

    def hand_over(self, ask: HandOver) -> HandedOver:
        """Mark the breadcrumb clean, then let go. A process killed in between leaves it clean, which is true."""
        if not self.holds(ask.lock):
            return HandedOver(ask.attempt, WriteOutcome.GONE, detail=NOT_OURS)
        found = self._folder.crumb()
        if found.error or found.version < 0 or found.version != ask.version:
            why = found.error or "the breadcrumb was changed meanwhile"
            return HandedOver(ask.attempt, WriteOutcome.CONFLICT, found.version, why)
        crumb = self._folder.write_crumb(replace(ask.record, clean=True), found.version + 1)
        self.let_go()
        return HandedOver(ask.attempt, WriteOutcome.DONE, crumb.version)

    def holds(self, lock: Lock) -> bool:
        """Whether this is the lock that we won: the kernel takes no flock from a living process."""
        return self._lock is not None and self._lock.czxid == lock.czxid

    def let_go(self) -> None:
        """Free the lock."""
        held, self._lock_file, self._lock = self._lock_file, None, None
        if held is not None:
            self._folder.forget_holder()
            held.close()

    def end(self) -> None:
        """Free the lock and the session, also where the disk refuses to be tidied up. Raises OSError then."""
        try:
            if self._lock_file is not None:
                self._folder.forget_holder()
            self._folder.member_file(self.node.name).unlink(missing_ok=True)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """What the kernel does at the process's end: nothing is written."""
        held, self._lock_file, self._lock = self._lock_file, None, None
        if held is not None:
            held.close()
        self._session_file.close()
