"""The other services under the same root: who holds their locks, and their breadcrumbs. Without watches, best effort.

Deliberately unknown here: who asks, and what the records mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from failover.ports.store import MOST_NEIGHBOURS, Neighbour
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import answered, crumb_in, lock_in, missing

Answer = Callable[[tuple[Neighbour, ...] | None], None]


def read_neighbours(client: SessionClient, paths: Paths, answer: Answer) -> None:
    """The services' names in one round trip, their records in another."""
    names = client.get_children_async(paths.root or "/")

    def named(_: Any) -> None:
        if not answered(names):
            answer(None)
            return
        found = [] if missing(names) else sorted(name for name in names.value if name != paths.step)
        reads = [(name, *_read(client, paths, name)) for name in found[:MOST_NEIGHBOURS]]
        if reads:
            reads[-1][2].rawlink(lambda _: answer(_neighbours(reads)))
        else:
            answer(())

    names.rawlink(named)


def _read(client: SessionClient, paths: Paths, name: str) -> tuple[Any, Any]:
    other = paths.beside(name)
    return client.get_async(other.lock), client.get_async(other.crumb)


def _neighbours(reads: list[tuple[str, Any, Any]]) -> tuple[Neighbour, ...]:
    """One that cannot be read (an ACL of others, say), or that is no service, is left out."""
    found = []
    for name, lock, crumb in reads:
        if not answered(lock, crumb) or missing(crumb):
            continue
        service = unquote(name)
        found.append(Neighbour(service, lock_in(name, lock), crumb_in(name, crumb)))
    return tuple(found)
