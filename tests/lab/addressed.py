"""Two hosts, a Redis on each, and the shipped hooks that move an address with the active.

What must hold is said by the tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

from tests.lab.host import CHECKOUT, Host
from tests.lab.network import Network
from tests.lab.pair import BIN, LabZooKeeper, Node
from tests.servers.wait import eventually

T = TypeVar("T")

SHIPPED = CHECKOUT / "config" / "examples" / "moving-address"
MOVING, PORT, DEVICE = 200, 6379, "eth0"
_REDIS = f"""[Service]
ExecStart=/usr/bin/redis-server --port {PORT} --protected-mode no --save '' --dir /tmp \
--repl-diskless-sync-delay 0 --replicaof 127.0.0.1 1
"""
_FOLLOW = """#!/bin/sh
systemctl start cache.service || exit
for i in $(seq 50); do redis-cli ping >/dev/null && break; sleep 0.1; done
redis-cli -e replicaof "$FAILOVER_ACTIVE_ADDRESS" 6379
"""
_FENCE = "#!/bin/sh\nexit 1\n"  # nothing is lost here: whoever is asked, answers


def missing() -> list[str]:
    """What a moving address needs and this machine has not."""
    return [] if shutil.which("arping") else ["`arping` (Debian: iputils-arping)"]


class Addressed:
    """Nodes a and b, each on a host of its own."""

    def __init__(self, hosts: tuple[Host, Host], network: Network, zookeeper: LabZooKeeper, root: str) -> None:
        self.network = network
        self.address = network.address(MOVING)
        self.nodes = {name: Node(host, name, 8300) for name, host in zip("ab", hosts, strict=True)}
        for node in self.nodes.values():
            self._set_up(node, zookeeper, root)

    def _set_up(self, node: Node, zookeeper: LabZooKeeper, root: str) -> None:
        host = node.host
        for unit in ("failoverd@.service", "failoverd-last-will@.service"):
            host.write(f"/etc/systemd/system/{unit}", (CHECKOUT / "systemd" / unit).read_text("utf-8"))
        started = f"[Service]\nExecStart=\nExecStart={BIN}/failoverd --verbose /etc/failoverd/%i.yaml\nWatchdogSec=0\n"
        host.write("/etc/systemd/system/failoverd@.service.d/lab.conf", started)
        host.write("/etc/systemd/system/cache.service", _REDIS)
        for name in ("address", "promote", "demote", "role"):
            text = (SHIPPED / name).read_text("utf-8")
            host.write(f"/etc/failoverd/{name}", text.replace("10.0.0.10", self.address), 0o755)
        host.write("/etc/failoverd/follow", _FOLLOW, 0o755)
        host.write("/etc/failoverd/fence", _FENCE, 0o755)
        host.write("/etc/failoverd/peer.secret", "the peers' shared secret\n", 0o600)
        host.write(f"/etc/failoverd/{node.name}.yaml", json.dumps(self._config(node, zookeeper, root)))
        host.must("systemctl", "daemon-reload")

    def _config(self, node: Node, zookeeper: LabZooKeeper, root: str) -> dict[str, object]:
        hooks = {name: {"run": f"/etc/failoverd/{name}", "timeout": "10s"} for name in ("promote", "demote", "follow")}
        return {
            "service": "cache",
            "node": node.name,
            "store": {
                "kind": "zookeeper",
                "hosts": [zookeeper.hosts],
                "root": root,
                "session_timeout": "12s",
                "tick_time": "200ms",
            },
            "nodes": {name: {"address": each.host.address} for name, each in self.nodes.items()},
            "control": {
                "kind": "command",
                "standby": "running",
                **hooks,
                "role": {"run": "/etc/failoverd/role", "every": "500ms", "timeout": "400ms"},
            },
            "health": [
                {"kind": "process", "port": PORT, "every": "500ms", "timeout": "400ms"},
                {"kind": "tcp", "port": PORT, "every": "500ms", "timeout": "400ms"},
            ],
            "fencing": {
                "methods": {
                    "ask": {"kind": "controller", "timeout": "12s"},
                    "power": {"kind": "command", "run": ["/etc/failoverd/fence", "{node.name}"], "timeout": "5s"},
                },
                "levels": [["ask"], ["power"]],
            },
            "limits": {"within": "8s", "retry": {"first": "200ms", "longest": "2s"}},
            "api": {
                "listen": node.api.removeprefix("http://"),
                "peer_secret": {"file": "/etc/failoverd/peer.secret"},
            },
        }

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def start(self) -> None:
        """Format, start a, and b when a is active."""
        self.ctl(self["a"], "format")
        for name, role in (("a", "active"), ("b", "standby")):
            host = self[name].host
            host.must("systemctl", "start", "cache.service", self[name].controller)
            self.comes(name, role)

    def ctl(self, node: Node, *words: str) -> str:
        """`failoverctl`, which must succeed."""
        config = f"FAILOVERD_CONFIG=/etc/failoverd/{node.name}.yaml"
        return node.host.must("env", config, f"{BIN}/failoverctl", *words, timeout_s=60)

    def switchover(self, asked: Node, target: Node) -> None:
        """An operator's, given once the node that is asked has heard that the target is fit."""
        self.eventually(lambda: asked.sees_fit(target.name), 30, f"{target.name} could take over")
        self.ctl(asked, "switchover", "--to", target.name, "--reason", "test")

    def has(self, name: str) -> bool:
        """Whether the host of that node has the address, by the shipped script."""
        return self[name].host.run("/etc/failoverd/address", "has", self.address).returncode == 0

    def neighbour(self) -> str:
        """The MAC that the tests' end of the network has for the address; "" if it has none."""
        words = ("ip", "neigh", "show", self.address, "dev", self.network.cable)
        told = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.split()
        return told[told.index("lladdr") + 1] if "lladdr" in told else ""

    def forget_neighbour(self) -> None:
        words = ("ip", "neigh", "flush", "to", self.address, "dev", self.network.cable)
        subprocess.run(words, capture_output=True, timeout=10, check=True)

    def mac(self, name: str) -> str:
        return self[name].host.must("cat", f"/sys/class/net/{DEVICE}/address").strip()

    def settled(self) -> tuple[Node, Node]:
        """The active and the standby, once there is one of each."""

        def both() -> tuple[Node, Node] | None:
            by_role = {node.role(): node for node in self.nodes.values()}
            return (by_role["active"], by_role["standby"]) if {"active", "standby"} <= set(by_role) else None

        found = self.eventually(both, 40, "one is active, one is standby")
        assert found is not None
        return found

    def comes(self, name: str, role: str, within_s: float = 30.0) -> None:
        self.eventually(lambda: self[name].role() == role, within_s, f"{name} is {role}")

    def eventually(self, condition: Callable[[], T], within_s: float, what: str) -> T:
        """As in `tests.servers.wait`, with the logs of then if it does not come."""
        try:
            return eventually(condition, within_s, what)
        except AssertionError as late:
            logs = "\n".join(f"--- {node.name}\n{node.log()[-6000:]}" for node in self.nodes.values())
            raise AssertionError(f"{late}\n{logs}") from None
