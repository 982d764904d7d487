"""Where the lock lives: one implementation of `failover.ports.store.Store` for each kind of store.

`STORES` is the registry, by the `kind` of the configuration. The factories import what they need when they are
called: a controller with a local store never loads kazoo. The simulated store has no kind, since no configuration can
ask for it: it is for simulations and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from failover.ports.store import Store
from failover.support.tls import TlsFiles


class FormattableStore(Store, Protocol):
    """A store whose paths must be made once, by an operator."""

    def format(self, force_name: str | None = None) -> str:
        """Make the service's paths and say what was done; blocks. Raises FormatError (exit codes 1, 2, 6).

        Refused while a lock is live, or while the breadcrumb is not clean: `force_name`, the name of the node that
        it speaks of, then marks it clean. A breadcrumb is never deleted.
        """


def zookeeper(
    hosts: Sequence[str],
    service: str,
    root: str,
    session_timeout_s: float,
    user: str | None = None,
    password: str | None = None,
    tls: TlsFiles | None = None,
    room: Callable[[float], float] | None = None,
) -> FormattableStore:
    """The store on ZooKeeper. `hosts`: `host:port` each. `tls` None: in the clear.

    `room`: for how many seconds a renewal may go unanswered under a session of so many; None: nobody waits for it.
    """
    from failover.stores.zookeeper import ZooKeeperStore

    return ZooKeeperStore(hosts, service, root, session_timeout_s, user, password, tls, room)


def local(path: str, service: str) -> FormattableStore:
    """The embedded store for one host, in the folder `path`."""
    from failover.stores.local import LocalStore

    return LocalStore(path, service)


STORES: dict[str, Callable[..., FormattableStore]] = {"zookeeper": zookeeper, "local": local}

__all__ = ["STORES", "FormattableStore", "local", "zookeeper"]
