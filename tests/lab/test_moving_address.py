"""The shipped script that moves an address with the active, on two hosts: what a client at that address notices."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.addressed import DEVICE, PORT, Addressed, missing
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.pair import LabZooKeeper, Node
from tests.servers.redis import Connection
from tests.servers.redis_client import Client
from tests.servers.wait import eventually

SCRIPT = "/etc/failoverd/address"
DONE, NOT_DONE, UNKNOWN = 0, 1, 2


@pytest.fixture(scope="module")
def addressed(network: Network, lab_zookeeper: LabZooKeeper) -> Iterator[Addressed]:
    if missing():
        pytest.skip(f"missing: {missing()}; scripts/install-test-needs installs it")
    with Host(network, 1) as first, Host(network, 2) as second:
        made = Addressed((first, second), network, lab_zookeeper, f"/t-{secrets.token_hex(4)}")
        made.start()
        yield made


def client_of(pair: Addressed) -> Client:
    return Client(PORT, host=pair.address, answer_s=1.0, replicas=0)


@contextmanager
def without_announcements(node: Node) -> Iterator[None]:
    """The bad form: the script as it would be had nobody thought of the neighbours' caches."""
    shipped = node.host.must("cat", SCRIPT)
    node.host.write(SCRIPT, shipped.replace("    announce\n", "    :\n"), 0o755)
    try:
        yield
    finally:
        node.host.write(SCRIPT, shipped, 0o755)


def script(node: Node, *words: str) -> tuple[int, str]:
    done = node.host.run(SCRIPT, *words)
    return done.returncode, done.stdout


def set_kernel(node: Node, key: str, value: str) -> None:
    """A setting of the host's network, which is read-only within a container."""
    node.host.must("unshare", "--mount", "sh", "-c", f"mount -t proc proc /proc && echo {value} > /proc/sys/{key}")


@pytest.mark.long
def test_the_address_is_where_the_active_is_and_nowhere_else(addressed: Addressed) -> None:
    active, standby = addressed.settled()
    assert (addressed.has(active.name), addressed.has(standby.name)) == (True, False)


@pytest.mark.long
def test_a_client_at_the_address_follows_a_switchover_and_a_killed_service(addressed: Addressed) -> None:
    with client_of(addressed) as client:
        client.goes_on()
        active, standby = addressed.settled()
        at = time.monotonic()
        addressed.switchover(active, standby)
        client.goes_on()
        print(f"switchover: the client's longest gap was {client.gap_s(at) * 1000:.0f} ms")
        active, standby = addressed.settled()
        at = time.monotonic()
        active.host.must("systemctl", "kill", "--signal=KILL", "cache.service")
        addressed.comes(standby.name, "active")
        client.goes_on()
        print(f"kill -9: the client's longest gap was {client.gap_s(at) * 1000:.0f} ms")
    assert addressed.neighbour() == addressed.mac(standby.name)
    addressed.settled()


@pytest.mark.long
def test_a_restarted_controller_leaves_the_address_and_its_connections_alone(addressed: Addressed) -> None:
    active, _ = addressed.settled()
    with client_of(addressed) as client:
        client.goes_on()
        before, controller = client.connections, active.main_pid(active.controller)
        active.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", active.controller)
        addressed.eventually(lambda: active.main_pid(active.controller) not in (0, controller), 10, "it is restarted")
        addressed.eventually(lambda: "adopted" in str(active.status().get("why")), 15, "it carries on")
        client.goes_on()
        assert client.connections == before


@pytest.mark.long
def test_without_an_announcement_clients_go_on_asking_the_old_host(addressed: Addressed) -> None:
    """Why the script announces: what is shown here is the bad form."""
    active, standby = addressed.settled()
    with without_announcements(standby):
        with Connection(PORT, addressed.address, 1.0) as connection:
            connection.ask("PING")
        assert addressed.neighbour() == addressed.mac(active.name)
        addressed.switchover(active, standby)
        assert addressed.has(standby.name)
        assert addressed.neighbour() == addressed.mac(active.name), "the client knows nothing of it"
        with pytest.raises(TimeoutError), Connection(PORT, addressed.address, 1.0) as connection:
            connection.ask("PING")
    code, _ = script(standby, "take", f"{addressed.address}/32", DEVICE)
    assert code == DONE
    eventually(lambda: addressed.neighbour() == addressed.mac(standby.name), 2, "announced again, it is known")
    addressed.settled()


