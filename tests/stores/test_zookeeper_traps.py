"""What kazoo and ZooKeeper do that an election must survive, each on a real server."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from failover.core.effects import Claim, CloseSession, HandOver, OpenSession, TakeLock
from failover.core.events import (
    Claimed,
    ConnectionLost,
    ConnectionRestored,
    Event,
    LockSeen,
    LockTaken,
    MembersChanged,
    SessionClosed,
    SessionEnded,
    SessionOpened,
    SessionRefused,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Breadcrumb, Control, Health, Member, Node, Role
from failover.ports.store import FormatError, Renewal
from failover.stores.zookeeper import ZooKeeperStore
from failover.stores.zookeeper.paths import Paths, session_name
from failover.stores.zookeeper.questions import Questions
from failover.stores.zookeeper.watching import Readings
from tests.servers.ensemble import Ensemble
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper, missing
from tests.stores.contract import ask_open, ask_take, db1, db2, player
from tests.stores.players import Player
from tests.stores.zookeeper_world import SERVICE, ZooKeeperWorld, client_id

__all__ = ["db1", "db2", "player"]

MakePlayer = Callable[..., Player]


@pytest.fixture
def world(zookeeper: ZooKeeper, zk_root: str) -> Iterator[ZooKeeperWorld]:
    with ZooKeeperWorld(zookeeper, zk_root) as world:
        world.store(Node("operator", "x")).format()
        yield world


@pytest.fixture
def quick(zookeeper: ZooKeeper, zk_root: str) -> Iterator[ZooKeeperWorld]:
    """Sessions of three seconds: a dead link is noticed within two thirds of it, a busy machine's pauses are not."""
    with ZooKeeperWorld(zookeeper, zk_root, timeout_s=3.0) as world:
        world.store(Node("operator", "x")).format()
        yield world


def expire(world: ZooKeeperWorld, player: Player) -> None:
    id_ = client_id(player)
    assert id_ is not None
    world.server.expire_session(*id_)


def store_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "failoverd-zookeeper"}


# --- the session that kazoo opens by itself ------------------------------------------------------


def test_an_ended_session_is_told_once_and_nothing_is_opened_in_its_place(
    world: ZooKeeperWorld, db1: Player, db2: Player
) -> None:
    taken = db1.win()
    claim = db1.claim_asked(taken)
    expire(world, db1)
    answers: list[object] = []
    db1.store.claim(claim, answers.append)
    world.until(lambda: answers, "answered")
    assert answers[0].outcome is not WriteOutcome.DONE  # type: ignore[attr-defined]  # S2
    world.until(lambda: db1.seen(SessionEnded), "it is told")
    assert [event.session for event in db1.seen(SessionEnded)] == [db1.session]
    assert db1.claim(taken).outcome is WriteOutcome.GONE
    assert db2.view().crumb.record is None
    assert world.raw.get_children(f"{world.base}/sessions") == [db2.session]
    old = db1.session
    assert db1.open().session != old


def test_the_transaction_itself_stops_a_session_that_kazoo_opened_silently(world: ZooKeeperWorld, zk_root: str) -> None:
    """S2: with a plain kazoo client, which does open a new session and go on as if nothing had happened."""
    client, paths, node = world.raw, Paths(zk_root, SERVICE), Node("db1", "m")
    client.session = session_name(client.client_id[0])
    client.create(paths.session(client.session), b"{}", ephemeral=True)
    questions = Questions(client, paths, node, Readings())
    answers: list[object] = []
    questions.take(TakeLock(1, client.session, 0), answers.append)
    world.until(lambda: answers, "taken")
    taken = answers.pop()
    assert isinstance(taken, LockTaken)
    assert taken.lock is not None
    old = client.client_id
    world.server.expire_session(*old)
    world.until(lambda: client.connected and client.client_id[0] != old[0], "silently reopened")
    record = Breadcrumb(node, 99, "boot")
    questions.claim(Claim(1, client.session, 99, taken.lock, record, -1), answers.append)
    questions.hand_over(HandOver(1, client.session, taken.lock, record, 0), answers.append)
    questions.take(TakeLock(1, client.session, 0), answers.append)
    questions.renew(taken.lock, answers.append)
    world.until(lambda: len(answers) == 4, "answered")
    assert {answer.outcome.value for answer in answers} == {"gone"}  # type: ignore[attr-defined]
    assert client.exists(paths.crumb) is None
    assert client.exists(paths.lock) is None


