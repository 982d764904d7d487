"""The member record of this node: the newest one is written, one write under way at a time.

Deliberately unknown here: what the record says.
"""

from __future__ import annotations

from typing import Any

from failover.core.values import Member
from failover.stores.codec import encode_member
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.handler import log
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import commit_of, words


class Publishing:
    """Writes the member record of one session, best effort."""

    def __init__(self, client: SessionClient, paths: Paths, name: str) -> None:
        self._client = client
        self._session_path = paths.session(client.session)
        self._path = paths.member(name)
        self._newest: Member | None = None
        self._written: Member | None = None
        self._under_way = False

    def publish(self, member: Member) -> None:
        """Write it now, or when the write under way has been answered, or the store is back."""
        self._newest = member
        self.catch_up()

    def catch_up(self) -> None:
        """Write the newest record if it has not been written yet."""
        member = self._newest
        if self._under_way or member is None or member == self._written or not self._client.usable:
            return
        self._under_way = True
        transaction = self._client.transaction()
        transaction.check(self._session_path, -1)
        transaction.set_data(self._path, encode_member(member))
        result = transaction.commit_async()
        result.rawlink(lambda _: self._published(member, result))

    def _published(self, member: Member, result: Any) -> None:
        self._under_way = False
        commit = commit_of(result)
        if commit.done:
            self._written = member
        elif commit.failed is not None:
            log.warning("%s could not be written: %s", self._path, words(commit.error))
            self._written = member  # asking again would only fail again
        if self._client.connected:
            self.catch_up()
