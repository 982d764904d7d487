"""`{node.<fact>}` in fence commands: known, or refused; filled in, or not at all."""

import pytest

from config.commands import argv_of
from config.placeholders import fill, used_in
from tests.config.conftest import GOOD, Files

VALUES = {"name": "db2", "address": "10.0.0.12", "bmc": "it's here; rm -rf /"}


def test_arguments_are_filled_in_as_they_are() -> None:
    argv = ("/fence", "{node.name}", "at={node.address}", "{node.bmc}", "{plain}")
    assert fill(argv, VALUES) == (
        "/fence", "db2", "at=10.0.0.12", "it's here; rm -rf /", "{plain}",
    )  # fmt: skip


def test_values_in_a_shell_line_are_quoted_so_that_a_fact_is_never_a_command() -> None:
    filled = fill(argv_of("fence {node.name} {node.bmc} | awk '{print $1}'"), VALUES)
    assert filled[2] == "fence db2 'it'\"'\"'s here; rm -rf /' | awk '{print $1}'"


def test_a_missing_value_leaves_no_half_filled_command() -> None:
    with pytest.raises(KeyError, match=r"node\.outlet"):
        fill(("/fence", "{node.name}", "{node.outlet}"), VALUES)
    with pytest.raises(KeyError, match=r"peer\.name"):
        fill(("/fence", "{peer.name}"), VALUES)


def test_each_placeholder_is_named_once() -> None:
    assert used_in(("/f", "{node.a}{node.b}", "{node.a}")) == ("node.a", "node.b")


@pytest.mark.parametrize(
    ("placeholder", "message"),
    [
        (
            "{node.bcm}",
            'unknown placeholder {node.bcm}; did you mean "node.bmc"? known: {node.name}, {node.address}, {node.bmc}',
        ),
        (
            "{target_host.x}",
            "unknown placeholder {target_host.x}; known: {node.name}, {node.address}, {node.bmc}",
        ),
    ],
)
def test_an_unknown_placeholder_is_refused(placeholder: str, message: str, files: Files) -> None:
    lines = files.errors(GOOD.replace("{node.bmc}", placeholder))
    assert lines == [f"18:28: fencing.methods.power.run: {message}"]


def test_a_fact_that_one_node_lacks_is_refused(files: Files) -> None:
    lines = files.errors(GOOD.replace("10.0.0.12, bmc: 10.0.9.12", "10.0.0.12"))
    assert lines == [
        "18:28: fencing.methods.power.run: {node.bmc} cannot be filled in for db2; give each node the fact bmc"
    ]


def test_name_and_address_are_always_known(files: Files) -> None:
    text = GOOD.replace("{node.bmc}", "{node.name} {node.address}")
    without = "\n".join(line for line in text.split("\n") if "nodes:" not in line)
    without = "\n".join(line for line in without.split("\n") if "address: 10" not in line)
    assert files.load(without).nodes == {}


def test_a_fact_must_not_hide_the_nodes_name(files: Files) -> None:
    (line,) = files.errors(GOOD.replace("{address: 10.0.0.12,", "{name: x, address: 10.0.0.12,"))
    assert line == '8:9: nodes.db2.name: "name" is the key of the node itself; choose another word'


def test_a_fact_may_be_a_number(files: Files) -> None:
    config = files.load(GOOD.replace("bmc: 10.0.9.11", "bmc: 7"))
    assert config.nodes["db1"]["bmc"] == "7"
