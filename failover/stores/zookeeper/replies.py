"""What the server answered, as values: a transaction's outcome, and the records in the answers to reads.

kazoo gives a transaction's result as a list in which a failed operation is an exception *object*, and the ones around
it are exceptions too (rolled back): whoever does not look at every element takes a failure for a success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kazoo.exceptions import (
    BadVersionError,
    ConnectionClosedError,
    ConnectionLoss,
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
)

from failover.core.values import Control, Crumb, Lock, Member
from failover.stores.codec import (
    RecordError,
    read_control,
    read_crumb,
    read_member,
    read_owner,
)
from failover.stores.zookeeper.handler import log
from failover.stores.zookeeper.paths import session_name

_ROLLED_BACK = (RolledBackError, RuntimeInconsistency)
_WORDS: dict[type[KazooException], str] = {
    ConnectionLoss: "the connection to ZooKeeper was lost before its answer came",
    NoAuthError: "ZooKeeper says that these credentials may not do this: compare `auth` with the records' ACL",
    SessionExpiredError: "the session has expired",
    ConnectionClosedError: "the connection to ZooKeeper is closed",
    NoNodeError: "the record is not there",
    NodeExistsError: "the record is there already",
    BadVersionError: "the record was changed meanwhile",
}


@dataclass(frozen=True, slots=True)
class Commit:
    """How a transaction ended. `failed` is the index of the operation that failed, with its `error`.

    Without `done` and without `failed` it may or may not have happened, unless `expired`.
    """

    results: tuple[Any, ...] = ()
    done: bool = False
    failed: int | None = None
    error: Exception | None = None

    @property
    def expired(self) -> bool:
        """The server refused it because the session is over."""
        return (
            self.failed is None
            and isinstance(self.error, SessionExpiredError)
            and not isinstance(self.error, ConnectionClosedError)
        )

    def failed_with(self, at: int, *kinds: type[Exception]) -> bool:
        """Whether operation `at` failed in one of these ways."""
        return self.failed == at and isinstance(self.error, kinds)


def commit_of(result: Any) -> Commit:
    """The outcome of `commit_async`."""
    if result.exception is not None:
        return Commit(error=result.exception)
    results = tuple(result.value or ())
    for index, one in enumerate(results):
        if isinstance(one, Exception) and not isinstance(one, _ROLLED_BACK):
            return Commit(results, failed=index, error=one)
    if not results or any(isinstance(one, Exception) for one in results):
        return Commit(results, error=RuntimeInconsistency())
    return Commit(results, done=True)


def words(error: Exception | None) -> str:
    """What went wrong, for an operator."""
    if error is None:
        return ""
    return _WORDS.get(type(error), f"ZooKeeper answered {type(error).__name__}")


def answered(*results: Any) -> bool:
    """Whether the server answered all of these reads; that a record is not there is an answer too."""
    return all(result.exception is None or isinstance(result.exception, NoNodeError) for result in results)


def missing(result: Any) -> bool:
    """Whether the record is not there: the read said NoNode, or `exists` said nothing."""
    return isinstance(result.exception, NoNodeError) or (result.exception is None and result.value is None)


def lock_in(path: str, result: Any) -> Lock | None:
    """The lock that a `get` read. One whose bytes cannot be read is held all the same, by an unknown node."""
    if missing(result):
        return None
    data, stat = result.value
    try:
        node = read_owner(path, data or b"").name
    except RecordError as error:
        log.warning("%s (it counts as held)", error)
        node = ""
    return Lock(stat.czxid, session_name(stat.ephemeralOwner), node)


def crumb_in(path: str, result: Any) -> Crumb:
    """The breadcrumb that a `get` read."""
    if missing(result):
        return Crumb()
    data, stat = result.value
    return read_crumb(path, data or b"", stat.version)


def control_in(path: str, result: Any) -> Control:
    """The control record that a `get` read."""
    if missing(result):
        return read_control(path, None, -1)
    data, stat = result.value
    return read_control(path, data or b"", stat.version)


def member_in(path: str, result: Any) -> Member | None:
    """The member that a `get` read; None where it is gone or cannot be read (and is then of no use)."""
    if missing(result):
        return None
    data, stat = result.value
    try:
        return read_member(path, data or b"", session_name(stat.ephemeralOwner))
    except RecordError as error:
        log.warning("%s (the member is left out)", error)
        return None
