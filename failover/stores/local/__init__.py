"""The embedded store, for one host."""

from failover.stores.local.store import LocalStore

__all__ = ["LocalStore"]
