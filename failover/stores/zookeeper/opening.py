"""How a session joins: its own record and its member record in one transaction, or why it may not (S9).

Deliberately unknown here: how the connection is made, and what happens once the session is open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from kazoo.exceptions import (
    ConnectionLoss,
    NodeExistsError,
    NoNodeError,
    SessionExpiredError,
)
from kazoo.protocol.states import EventType, WatchedEvent

from failover.core.values import Member
from failover.stores.codec import RecordError, encode_member, encode_owner, read_owner
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.handler import log
from failover.stores.zookeeper.paths import CHILDREN, Paths, session_name
from failover.stores.zookeeper.replies import Commit, answered, commit_of, missing, words

MOST_WAITING = 2.0  # of our time-out: an earlier session of ours has ended by then, whoever keeps one alive is another
NOT_JOINED = 1
NOT_FORMATTED = 3
_AWAY = (ConnectionLoss, SessionExpiredError)


class Opening:
    """Joins over one client. `join` is called at every (re)connection until `joined` or `refused` was."""

    def __init__(
        self,
        client: SessionClient,
        paths: Paths,
        member: Member,
        joined: Callable[[], None],
        refused: Callable[[str, int], None],
    ) -> None:
        self._client = client
        self._paths = paths
        self._member = member
        self._joined = joined
        self._refused = refused
        self._over = False
        self._member_path = paths.member(member.node.name)
        self._patience: threading.Timer | None = None

    def join(self) -> None:
        """Write both records, and look whether all the paths are there."""
        client, paths = self._client, self._paths
        transaction = client.transaction()
        owner = encode_owner(self._member.node)
        transaction.create(paths.session(client.session), owner, ephemeral=True)
        transaction.create(self._member_path, encode_member(self._member), ephemeral=True)
        commit = transaction.commit_async()
        children = client.get_children_async(paths.base)
        children.rawlink(lambda _: self._judge(commit_of(commit), children))

    def _judge(self, commit: Commit, children: Any) -> None:
        if self._over or isinstance(commit.error, _AWAY) or isinstance(children.exception, _AWAY):
            return  # the next connection, or the next session, tries again
        there = () if not answered(children) or missing(children) else children.value
        if children.exception is None and set(CHILDREN) <= set(there):
            self._judge_commit(commit)
        elif answered(children):
            self._refuse(
                f"{self._paths.base} is not formatted in ZooKeeper: run `failoverctl format CONFIG`",
                NOT_FORMATTED,
            )
        else:
            self._refuse(f"{self._paths.base} cannot be read: {words(children.exception)}")

    def _judge_commit(self, commit: Commit) -> None:
        if commit.done or commit.failed_with(0, NodeExistsError):
            self._end_patience()  # or an earlier try had landed, its answer lost
            self._joined()
        elif commit.failed_with(1, NodeExistsError):
            self._look_at_namesake()
        elif isinstance(commit.error, NoNodeError):
            self._refuse(
                f"{self._paths.base} lost a path just now: run `failoverctl format CONFIG`",
                NOT_FORMATTED,
            )
        else:
            self._refuse(f"{self._member_path} cannot be written: {words(commit.error)}")

    def _look_at_namesake(self) -> None:
        record = self._client.get_async(self._member_path, watch=self._on_event)
        record.rawlink(lambda _: self._judge_namesake(record))

    def _judge_namesake(self, record: Any) -> None:
        """S9. Our own predecessor's record goes with its session; a stranger's must not be waited for."""
        if self._over or isinstance(record.exception, _AWAY):
            return
        if missing(record):
            self.join()
            return
        if record.exception is not None:
            self._refuse(f"{self._member_path} cannot be read: {words(record.exception)}")
            return
        data, stat = record.value
        name = self._member.node.name
        try:
            owner = read_owner(self._member_path, data or b"")
        except RecordError as error:
            self._refuse(f"another controller is called {name}: {error}")
            return
        session = session_name(stat.ephemeralOwner)
        if owner.machine_id == self._member.node.machine_id:
            self._wait_for(session)
            return
        self._refuse(
            f"another controller is called {name}: session {session} on the machine with id"
            f" {owner.machine_id} (this one's is {self._member.node.machine_id}); give each host a"
            " name and a machine-id of its own, or stop the other one"
        )

    def _wait_for(self, session: str) -> None:
        """Our own predecessor does not renew its session any more; a clone of this host, or another folder's, does."""
        if self._patience is None:
            log.info("waiting for this node's earlier session %s to end", session)
            self._patience = threading.Timer(MOST_WAITING * self._client.negotiated_s, self._waited, [session])
            self._patience.daemon = True
            self._patience.start()

    def _waited(self, session: str) -> None:
        with self._client.gate:
            if self._over or self._client.closing or not self._client.connected:
                self._patience = None  # there is nobody to tell, or it begins anew with the next connection
                return
            self._refuse(
                f"another controller of this very name and machine keeps session {session} alive: is this host a clone,"
                " or does a second controller run here with another state_dir? Stop it first (S9)"
            )

    def _on_event(self, event: WatchedEvent) -> None:
        if self._over or event.type == EventType.NONE or not self._client.connected:
            return
        if event.type == EventType.DELETED:
            self.join()
        else:
            self._look_at_namesake()

    def _refuse(self, reason: str, exit_code: int = NOT_JOINED) -> None:
        self._end_patience()
        self._refused(reason, exit_code)

    def _end_patience(self) -> None:
        self._over = True
        if self._patience is not None:
            self._patience.cancel()
