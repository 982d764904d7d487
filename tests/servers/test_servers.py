"""The test bed itself: servers can be killed, frozen and cut off, and never outlive the tests."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from kazoo.client import KazooClient
from kazoo.protocol.states import KazooState

from tests.servers.ensemble import Ensemble
from tests.servers.left_behind import LeftBehind
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.proxy import Frozen, Relay
from tests.servers.redis import Redis, RedisError
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


@contextmanager
def client(hosts: str, timeout_s: float = 10.0) -> Iterator[KazooClient]:
    connected = KazooClient(hosts=hosts, timeout=timeout_s)
    connected.start(timeout=10)
    try:
        yield connected
    finally:
        connected.stop()
        connected.close()


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=_echo, args=[listener], daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _echo(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_echo_one, args=[connection], daemon=True).start()


def _echo_one(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65_536):
                connection.sendall(data)
        except ConnectionError:
            return


def connected_to(port: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, port), timeout=5)


def first_byte_from(port: int) -> bytes:
    with connected_to(port) as connection:
        return connection.recv(1)


def is_silent(connection: socket.socket, for_s: float = 0.1) -> bool:
    connection.settimeout(for_s)
    try:
        return connection.recv(100) is None
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)


def test_a_zookeeper_gives_short_sessions(zookeeper: ZooKeeper, zk_root: str) -> None:
    assert zookeeper.mode() == "standalone"
    with client(zookeeper.hosts, timeout_s=0.4) as one:
        one.create(zk_root, b"kept")
        assert one._session_timeout == 400


def test_a_zookeeper_keeps_its_data_over_kill_and_restart(zookeeper: ZooKeeper) -> None:
    with ZooKeeper() as server:
        with client(server.hosts) as one:
            one.create("/kept", b"data")
        server.kill()
        server.start()
        server.restart()
        with client(server.hosts) as one:
            assert one.get("/kept")[0] == b"data"


def test_a_frozen_zookeeper_answers_nobody_until_it_is_thawed(zookeeper: ZooKeeper) -> None:
    with ZooKeeper() as server:
        server.pause()
        assert server.mode() == ""
        server.resume()
        eventually(lambda: server.mode() == "standalone", 10, "it answers again")


def test_a_session_expired_from_the_servers_side_takes_its_ephemerals_along(zookeeper: ZooKeeper, zk_root: str) -> None:
    states: list[str] = []
    with client(zookeeper.hosts) as owner, client(zookeeper.hosts) as watcher:
        owner.create(zk_root, ephemeral=True)
        owner.add_listener(states.append)
        zookeeper.expire_session(*owner.client_id)
        assert watcher.exists(zk_root) is None
        eventually(lambda: KazooState.LOST in states, 5, "the owner is told that its session is over")


def test_a_follower_cut_off_from_its_leader_answers_its_clients_for_a_while(
    ensemble: Ensemble,
) -> None:
    leader, follower = ensemble.leader(), ensemble.follower()
    with client(leader.hosts) as at_leader, client(follower.hosts) as at_follower:
        at_leader.create("/lock", b"old")
        at_follower.sync("/lock")
        ensemble.cut(leader, follower)
        at_leader.set("/lock", b"new")
        assert at_follower.get("/lock")[0] == b"old"
    eventually(lambda: follower.mode() == "", 5, "the follower gives up")
    ensemble.heal()
    eventually(lambda: follower.mode() == "follower", 10, "the follower is back")
    with client(follower.hosts) as at_follower:
        assert at_follower.get("/lock")[0] == b"new"


def test_a_leader_cut_off_from_both_followers_is_replaced(ensemble: Ensemble) -> None:
    old = ensemble.leader()
    others = [server for server in ensemble.servers if server is not old]
    ensemble.cut_off(old)
    eventually(lambda: "leader" in {server.mode() for server in others}, 10, "another leads")
    eventually(lambda: old.mode() == "", 5, "the old leader stops serving")


def test_an_ensemble_survives_the_death_of_its_leader(ensemble: Ensemble) -> None:
    old = ensemble.leader()
    old.kill()
    assert ensemble.leader() is not old
    old.start()
    assert old.mode() == "follower"


def test_a_redis_pair_replicates_until_the_primary_is_killed(
    redis_pair: tuple[Redis, Redis],
) -> None:
    primary, replica = redis_pair
    primary.command("SET", "key", "välue")
    eventually(lambda: replica.command("GET", "key") == "välue", 5, "the key is replicated")
    with pytest.raises(RedisError, match="READONLY"):
        replica.command("SET", "key", "other")
    primary.kill()
    with pytest.raises(ConnectionRefusedError):
        primary.command("PING")
    assert replica.command("REPLICAOF", "NO", "ONE") == "OK"
    assert replica.command("SET", "key", "other") == "OK"
    primary.start()
    assert primary.command("GET", "key") is None


def test_a_relay_passes_on_what_both_sides_say(echo_port: int, relay_to: Callable[[int], Relay]) -> None:
    relay = relay_to(echo_port)
    message = os.urandom(3_000_000)
    with connected_to(relay.port) as connection:
        sender = threading.Thread(target=connection.sendall, args=[message])
        sender.start()
        with connection.makefile("rb") as answer:
            assert answer.read(len(message)) == message
        sender.join()
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    eventually(lambda: relay.connections == 0, 5, "the relay has let go")


def test_a_cut_relay_resets_and_refuses_until_it_is_healed(echo_port: int, relay_to: Callable[[int], Relay]) -> None:
    relay = relay_to(echo_port)
    with connected_to(relay.port) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        relay.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connected_to(relay.port)
    relay.heal()
    with connected_to(relay.port) as connection:
        connection.sendall(b"b")
        assert connection.recv(1) == b"b"


@pytest.mark.parametrize("which", ["both", "to_server", "to_client"])
def test_a_frozen_relay_is_silent_and_late_but_loses_nothing(
    echo_port: int, relay_to: Callable[[int], Relay], which: Frozen
) -> None:
    relay = relay_to(echo_port)
    with connected_to(relay.port) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        relay.freeze(which)
        connection.sendall(b"b")
        assert is_silent(connection)
        with connected_to(relay.port) as another:
            another.sendall(b"c")
            assert is_silent(another)
            relay.heal()
            assert connection.recv(1) == b"b"
            assert another.recv(1) == b"c"


def test_a_relay_holds_back_what_it_carries(echo_port: int, relay_to: Callable[[int], Relay]) -> None:
    relay = relay_to(echo_port)
    relay.delay(0.05)
    with connected_to(relay.port) as connection:
        sent_at = time.monotonic()
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        assert time.monotonic() - sent_at >= 0.1


def test_a_relay_to_a_dead_server_resets_its_clients(relay_to: Callable[[int], Relay]) -> None:
    relay = relay_to(free_port())
    with pytest.raises(ConnectionResetError):  # the reset may be there before connect() is done
        first_byte_from(relay.port)


_STARTS_AND_WAITS = """
import subprocess, sys
from tests.servers.redis import Redis
server = Redis()
server.start()
orphan = ["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"]
orphan_pid = subprocess.run(orphan, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
print(server.pid, orphan_pid, server.folder, flush=True)
sys.stdin.read()
"""


def test_servers_and_their_data_end_with_a_killed_test_process(redis_pair: object) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _STARTS_AND_WAITS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as testing:
        assert testing.stdout is not None
        server, orphan, folder = testing.stdout.readline().split()
        assert psutil.pid_exists(int(server))
        assert psutil.pid_exists(int(orphan))
        testing.send_signal(signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(int(server)), 5, "the server is gone")
    eventually(lambda: not psutil.pid_exists(int(orphan)), 5, "the orphan is gone")
    eventually(lambda: not os.path.exists(folder), 5, "the data is gone")


def test_a_process_left_behind_is_found_and_ended() -> None:
    rule = LeftBehind()
    before = rule.children()
    left = subprocess.Popen(["sleep", "61"], start_new_session=True)
    told = rule.end_those_not_in(before, rule.children)
    assert told == [f"{left.pid}: sleep 61"]
    assert left.wait(5) == -signal.SIGKILL


def test_an_orphan_left_behind_is_found_and_ended() -> None:
    rule = LeftBehind()
    before = rule.descendants()
    subprocess.run(["sh", "-c", "setsid sleep 62 >/dev/null 2>&1 &"], check=True)
    told = rule.end_those_not_in(before, rule.descendants)
    assert [line.partition(": ")[2] for line in told] == ["sleep 62"]
    assert rule.end_those_not_in(before, rule.descendants) == []
