"""The live members: one read for each that changed, told together.

Deliberately unknown here: the lock, and what a member's record means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from failover.core.events import Event, MembersChanged
from failover.core.values import Member
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.handler import log
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import answered, member_in, missing

MOST_MEMBERS = 64


class MemberWatch:
    """Keeps the members as the store shows them. `tell` is None until the first reading was handed over."""

    def __init__(
        self,
        client: SessionClient,
        paths: Paths,
        on_event: Callable[[Any], None],
        read: Callable[[], None],
    ) -> None:
        self.tell: Callable[[Event], None] | None = None
        self._client = client
        self._paths = paths
        self._on_event = on_event
        self._read = read
        self._names_under_way = False
        self._paths_under_way: set[str] = set()
        self._known: dict[str, Member | None] = {}
        self._told: tuple[Member, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether a read has not been answered yet."""
        return self._names_under_way or bool(self._paths_under_way)

    def current(self) -> tuple[Member, ...]:
        """The members by name; they count as told."""
        self._told = tuple(member for _, member in sorted(self._known.items()) if member is not None)
        return self._told

    def read_all(self) -> None:
        """Read the names and every record afresh."""
        self._known.clear()
        self._read_names()

    def changed(self, path: str, deleted: bool) -> None:
        """A watch on the names or on one record fired."""
        if path == self._paths.members:
            self._read_names()
        elif deleted:
            self._known.pop(path, None)
            self._done()
        elif path in self._known:
            self._read_member(path)

    def flush(self) -> None:
        """Tell of what has changed since the last time."""
        told = self._told
        if self.tell is not None and self.current() != told:
            self.tell(MembersChanged(self._told))

    def _read_names(self) -> None:
        if self._names_under_way:
            return
        self._names_under_way = True
        names = self._client.get_children_async(self._paths.members, watch=self._on_event)
        names.rawlink(self._names_read)

    def _names_read(self, result: Any) -> None:
        self._names_under_way = False
        if not answered(result):
            return
        names = [] if missing(result) else sorted(result.value)
        if len(names) > MOST_MEMBERS:
            log.warning("%s holds %d members: too many, the rest is left out", self._paths.members, len(names))
        live = {self._paths.child(self._paths.members, name) for name in names[:MOST_MEMBERS]}
        for path in [path for path in self._known if path not in live]:
            del self._known[path]
        for path in sorted(live - self._known.keys()):
            self._known[path] = None
            self._read_member(path)
        self._done()

    def _read_member(self, path: str) -> None:
        if path in self._paths_under_way:
            return
        self._paths_under_way.add(path)
        record = self._client.get_async(path, watch=self._on_event)
        record.rawlink(lambda _: self._member_read(path, record))

    def _member_read(self, path: str, record: Any) -> None:
        self._paths_under_way.discard(path)
        if not answered(record):
            return
        if missing(record):
            self._known.pop(path, None)
        else:
            self._known[path] = member_in(path, record)
        self._done()

    def _done(self) -> None:
        if not self.under_way:
            self._read()
