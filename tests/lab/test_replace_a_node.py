"""The how-to on replacing a node is followed as it is written: machines die, and others come in their place (S1, S7).

Its blocks are taken from the page; what the page says in words (edit `nodes`) is done here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.docs.pages import ROOT
from tests.lab.machines import Machine, Machines
from tests.lab.network import Network
from tests.lab.pair import LabZooKeeper
from tests.lab.steps import Step, answered, part_of, shell_blocks, steps
from tests.servers import ipmi

PAGE = ROOT / "docs" / "how-to" / "replace-a-node.md"
RETIRE = "Retire a node that lives"
OTHER_NAME = "Put a new machine in its place, under another name"
SAME_NAME = "Put a new machine in its place, under the same name"
DIED = "The old machine died, and was active last"

whole = pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="machines come and go, some minutes: make lab")


@pytest.fixture
def machines(network: Network, lab_zookeeper: LabZooKeeper) -> Iterator[Machines]:
    """db1 is active, db2 standby, and has proven that it could fence db1."""
    if missing := ipmi.missing():
        pytest.skip(f"no BMC, missing: {', '.join(missing)}; scripts/install-test-needs installs it")
    made = Machines(network, lab_zookeeper)
    try:
        for name, number in (("db1", 1), ("db2", 2)):
            made.add(name, number)
        made["db1"].follow("failoverctl format")
        for name, role in (("db1", "active"), ("db2", "standby")):
            made[name].follow("systemctl enable --now failoverd@orders-db")
            made.comes(name, role)
        made["db2"].follow("until failoverctl fence probe db1; do sleep 1; done")  # S7: proven before it is needed
        yield made
    finally:
        made.destroy()


def takes_over(machines: Machines, old: Machine, name: str) -> None:
    """The new node is a candidate that others could fence, gets the service, and nothing is left to be done."""
    machines.comes(name, "standby")
    machines.eventually(lambda: old.node.sees_fit(name), 30, f"{name} could take over")
    old.follow(f"failoverctl switchover --to {name} --reason 'it is new'")
    machines.comes(name, "active")
    machines.comes(old.node.name, "standby")
    told = machines.eventually(lambda: old.try_("failoverctl status"), 10, "there is a status")
    assert "!" not in told[1], told[1]


def under(heading: str) -> list[Step]:
    """The blocks under that heading of the page."""
    return steps(part_of(PAGE, heading))


@whole
def test_a_machine_that_died_is_fenced_and_another_comes_under_its_name(machines: Machines) -> None:
    look = steps(PAGE.read_text("utf-8"))[0]
    assert "would not be fenced" not in machines["db2"].follow(look.text), "db1 is active"
    machines["db1"].host.power_off()
    machines.comes("db2", "active")
    assert "fenced by power" in machines["db2"].node.status()["why"]
    machines.remove("db1")
    machines.add("db1", 1)
    said = machines.follow(under(SAME_NAME))
    assert "power" in said
    takes_over(machines, machines["db2"], "db1")


@whole
def test_nobody_is_promoted_after_a_machine_that_cannot_be_fenced_before_an_operator_says_so(
    machines: Machines,
) -> None:
    confirm, overriding = under(DIED)
    machines.remove("db1")  # and its BMC
    db2 = machines["db2"]
    machines.eventually(
        lambda: "blocked: fencing db1 answered unknown" in db2.try_("failoverctl status")[1], 60, "says"
    )
    machines.add("db1", 1)  # at the old one's address
    machines["db1"].follow("systemctl enable --now failoverd@orders-db")
    machines.eventually(lambda: "another node" in str(db2.node.status()), 60, "the new db1 says that it is another")
    code, said = db2.try_(answered(confirm.text, "db1"))
    assert code != 0
    assert "refused (alive): db1 lives" in said
    assert {machine.node.role() for machine in machines.all.values()}.isdisjoint({"active", "promoting"})
    code, said = db2.try_(answered(overriding.text, "db1"))
    assert code == 0, said
    machines.eventually(lambda: _active(machines), 60, "somebody is promoted")
    db2.follow(under(SAME_NAME)[0].text)
    machines.follow(under(SAME_NAME)[2:])
    if _active(machines) == "db2":
        takes_over(machines, db2, "db1")


def _active(machines: Machines) -> str:
    return next((name for name, machine in machines.all.items() if machine.node.role() == "active"), "")


@whole
def test_a_node_that_lives_is_retired_and_another_comes_under_another_name(machines: Machines) -> None:
    at_home, at_the_others = under(RETIRE)
    machines.follow([at_home])
    machines.comes("db2", "active")
    assert "stepped down cleanly" in machines["db2"].node.status()["why"]
    machines.remove("db1")
    machines.configure()
    machines.follow([at_the_others])
    machines.add("db3", 3)
    machines.follow(under(OTHER_NAME))
    takes_over(machines, machines["db2"], "db3")
    assert "db1" not in str(machines["db2"].node.status()["to_do"])


@pytest.mark.parametrize("heading", [RETIRE, OTHER_NAME, SAME_NAME, DIED])
def test_every_shell_block_of_the_page_says_where_it_runs(heading: str) -> None:
    assert len(under(heading)) == shell_blocks(part_of(PAGE, heading))
