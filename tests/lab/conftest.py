"""The lab's fixtures. A host lives for a module; where none can be had, its tests are skipped and say why."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.lab import host as lab_host
from tests.lab import report
from tests.lab.far_units import units_on
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.pair import LabZooKeeper, Pair
from tests.servers import redis as redis_server
from tests.servers import zookeeper as zookeeper_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m lab` is everything that asks for a host."""
    for item in items:
        if "network" in getattr(item, "fixturenames", ()):
            item.add_marker("lab")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the faults did, for the eye and for the documentation."""
    if told := report.table():
        terminalreporter.write_line(told)
        report.keep()


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    missing = [*lab_host.missing(), *zookeeper_server.missing(), *redis_server.missing()]
    if missing:
        pytest.skip(f"no lab, missing: {', '.join(missing)}; scripts/install-test-needs installs it, as root")
    lab_host.sweep()
    with Network() as made:
        yield made


@pytest.fixture(scope="module")
def host(network: Network) -> Iterator[Host]:
    with Host(network) as booted:
        yield booted


@pytest.fixture
def units(host: Host) -> Iterator[Host]:
    """A service, its controller and a bystander, as units that a peer may strike."""
    with units_on(host) as made:
        yield made


@pytest.fixture(scope="module")
def lab_zookeeper(network: Network) -> Iterator[LabZooKeeper]:
    with LabZooKeeper(network) as server:
        yield server


@pytest.fixture(scope="module")
def pair(host: Host, lab_zookeeper: LabZooKeeper) -> Iterator[Pair]:
    """Two nodes on one host, started."""
    made = Pair(host, lab_zookeeper, root=f"/t-{secrets.token_hex(4)}")
    try:
        made.start()
        yield made
    finally:
        made.stop()
