"""A server that falls silent under a session is left in time; one that answers, however slowly, is not.

One real server stands for several: each of its relays is a server to the store, and is silent alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from failover.core.events import ConnectionLost, ConnectionRestored, SessionEnded, WriteOutcome
from failover.core.values import Lock, Node
from failover.ports.store import Renewal
from failover.stores.zookeeper import ZooKeeperStore
from failover.support.tls import TlsFiles
from tests.servers.proxy import Relay
from tests.servers.secure_zookeeper import SecureZooKeeper
from tests.servers.zookeeper import ZooKeeper
from tests.stores.players import SERVICE, Player
from tests.stores.zookeeper_world import ZooKeeperWorld

SESSION_S = 12.0
SHARE_S = 0.5
RelayTo = Callable[[int], Relay]


class ManyWays(ZooKeeperWorld):
    """A world whose stores have several servers, and a lease that leaves three shares of SHARE_S."""

    def __init__(self, server: ZooKeeper, root: str, relays: list[Relay], tls: TlsFiles | None = None) -> None:
        super().__init__(server, root, SESSION_S, tls)
        self.ways = relays

    def store(self, node: Node, service: str = SERVICE, **_: str) -> ZooKeeperStore:
        hosts = [relay.hosts for relay in self.ways]
        store = ZooKeeperStore(hosts, service, self.root, SESSION_S, tls=self.tls, room=lambda _: 3 * SHARE_S)
        self._ended.callback(store.shut_down)
        return store

    def used(self) -> Relay:
        """The one way that a store has a connection by."""
        return next(relay for relay in self.ways if relay.connections)

    def freeze_all_but_another(self) -> Relay:
        """The used way and all others fall silent, but for the one that is given."""
        living = next(relay for relay in self.ways if relay is not self.used())
        for relay in self.ways:
            if relay is not living:
                relay.freeze()
        return living


@contextmanager
def active_with(
    zookeeper: ZooKeeper, root: str, relays: list[Relay], tls: TlsFiles | None = None
) -> Iterator[tuple[ManyWays, Player, Lock]]:
    with ManyWays(zookeeper, root, relays, tls) as world:
        with ZooKeeperWorld(zookeeper, root) as plain:
            plain.store(Node("operator", "x")).format()
        db1 = Player(world, "db1").open()
        lock, _ = db1.become_active()
        try:
            yield world, db1, lock
        finally:
            for relay in relays:
                relay.heal()


def until_moved(world: ManyWays, db1: Player) -> None:
    world.until(lambda: db1.seen(ConnectionRestored), "the session is with another server")


def test_a_session_goes_from_a_silent_server_to_another_and_says_so(
    zookeeper: ZooKeeper, zk_root: str, relay_to: RelayTo, caplog: pytest.LogCaptureFixture
) -> None:
    relays = [relay_to(zookeeper.port) for _ in range(2)]
    with active_with(zookeeper, zk_root, relays) as (world, db1, lock), caplog.at_level(logging.WARNING):
        silent = world.used()
        (other,) = (relay for relay in relays if relay is not silent)
        silent.freeze()
        asked_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        answers: list[Renewal] = []
        db1.store.renew(db1.session, lock, answers.append)
        until_moved(world, db1)
        assert [answer.outcome for answer in answers] == [WriteOutcome.UNKNOWN], "what was not answered is no proof"
        renewed = db1.renew(lock)
        assert renewed.proven
        assert renewed.sent_s > asked_s + SHARE_S, "and a proof counts from when it was sent itself"
        assert db1.seen(SessionEnded) == []
        told = [record.getMessage() for record in caplog.records if "answered nothing" in record.getMessage()]
        assert len(told) == 1, caplog.text
        assert told[0].startswith(f"ZooKeeper {silent.hosts} had answered nothing for 0.")
        assert told[0].endswith(f"the session went on with {other.hosts}")
        assert "says nothing" not in caplog.text, "the silent one is not dialled again before the others"
        assert db1.store.trouble() == ""


def test_a_session_over_tls_goes_to_another_server_too(
    secure_zookeeper: SecureZooKeeper, zk_root: str, relay_to: RelayTo
) -> None:
    """Silent also where it is dialled: the kernel takes the connection, and no handshake begins."""
    server = secure_zookeeper
    tls = TlsFiles(str(server.ca), str(server.cert), str(server.key))
    relays = [relay_to(server.tls_port) for _ in range(3)]
    with active_with(server, zk_root, relays, tls) as (world, db1, lock):
        world.freeze_all_but_another()
        db1.store.renew(db1.session, lock, lambda _: None)
        until_moved(world, db1)
        assert db1.renew(lock).proven
        assert db1.seen(SessionEnded) == []


def test_a_further_dead_server_is_dialled_for_no_longer_than_its_share(
    zookeeper: ZooKeeper, zk_root: str, relay_to: RelayTo, caplog: pytest.LogCaptureFixture
) -> None:
    """One of five is silent, the next is dead: whichever is dialled first, the dead one takes half a second."""
    relays = [relay_to(zookeeper.port) for _ in range(5)]
    with active_with(zookeeper, zk_root, relays) as (world, db1, lock), caplog.at_level(logging.WARNING):
        living = world.freeze_all_but_another()
        db1.store.renew(db1.session, lock, lambda _: None)
        until_moved(world, db1)
        assert db1.renew(lock).proven
        dead = [record.getMessage() for record in caplog.records if "says nothing for" in record.getMessage()]
        assert all(words.endswith("says nothing for 0.5 s") for words in dead), caplog.text
        assert living.connections == 1


def test_the_trouble_names_the_silent_server_until_another_has_the_session(
    zookeeper: ZooKeeper, zk_root: str, relay_to: RelayTo
) -> None:
    relays = [relay_to(zookeeper.port) for _ in range(2)]
    with active_with(zookeeper, zk_root, relays) as (world, db1, lock):
        silent = world.used()
        for relay in relays:
            relay.freeze()
        db1.store.renew(db1.session, lock, lambda _: None)
        world.until(lambda: db1.seen(ConnectionLost), "it is left")
        assert f"{silent.hosts} has answered nothing for 0." in db1.store.trouble()
        for relay in relays:
            relay.heal()
        until_moved(world, db1)
        assert db1.renew(lock).proven


def test_a_server_that_answers_more_slowly_than_that_is_not_left(
    zookeeper: ZooKeeper, zk_root: str, relay_to: RelayTo, caplog: pytest.LogCaptureFixture
) -> None:
    relays = [relay_to(zookeeper.port) for _ in range(2)]
    for relay in relays:
        relay.delay(0.7 * SHARE_S)  # each way: an answer takes 1.4 shares
    with active_with(zookeeper, zk_root, relays) as (_, db1, lock):
        for _ in range(2):
            assert db1.renew(lock).proven
        assert db1.seen(ConnectionLost) == []
        assert "answered nothing" not in caplog.text, "nor while the session was being opened"


def test_when_the_next_server_is_silent_too_it_has_the_time_that_it_always_had(
    zookeeper: ZooKeeper, zk_root: str, relay_to: RelayTo
) -> None:
    """All of them may be slow: going round among them would help nobody."""
    relays = [relay_to(zookeeper.port) for _ in range(2)]
    with active_with(zookeeper, zk_root, relays) as (world, db1, lock):
        world.used().freeze()
        db1.store.renew(db1.session, lock, lambda _: None)
        until_moved(world, db1)
        for relay in relays:
            relay.heal()
            relay.delay(1.5 * SHARE_S)
        assert db1.renew(lock).proven
        assert len(db1.seen(ConnectionLost)) == 1


def test_the_only_server_is_waited_for_as_ever(zookeeper: ZooKeeper, zk_root: str, relay_to: RelayTo) -> None:
    relays = [relay_to(zookeeper.port)]
    with active_with(zookeeper, zk_root, relays) as (_, db1, lock):
        relays[0].delay(1.5 * SHARE_S)
        assert db1.renew(lock).proven
        assert db1.seen(ConnectionLost) == []
