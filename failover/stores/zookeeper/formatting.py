"""`format`: makes the service's paths, once, and refuses where somebody is or may be active.

Deliberately unknown here: how the operator is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from kazoo.exceptions import (
    BadVersionError,
    ConnectionLoss,
    KazooException,
    NodeExistsError,
    NoNodeError,
)

from failover.core.values import Breadcrumb, Control
from failover.ports.store import FormatError
from failover.stores.codec import encode_breadcrumb, encode_control, read_crumb
from failover.stores.zookeeper.client import Owner, SessionClient
from failover.stores.zookeeper.paths import CHILDREN, Paths
from failover.stores.zookeeper.replies import commit_of, words

FAILED, REFUSED, NO_STORE = 1, 2, 6
_CONNECT_S = 5.0
_ANSWER_S = 10.0
_LEAVE_S = 1.0
_POLL_S = 0.01


class _Nobody:
    """Owner of a client that is used from the calling thread."""

    def connected(self, client: SessionClient) -> None: ...

    def suspended(self, client: SessionClient) -> None: ...

    def ended(self, client: SessionClient, state: str) -> None: ...


def format_service(
    new_client: Callable[[Owner], SessionClient],
    gate: threading.RLock,
    paths: Paths,
    force_name: str | None,
) -> str:
    """Make the paths and say what was done. Blocks, 10 s a step at most. Raises FormatError."""
    with gate:
        client = new_client(_Nobody())
        client.begin()
    try:
        _await_connection(client)
        return _Formatting(client, paths, force_name).run()
    except ConnectionLoss as error:
        raise FormatError(f"ZooKeeper went away while formatting: {words(error)}", NO_STORE) from None
    except client.handler.timeout_exception:
        raise FormatError("ZooKeeper did not answer in time", NO_STORE) from None
    except KazooException as error:
        raise FormatError(f"{paths.base} was not formatted: {words(error)}", FAILED) from None
    finally:
        with gate:
            client.end_session(for_s=_LEAVE_S)
        client.join(_LEAVE_S)
        with gate:
            client.abandon()


def _await_connection(client: SessionClient) -> None:
    deadline = time.monotonic() + _CONNECT_S
    while not client.connected:
        if time.monotonic() > deadline:
            why = str(client.troubles) or "look at `store.hosts`"
            raise FormatError(f"no ZooKeeper answered within {_CONNECT_S:g} s: {why}", NO_STORE)
        time.sleep(_POLL_S)


class _Formatting:
    def __init__(self, client: SessionClient, paths: Paths, force_name: str | None) -> None:
        self._client = client
        self._paths = paths
        self._force_name = force_name

    def run(self) -> str:
        self._refuse_live_lock()
        marked = self._look_at_breadcrumb()
        made = self._make_paths()
        if marked:
            return f"{made}; the breadcrumb of {marked} is marked clean, as you said"
        return made

    def _refuse_live_lock(self) -> None:
        if self._client.exists_async(self._paths.lock).get(timeout=_ANSWER_S) is not None:
            raise FormatError(f"{self._paths.lock} is live: stop the service's controllers first", REFUSED)

    def _look_at_breadcrumb(self) -> str:
        """The name of the node whose breadcrumb was marked clean; "" where there was no need."""
        try:
            data, stat = self._client.get_async(self._paths.crumb).get(timeout=_ANSWER_S)
        except NoNodeError:
            return ""
        crumb = read_crumb(self._paths.crumb, data or b"", stat.version)
        if crumb.record is None:
            raise FormatError(f"{crumb.error}; it is never overwritten", REFUSED)
        if crumb.record.clean:
            return ""
        name = crumb.record.node.name
        if self._force_name != name:
            raise FormatError(
                f"{name} was active last (epoch {crumb.record.epoch}) and did not step down cleanly: it may"
                " still be active. Make sure that it is not, then type its name to go on",
                REFUSED,
            )
        self._mark_clean(crumb.record, crumb.version)
        return name

    def _mark_clean(self, record: Breadcrumb, version: int) -> None:
        """Creating and deleting the lock in the same transaction proves that nobody holds it just then."""
        transaction = self._client.transaction()
        transaction.create(self._paths.lock, b"", ephemeral=True)
        transaction.delete(self._paths.lock)
        transaction.set_data(self._paths.crumb, encode_breadcrumb(replace(record, clean=True)), version)
        result = transaction.commit_async()
        result.wait(_ANSWER_S)
        commit = commit_of(result)
        if commit.failed_with(0, NodeExistsError):
            raise FormatError(f"{self._paths.lock} was taken just now", REFUSED)
        if commit.failed_with(2, BadVersionError):
            raise FormatError(f"{self._paths.crumb} was rewritten just now: look again", REFUSED)
        if not commit.done:
            raise FormatError(f"{self._paths.crumb}: {words(commit.error)}", FAILED)

    def _make_paths(self) -> str:
        client, paths = self._client, self._paths
        client.ensure_path_async(paths.base).get(timeout=_ANSWER_S)
        made = []
        for child in CHILDREN:
            data = encode_control(Control()) if child == "control" else b""
            try:
                client.create_async(f"{paths.base}/{child}", data).get(timeout=_ANSWER_S)
                made.append(child)
            except NodeExistsError:
                continue
        done = f"{paths.base} is formatted" if made else f"{paths.base} was formatted already"
        return done + self._open_to_all()

    def _open_to_all(self) -> str:
        """What was made before there was `auth` keeps its ACL: said, since it is found out by nobody else."""
        client, base = self._client, self._paths.base
        if not client.default_acl:
            return ""
        for path in (base, *(f"{base}/{child}" for child in CHILDREN)):
            acls, _ = client.get_acls_async(path).get(timeout=_ANSWER_S)
            if any(acl.id.scheme == "world" for acl in acls):
                return (
                    f"; but {path} was made without store.auth, and everybody may change it: correct its ACL (setAcl)"
                )
        return ""