def test_a_session_record_deleted_by_hand_makes_every_question_gone(world: ZooKeeperWorld, db1: Player) -> None:
    lock, crumb = db1.become_active()
    world.raw.delete(f"{world.base}/sessions/{db1.session}")
    assert db1.renew(lock).outcome is WriteOutcome.GONE
    assert db1.hand_over(lock, crumb).outcome is WriteOutcome.GONE
    assert db1.take().outcome is TakeOutcome.GONE


def test_a_lock_deleted_by_hand_and_taken_by_another_is_not_handed_over(
    world: ZooKeeperWorld, db1: Player, db2: Player
) -> None:
    lock, crumb = db1.become_active()
    world.raw.delete(f"{world.base}/ActiveStandbyElectorLock")
    theirs = db2.win().lock
    assert db1.renew(lock).outcome is WriteOutcome.GONE  # S6: by the czxid
    assert db1.hand_over(lock, crumb).outcome is WriteOutcome.GONE
    assert db2.view().holder == theirs


# --- answers that never come ---------------------------------------------------------------------


def test_a_lock_created_but_not_acknowledged_is_unknown_and_goes_with_the_session(
    quick: ZooKeeperWorld,
) -> None:
    db1, db2 = Player(quick, "db1").open(), Player(quick, "db2").open()
    quick.relay_of(db1).freeze("to_client")
    answers: list[object] = []
    ask_take(db1, answers)
    quick.until(lambda: db2.view().holder, "the lock is there")
    assert answers == []
    quick.until(lambda: answers, "the connection is given up")
    taken = answers[0]
    assert isinstance(taken, LockTaken)
    assert taken.outcome is TakeOutcome.UNKNOWN  # S4
    quick.relay_of(db1).heal()
    db1.close()
    quick.until(lambda: db2.view().holder is None, "the lock went with the session")


def test_a_session_closed_while_the_store_is_away_is_closed_as_soon_as_it_is_back(
    world: ZooKeeperWorld, db1: Player, db2: Player
) -> None:
    db1.win()
    world.take_away(db1)
    closed = db1.close()
    assert not closed.done
    world.relay_of(db1).heal()
    started = time.monotonic()
    world.until(lambda: db2.holder() is None, "the lock is free", 5.0)
    assert time.monotonic() - started < 3.0  # the session's time-out is twice that
    assert db1.seen(SessionEnded) == []


def test_a_cut_off_follower_shows_the_lock_as_ours_but_proves_nothing() -> None:
    """S6: reads, and being connected, prove nothing."""
    if missing():
        pytest.skip("no ZooKeeper to test against")
    with Ensemble(sync_limit_ticks=60) as ensemble:
        follower, leader = ensemble.follower(), ensemble.leader()
        with (
            ZooKeeperWorld(follower, "/t", timeout_s=1.0) as ours,
            ZooKeeperWorld(leader, "/t", timeout_s=1.0) as theirs,
        ):
            ours.store(Node("operator", "x")).format()
            db1, db2 = Player(ours, "db1").open(), Player(theirs, "db2").open()
            lock, crumb = db1.become_active()
            theirs.until(lambda: db2.seen(LockSeen)[-1].crumb == crumb, "the others see it")
            ensemble.cut_off(follower)
            theirs.until(lambda: db2.holder() is None, "the session expired at the leader")
            assert db1.view().holder == lock
            assert db1.seen(ConnectionLost) == []
            renewals: list[Renewal] = []
            db1.store.renew(db1.session, lock, renewals.append)
            db2.become_active()
            assert not any(renewal.proven for renewal in renewals)
            ensemble.heal()
            ours.until(lambda: db1.seen(SessionEnded), "it hears the truth", 30.0)
            assert not any(renewal.proven for renewal in renewals)


# --- time-outs, fail fast ------------------------------------------------------------------------


@pytest.mark.parametrize(("asked_s", "granted_s"), [(0.1, 0.4), (5.0, 5.0), (60.0, 40.0)])
def test_the_time_out_told_is_the_one_that_the_server_granted(
    zookeeper: ZooKeeper, zk_root: str, asked_s: float, granted_s: float
) -> None:
    with ZooKeeperWorld(zookeeper, zk_root, timeout_s=asked_s) as world:
        world.store(Node("operator", "x")).format()
        event = Player(world, "db1").open_anyhow()
        assert isinstance(event, SessionOpened)
        assert event.session.timeout_s == pytest.approx(granted_s)


