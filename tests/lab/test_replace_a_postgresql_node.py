"""A machine that is dead for good is replaced, as the page says, word for word, while the service goes on on the other.

The hosts are set up by the tutorial's own commands, with a BMC for each node beside them. Both dead machines take their
BMC with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.lab.bmc import HostBmc
from tests.lab.followed import HOME, copy, follow, fresh, translated
from tests.lab.host import Host
from tests.lab.network import TESTS_END, Network
from tests.lab.steps import part_of, shell_blocks, steps
from tests.servers import ipmi, postgresql
from tests.servers.wait import eventually

TUTORIAL = ROOT / "docs" / "tutorial-postgresql.md"
PAGE = ROOT / "docs" / "how-to" / "replace-a-postgresql-node.md"
SAME_NAME = "The active's machine is dead: a new one under the same name"
OTHER_NAME = "A standby's machine is dead: a new one under another name"
NUMBERS = {"db1": 1, "db2": 2, "zk3": 3, "db3": 4}
BMCS = {"10.0.9.11": "db1", "10.0.9.12": "db2", "10.0.9.14": "db3", "10.0.9.21": "db1"}
BUNDLE = "node.tar.gz"  # in root's home
_POWER = """\
    power:
      kind: agent
      agent: fence_ipmilan
      options:
        ip: {ip}
        ipport: "{{node.bmc}}"
        username: {user}
        password: {{file: /etc/failoverd/peer.secret}}
        lanplus: true
        cipher: "3"
        power_timeout: 5
        power_wait: 0
      timeout: 20s
    person: {{kind: manual, timeout: 10s}}
  levels: [[ask], [power], [person]]
