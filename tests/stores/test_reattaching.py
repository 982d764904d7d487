"""Taking a saved session over on a real ZooKeeper: what the contract cannot ask of every store."""

from collections.abc import Iterator

import pytest

from failover.core.effects import OpenSession
from failover.core.events import ConnectionLost, SessionEnded
from failover.core.values import Member, Node
from failover.ports.store import Reattached, SavedSession
from failover.stores.zookeeper import ZooKeeperStore
from failover.stores.zookeeper.paths import session_name, session_number
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper
from tests.stores.contract import db1, db2, player
from tests.stores.players import Player
from tests.stores.zookeeper_world import SERVICE, ZooKeeperWorld

__all__ = ["db1", "db2", "player"]


@pytest.fixture
def world(zookeeper: ZooKeeper, zk_root: str) -> Iterator[ZooKeeperWorld]:
    with ZooKeeperWorld(zookeeper, zk_root) as world:
        world.store(Node("operator", "x")).format()
        yield world


def asked(successor: Player, before: Player) -> list[Reattached]:
    """Where the answer to its `reattach` will be."""
    answers: list[Reattached] = []
    ask = OpenSession(Member(successor.node))
    successor.store.reattach(ask, before.saved(), answers.append)
    return answers


def test_a_session_s_name_and_number_are_one() -> None:
    for number in (1, 2**63 - 1, -1, -(2**63)):
        assert session_number(session_name(number)) == number


def test_while_zookeeper_is_away_it_goes_on_trying_and_the_lock_is_kept(world: ZooKeeperWorld) -> None:
    db1 = Player(world, "db1").open()
    lock, _ = db1.become_active()
    answers, successor = list[Reattached](), Player(world, "db1")
    world.relay_of(successor).cut()
    ask, saved = OpenSession(Member(successor.node)), db1.saved()
    db1.store.shut_down()
    successor.store.reattach(ask, saved, answers.append)
    assert successor.store.session_secret(saved.id) is None, "not its own yet"
    assert not answers
    world.relay_of(successor).heal()
    world.until(lambda: answers, "answered")
    assert answers[0].lock == lock
    assert not successor.seen(ConnectionLost)


def test_a_server_that_was_restarted_still_has_the_session(zk_root: str) -> None:
    with ZooKeeper() as server, ZooKeeperWorld(server, zk_root, timeout_s=10.0) as world:
        world.store(Node("operator", "x")).format()
        db1 = Player(world, "db1").open()
        lock, _ = db1.become_active()
        server.stop()
        successor = Player(world, "db1")
        saved = db1.saved()
        db1.store.shut_down()
        answers: list[Reattached] = []
        successor.store.reattach(OpenSession(Member(successor.node)), saved, answers.append)
        server.start()
        world.until(lambda: answers, "answered", within_s=20.0)
        assert answers[0].lock == lock


def test_a_session_without_its_record_is_closed_and_not_taken_over(world: ZooKeeperWorld) -> None:
    db1 = Player(world, "db1").open()
    db1.become_active()
    saved = db1.saved()
    db1.store.shut_down()
    world.raw.delete(f"{world.base}/sessions/{saved.id}")
    refused = Player(world, "db1").reattach(saved)
    assert refused.session is None
    assert "is gone; it was closed" in refused.detail
    world.until(lambda: world.raw.exists(f"{world.base}/ActiveStandbyElectorLock") is None, "and its lock went")


def test_a_session_whose_member_record_is_missing_is_closed_s9(world: ZooKeeperWorld) -> None:
    db1 = Player(world, "db1").open()
    saved = db1.saved()
    db1.store.shut_down()
    world.raw.delete(f"{world.base}/members/db1")
    successor = Player(world, "db1")
    assert "the member record of db1 is not its own (S9)" in successor.reattach(saved).detail
    assert successor.open().session != saved.id


def test_credentials_that_may_not_write_take_nothing_over(world: ZooKeeperWorld) -> None:
    node = Node("db1", "m")
    store = world.store(node, user="failover", password="right")
    store.connect(lambda _: None)
    opened: list[object] = []
    store.open(OpenSession(Member(node)), opened.append)
    world.until(lambda: opened, "open")
    session = opened[0].session.id  # type: ignore[attr-defined]
    secret = store.session_secret(session)
    assert secret is not None
    store.shut_down()
    other = ZooKeeperStore([world.server.hosts], SERVICE, world.root, 6.0, "failover", "wrong")
    answers: list[Reattached] = []
    other.reattach(OpenSession(Member(node)), SavedSession(session, secret), answers.append)
    eventually(lambda: answers, 10, "answered")
    other.shut_down()
    assert "these credentials may not do this" in answers[0].detail


def test_a_shut_down_while_it_is_tried_leaves_the_session_to_the_next(world: ZooKeeperWorld) -> None:
    db1 = Player(world, "db1").open()
    lock, _ = db1.become_active()
    hasty = Player(world, "db1")
    world.relay_of(hasty).cut()
    answers = asked(hasty, db1)
    saved = db1.saved()
    db1.store.shut_down()
    hasty.store.shut_down()
    taken = Player(world, "db1").reattach(saved)
    assert taken.lock == lock
    assert not answers
    assert not hasty.seen(SessionEnded)
