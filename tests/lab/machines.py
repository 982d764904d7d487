"""Machines that come and go: nodes of one service, each on a host of its own with a BMC, and a ZooKeeper beside them.

A node's service is a Redis as a unit, started on the active only. What must hold is said by the tests.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from tests.lab.bmc import HostBmc, agent_options
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.pair import BIN, SECRETS, LabZooKeeper, Node, put_units, start_by
from tests.lab.steps import Step
from tests.servers import ipmi
from tests.servers.wait import eventually

T = TypeVar("T")

SERVICE = "orders-db"
CONFIG = f"/etc/failoverd/{SERVICE}.yaml"
CONTROLLER = f"failoverd@{SERVICE}.service"
_PORT = 8300
_REDIS = "[Service]\nExecStart=/usr/bin/redis-server --save '' --dir /tmp\n"


class Machine:
    """One machine under the name of a node. A new one has a machine-id and a BMC of its own."""

    def __init__(self, network: Network, name: str, number: int) -> None:
        self.host = Host(network, number)
        self.node = Node(self.host, name, _PORT)
        self.bmc = HostBmc(self.host)
        try:
            self.bmc.start()
            self.host.__enter__()
        except BaseException:
            self.destroy()
            raise

    def destroy(self) -> None:
        """It is dead for good, and so is its BMC."""
        self.bmc.destroy()
        self.host.destroy()

    def follow(self, text: str) -> str:
        """Run a block of the page, which must succeed; what it printed."""
        done = self.try_(text)
        assert done[0] == 0, f"on {self.node.name}:\n{text}\nexit code {done[0]}: {done[1]}\n{self.log()}"
        return done[1]

    def try_(self, text: str) -> tuple[int, str]:
        """Its exit code and what it printed."""
        done = self.host.run("timeout", "60", "bash", "-ec", text, timeout_s=70)
        return done.returncode, done.stdout + done.stderr

    def log(self) -> str:
        return self.host.journal(CONTROLLER)[-6000:] if self.host.init() else "(off)"


class Machines:
    """The nodes that there are, by name."""

    def __init__(self, network: Network, zookeeper: LabZooKeeper) -> None:
        self.network = network
        self.zookeeper = zookeeper
        self.root = f"/t-{secrets.token_hex(4)}"
        self.all: dict[str, Machine] = {}

    def __getitem__(self, name: str) -> Machine:
        return self.all[name]

    def add(self, name: str, number: int) -> Machine:
        """A machine, set up; the configuration of all says where it is from now on, and nobody is told yet."""
        machine = self.all[name] = Machine(self.network, name, number)
        put_units(machine.host)
        start_by(machine.host, BIN)
        machine.host.must("ln", "-s", f"{BIN}/failoverctl", "/usr/local/bin/failoverctl")
        machine.host.write(f"/etc/systemd/system/{SERVICE}.service", _REDIS)
        for file, text in {**SECRETS, "bmc.secret": ipmi.PASSWORD}.items():
            machine.host.write(f"/etc/failoverd/{file}", text, 0o600)
        machine.host.must("systemctl", "daemon-reload")
        self.configure()
        return machine

    def remove(self, name: str) -> None:
        """A machine that is dead for good. The configuration of the others still names it."""
        self.all.pop(name).destroy()

    def configure(self) -> None:
        """Write the nodes that there are into every machine's file, as an operator would."""
        for machine in self.all.values():
            machine.host.write(CONFIG, json.dumps(self._config(machine), indent=1))

    def follow(self, steps: list[Step]) -> str:
        """Run blocks of a page where they say; what they printed."""
        return "".join(self[name].follow(step.text) for step in steps for name in step.hosts)

    def comes(self, name: str, role: str) -> None:
        self.eventually(lambda: self[name].node.role() == role, 60, f"{name} is {role}")

    def eventually(self, condition: Callable[[], T], within_s: float, what: str) -> T:
        """As in `tests.servers.wait`, with the logs of then if it does not come."""
        try:
            return eventually(condition, within_s, what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.logs()}") from None

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{machine.log()}" for name, machine in self.all.items())

    def destroy(self) -> None:
        for name in list(self.all):
            self.remove(name)

    def _config(self, machine: Machine) -> dict[str, Any]:
        power = agent_options(self.network)
        return {
            "service": SERVICE,
            "node": machine.node.name,
            "store": {
                "kind": "zookeeper",
                "hosts": [self.zookeeper.hosts],
                "root": self.root,
                "session_timeout": "12s",
                "tick_time": "200ms",
            },
            "nodes": {
                name: {"address": other.host.address, "ipmi": str(other.bmc.port)} for name, other in self.all.items()
            },
            "control": {"kind": "systemd", "unit": f"{SERVICE}.service"},
            "health": [{"kind": "systemd", "unit": f"{SERVICE}.service", "every": "1m"}],
            "fencing": {
                "methods": {
                    "ask": {"kind": "controller", "timeout": "5s"},
                    "power": {"kind": "agent", "agent": "fence_ipmilan", "options": power, "timeout": "20s"},
                },
                "levels": [["ask"], ["power"]],
                "probe": {"every": "10m"},
            },
            "limits": {"failovers": 50, "retry": {"first": "200ms", "longest": "2s"}},
            "api": {
                "listen": machine.node.api.removeprefix("http://"),
                "tokens": {"file": "/etc/failoverd/tokens"},
                "peer_secret": {"file": "/etc/failoverd/peer.secret"},
            },
        }
