"""One reading of everything under the service's path, without watches.

Deliberately unknown here: who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from failover.ports.store import View
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.members import MOST_MEMBERS
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import (
    answered,
    control_in,
    crumb_in,
    lock_in,
    member_in,
    missing,
)


def read_view(client: SessionClient, paths: Paths, answer: Callable[[View | None], None]) -> None:
    """Lock, breadcrumb, control and the members' names in one round trip, the members in another."""
    reads = [client.get_async(path) for path in (paths.lock, paths.crumb, paths.control)]
    names = client.get_children_async(paths.members)

    def named(_: Any) -> None:
        if not answered(*reads, names):
            answer(None)
            return
        found = [] if missing(names) else sorted(names.value)[:MOST_MEMBERS]
        records = [(path, client.get_async(path)) for path in map(_member, found)]
        if records:
            records[-1][1].rawlink(lambda _: finish(records))
        else:
            finish([])

    def finish(records: list[tuple[str, Any]]) -> None:
        if not answered(*(record for _, record in records)):
            answer(None)
            return
        members = [member_in(path, record) for path, record in records]
        lock, crumb, control = reads
        answer(
            View(
                holder=lock_in(paths.lock, lock),
                crumb=crumb_in(paths.crumb, crumb),
                control=control_in(paths.control, control),
                members=tuple(member for member in members if member is not None),
            )
        )

    def _member(name: str) -> str:
        return paths.child(paths.members, name)

    names.rawlink(named)