def test_questions_asked_while_suspended_are_answered_within_the_call(world: ZooKeeperWorld, db1: Player) -> None:
    lock, crumb = db1.become_active()
    world.take_away(db1)
    answers: list[object] = []
    ask_take(db1, answers)
    db1.store.renew(db1.session, lock, answers.append)
    assert [answer.outcome.value for answer in answers] == ["unknown"] * 2  # type: ignore[attr-defined]
    world.bring_back(db1)
    assert db1.renew(lock).proven
    assert db1.view().crumb == crumb


def test_questions_under_way_when_the_connection_drops_are_unknown(world: ZooKeeperWorld, db1: Player) -> None:
    lock, crumb = db1.become_active()
    world.relay_of(db1).freeze("both")
    answers: list[object] = []
    db1.store.renew(db1.session, lock, answers.append)
    db1.store.write_control(Control(version=0), answers.append)
    ask_take(db1, answers)
    assert answers == []
    world.relay_of(db1).drop()
    world.until(lambda: len(answers) == 3, "all are answered")
    assert {answer.outcome.value for answer in answers} == {"unknown"}  # type: ignore[attr-defined]
    world.relay_of(db1).heal()
    world.until(lambda: db1.renew(lock).proven, "proven again")
    assert db1.view().crumb == crumb


def test_a_breadcrumb_that_was_rewritten_unseen_is_not_overwritten(world: ZooKeeperWorld, db1: Player) -> None:
    """S2: what was read last does not count, the version in the transaction does."""
    taken = db1.win()
    first = db1.claim(taken)
    world.relay_of(db1).freeze("to_client")
    world.raw.set(f"{world.base}/ActiveBreadCrumb", b"another's")
    answers: list[Claimed] = []
    db1.store.claim(db1.claim_asked(taken, version=first.version), answers.append)  # type: ignore[arg-type]
    world.relay_of(db1).heal()
    world.until(lambda: answers, "answered")
    assert (answers[0].outcome, answers[0].crumb.version) == (WriteOutcome.CONFLICT, first.version + 1)
    assert world.raw.get(f"{world.base}/ActiveBreadCrumb")[0] == b"another's"


def test_a_dead_link_is_noticed_although_renewals_go_on(quick: ZooKeeperWorld) -> None:
    """kazoo takes every request for a ping, and so never asks a silent server whether it is there."""
    db1 = Player(quick, "db1").open()
    lock, _ = db1.become_active()
    quick.relay_of(db1).freeze("both")
    next_at = time.monotonic()

    def renewing_until_lost() -> bool:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at += 0.1
            db1.store.renew(db1.session, lock, lambda _: None)
        return bool(db1.seen(ConnectionLost))

    quick.until(renewing_until_lost, "noticed")


def test_more_questions_than_the_bound_are_unknown_instead_of_queued(world: ZooKeeperWorld, db1: Player) -> None:
    lock, _ = db1.become_active()
    world.relay_of(db1).freeze("both")
    answers: list[Renewal] = []
    for _ in range(500):
        db1.store.renew(db1.session, lock, answers.append)
    assert len(answers) > 250
    world.relay_of(db1).drop()
    world.until(lambda: len(answers) == 500, "all are answered")
    assert not any(answer.proven for answer in answers)
    world.relay_of(db1).heal()
    world.until(lambda: db1.renew(lock).proven, "proven again")


# --- coming back ---------------------------------------------------------------------------------


def test_after_a_reconnection_everything_is_told_as_it_is_now(world: ZooKeeperWorld, db1: Player, db2: Player) -> None:
    lock, crumb = db1.become_active()
    world.until(lambda: db2.holder() == lock, "seen")
    world.take_away(db2)
    before = len(db2.events)
    db1.publish(position=5)
    db1.write_control(Control(version=0, drained=frozenset({"db3"})))
    db1.hand_over(lock, crumb)
    world.bring_back(db2)
    world.until(lambda: len(db2.events) >= before + 4, "all is told")
    kinds = [type(event).__name__ for event in db2.events[before:]]
    assert kinds == ["ConnectionRestored", "ControlChanged", "MembersChanged", "LockSeen"]
    assert db2.holder() is None
    db1.take(control_version=1)
    world.until(lambda: db2.holder() is not None, "and watched")