@pytest.mark.long
def test_an_address_that_another_host_answers_for_is_not_taken(addressed: Addressed) -> None:
    active, standby = addressed.settled()
    code, told = script(standby, "take", f"{addressed.address}/32", DEVICE)
    assert code == NOT_DONE
    assert f"another host answers for {addressed.address}: [{addressed.mac(active.name).upper()}]" in told
    assert not addressed.has(standby.name)


@pytest.mark.long
def test_a_standby_that_has_the_address_is_demoted_and_loses_it(addressed: Addressed) -> None:
    """As one whose controller was away while it was replaced."""
    active, standby = addressed.settled()
    standby.host.must("systemctl", "stop", standby.controller)
    standby.host.must("ip", "addr", "add", f"{addressed.address}/32", "dev", DEVICE)
    standby.host.must("systemctl", "start", standby.controller)
    addressed.comes(standby.name, "standby")
    assert (addressed.has(active.name), addressed.has(standby.name)) == (True, False)


@pytest.mark.long
def test_a_fence_that_leaves_the_address_behind_bars_the_next_active_until_the_old_controller_wakes(
    addressed: Addressed,
) -> None:
    active, standby = addressed.settled()
    standby.host.write("/etc/failoverd/fence", "#!/bin/sh\nexit 0\n", 0o755)
    controller = str(active.main_pid(active.controller))
    active.host.must("kill", "-STOP", controller)
    active.host.must("systemctl", "kill", "--signal=KILL", "cache.service")
    try:
        refusal = f"another host answers for {addressed.address}"
        addressed.eventually(lambda: refusal in standby.log(), 40, f"{standby.name} is refused the address")
        assert addressed.has(active.name)
    finally:
        active.host.must("kill", "-CONT", controller)
    addressed.comes(standby.name, "active")
    assert (addressed.has(active.name), addressed.has(standby.name)) == (False, True)
    addressed.settled()


@pytest.mark.long
def test_each_order_is_repeatable_and_answers_as_a_hook_does(addressed: Addressed) -> None:
    _, standby = addressed.settled()
    free = addressed.network.address(201)
    assert script(standby, "has", free)[0] == NOT_DONE
    assert [script(standby, "drop", free)[0] for _ in range(2)] == [DONE, DONE]
    assert [script(standby, "take", f"{free}/32", DEVICE)[0] for _ in range(2)] == [DONE, DONE]
    assert script(standby, "has", free) == (DONE, f"address: {free} is on {DEVICE}\n")
    assert [script(standby, "drop", free)[0] for _ in range(2)] == [DONE, DONE]
    assert script(standby, "take", f"{free}/32", "nosuch")[0] == NOT_DONE
    assert script(standby, "drop", "10.0.0.300")[0] == UNKNOWN
    assert script(standby, "give", free)[0] == UNKNOWN


@pytest.mark.long
def test_an_address_of_ipv6_is_taken_announced_by_the_kernel_and_refused_to_a_second_host(addressed: Addressed) -> None:
    a, b, moving = addressed["a"], addressed["b"], "fd00:1ab::c8/128"
    for node, number in ((a, 1), (b, 2)):
        node.host.must("ip", "addr", "add", f"fd00:1ab::{number}/64", "dev", DEVICE, "nodad")
        assert "ndisc_notify=1 (sysctl)" in script(node, "take", moving, DEVICE)[1], "no container may set it"
        set_kernel(node, f"net/ipv6/conf/{DEVICE}/ndisc_notify", "1")
    cable = ("dev", addressed.network.cable)
    subprocess.run(["ip", "addr", "add", "fd00:1ab::fe/64", *cable, "nodad"], check=True, timeout=10)
    for node, other in ((a, b), (b, a)):
        assert script(node, "take", moving, DEVICE)[0] == DONE
        with Connection(PORT, moving.removesuffix("/128"), 1.0) as connection:
            assert connection.ask("PING") == "PONG", "its neighbours know it"
        assert script(other, "take", moving, DEVICE) == (
            NOT_DONE,
            "address: not taken, another host has fd00:1ab::c8\n",
        )
        assert script(node, "drop", moving)[0] == DONE
