"""The tutorial on PostgreSQL is followed to its end, as it is written, on three hosts with a real systemd.

What differs: the addresses, and what `apt-get` does, since no host of the lab reaches an archive: the packages are
there already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.packages import built
from tests.lab.steps import shell_blocks, steps
from tests.servers import postgresql

TUTORIAL = ROOT / "docs" / "tutorial-postgresql.md"
VERSION = "0.1.0"
PACKAGE = f"/root/failoverd_{VERSION}_amd64.deb"
ADDRESSES = {"db1": "10.0.0.11", "db2": "10.0.0.12", "zk3": "10.0.0.13"}
LONGEST_S = 180.0
SAID = (
    ": good",
    "/failover/orders-db is formatted",
    "failoverd|streaming|quorum",
    "switchover done: db2 is active",
    "1\n2\n3\n",
    "t|3\n",
    "orders-db: db1 is active",
)
# Debian's package of ZooKeeper's service has an init script, which systemd makes such a unit from.
ZOOKEEPER_UNIT = """\
[Service]
Environment=JVMFLAGS=-Xmx64m ZOO_LOG_DIR=/var/log/zookeeper JMXDISABLE=true
ExecStart=/usr/share/zookeeper/bin/zkServer.sh start-foreground /etc/zookeeper/conf/zoo.cfg
[Install]
WantedBy=multi-user.target
"""
APT_GET = """\
#!/bin/sh
case "$*" in
install*.deb) for last in "$@"; do :; done; exec dpkg --install "$last" ;;
purge*) exec dpkg --purge failoverd ;;
esac
"""

pytestmark = [
    pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="three hosts and a package, some minutes: make lab"),
    pytest.mark.skipif(bool(postgresql.missing()), reason=f"no PostgreSQL: {', '.join(postgresql.missing())}"),
    pytest.mark.skipif(
        not Path("/etc/postgresql/15/main").exists(), reason="Debian's own database 15/main is not here"
    ),
]


@pytest.fixture(scope="module")
def hosts(network: Network) -> Iterator[dict[str, Host]]:
    package = built(VERSION)
    made: dict[str, Host] = {}
    try:
        for number, name in enumerate(ADDRESSES, 1):
            host = made[name] = Host(network, number)
            host.__enter__()
            host.write("/etc/systemd/system/zookeeper.service", ZOOKEEPER_UNIT)
            host.write("/usr/local/sbin/apt-get", APT_GET, 0o755)
            host.put(package, PACKAGE)
        yield made
    finally:
        for host in made.values():
            host.destroy()


def test_the_tutorial_on_postgresql_is_followed_from_its_first_command_to_its_last(hosts: dict[str, Host]) -> None:
    said = ""
    for step in steps(TUTORIAL):
        text = step.text
        for name, address in ADDRESSES.items():
            text = text.replace(address, hosts[name].address)
        for name in step.hosts:
            done = hosts[name].run("timeout", str(LONGEST_S), "bash", "-ec", text, timeout_s=LONGEST_S + 10)
            print(f"--- on {name}, exit code {done.returncode}:\n{text}{done.stdout}{done.stderr}", flush=True)
            said += done.stdout
            assert done.returncode == 0, f"on {name}:\n{text}\n{done.stdout}{done.stderr}{_state(hosts[name])}"
    missing = [one for one in SAID if one not in said]
    assert not missing, f"{missing} in\n{said}"


def _state(host: Host) -> str:
    """What an operator would look at next."""
    journal = host.run("journalctl", "--no-pager", "--lines=40", "--unit", "failoverd@orders-db", "--unit",
                       "postgresql@15-main").stdout  # fmt: skip
    log = host.run("tail", "-n", "20", "/var/log/postgresql/postgresql-15-main.log").stdout
    return f"\n--- status\n{host.run('failoverctl', 'status').stdout}\n--- journal\n{journal}\n--- log\n{log}"


def test_every_shell_block_of_the_tutorial_says_where_it_runs() -> None:
    assert len(steps(TUTORIAL)) == shell_blocks(TUTORIAL)
    assert {name for step in steps(TUTORIAL) for name in step.hosts} == set(ADDRESSES)
