"""A host that is shut down hands over before its network goes, and comes back as a standby. On two real systemds."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.lab.host import CHECKOUT, Host
from tests.lab.network import Network
from tests.lab.pair import AT_ONCE_S, BIN, SESSION_S, LabZooKeeper, Pair
from tests.lab.shutdown import NETWORK, Across, Said, comes_back, ends, prepare, service_unit, without_ordering
from tests.lab.strict import StrictPair

_numbers = count(3)
whole_lab = pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="shuts one more host down: make lab")
Kind = Callable[..., Pair]
KINDS: dict[str, Kind] = {"root": Pair, "strict": partial(StrictPair, allowed=("cache-a.service", "cache-b.service"))}


@pytest.fixture(scope="module")
def peer(network: Network) -> Iterator[Host]:
    with Host(network, 2) as booted:
        yield booted


@pytest.fixture
def mortal(network: Network) -> Iterator[Host]:
    """A host for one test: it will be shut down. Its number is its own: the kernel takes a moment to forget a cable."""
    with Host(network, next(_numbers)) as booted:
        prepare(booted)
        yield booted


def across(mortal: Host, peer: Host, zookeeper: LabZooKeeper, kind: str, **options: Any) -> Across:
    options["root"] = f"/t-{secrets.token_hex(4)}"
    return Across(KINDS[kind](mortal, zookeeper, **options), Pair(peer, zookeeper, **options))


def by_hooks(port: int) -> dict[str, Any]:
    """A Redis that runs on the standby, too: its hooks need it."""
    redis = f"redis-cli -p {port}"
    return {
        "control": {
            "kind": "command",
            "standby": "running",
            "promote": {"run": f"{redis} replicaof no one", "timeout": "5s"},
            "demote": {"run": f"{redis} replicaof 127.0.0.1 1", "timeout": "5s"},
            "role": {"run": f"{redis} role | sed -n '1s/master/active/p;1s/slave/standby/p'", "every": "1s"},
        },
        "health": [{"kind": "tcp", "port": port}],
    }


@pytest.mark.parametrize(("kind", "word"), [("root", "poweroff"), ("strict", "reboot")])
def test_an_active_host_that_is_shut_down_hands_over_before_its_network_goes_and_comes_back_as_a_standby(
    mortal: Host,
    peer: Host,
    lab_zookeeper: LabZooKeeper,
    kind: str,
    word: str,
    record_property: Callable[[str, object], None],
) -> None:
    two = across(mortal, peer, lab_zookeeper, kind)
    try:
        two.start()
        with two.writer() as client:
            boot = ends(mortal, word)
            two.there.comes("b", "active", AT_ONCE_S)
            written = client.writes
            two.there.eventually(lambda: client.writes > written, 10, "the client writes again")
        said = Said(mortal, boot)
        released = said.at_s("ending with exit code 0", two.a.controller)
        stopped = said.at_s("Deactivated successfully", two.a.controller)
        network_goes = said.at_s(f"Stopping {NETWORK}", NETWORK)
        record_property(
            "figure",
            f"{word} of the active ({kind}): its controller ended {network_goes - released:.3f} s before the network; "
            f"the client wrote nothing for {client.longest_s:.3f} s",
        )
        assert released <= stopped < network_goes
        assert "a stepped down cleanly" in two.b.log()
        assert not two.there.fenced(), "handed over: nothing to fence"
        comes_back(mortal, word)
        two.here.comes("a", "standby", 30)
        assert two.b.role() == "active"
    finally:
        two.stop()


@pytest.mark.long
def test_hooks_that_need_the_service_find_it_up_at_shut_down_where_the_controller_is_ordered_after_it(
    mortal: Host, peer: Host, lab_zookeeper: LabZooKeeper
) -> None:
    own = {"a": by_hooks(6391), "b": by_hooks(6392)}
    two = across(mortal, peer, lab_zookeeper, "root", own=own)
    for node in (two.a, two.b):
        replica = service_unit(node.name).replace("--save", "--replicaof 127.0.0.1 1 --save")
        node.host.write(f"/etc/systemd/system/{node.unit}", replica)
        node.host.write(f"/etc/systemd/system/{node.controller}.d/order.conf", f"[Unit]\nAfter={node.unit}\n")
        node.host.must("systemctl", "daemon-reload")
        node.host.must("systemctl", "start", node.unit)
    try:
        two.start()
        boot = ends(mortal, "poweroff")
        two.there.comes("b", "active", AT_ONCE_S)
        said = Said(mortal, boot)
        assert said.at_s("Deactivated successfully", two.a.controller) < said.at_s(f"Stopping {two.a.unit}", two.a.unit)
        assert "a stepped down cleanly" in two.b.log()
        assert not two.there.fenced()
    finally:
        two.stop()
        peer.must("rm", "-r", f"/etc/systemd/system/{two.b.controller}.d")


def by_units(name: str, port: int) -> dict[str, Any]:
    """The same, steered by units: a standby is what a restart makes."""
    role = by_hooks(port)["control"]["role"]
    unit = f"cache-{name}.service"
    promote = {"start": f"cache-{name}-active.service", "timeout": "5s"}
    demote = {"restart": unit, "timeout": "5s"}
    control = {
        "kind": "systemd",
        "unit": unit,
        "standby": "running",
        "promote": promote,
        "demote": demote,
        "role": role,
    }
    return {"control": control, "health": [{"kind": "tcp", "port": port}]}


@whole_lab
def test_a_restart_that_demotes_is_a_stop_at_shut_down(mortal: Host, peer: Host, lab_zookeeper: LabZooKeeper) -> None:
    two = across(mortal, peer, lab_zookeeper, "root", own={"a": by_units("a", 6391), "b": by_units("b", 6392)})
    for node, port in ((two.a, 6391), (two.b, 6392)):
        replica = service_unit(node.name).replace("--save", "--replicaof 127.0.0.1 1 --save")
        node.host.write(f"/etc/systemd/system/{node.unit}", replica)
        promotes = f"[Service]\nType=oneshot\nExecStart=/usr/bin/redis-cli -p {port} replicaof no one\n"
        node.host.write(f"/etc/systemd/system/cache-{node.name}-active.service", promotes)
        node.host.must("systemctl", "daemon-reload")
        node.host.must("systemctl", "start", node.unit)
    try:
        two.start()
        ends(mortal, "poweroff")
        two.there.comes("b", "active", AT_ONCE_S)  # systemd refuses the restart: "transaction is destructive"
        assert "a stepped down cleanly" in two.b.log()
        assert not two.there.fenced()
    finally:
        two.stop()


@whole_lab
def test_a_controller_that_is_ordered_after_the_unit_that_it_stops_waits_for_itself_and_check_config_says_so(
    peer: Host, lab_zookeeper: LabZooKeeper
) -> None:
    pair = Pair(peer, lab_zookeeper, root=f"/t-{secrets.token_hex(4)}")
    a = pair["a"]
    peer.write(f"/etc/systemd/system/{a.controller}.d/order.conf", f"[Unit]\nAfter={a.unit}\n")
    peer.must("systemctl", "daemon-reload")
    try:
        pair.start()
        told = peer.run(f"{BIN}/failoverctl", "check-config", "/etc/failoverd/a.yaml")
        assert told.returncode == 10
        assert f"{a.controller} is ordered after {a.unit}, which it steers" in told.stdout
        peer.must("systemctl", "stop", a.controller)
        assert peer.show(a.controller, "Result") != ["success"], "its demote has waited for the end of its own stop"
        pair.comes("b", "active", SESSION_S * 2)  # by the last will, or by a fence
    finally:
        pair.stop()
        peer.must("rm", "-r", f"/etc/systemd/system/{a.controller}.d")


@whole_lab
def test_without_the_units_ordering_the_network_goes_first_and_the_peer_has_to_fence(
    mortal: Host, peer: Host, lab_zookeeper: LabZooKeeper
) -> None:
    two = across(mortal, peer, lab_zookeeper, "root")
    seeded = without_ordering(CHECKOUT / "systemd" / "failoverd@.service")
    mortal.write("/etc/systemd/system/failoverd@.service", seeded)
    mortal.must("systemctl", "daemon-reload")
    try:
        two.start()
        boot = ends(mortal, "poweroff")
        two.there.comes("b", "active", SESSION_S * 3)
        said = Said(mortal, boot)
        assert said.at_s(f"Stopping {NETWORK}", NETWORK) < said.at_s("ending with exit code", two.a.controller)
        assert two.there.fenced(), "nobody has handed over"
    finally:
        two.stop()
