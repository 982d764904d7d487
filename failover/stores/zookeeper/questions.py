"""The lock's questions: take, claim, hand over, renew; each one transaction with its reads sent right behind it.

Every transaction first checks the ephemeral record that only this session can have made: a session that a client
library opened silently in place of the old one cannot finish an old thought (S2, S6). ZooKeeper carries out the calls
of one connection in order, so a read sent behind a transaction sees what that transaction did.
Deliberately unknown here: attempts and epochs, which are the core's; they are only passed through.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from failover.core.effects import Claim, HandOver, TakeLock
from failover.core.events import Claimed, Event, HandedOver, LockTaken, TakeOutcome, WriteOutcome
from failover.core.values import Breadcrumb, Crumb, Lock, Node
from failover.ports.store import Renewal
from failover.stores.codec import RecordError, encode_breadcrumb, encode_owner
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import (
    Commit,
    answered,
    commit_of,
    control_in,
    crumb_in,
    lock_in,
    missing,
    words,
)
from failover.stores.zookeeper.watching import Readings

Answer = Callable[[Event], None]

_TRIES = 3
_NOT_OURS = "the lock is not the one that was won: it is gone, or another's"
_NO_SESSION = "this session's record is gone from the store"


class Questions:
    """What is asked under one session. `lost` is the czxid of a lock that a read showed not to be ours."""

    def __init__(self, client: SessionClient, paths: Paths, node: Node, readings: Readings) -> None:
        self._client = client
        self._paths = paths
        self._owner = encode_owner(node)
        self._readings = readings
        self._session_path = paths.session(client.session)
        self._lost: set[int] = set()

    # --- take -----------------------------------------------------------------------------------

    def take(self, ask: TakeLock, answer: Answer, tries: int = _TRIES) -> None:
        """Create the lock; read it, and the breadcrumb under it, in the same round trip."""
        if ask.control_version < 0:  # to ZooKeeper -1 would mean "any version"
            self._tell_control(ask, answer)
            return
        transaction = self._client.transaction()
        transaction.check(self._session_path, -1)
        transaction.check(self._paths.control, ask.control_version)
        transaction.create(self._paths.lock, self._owner, ephemeral=True)
        commit = transaction.commit_async()
        lock = self._client.get_async(self._paths.lock)
        crumb = self._client.get_async(self._paths.crumb)
        crumb.rawlink(lambda _: self._taken(ask, answer, tries, commit_of(commit), lock, crumb))

    def _taken(self, ask: TakeLock, answer: Answer, tries: int, commit: Commit, lock: Any, crumb: Any) -> None:
        if commit.expired or commit.failed_with(0, NoNodeError):
            answer(LockTaken(ask.attempt, TakeOutcome.GONE, detail=_NO_SESSION))
        elif commit.failed_with(1, BadVersionError, NoNodeError):
            self._tell_control(ask, answer)
        elif not (commit.done or commit.failed_with(2, NodeExistsError)):
            answer(LockTaken(ask.attempt, TakeOutcome.UNKNOWN, detail=words(commit.error)))
        elif not answered(lock, crumb):
            why = words(lock.exception or crumb.exception)
            answer(LockTaken(ask.attempt, TakeOutcome.UNKNOWN, detail=why))
        elif missing(lock) and not commit.done and tries > 1:
            self.take(ask, answer, tries - 1)  # freed between our create and our read
        else:
            self._tell_holder(ask, answer, commit, lock, crumb)

    def _tell_holder(self, ask: TakeLock, answer: Answer, commit: Commit, lock: Any, crumb: Any) -> None:
        holder = lock_in(self._paths.lock, lock)
        self._readings.crumb = found = crumb_in(self._paths.crumb, crumb)
        if holder is not None and holder.session == ask.session:
            answer(LockTaken(ask.attempt, TakeOutcome.WON, holder, found))
        elif commit.done:
            answer(LockTaken(ask.attempt, TakeOutcome.GONE, holder, found, detail=_NOT_OURS))
        else:
            answer(LockTaken(ask.attempt, TakeOutcome.HELD, holder, found))

    def _tell_control(self, ask: TakeLock, answer: Answer) -> None:
        read = self._client.get_async(self._paths.control)
        read.rawlink(lambda _: self._control_told(ask, answer, read))

    def _control_told(self, ask: TakeLock, answer: Answer, read: Any) -> None:
        if not answered(read):
            answer(LockTaken(ask.attempt, TakeOutcome.UNKNOWN, detail=words(read.exception)))
            return
        self._readings.control = control = control_in(self._paths.control, read)
        why = control.error or "the control record was changed meanwhile"
        answer(LockTaken(ask.attempt, TakeOutcome.CONTROL, control=control, detail=why))

    # --- claim ----------------------------------------------------------------------------------

    def claim(self, ask: Claim, answer: Answer) -> None:
        """Write the breadcrumb and renew, then prove the lock by its czxid."""
        try:
            data = encode_breadcrumb(ask.record)
        except RecordError as error:  # fields that a later version left in it, with ours, are too many
            answer(Claimed(ask.attempt, ask.epoch, WriteOutcome.UNKNOWN, detail=str(error)))
            return
        if ask.lock.czxid in self._lost:
            answer(Claimed(ask.attempt, ask.epoch, WriteOutcome.GONE, detail=_NOT_OURS))
        elif self._may_overwrite(ask.version):
            self._write_claim(ask, data, answer)
        else:
            self._look_again(ask, answer, lambda: self._write_claim(ask, data, answer))

    def _may_overwrite(self, version: int) -> bool:
        """Whether the record under that version has been read, by this version of us, without error."""
        known = self._readings.crumb
        return version < 0 or (known.version == version and not known.error)

    def _look_again(self, ask: Claim, answer: Answer, go_on: Callable[[], None] | None) -> None:
        lock = self._client.get_async(self._paths.lock)
        crumb = self._client.get_async(self._paths.crumb)
        crumb.rawlink(lambda _: self._looked_again(ask, answer, go_on, lock, crumb))

    def _looked_again(
        self,
        ask: Claim,
        answer: Answer,
        go_on: Callable[[], None] | None,
        lock: Any,
        crumb: Any,
    ) -> None:
        outcome, why = self._proof(ask.lock, lock)
        if outcome is WriteOutcome.DONE and not answered(crumb):
            outcome, why = WriteOutcome.UNKNOWN, words(crumb.exception)
        if outcome is not WriteOutcome.DONE:
            answer(Claimed(ask.attempt, ask.epoch, outcome, detail=why))
            return
        self._readings.crumb = found = crumb_in(self._paths.crumb, crumb)
        if go_on is not None and self._may_overwrite(ask.version):
            go_on()
            return
        why = found.error or "the breadcrumb was changed meanwhile"
        answer(Claimed(ask.attempt, ask.epoch, WriteOutcome.CONFLICT, crumb=found, detail=why))

    def _write_claim(self, ask: Claim, data: bytes, answer: Answer) -> None:
        transaction = self._renewing()
        if ask.version < 0:
            transaction.create(self._paths.crumb, data)
        else:
            transaction.set_data(self._paths.crumb, data, ask.version)
        commit = transaction.commit_async()
        lock = self._client.get_async(self._paths.lock)
        lock.rawlink(lambda _: self._claimed(ask, answer, commit_of(commit), lock))

    def _claimed(self, ask: Claim, answer: Answer, commit: Commit, lock: Any) -> None:
        if commit.failed_with(2, BadVersionError, NodeExistsError, NoNodeError):
            self._look_again(ask, answer, None)
            return
        version, record = -1, None
        if commit.done:
            version = 0 if ask.version < 0 else commit.results[2].version
            record = ask.record
            self._readings.crumb = Crumb(record, version)
        outcome, why = self._renewed(commit, ask.lock, lock)
        answer(Claimed(ask.attempt, ask.epoch, outcome, version, Crumb(record, version), why))

    # --- hand over ------------------------------------------------------------------------------

    def hand_over(self, ask: HandOver, answer: Answer) -> None:
        """Mark the breadcrumb clean and delete the lock, both or neither.

        The lock is ours as long as the session's record is there, and no read has shown another czxid: only a
        hand-over or the session's end takes it away.
        """
        known = self._readings.crumb
        if ask.lock.czxid in self._lost:
            answer(HandedOver(ask.attempt, WriteOutcome.GONE, detail=_NOT_OURS))
            return
        if ask.version < 0 or (known.version == ask.version and known.error):
            why = known.error or "there is no breadcrumb of this node's to mark clean"
            answer(HandedOver(ask.attempt, WriteOutcome.CONFLICT, known.version, why))
            return
        transaction = self._client.transaction()
        transaction.check(self._session_path, -1)
        # The lock before the breadcrumb: its watch fires first, and tells the standbys that it is free.
        transaction.delete(self._paths.lock, 0)
        transaction.set_data(self._paths.crumb, _clean(ask.record), ask.version)
        commit = transaction.commit_async()
        commit.rawlink(lambda _: self._handed_over(ask, answer, commit_of(commit)))

    def _handed_over(self, ask: HandOver, answer: Answer, commit: Commit) -> None:
        version, outcome, why = -1, WriteOutcome.UNKNOWN, words(commit.error)
        if commit.done:
            outcome, version = WriteOutcome.DONE, commit.results[2].version
            self._lost.add(ask.lock.czxid)
        elif commit.expired or commit.failed_with(0, NoNodeError):
            outcome, why = WriteOutcome.GONE, _NO_SESSION
        elif commit.failed_with(1, NoNodeError):
            outcome, why = WriteOutcome.GONE, _NOT_OURS
        elif commit.failed_with(1, BadVersionError):
            outcome, why = WriteOutcome.CONFLICT, "somebody rewrote the lock's record"
        elif commit.failed_with(2, BadVersionError, NoNodeError):
            outcome = WriteOutcome.CONFLICT
        answer(HandedOver(ask.attempt, outcome, version, why))

    # --- renew ----------------------------------------------------------------------------------

    def renew(self, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        """An acknowledged write to this session's own record, then the lock's czxid (S6)."""
        sent_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        commit = self._renewing().commit_async()
        read = self._client.get_async(self._paths.lock)

        def renewed(_: Any) -> None:
            outcome, why = self._renewed(commit_of(commit), lock, read)
            answer(Renewal(outcome, sent_s, why))

        read.rawlink(renewed)

    def _renewing(self) -> Any:
        transaction = self._client.transaction()
        transaction.check(self._session_path, -1)
        transaction.set_data(self._session_path, self._owner)
        return transaction

    def _renewed(self, commit: Commit, ours: Lock, read: Any) -> tuple[WriteOutcome, str]:
        if commit.done:
            return self._proof(ours, read)
        if commit.expired or commit.failed_with(0, NoNodeError) or commit.failed_with(1, NoNodeError):
            return WriteOutcome.GONE, _NO_SESSION
        return WriteOutcome.UNKNOWN, words(commit.error)

    def _proof(self, ours: Lock, read: Any) -> tuple[WriteOutcome, str]:
        """DONE: the lock that was read is the very one that was won."""
        if not answered(read):
            return WriteOutcome.UNKNOWN, words(read.exception)
        seen = lock_in(self._paths.lock, read)
        if seen is None or seen.session != self._client.session or seen.czxid != ours.czxid:
            self._lost.add(ours.czxid)
            return WriteOutcome.GONE, _NOT_OURS
        return WriteOutcome.DONE, ""


def _clean(record: Breadcrumb) -> bytes:
    return encode_breadcrumb(replace(record, clean=True))
