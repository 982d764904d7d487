"""Two nodes of a service on one lab host, set up as an operator would: units, YAML, a ZooKeeper outside.

Each node has a Redis that is a unit of its own, started on the active only, and a controller that is the unit
`failoverd@NODE`. What must hold is said by the tests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.lab.host import CHECKOUT, Host
from tests.lab.network import TESTS_END, Network
from tests.servers.fit import is_fit
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper
from tests.servers.zookeeper_wire import ask as ask_zookeeper

T = TypeVar("T")

SERVICE = "cache"
BIN = Path(sys.executable).parent
SESSION_S = 30.0
AT_ONCE_S = 8.0  # what comes within a few of these was not brought about by the session's end
SECRETS = {"tokens": "tests admin t0ken-of-the-tests\n", "peer.secret": "the peers' shared secret\n"}
# A unit that has ended well and is not enabled is not loaded any more: there is nothing to kill.
_FENCE = """#!/bin/sh
echo "fenced $1" >> /run/fenced
for unit in failoverd@$1.service cache-$1.service; do
    systemctl kill --kill-whom=all --signal=KILL $unit && continue
    [ "$(systemctl show -P ActiveState $unit)" = inactive ] || exit 1
done
"""


class LabZooKeeper(ZooKeeper):
    """A ZooKeeper that the lab's hosts can reach."""

    def __init__(self, network: Network) -> None:
        self.address = network.address(TESTS_END)
        super().__init__(settings={"clientPortAddress": self.address})

    @property
    def hosts(self) -> str:
        """What a client connects to."""
        return f"{self.address}:{self.port}"

    def ask(self, word: str) -> str:
        return ask_zookeeper(self.port, word, self.address)