def test_what_was_published_and_written_to_the_history_meanwhile_is_sent_afterwards(
    world: ZooKeeperWorld, db1: Player, db2: Player
) -> None:
    world.take_away(db1)
    db1.publish(position=1)
    db1.publish(position=2, health=Health.HEALTHY, role=Role.STANDBY)
    db1.store.append_history([{"what": "the store was away"}])
    world.bring_back(db1)
    world.until(lambda: db2.members()[0].position == 2, "the newest record is seen")
    world.until(lambda: db2.history(), "the history is there")
    assert db2.history()[-1]["what"] == "the store was away"


def test_members_are_told_before_a_lock_that_changed_later(world: ZooKeeperWorld, db1: Player, db2: Player) -> None:
    for position in range(20):
        lock, crumb = db1.become_active()
        claimed = LockSeen(db2.session, lock, crumb)
        world.until(lambda seen=claimed: db2.seen(LockSeen)[-1] == seen, "seen")  # type: ignore[misc]
        before = len(db2.events)
        db1.publish(position=position)
        db1.hand_over(lock, crumb)
        world.until(lambda: db2.holder() is None, "seen free")
        kinds = [type(event) for event in db2.events[before:]]
        assert kinds.index(MembersChanged) < kinds.index(LockSeen)


def test_a_restarted_server_keeps_the_session_and_the_lock(zk_root: str) -> None:
    if missing():
        pytest.skip("no ZooKeeper to test against")
    with ZooKeeper() as server, ZooKeeperWorld(server, zk_root, timeout_s=20.0) as world:
        world.store(Node("operator", "x")).format()
        db1 = Player(world, "db1").open()
        lock, _ = db1.become_active()
        server.restart()
        world.until(lambda: db1.seen(ConnectionRestored), "the store is back", 20.0)
        assert db1.renew(lock).proven
        assert db1.seen(SessionEnded) == []


def test_a_frozen_server_is_noticed_and_its_session_kept_if_it_comes_back_in_time(
    zk_root: str,
) -> None:
    if missing():
        pytest.skip("no ZooKeeper to test against")
    with ZooKeeper() as server, ZooKeeperWorld(server, zk_root, timeout_s=9.0) as world:
        world.store(Node("operator", "x")).format()
        db1 = Player(world, "db1").open()
        lock, _ = db1.become_active()
        server.pause()
        renewals: list[Renewal] = []
        db1.store.renew(db1.session, lock, renewals.append)
        world.until(lambda: db1.seen(ConnectionLost), "it is noticed")
        assert [renewal.outcome for renewal in renewals] == [WriteOutcome.UNKNOWN]
        server.resume()
        world.until(
            lambda: len(db1.seen(ConnectionRestored)) + len(db1.seen(SessionEnded)),
            "the store is back",
            20.0,
        )


# --- opening, closing, shutting down -------------------------------------------------------------


def test_opening_goes_on_until_the_store_is_reached(world: ZooKeeperWorld) -> None:
    db1, answers = Player(world, "db1"), list[object]()
    world.relay_of(db1).cut()
    ask_open(db1, answers)
    with pytest.raises(AssertionError):
        world.until(lambda: answers, "unreachable", within_s=0.5)
    world.relay_of(db1).heal()
    world.until(lambda: answers, "opened")
    assert isinstance(answers[0], SessionOpened)


def test_a_session_that_ends_while_it_waits_to_join_is_followed_by_another(world: ZooKeeperWorld, db1: Player) -> None:
    successor, answers = Player(world, "db1"), list[object]()
    ask_open(successor, answers)
    world.until(lambda: client_id(successor), "connected")
    expire(world, successor)
    assert answers == []
    db1.close()
    world.until(lambda: answers, "opened")
    assert isinstance(answers[0], SessionOpened)


def test_a_namesake_of_the_same_machine_that_lives_on_is_not_waited_for_for_ever(quick: ZooKeeperWorld) -> None:
    """S9: an earlier session of ours would have ended by now; this is a clone, or runs in another state folder."""
    Player(quick, "db1").open()
    event = Player(quick, "db1").open_anyhow()
    assert isinstance(event, SessionRefused)
    assert event.exit_code == 1
    assert "is this host a clone" in event.reason


def test_a_close_ends_an_opening_that_has_not_come_to_an_end(world: ZooKeeperWorld, db1: Player) -> None:
    successor, answers = Player(world, "db1"), list[object]()
    ask_open(successor, answers)
    closed: list[Event] = []
    successor.store.close(CloseSession(""), closed.append)
    assert closed == [SessionClosed("", done=False)]
    db1.close()
    world.until(lambda: not world.raw.get_children(f"{world.base}/members"), "nobody is there")
    assert answers == []


