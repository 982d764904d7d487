"""The ZooKeeper store on a real server: the contract."""

from collections.abc import Iterator

import pytest

from failover.core.values import Node
from tests.servers.zookeeper import ZooKeeper
from tests.stores.contract import StoreContract, WrittenContract, db1, db2, player
from tests.stores.zookeeper_world import ZooKeeperWorld

__all__ = ["db1", "db2", "player"]


@pytest.fixture
def world(zookeeper: ZooKeeper, zk_root: str) -> Iterator[ZooKeeperWorld]:
    with ZooKeeperWorld(zookeeper, zk_root) as world:
        world.store(Node("operator", "x")).format()
        yield world


class TestZooKeeper(WrittenContract, StoreContract):
    """The contract."""