def unit_of(node: str, **lines: str) -> str:
    """The unit of a node's Redis."""
    port = {"a": 6391, "b": 6392}[node]
    more = "".join(f"{name}={value}\n" for name, value in lines.items())
    return (
        f"[Service]\nExecStart=/usr/bin/redis-server --port {port} --bind 127.0.0.1 --save '' --dir /tmp\n{more}"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def put_units(host: Host) -> None:
    """The shipped units, on the host."""
    for unit in ("failoverd@.service", "failoverd-last-will@.service"):
        host.write(f"/etc/systemd/system/{unit}", (CHECKOUT / "systemd" / unit).read_text("utf-8"))


def start_by(host: Host, binaries: Path, options: str = "", lines: str = "") -> None:
    """Let the units run these programs, with further options and lines for the controller's."""
    commands = {
        "failoverd@": f"failoverd {options} /etc/failoverd/%i.yaml\n{lines}",
        "failoverd-last-will@": "failoverctl last-will --config /etc/failoverd/%i.yaml\n",
    }
    for unit, command in commands.items():
        drop_in = f"[Service]\nExecStart=\nExecStart={binaries}/{command}"
        host.write(f"/etc/systemd/system/{unit}.service.d/lab.conf", drop_in)


class Node:
    """One node: its name, its units, its API."""

    def __init__(self, host: Host, name: str, port: int) -> None:
        self.host = host
        self.name = name
        self.unit = f"cache-{name}.service"
        self.controller = f"failoverd@{name}.service"
        self.api = f"http://{host.address}:{port}"

    def status(self) -> dict[str, Any]:
        try:
            answer = httpx.get(f"{self.api}/v1/status", timeout=2.0)
        except httpx.TransportError:
            return {}
        told: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return told

    def sees_fit(self, name: str) -> bool:
        """Whether this node has heard that the other one could take over."""
        try:
            answer = httpx.get(f"{self.api}/v1/cluster", timeout=2.0)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and is_fit(name, answer.json())

    def role(self) -> str:
        return str(self.status().get("role", ""))

    def main_pid(self, unit: str) -> int:
        return int(self.host.show(unit, "MainPID")[0])

    def log(self) -> str:
        return self.host.journal(self.controller)


class Pair:
    """Nodes a and b, set up and started; a is active. `packaged`: units and programs are the installed package's."""

    def __init__(self, host: Host, zookeeper: ZooKeeper, packaged: bool = False, **options: Any) -> None:
        self.host = host
        self.binaries = Path("/usr/bin") if packaged else BIN
        self.nodes = {name: Node(host, name, 8300 + number) for number, name in enumerate("ab")}
        if not packaged:
            put_units(host)
        start_by(host, self.binaries, "--verbose", "WatchdogSec=4\n")
        host.write("/etc/failoverd/fence", _FENCE, 0o755)
        for name, text in SECRETS.items():
            host.write(f"/etc/failoverd/{name}", text, 0o600)
        for node in self.nodes.values():
            host.write(f"/etc/systemd/system/{node.unit}", unit_of(node.name))
            host.write(f"/etc/failoverd/{node.name}.yaml", json.dumps(self._config(node, zookeeper, options)))
        host.must("systemctl", "daemon-reload")

    def _config(self, node: Node, zookeeper: ZooKeeper, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "service": SERVICE,
            "node": node.name,
            "state_dir": f"/run/failoverd/{node.name}",
            "store": {
                "kind": "zookeeper",
                "hosts": [zookeeper.hosts],
                "root": options["root"],
                "session_timeout": f"{SESSION_S:g}s",
                "tick_time": "200ms",
            },
            "nodes": {name: {"address": self.host.address} for name in self.nodes},
            "control": {
                "kind": "systemd",
                "unit": node.unit,
                "promote": {"timeout": "10s"},
                "demote": {"timeout": "5s"},
            },
            "health": [{"kind": "systemd", "unit": node.unit, "every": "1m"}],  # only a signal can be in time
            "fencing": {
                "methods": {
                    "ask": {"kind": "controller", "timeout": "7s"},
                    "power": {"kind": "command", "run": ["/etc/failoverd/fence", "{node.name}"], "timeout": "5s"},
                },
                "levels": [["ask"], ["power"]],
            },
            "limits": {"within": "8s", "retry": {"first": "200ms", "longest": "2s"}},
            "api": {
                "listen": node.api.removeprefix("http://"),
                "tokens": {"file": "/etc/failoverd/tokens"},
                "peer_secret": {"file": "/etc/failoverd/peer.secret"},
            },
            **options.get("own", {}).get(node.name, {}),
        }

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def ctl(self, node: Node, *words: str) -> str:
        """`failoverctl`, which must succeed."""
        return self.host.must(
            "env", f"FAILOVERD_CONFIG=/etc/failoverd/{node.name}.yaml", f"{self.binaries}/failoverctl", *words
        )

    def switchover(self, asked: Node, target: Node) -> None:
        """An operator's, given once the node that is asked has heard that the target is fit."""
        self.eventually(lambda: asked.sees_fit(target.name), 20, f"{target.name} could take over")
        self.ctl(asked, "switchover", "--to", target.name, "--reason", "test")

    def start(self) -> None:
        """Format, start a, and b when a is active."""
        self.ctl(self["a"], "format")
        for name, role in (("a", "active"), ("b", "standby")):
            self.host.must("systemctl", "start", self[name].controller)
            self.comes(name, role)

    def settled(self) -> tuple[Node, Node]:
        """The active and the standby, once there is one of each."""

        def both() -> tuple[Node, Node] | None:
            by_role = {node.role(): node for node in self.nodes.values()}
            return (by_role["active"], by_role["standby"]) if {"active", "standby"} <= set(by_role) else None

        found = self.eventually(both, 30, "one is active, one is standby")
        assert found is not None
        return found

    def begin(self) -> tuple[Node, Node]:
        """A test begins: as `settled`, and nobody counts as fenced yet."""
        self.host.must("rm", "-f", "/run/fenced")
        return self.settled()

    def comes(self, name: str, role: str, within_s: float = 20.0) -> None:
        self.eventually(lambda: self[name].role() == role, within_s, f"{name} is {role}")

    def eventually(self, condition: Callable[[], T], within_s: float, what: str) -> T:
        """As in `tests.servers.wait`, with the logs of then if it does not come."""
        try:
            return eventually(condition, within_s, what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.logs()}") from None

    def fenced(self) -> bool:
        return self.host.run("test", "-e", "/run/fenced").returncode == 0

    def logs(self) -> str:
        wills = [f"failoverd-last-will@{name}.service" for name in self.nodes]
        logs = [f"--- {node.name}\n{node.log()[-6000:]}" for node in self.nodes.values()]
        return "\n".join((*logs, *(f"--- {will}\n{self.host.journal(will)[-2000:]}" for will in wills)))

    def stop(self) -> None:
        """End everything; what a test broke is mended for the next."""
        units = [unit for node in self.nodes.values() for unit in (node.controller, node.unit)]
        self.host.run("systemctl", "kill", "--signal=KILL", "--kill-whom=all", *units)
        self.host.run("systemctl", "stop", *units)
        self.host.run("systemctl", "reset-failed")
        self.host.must("rm", "-rf", "/run/failoverd", "/run/fenced")