def test_shutting_down_ends_every_thread_and_leaves_the_session(
    world: ZooKeeperWorld, db1: Player, db2: Player
) -> None:
    lock, _ = db1.become_active()
    world.relay_of(db2).freeze("both")
    unreachable = ZooKeeperStore(["192.0.2.1:2181"], SERVICE, world.root, 6.0)
    unreachable.open(OpenSession(Member(Node("db3", "m"))), lambda _: None)
    started = time.monotonic()
    db1.store.shut_down()
    db2.store.shut_down()
    unreachable.shut_down()
    assert time.monotonic() - started < 4.0
    eventually(lambda: not store_threads(), 2.0, f"no thread is left of {store_threads()}")
    assert world.raw.exists(f"{world.base}/ActiveStandbyElectorLock").czxid == lock.czxid
    db1.store.shut_down()


def test_a_closed_session_leaves_no_thread(world: ZooKeeperWorld, db1: Player) -> None:
    db1.close()
    eventually(lambda: not store_threads(), 2.0, f"no thread is left of {store_threads()}")


def test_an_outage_is_not_logged_at_every_try(
    world: ZooKeeperWorld, db1: Player, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        world.take_away(db1)
        world.bring_back(db1)
    assert [record.getMessage() for record in caplog.records] == []


# --- format, credentials -------------------------------------------------------------------------


def test_a_service_that_was_never_formatted_is_refused(zookeeper: ZooKeeper, zk_root: str) -> None:
    with ZooKeeperWorld(zookeeper, zk_root) as world:
        event = Player(world, "db1").open_anyhow()
        assert isinstance(event, SessionRefused)
        assert event.exit_code == 3
        assert "failoverctl format" in event.reason


def test_a_path_that_is_missing_later_is_refused_too(world: ZooKeeperWorld) -> None:
    world.raw.delete(f"{world.base}/history")
    event = Player(world, "db1").open_anyhow()
    assert isinstance(event, SessionRefused)
    assert event.exit_code == 3


def test_format_without_zookeeper_says_so(world: ZooKeeperWorld) -> None:
    store = ZooKeeperStore(["127.0.0.1:1"], SERVICE, world.root, 6.0)
    with pytest.raises(FormatError, match="no ZooKeeper answered") as refused:
        store.format()
    assert refused.value.exit_code == 6
    store.shut_down()


def test_format_refuses_a_breadcrumb_that_it_cannot_read(world: ZooKeeperWorld) -> None:
    world.raw.create(f"{world.base}/ActiveBreadCrumb", b"not JSON")
    with pytest.raises(FormatError, match="never overwritten") as refused:
        world.store(Node("operator", "x")).format(force_name="db1")
    assert refused.value.exit_code == 2


def test_with_credentials_the_records_are_ours_only(zookeeper: ZooKeeper, zk_root: str) -> None:
    with ZooKeeperWorld(zookeeper, zk_root) as world:
        secret = {"user": "failover", "password": "swordfish"}
        world.store(Node("operator", "x"), **secret).format()
        store = world.store(Node("db1", "m"), **secret)
        answers: list[object] = []
        store.open(OpenSession(Member(Node("db1", "m"))), answers.append)
        world.until(lambda: answers, "opened")
        assert isinstance(answers[0], SessionOpened)
        for record in ("", "/control", "/members", "/members/db1"):
            with pytest.raises(NoAuthError):
                world.raw.get_children(f"{world.base}{record}")
        for wrong in ({}, {"user": "failover", "password": "x"}):
            stranger, refused = world.store(Node("db2", "m2"), **wrong), list[object]()
            stranger.open(OpenSession(Member(Node("db2", "m2"))), refused.append)
            world.until(lambda: refused, "refused")  # noqa: B023
            event = refused[0]
            assert isinstance(event, SessionRefused)
            assert "credentials" in event.reason
            with pytest.raises(FormatError) as failed:
                stranger.format()
            assert failed.value.exit_code == 1


def test_a_plain_kazoo_client_does_what_these_tests_say_it_does(world: ZooKeeperWorld) -> None:
    """kazoo opens a new session in place of an expired one, and says nothing but LOST and CONNECTED."""
    client = KazooClient(world.server.hosts)
    client.start()
    old = client.client_id
    world.server.expire_session(*old)
    world.until(lambda: client.connected and client.client_id[0] != old[0], "reopened")
    client.stop()
    client.close()
