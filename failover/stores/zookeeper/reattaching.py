"""How a saved session is taken over: an acknowledged write to its own record, and a look at its member record (S6, S9).

The server has said by then that the session lives: who is connected with its id and its secret has it.
Deliberately unknown here: how the connection is made, and whether what the session holds is trusted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kazoo.exceptions import ConnectionLoss, NoNodeError, SessionExpiredError

from failover.core.values import Member
from failover.stores.codec import encode_owner
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.opening import NOT_JOINED
from failover.stores.zookeeper.paths import Paths, session_name
from failover.stores.zookeeper.replies import Commit, answered, commit_of, missing, words

_AWAY = (ConnectionLoss, SessionExpiredError)


class Reattaching:
    """Renews over one client. `join` is called at every (re)connection until `joined` or `refused` was.

    `sent_s`: when the renewal that was acknowledged was sent (CLOCK_BOOTTIME, seconds).
    """

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
        self.sent_s = 0.0

    def join(self) -> None:
        """Check and rewrite the session's record; only its own session can have made it."""
        client = self._client
        self.sent_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        transaction = client.transaction()
        transaction.check(self._paths.session(client.session), -1)
        transaction.set_data(self._paths.session(client.session), encode_owner(self._member.node))
        commit = transaction.commit_async()
        member = client.get_async(self._paths.member(self._member.node.name))
        member.rawlink(lambda _: self._judge(commit_of(commit), member))

    def _judge(self, commit: Commit, member: Any) -> None:
        if self._over or isinstance(commit.error, _AWAY) or isinstance(member.exception, _AWAY):
            return  # the next connection tries again
        self._over = True
        refusal = self._refusal(commit, member)
        if refusal:
            self._refused(f"session {self._client.session} lives, but {refusal}; it was closed", NOT_JOINED)
        else:
            self._joined()

    def _refusal(self, commit: Commit, member: Any) -> str:
        if isinstance(commit.error, NoNodeError):
            return f"{self._paths.session(self._client.session)} is gone"
        if not commit.done:
            return words(commit.error)
        if not answered(member):
            return words(member.exception)
        name = self._member.node.name
        if missing(member) or session_name(member.value[1].ephemeralOwner) != self._client.session:
            return f"the member record of {name} is not its own (S9)"
        return ""
