"""What befalls connections, sessions and the records. Unknown here: when, whom, and what must hold nevertheless."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from failover.core.values import Crumb, Member, Node
from failover.stores.simulated import SimulatedStore
from tests.simulation.host import Host
from tests.simulation.lasting import Fault, Lasting

if TYPE_CHECKING:
    from tests.simulation.world import World

IMPOSTOR = "session-of-a-clone"


class StoreFaults:
    """Each answers whether it could happen."""

    def __init__(self, world: World, lasting: Lasting, chance: Random) -> None:
        self._world = world
        self._lasting = lasting
        self._chance = chance

    def kinds(self) -> dict[Fault, int]:
        """How likely each is."""
        return {
            self.connection_is_cut: 4,
            self.follower_is_cut_off: 2,
            self.reply_is_lost: 3,
            self.messages_are_slow: 1,
            self.watches_are_late: 2,
            self.session_is_ended: 2,
            self.session_is_replaced_silently: 2,
            self.store_is_away: 1,
            self.breadcrumb_is_touched: 1,
            self.breadcrumb_is_spoiled: 1,
            self.control_is_spoiled: 1,
            self.lock_is_deleted: 1,
            self.name_is_taken: 1,
        }

    def _store(self, host: Host) -> SimulatedStore | None:
        return host.process.store if host.process is not None else None

    def connection_is_cut(self, host: Host) -> bool:
        store = self._store(host)
        if store is None or store.faults.cut:
            return False
        store.faults.disconnect(self._chance.uniform(0.05, 3.0))
        self._lasting.begin(host, 0.2, 20.0, store.faults.reconnect)
        return True

    def follower_is_cut_off(self, host: Host) -> bool:
        """One-sided: the client's server goes on answering reads from an old copy."""
        store = self._store(host)
        if store is None or store.faults.stale is not None or store.faults.cut:
            return False
        seconds = self._chance.uniform(0.5, 12.0)
        store.faults.go_stale(seconds)
        self._lasting.begin(host, seconds, seconds, lambda: None)
        return True

    def reply_is_lost(self, host: Host) -> bool:
        """The next write is carried out, and nobody hears of it."""
        store = self._store(host)
        if store is None:
            return False
        store.faults.lose_next_reply = True
        self._world.disturb(host)
        return True

    def messages_are_slow(self, host: Host) -> bool:
        store = self._store(host)
        if store is None:
            return False
        faults, chance = store.faults, self._chance
        most_s = chance.choice((0.3, 1.0, 3.0))
        faults.extra_up_s, faults.extra_down_s = chance.uniform(0.0, most_s), chance.uniform(0.0, most_s)

        def heal() -> None:
            faults.extra_up_s = faults.extra_down_s = 0.0

        self._lasting.begin(host, 1.0, 10.0, heal)
        return True

    def watches_are_late(self, host: Host) -> bool:
        store = self._store(host)
        if store is None:
            return False
        store.delay_watches(self._chance.uniform(0.2, 4.0))
        self._lasting.begin(host, 2.0, 15.0, lambda: store.delay_watches(0.0))
        return True

    def session_is_replaced_silently(self, host: Host) -> bool:
        """The client library opens a new session by itself, and says so later."""
        store = self._store(host)
        if store is None or not store.faults.up or not store.faults.session:
            return False
        chance = self._chance
        told_after_s = chance.random() * chance.choice((0.01, 0.1, 3.0))
        self._by_hand(lambda: store.reopen_silently(told_after_s))
        self._world.disturb(host)
        return True

    def _by_hand(self, act: Callable[[], None]) -> None:
        self._world.ensemble.by_hand = True
        act()
        self._world.ensemble.by_hand = False

    def session_is_ended(self, host: Host) -> bool:
        """By the servers, at once."""
        store = self._store(host)
        if store is None or store.faults.session not in self._world.ensemble.sessions:
            return False
        self._world.disturb(host)
        self._by_hand(lambda: self._world.ensemble.end_session(store.faults.session))
        return True

    def store_is_away(self, host: Host) -> bool:
        cut = [self.connection_is_cut(one) for one in self._world.hosts]
        return any(cut)

    def breadcrumb_is_touched(self, host: Host) -> bool:
        """An operator's tool rewrites it: its version moves on."""
        crumb = self._world.ensemble.records.crumb
        if crumb.record is None:
            return False
        self._world.ensemble.records.crumb = replace(crumb, version=crumb.version + 1)
        self._world.ensemble.tell("lock")
        return True

    def breadcrumb_is_spoiled(self, host: Host) -> bool:
        """It cannot be read until an operator has mended it: nobody may be promoted meanwhile, nor write over it."""
        ensemble = self._world.ensemble
        record = ensemble.records.crumb.record
        if record is None:
            return False
        ensemble.spoiled = record
        ensemble.spoil_breadcrumb()

        def mend() -> None:
            version = ensemble.records.crumb.version
            self._mended(Crumb(record, version + 1))

        self._lasting.begin(host, 0.5, 8.0, mend)
        return True

    def _mended(self, crumb: Crumb) -> None:
        if self._world.ensemble.records.crumb.error:
            self._world.ensemble.records.crumb = crumb
            self._world.ensemble.tell("lock")

    def control_is_spoiled(self, host: Host) -> bool:
        ensemble = self._world.ensemble
        before = ensemble.records.control
        if before.error:
            return False
        ensemble.spoil_control()

        def mend() -> None:
            version = ensemble.records.control.version
            ensemble.records.control = replace(before, version=version + 1)
            ensemble.tell("control")

        self._lasting.begin(host, 0.5, 6.0, mend)
        return True

    def lock_is_deleted(self, host: Host) -> bool:
        lock = self._world.ensemble.records.lock
        if lock is None:
            return False
        self._world.disturb(self._world.host_named(lock.node))
        self._world.ensemble.delete_lock()
        return True

    def name_is_taken(self, host: Host) -> bool:
        """A cloned host: a live member record of the same name from another machine (S9), once ours is gone."""
        ensemble = self._world.ensemble
        if host.name in ensemble.clones:
            return False
        ensemble.clones[host.name] = Member(Node(host.name, "machine-of-a-clone"), session=IMPOSTOR)
        self._lasting.begin(host, 2.0, 10.0, lambda: ensemble.clone_goes(host.name))
        return True
