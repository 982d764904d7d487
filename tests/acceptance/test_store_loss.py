"""S6 on a real ensemble: an active that is cut off from the leader stops before the lock can pass, or stays, as told.

The follower that it talks to goes on serving reads for SYNC_LIMIT_TICKS: being connected proves nothing. Only the order
of facts is asserted, seen from outside: the role that Redis tells, the lock as the leader has it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from kazoo.client import KazooClient

from tests.acceptance.cluster import Cluster, Host, cluster
from tests.acceptance.turns import Observer
from tests.acceptance.witness import Witness
from tests.servers import zookeeper as zookeeper_server
from tests.servers.ensemble import Ensemble
from tests.servers.proxy import Relay
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

TICK_MS = 500
SYNC_LIMIT_TICKS = 30  # the cut-off follower serves on for much longer than the session lives
TIMES = {"session_timeout": "5s", "tick_time": f"{TICK_MS}ms", "demote_timeout": "1500ms"}

pytestmark = [
    pytest.mark.zookeeper,
    pytest.mark.skipif(bool(zookeeper_server.missing()), reason="no ZooKeeper: scripts/install-test-needs installs it"),
]


@pytest.fixture(scope="module")
def slow_ensemble() -> Iterator[Ensemble]:
    """Three servers for the tests of this module, each of which heals what it cut."""
    with Ensemble(tick_time_ms=TICK_MS, sync_limit_ticks=SYNC_LIMIT_TICKS) as servers:
        yield servers


@contextmanager
def pair_of(hosts: dict[str, str], root: str, on_store_loss: str) -> Iterator[tuple[Cluster, Host, Host]]:
    """Two hosts, each with its own way to the store: a active and b standby."""
    with cluster(hosts, root, on_store_loss=on_store_loss, **TIMES) as pair:  # type: ignore[arg-type]
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, f"b is standby\n{pair.logs()}")
        eventually(lambda: "connected" in str(b.redis("ROLE")), 10, "b replicates from a")
        yield pair, a, b


@contextmanager
def observed(pair: Cluster, root: str, leader: ZooKeeper) -> Iterator[Observer]:
    """Watch a's service, a's lock where the leader has it, and b's promote hook."""
    client = KazooClient(leader.hosts)
    client.start()
    path = f"{root}/{pair.service}/ActiveStandbyElectorLock"
    won = client.exists(path).czxid

    def lock_is_a_s() -> bool:
        stat = client.exists(path)
        return stat is not None and stat.czxid == won

    try:
        with Observer(
            a_may_be_master=lambda: pair["a"].redis_role() != "slave",  # no answer is no demote
            a_has_the_lock=lock_is_a_s,
            b_is_left_alone=lambda: not (pair["b"].folder / "promote.pid").exists(),
        ) as seen:
            yield seen
    finally:
        client.stop()
        client.close()


def comes_back(pair: Cluster, a: Host, b: Host) -> None:
    eventually(lambda: a.role() == "standby" and a.redis_role() == "slave", 30, f"a is a standby\n{pair.logs()}")
    assert b.active()


def test_an_active_behind_a_follower_that_lost_its_leader_is_demoted_before_the_lock_can_pass_s6(
    slow_ensemble: Ensemble, zk_root: str
) -> None:
    follower, leader = slow_ensemble.follower(), slow_ensemble.leader()
    with pair_of({"a": follower.hosts, "b": leader.hosts}, zk_root, "step_down") as (pair, a, b):
        with Witness(pair) as witness, observed(pair, zk_root, leader) as seen:
            slow_ensemble.cut(follower, leader)
            eventually(lambda: not seen.stands("a_may_be_master"), 15, f"a is demoted\n{pair.logs()}")
            assert follower.mode() == "follower", "the cut-off server still serves"
            eventually(b.active, 30, f"b takes over\n{pair.logs()}")
            eventually(lambda: not seen.stands("b_is_left_alone"), 5, "the promote hook of b was seen")
        print(seen.told())
        assert seen.is_before("a_may_be_master", "a_has_the_lock"), seen.told()
        assert seen.is_before("a_may_be_master", "b_is_left_alone"), seen.told()
        assert not witness.seen.both_masters
        assert not pair.fenced(), "a had stepped down and said so: nothing had to be killed"
        slow_ensemble.heal()
        comes_back(pair, a, b)