"""

pytestmark = [
    pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="five hosts and a package, some minutes: make lab"),
    pytest.mark.skipif(bool(postgresql.missing()), reason=f"no PostgreSQL: {', '.join(postgresql.missing())}"),
    pytest.mark.skipif(bool(ipmi.missing()), reason=f"no BMC: {', '.join(ipmi.missing())}"),
    pytest.mark.skipif(
        not Path("/etc/postgresql/15/main").exists(), reason="Debian's own database 15/main is not here"
    ),
]


class Cluster:
    """The machines by the names that they have on the pages, and every row that was acknowledged."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stack = ExitStack()
        self.hosts: dict[str, Host] = {}
        self.bmcs: dict[str, HostBmc] = {}
        self.words = {f"10.0.0.1{number}": network.address(number) for number in NUMBERS.values()}
        self.acknowledged: list[int] = []
        self._next = 1000

    def close(self) -> None:
        self._stack.close()

    def arrives(self, name: str) -> None:
        """A new machine, with a machine-id of its own; a node has a BMC."""
        host = self.hosts[name] = fresh(self._network, NUMBERS[name])
        self._stack.callback(host.destroy)
        if name in BMCS.values():
            bmc = self.bmcs[name] = HostBmc(host)
            self._stack.callback(bmc.destroy)
            bmc.start()
            self.words |= {fact: f'"{bmc.port}"' for fact, node in BMCS.items() if node == name}

    def dies(self, name: str) -> None:
        """For good, and its BMC with it."""
        self.bmcs.pop(name).destroy()
        self.hosts[name].power_off()
        self.hosts.pop(name).destroy()

    def follow(self, text: str, typed: str = "") -> str:
        """Every block of a text, on its hosts; what was printed. The bundle of files goes to whoever unpacks it."""
        said, bundle = "", ""
        for step in steps(text):
            for name in step.hosts:
                if f"-xzf ~/{BUNDLE}" in step.text:
                    copy(self.hosts[bundle], self.hosts[name], f"{HOME}/{BUNDLE}")
                asks = typed if "fence confirm" in step.text else ""
                said += follow(self.hosts[name], name, translated(step.text, self.words), asks)
                bundle = name if f"-czf ~/{BUNDLE}" in step.text else bundle
                self.write()
        return said

    # --- what is so -----------------------------------------------------------------------------

    def status(self, name: str) -> dict[str, Any]:
        done = self.hosts[name].run("failoverctl", "status", "--json")
        told: dict[str, Any] = json.loads(done.stdout)["cluster"] if done.stdout.startswith("{") else {}
        return told

    def said(self, name: str) -> str:
        return self.hosts[name].run("failoverctl", "status").stdout

    def comes(self, name: str, words: str, within_s: float = 120.0) -> None:
        """Until `status` on a node says so."""
        try:
            eventually(lambda: words in self.said(name), within_s, f"{name}'s status says {words!r}")
        except AssertionError as late:
            raise AssertionError(
                f"{late}\n{self.said(name)}{self.hosts[name].journal('failoverd@orders-db')}"
            ) from None

    def has_nothing_to_do(self, name: str) -> None:
        """Neither about the old machine nor about another; a proof may take a moment."""
        self.comes(name, f"{name} ")
        eventually(lambda: self.status(name).get("to_do") == [], 60, f"{name} has nothing to do:\n{self.said(name)}")

    def write(self) -> None:
        """A row to whoever takes it. One that was not waited for is not acknowledged: PostgreSQL warns."""
        self._next += 1
        for name in self.hosts.keys() - {"zk3"}:
            done = self._sql(name, f"SET statement_timeout = '3s'; INSERT INTO orders VALUES ({self._next})")
            if done[0] and not done[1]:
                self.acknowledged.append(self._next)
                return

    def rows(self, name: str) -> set[int]:
        return {int(line) for line in self._sql(name, "SELECT number FROM orders")[2].split()}

    def lost(self, name: str) -> set[int]:
        return set(self.acknowledged) - self.rows(name)

    def _sql(self, name: str, question: str) -> tuple[bool, str, str]:
        words = ("runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "-qAtc", question)
        done = self.hosts[name].run("timeout", "8", *words)
        return done.returncode == 0, done.stderr, done.stdout


@pytest.fixture
def cluster(network: Network) -> Iterator[Cluster]:
    made = Cluster(network)
    try:
        for name in ("db1", "db2", "zk3"):
            made.arrives(name)
        for name in ("db1", "db2"):
            made.hosts[name].write("/etc/failoverd/bmc.secret", ipmi.PASSWORD, 0o600)
        made.follow(_tutorial(network))
        yield made
    finally:
        made.close()


def _tutorial(network: Network) -> str:
    """To where both serve, with a power switch in the chain."""
    text = TUTORIAL.read_text("utf-8").partition("## 5.")[0]
    power = _POWER.format(ip=network.address(TESTS_END), user=ipmi.USER).replace("peer.secret", "bmc.secret")
    for there, instead in {
        "  db1: {address: 10.0.0.11}": "  db1: {address: 10.0.0.11, bmc: 10.0.9.11}",
        "  db2: {address: 10.0.0.12}": "  db2: {address: 10.0.0.12, bmc: 10.0.9.12}",
        "    person: {kind: manual, timeout: 1m}\n  levels: [[ask], [person]]\n": power,
    }.items():
        assert there in text
        text = text.replace(there, instead)
    return text


def test_an_active_and_a_standby_that_are_dead_for_good_are_replaced_as_the_page_says(cluster: Cluster) -> None:
    cluster.dies("db1")
    cluster.comes("db2", "blocked")
    before, _, after = part_of(PAGE, SAME_NAME).partition("Change the facts")
    cluster.follow(before, typed="db1")
    cluster.arrives("db1")
    said = cluster.follow(after)
    assert "switchover done: db1 is active" in said
    _as_the_page_promises(cluster, active="db1", standby="db2")

    cluster.comes("db1", "db2   standby  healthy")
    cluster.dies("db2")
    cluster.arrives("db3")
    said = cluster.follow(part_of(PAGE, OTHER_NAME))
    assert "switchover done: db3 is active" in said
    _as_the_page_promises(cluster, active="db3", standby="db1")


def _as_the_page_promises(cluster: Cluster, active: str, standby: str) -> None:
    cluster.comes(active, f"{standby}   standby  healthy")
    for name, other in ((active, standby), (standby, active)):
        cluster.has_nothing_to_do(name)
        assert {one["node"] for one in cluster.status(name)["members"]} == {active, standby}
        proof = cluster.hosts[name].must("failoverctl", "fence", "probe", other)
        assert "done" in proof, proof
    cluster.write()
    assert cluster.acknowledged
    eventually(lambda: not cluster.lost(active) and not cluster.lost(standby), 30, "every acknowledged row is on both")


def test_every_shell_block_of_the_page_says_where_it_runs() -> None:
    text = PAGE.read_text("utf-8")
    assert len(steps(text)) == shell_blocks(text)
