"""The store on ZooKeeper."""

from failover.stores.zookeeper.store import ZooKeeperStore

__all__ = ["ZooKeeperStore"]