@pytest.mark.long
def test_an_active_that_holds_in_the_same_situation_is_demoted_by_nobody_but_its_peers_fence_s6(
    slow_ensemble: Ensemble, zk_root: str
) -> None:
    follower, leader = slow_ensemble.follower(), slow_ensemble.leader()
    with pair_of({"a": follower.hosts, "b": leader.hosts}, zk_root, "hold") as (pair, a, b):
        with Witness(pair) as witness, observed(pair, zk_root, leader) as seen:
            slow_ensemble.cut(follower, leader)
            eventually(lambda: not seen.stands("a_has_the_lock"), 30, f"the lock is free\n{pair.logs()}")
            eventually(b.active, 30, f"b fences a and takes over\n{pair.logs()}")
            eventually(lambda: not seen.stands("b_is_left_alone"), 5, "the promote hook of b was seen")
        print(seen.told())
        assert not seen.is_before("a_may_be_master", "a_has_the_lock"), seen.told()
        assert seen.is_before("a_may_be_master", "b_is_left_alone"), seen.told()
        assert "b fences this node under epoch" in a.log, a.log
        assert not witness.seen.both_masters
        slow_ensemble.heal()
        comes_back(pair, a, b)


def test_an_active_that_reaches_no_server_at_all_is_demoted_before_its_session_can_end_s6(
    slow_ensemble: Ensemble, zk_root: str, relay_to: Callable[[int], Relay]
) -> None:
    with ExitStack() as links:
        relays = [relay_to(server.port) for server in slow_ensemble.servers]
        links.callback(lambda: [relay.heal() for relay in relays])
        way = ",".join(relay.hosts for relay in relays)
        leader = slow_ensemble.leader()
        with pair_of({"a": way, "b": leader.hosts}, zk_root, "step_down") as (pair, a, b):
            with Witness(pair) as witness, observed(pair, zk_root, leader) as seen:
                for relay in relays:
                    relay.freeze()
                eventually(b.active, 40, f"b takes over\n{pair.logs()}")
                eventually(lambda: not seen.stands("b_is_left_alone"), 5, "the promote hook of b was seen")
            print(seen.told())
            assert seen.is_before("a_may_be_master", "a_has_the_lock"), seen.told()
            assert seen.is_before("a_may_be_master", "b_is_left_alone"), seen.told()
            assert not witness.seen.both_masters
            assert not pair.fenced()
            for relay in relays:
                relay.heal()
            comes_back(pair, a, b)


@contextmanager
def session_with(
    server: ZooKeeper, servers: Ensemble, root: str, relay_to: Callable[[int], Relay], **times: str
) -> Iterator[tuple[Cluster, Host, Host]]:
    """A pair whose active has its session with that server, and may go to any: b's is with another."""
    relays = {member.port: relay_to(member.port) for member in servers.servers}
    others = [member for member in servers.servers if member is not server]
    for member in others:
        relays[member.port].cut()
    ways = {"a": ",".join(relay.hosts for relay in relays.values()), "b": ",".join(other.hosts for other in others)}
    with cluster(ways, root, on_store_loss="step_down", **{**TIMES, **times}) as pair:  # type: ignore[arg-type]
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        for member in others:
            relays[member.port].heal()
        eventually(lambda: b.role() == "standby", 30, f"b is standby\n{pair.logs()}")
        yield pair, a, b


def stays_active_without(server: ZooKeeper, pair: Cluster, a: Host, b: Host) -> None:
    """Freeze it until a has a proof that only another server can have acknowledged: a was active all the while."""
    epoch, session = a.status()["epoch"], a.session()
    server.pause()
    frozen_at = time.monotonic()

    def is_proven_elsewhere() -> bool:
        asked_at = time.monotonic()
        age_s = a.status().get("lock", {}).get("proven_age_s")
        return age_s is not None and asked_at - age_s > frozen_at

    try:
        eventually(
            lambda: is_proven_elsewhere() or a.role() != "active",
            30,
            f"a renewal was acknowledged by another server\n{pair.logs()}",
        )
    finally:
        server.resume()
    assert "answered nothing for" in a.log, a.log
    assert (a.status()["epoch"], a.session(), a.role()) == (epoch, session, "active"), a.log
    assert b.role() == "standby", b.log
    assert not pair.fenced()


def test_an_active_whose_server_falls_silent_goes_on_with_another_and_stays_active_s6(
    slow_ensemble: Ensemble, zk_root: str, relay_to: Callable[[int], Relay]
) -> None:
    follower = slow_ensemble.follower()
    with session_with(follower, slow_ensemble, zk_root, relay_to) as (pair, a, b):
        stays_active_without(follower, pair, a, b)


@pytest.mark.long
def test_an_active_whose_server_is_the_leader_stays_when_another_is_elected_in_time_s6(
    ensemble: Ensemble, zk_root: str, relay_to: Callable[[int], Relay]
) -> None:
    """The followers take a second to miss it (tick and syncLimit of `ensemble`), and some time to elect."""
    leader = ensemble.leader()
    times = {"session_timeout": "18s", "tick_time": "200ms", "demote_timeout": "1s"}
    with session_with(leader, ensemble, zk_root, relay_to, **times) as (pair, a, b):
        stays_active_without(leader, pair, a, b)
