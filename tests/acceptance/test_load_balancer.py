"""A client behind a real HAProxy with the shipped configuration: what it notices of failovers, and of what is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.balanced import PLAIN_CHECKS, SHIPPED, UNPROVEN_IS_ENOUGH, Doors, balanced
from tests.acceptance.cluster import Cluster, Host, cluster
from tests.servers import haproxy
from tests.servers.redis import RedisError, ask
from tests.servers.redis_client import Client
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

SESSION = "6s"  # as in redis-zookeeper.yaml: the shipped patience of 3 s is reckoned with it
LONG_SESSION = "14s"  # a busy machine starts a Python in more than 3 s: three times the patience
THRICE = {"retries 12": "retries 36", "timeout check 5s": "timeout check 15s"}

pytestmark = pytest.mark.skipif(
    bool(haproxy.missing()), reason=f"missing: {haproxy.missing()}; scripts/install-test-needs installs it"
)


@contextmanager
def served(
    hosts: str, root: str, changes: dict[str, str] | None = None, **options: object
) -> Iterator[tuple[Cluster, Client, Doors]]:
    """Two nodes, a active and b its replica, behind HAProxy, and a client that writes."""
    with cluster(hosts, root, **{"session_timeout": SESSION, **options}) as pair:
        pair.start("a", "b")
        eventually(lambda: pair["b"].role() == "standby", 10, f"b is standby\n{pair.logs()}")
        eventually(lambda: "connected" in str(pair["b"].redis("ROLE")), 10, "b replicates from a")
        with balanced(pair, changes) as doors, Client(doors.write) as client:
            client.goes_on()
            yield pair, client, doors


def told(what: str, client: Client, since_s: float) -> None:
    print(f"{what}: the client's longest gap was {client.gap_s(since_s) * 1000:.0f} ms")


def lost(client: Client, host: Host) -> list[str]:
    return [key for key, value in dict(client.acknowledged).items() if host.redis("GET", key) != value]


def carried_on(host: Host) -> bool:
    return host.active() and "adopted: the controller was restarted" in host.status()["why"]


def restart(host: Host) -> None:
    """As its supervisor does, after kill -9."""
    assert host.process is not None
    host.process.kill()
    host.start()


def test_the_shipped_file_is_one_that_haproxy_takes() -> None:
    haproxy.check(SHIPPED)


@pytest.mark.long
def test_a_client_writes_on_after_the_active_was_killed_and_after_a_switchover_and_no_write_is_lost(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with served(zookeeper.hosts, zk_root) as (pair, client, _):
        a, b = pair["a"], pair["b"]
        at = a.kill_redis()
        eventually(b.active, 10, f"b is active\n{pair.logs()}")
        client.goes_on()
        told("kill -9 of the service", client, at)
        eventually(lambda: a.role() == "standby", 15, f"a is back\n{pair.logs()}")
        eventually(lambda: "connected" in str(a.redis("ROLE")), 10, "a replicates from b")
        client.goes_on()
        at = time.monotonic()
        pair.switchover(b, a)
        client.goes_on()
        told("switchover", client, at)
        assert not lost(client, a)
        assert not pair.fenced()


@pytest.mark.long
def test_a_client_keeps_its_connection_while_the_controller_of_the_active_is_restarted(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with served(zookeeper.hosts, zk_root, THRICE, session_timeout=LONG_SESSION) as (pair, client, _):
        before, at = client.connections, time.monotonic()
        restart(pair["a"])
        eventually(lambda: carried_on(pair["a"]), 15, f"a carries on\n{pair.logs()}")
        client.goes_on(200)  # for longer than it takes HAProxy to find out
        told("a restart of the controller", client, at)
        assert client.connections == before
        assert pair["b"].role() == "standby"


@pytest.mark.long
def test_checks_that_go_to_the_controller_itself_end_the_connections_when_it_is_restarted(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    """What the patience in the shipped file is for."""
    with served(zookeeper.hosts, zk_root, PLAIN_CHECKS, session_timeout=LONG_SESSION) as (pair, client, _):
        before, at = client.connections, time.monotonic()
        restart(pair["a"])
        eventually(lambda: carried_on(pair["a"]), 15, f"a carries on\n{pair.logs()}")
        eventually(lambda: client.connections > before, 5, "it had to connect again")
        client.goes_on()
        told("a restart of the controller, asked without patience", client, at)


@pytest.mark.long
def test_a_node_that_is_silent_for_longer_than_the_patience_gets_no_client_any_more(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with served(zookeeper.hosts, zk_root) as (pair, client, _):
        a, b = pair["a"], pair["b"]
        at = time.monotonic()
        assert a.process is not None
        a.process.kill()  # and nobody starts it again: b fences a once the session has ended
        eventually(b.active, 20, f"b takes over\n{pair.logs()}")
        client.goes_on()
        told("the controller and then its host lost", client, at)
        assert pair.fenced()


@pytest.mark.parametrize("changes", [{}, UNPROVEN_IS_ENOUGH], ids=["proven", "unproven"])
@pytest.mark.long
def test_with_the_store_away_under_hold_it_is_the_check_that_says_whether_clients_go_on(
    zk_root: str, changes: dict[str, str]
) -> None:
    with ZooKeeper() as server, served(server.hosts, zk_root, changes) as (pair, client, doors):
        before, at = client.connections, time.monotonic()
        server.stop()
        eventually(lambda: pair["a"].lock_header() == "unproven", 15, "the lease is over")
        if changes:
            client.goes_on(200)
            assert client.connections == before, "it has noticed nothing"
        else:
            eventually(lambda: refused(doors), 5, "nobody gets through")
        assert pair["a"].redis_role() == "master"
        server.start()
        eventually(lambda: pair["a"].lock_header() == "proven", 20, f"proven again\n{pair.logs()}")
        client.goes_on()
        told("the store away under hold", client, at)


@pytest.mark.long
def test_with_the_store_away_under_step_down_nobody_gets_through_and_all_goes_on_when_it_is_back(zk_root: str) -> None:
    options = {"on_store_loss": "step_down", "demote_timeout": "500ms"}
    with ZooKeeper() as server, served(server.hosts, zk_root, **options) as (pair, client, doors):
        at = time.monotonic()
        server.stop()
        eventually(lambda: pair["a"].redis_role() == "slave", 15, f"a has stepped down\n{pair.logs()}")
        eventually(lambda: refused(doors), 5, "nobody gets through")
        server.start()
        pair.the_active(30)
        client.goes_on()
        told("the store away under step_down", client, at)
        assert not pair.fenced()


@pytest.mark.long
def test_readers_are_sent_to_the_standby(zookeeper: ZooKeeper, zk_root: str) -> None:
    with served(zookeeper.hosts, zk_root) as (_, _, doors):
        only = {"slave"}  # HAProxy takes every server for good until its first check
        eventually(lambda: {role_at(doors.read) for _ in range(5)} == only, 5, "the reading port leads to the replica")
        with pytest.raises(RedisError, match="READONLY"):
            ask(doors.read, ("SET", "key", "value"))


def refused(doors: Doors) -> bool:
    """HAProxy closes at once what it can send to nobody."""
    return role_at(doors.write) == ""


def role_at(port: int) -> str:
    try:
        (reply,) = ask(port, ("ROLE",))
    except (OSError, RedisError):
        return ""
    return str(reply[0]) if isinstance(reply, list) else ""
