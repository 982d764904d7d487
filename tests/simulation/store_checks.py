"""The simulated servers, watched: every write of the breadcrumb and every end of a lock is looked at as it happens."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from failover.core.effects import Claim, HandOver, TakeLock
from failover.core.events import Claimed, HandedOver, LockTaken
from failover.core.values import Breadcrumb, Crumb, Lock, Member, Node
from failover.stores.simulated import SimulatedEnsemble
from tests.simulation.breach import need
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.world import World

LATE_S = 3.0


class WatchedEnsemble(SimulatedEnsemble):
    """The servers, and who may do what with lock and breadcrumb (S1, S2, S3)."""

    _held = 0
    by_hand = False  # an operator, or a fault, does it: not a controller

    def __init__(self, world: World, timeout_s: float, tick_s: float) -> None:
        super().__init__(world.clock, Random(world.scenario.seed * 8 + 7), timeout_s, tick_s)
        self.world = world
        self.lost_s: dict[int, float] = {}  # when a lock was lost, by its czxid
        self.spoiled: Breadcrumb | None = None  # what it said before it could not be read any more
        self.clones: dict[str, Member] = {}  # cloned hosts, waiting for the name to be free

    def _tell(self, kind: str) -> None:
        lock = self.records.lock
        if kind == "lock" and (lock is None or lock.czxid != self._held):
            if self._held:
                self.lost_s[self._held] = self.clock.now()
            self._held = lock.czxid if lock is not None else 0
        super()._tell(kind)

    @property
    def written(self) -> Breadcrumb | None:
        """The breadcrumb, also while it cannot be read."""
        return self.spoiled if self.records.crumb.error else self.records.crumb.record

    def tell(self, kind: str) -> None:
        """A record was changed by hand."""
        self._tell(kind)

    def clone_goes(self, name: str) -> None:
        clone = self.clones.pop(name, None)
        if self.records.members.get(name) is clone:
            del self.records.members[name]
            self._tell("members")

    def take(self, ask: TakeLock, session: str, node: Node) -> LockTaken:
        before = self.records.lock
        answer = super().take(ask, session, node)
        lock = self.records.lock
        if lock is not None and before is None:
            need(lock.session == ask.session, "S2", f"{node.name} took the lock in another session than it asked in")
            self._watch_for_late_lock(lock)
        return answer

    def claim(self, ask: Claim, session: str) -> Claimed:
        crumb, lock = self.records.crumb, self.records.lock
        answer = super().claim(ask, session)
        if self.records.crumb is not crumb:
            self._written(ask, session, crumb, lock)
            self._claimed(ask, crumb, lock)
        return answer

    def hand_over(self, ask: HandOver, session: str) -> HandedOver:
        crumb, lock = self.records.crumb, self.records.lock
        answer = super().hand_over(ask, session)
        if self.records.crumb is not crumb:
            self._written(ask, session, crumb, lock)
            self._marked_clean(ask, crumb)
        return answer

    def end_session(self, session: str) -> None:
        lock = self.records.lock
        super().end_session(session)
        if lock is not None and self.records.lock is None and not self.by_hand:
            self.world.checks.lock_gone(self.world.host_named(lock.node), "its session ended")
        for name, clone in self.clones.items():
            self.records.members.setdefault(name, clone)

    # --- S2: only the lock's holder, by compare-and-set, in its own session ----------------------

    def _written(self, ask: Claim | HandOver, session: str, crumb: Crumb, lock: Lock | None) -> None:
        writer = ask.record.node.name
        held = lock is not None and lock.session == session and lock.node == writer
        need(held, "S2", f"{writer} wrote the breadcrumb without holding the lock")
        need(ask.session == session, "S2", f"{writer} finished an old thought in a new session")
        need(lock is not None and lock.czxid == ask.lock.czxid, "S2", f"{writer} wrote under another lock than it won")
        need(ask.version == crumb.version, "S2", f"{writer} wrote over a breadcrumb that it had not read")

    def _claimed(self, ask: Claim, crumb: Crumb, lock: Lock | None) -> None:
        record, old = ask.record, crumb.record
        host = self.world.host_named(record.node.name)
        need(not record.clean and record.epoch == ask.epoch, "S2", f"{host.name} claimed with {record}")
        need(not crumb.error, "S2", f"{host.name} wrote over a breadcrumb that cannot be read")
        need(record.node == host.node, "S2", f"{host.name} claimed for another node")
        kept = old is None or record.extra == old.extra
        need(kept, "S2", f"{host.name} dropped the fields of the breadcrumb that it does not know")
        need(old is None or ask.epoch > old.epoch, "S2", f"{host.name} claimed an epoch that does not increase")
        need(lock is None or ask.epoch >= lock.czxid, "S2", f"{host.name} claimed an epoch below its lock's czxid")
        if host.service.active and not host.service.flipped:
            own = old is not None and old.node == host.node and not old.clean
            known = host.wrote_version == crumb.version or (own and host.raced_paused)
            need(known, "S2", f"{host.name} took its lock again over a foreign breadcrumb without demoting first")
        host.wrote_version = self.records.crumb.version
        self._old_active_is_not(old, host)

    def _old_active_is_not(self, old: Breadcrumb | None, by: Host) -> None:
        if old is None or old.node == by.node:
            return
        other = self.world.host_named(old.node.name)
        busy = other.service.active and not other.service.flipped
        need(not busy, "S1", f"{by.name} claimed while {other.name} is active")
        hooks = [hook for hook in other.hooks if hook.kind == "promote"]
        need(not hooks, "S1", f"{by.name} claimed while a promote hook still runs on {other.name}")

    # --- S3: clean only after one's own demote ---------------------------------------------------

    def _marked_clean(self, ask: HandOver, crumb: Crumb) -> None:
        old = crumb.record
        host = self.world.host_named(ask.record.node.name)
        own = old is not None and old.node == host.node and old.epoch == ask.record.epoch and ask.record.clean
        need(own, "S3", f"{host.name} marked a breadcrumb clean that is not its own: {old}")
        busy = host.service.active and not host.service.flipped
        need(not busy, "S3", f"{host.name} marked its breadcrumb clean while its service is active")
        hooks = [hook for hook in host.hooks if hook.kind == "promote"]
        need(not hooks, "S3", f"{host.name} marked its breadcrumb clean while a promote hook still runs")
        demoted = self.world.checks.demoted.get(host.name, False)
        need(demoted, "S3", f"{host.name} marked its breadcrumb clean without a demote that answered done")

    # --- S4: a lock that was won late closes the session -----------------------------------------

    def _watch_for_late_lock(self, lock: Lock) -> None:
        self.clock.call_later(self._late_s(), lambda: self._kept_late(lock))

    def _late_s(self) -> float:
        times = self.world.scenario.times
        return times.session_timeout_s + times.demote_within_s + LATE_S

    def _kept_late(self, lock: Lock) -> None:
        """The lock is held by a live session whose controller does not know that it has it."""
        host = self.world.host_named(lock.node)
        process = host.process
        if self.records.lock is None or self.records.lock.czxid != lock.czxid:
            return
        state = process.engine.state if process is not None else None
        if state is None or state.session is None or state.session.id != lock.session or state.lock is not None:
            return
        in_order_for_s = self.clock.now() - self.world.in_order_since_s(host)
        need(in_order_for_s <= self._late_s(), "S4", f"{host.name} keeps a lock that it won late")
        self._watch_for_late_lock(lock)
