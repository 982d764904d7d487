"""The tutorial on PostgreSQL is followed to its end, as it is written, on three hosts with a real systemd.

What differs is said by `tests.lab.followed`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.lab.followed import follow, fresh, translated
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.steps import shell_blocks, steps
from tests.servers import postgresql

TUTORIAL = ROOT / "docs" / "tutorial-postgresql.md"
ADDRESSES = {"db1": "10.0.0.11", "db2": "10.0.0.12", "zk3": "10.0.0.13"}
SAID = (
    ": good",
    "/failover/orders-db is formatted",
    "failoverd|streaming|quorum",
    "switchover done: db2 is active",
    "1\n2\n3\n",
    "t|3\n",
    "orders-db: db1 is active",
)
pytestmark = [
    pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="three hosts and a package, some minutes: make lab"),
    pytest.mark.skipif(bool(postgresql.missing()), reason=f"no PostgreSQL: {', '.join(postgresql.missing())}"),
    pytest.mark.skipif(
        not Path("/etc/postgresql/15/main").exists(), reason="Debian's own database 15/main is not here"
    ),
]


@pytest.fixture(scope="module")
def hosts(network: Network) -> Iterator[dict[str, Host]]:
    made: dict[str, Host] = {}
    try:
        for number, name in enumerate(ADDRESSES, 1):
            made[name] = fresh(network, number)
        yield made
    finally:
        for host in made.values():
            host.destroy()


def test_the_tutorial_on_postgresql_is_followed_from_its_first_command_to_its_last(hosts: dict[str, Host]) -> None:
    words = {address: hosts[name].address for name, address in ADDRESSES.items()}
    said = ""
    for step in steps(TUTORIAL.read_text("utf-8")):
        for name in step.hosts:
            said += follow(hosts[name], name, translated(step.text, words))
    missing = [one for one in SAID if one not in said]
    assert not missing, f"{missing} in\n{said}"


def test_every_shell_block_of_the_tutorial_says_where_it_runs() -> None:
    text = TUTORIAL.read_text("utf-8")
    assert len(steps(text)) == shell_blocks(text)
    assert {name for step in steps(text) for name in step.hosts} == set(ADDRESSES)
