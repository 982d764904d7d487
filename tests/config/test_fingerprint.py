"""The hash tells nodes apart that must agree and do not."""

import pytest

from config import config_hash
from tests.config.conftest import GOOD, Files


def test_the_hash_is_short_and_stays_the_same(files: Files) -> None:
    first = config_hash(files.load())
    assert first == config_hash(files.load())
    assert len(first) == 12
    assert int(first, 16) >= 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("service: orders", "service: other"),
        ("[zk1:2181]", "[zk1:2181]\n  root: /other"),
        ("{node.bmc}", "{node.name}"),
        ("    power:", "    a: {kind: command, run: /bin/sh}\n    power:"),
        ("fencing:", "limits: {failovers: 6}\nfencing:"),
        ("fencing:", "fencing:\n  timeout: 2m"),
    ],
)
def test_what_must_agree_changes_the_hash(old: str, new: str, files: Files) -> None:
    assert config_hash(files.load()) != config_hash(files.load(GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("node: db1", "node: db2"),
        ("node: db1", "node: db1\npriority: 5"),
        ("[zk1:2181]", "[zk2:2181]"),
        ("port: 5432", "port: 5433"),
        ("fencing:", "api: {listen: '127.0.0.1:9'}\nfencing:"),
    ],
)
def test_what_each_node_has_of_its_own_leaves_the_hash_alone(old: str, new: str, files: Files) -> None:
    assert config_hash(files.load()) == config_hash(files.load(GOOD.replace(old, new)))


def test_the_order_of_the_levels_counts(files: Files) -> None:
    two = GOOD + "    b: {kind: command, run: /bin/sh}\n"
    assert config_hash(files.load(two)) != config_hash(files.load(two + "  levels: [[b], [power]]\n"))
