"""Everything that the core can ask for, in the imperative.

`lane` names the queue in which the shell runs an effect, one at a time and in order. Effects without a lane act at
once. A question's `unanswered()` is the answer that the shell gives in its place when the deadline passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from failover.core.events import (
    Claimed,
    Demoted,
    Event,
    Fenced,
    Followed,
    HandedOver,
    LockTaken,
    Promoted,
    SessionClosed,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Breadcrumb, Lock, Member, Node, Verdict


class Lane(StrEnum):
    """The ordered outboxes."""

    SERVICE = "service"
    FENCE = "fence"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to do."""

    lane: ClassVar[Lane | None] = None


@dataclass(frozen=True, slots=True)
class Question(Effect):
    """An effect that must be answered, under the attempt that asks."""

    attempt: int

    def unanswered(self) -> Event:
        """The answer that stands for a deadline that passed."""
        raise NotImplementedError


# --- store lane ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenSession(Effect):
    """Connect, open a session, write `sessions/<id>` and the member record, and start watching.

    Answered by SessionOpened or SessionRefused, whenever the store can be reached.
    """

    lane = Lane.STORE
    member: Member


@dataclass(frozen=True, slots=True)
class CloseSession(Effect):
    """End the session (and with it the lock). Answered by SessionClosed."""

    lane = Lane.STORE
    session: str

    def unanswered(self) -> Event:
        return SessionClosed(self.session, done=False)


@dataclass(frozen=True, slots=True)
class TakeLock(Question):
    """Create the lock in a transaction that checks `sessions/<session>` and the control record's version."""

    lane = Lane.STORE
    session: str
    control_version: int

    def unanswered(self) -> Event:
        return LockTaken(self.attempt, TakeOutcome.UNKNOWN, detail="the store did not answer in time")


@dataclass(frozen=True, slots=True)
class Claim(Question):
    """Write the breadcrumb by compare-and-set, checking the session's record, then prove the lock (S2, S6)."""

    lane = Lane.STORE
    session: str
    epoch: int
    lock: Lock
    record: Breadcrumb
    version: int

    def unanswered(self) -> Event:
        return Claimed(
            self.attempt,
            self.epoch,
            WriteOutcome.UNKNOWN,
            detail="the store did not answer in time",
        )


@dataclass(frozen=True, slots=True)
class HandOver(Question):
    """Mark the breadcrumb clean and delete the lock, in one transaction that checks the session's record."""

    lane = Lane.STORE
    session: str
    lock: Lock
    record: Breadcrumb
    version: int

    def unanswered(self) -> Event:
        return HandedOver(self.attempt, WriteOutcome.UNKNOWN, detail="the store did not answer in time")


# --- service lane -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promote(Question):
    """Run the promote hook."""

    lane = Lane.SERVICE
    epoch: int
    reason: str = ""
    old_active: str = ""

    def unanswered(self) -> Event:
        return Promoted(self.attempt, self.epoch, Verdict.UNKNOWN, "promote did not end in time")


@dataclass(frozen=True, slots=True)
class Demote(Question):
    """Run the demote hook, then make sure that `role` agrees. `gone`: the process is known to have ended."""

    lane = Lane.SERVICE
    epoch: int
    reason: str = ""
    gone: bool = False

    def unanswered(self) -> Event:
        return Demoted(self.attempt, Verdict.UNKNOWN, "demote did not end in time")


@dataclass(frozen=True, slots=True)
class Follow(Question):
    """Tell the standby who the active is now, under which epoch."""

    lane = Lane.SERVICE
    epoch: int
    active: str
    address: str

    def unanswered(self) -> Event:
        return Followed(self.attempt, self.epoch, Verdict.UNKNOWN, "follow did not end in time")


# --- fence lane ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fence(Question):
    """Make certain that the breadcrumb's node is not active and cannot become so under an older epoch (S7)."""

    lane = Lane.FENCE
    epoch: int
    session: str
    lock: Lock
    target: Breadcrumb
    version: int
    reason: str = ""

    def unanswered(self) -> Event:
        return Fenced(
            self.attempt,
            self.epoch,
            Verdict.UNKNOWN,
            detail="the fencing chain did not end in time",
        )


# --- at once ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cancel(Effect):
    """The attempt is over: drop its queued effects, end its running hooks and strikes (S4)."""

    attempt: int


@dataclass(frozen=True, slots=True)
class SetTimer(Effect):
    """(Re)start the named timer: TimerFired(name, turn) after `after_s` seconds.

    `jitter`: the shell lengthens it by a random share of up to this fraction.
    """

    name: str
    turn: int
    after_s: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class StopTimer(Effect):
    """Forget the named timer."""

    name: str


@dataclass(frozen=True, slots=True)
class PublishMember(Effect):
    """Write this controller's member record; only the newest matters."""

    member: Member


@dataclass(frozen=True, slots=True)
class StartLease(Effect):
    """Renew the lock by acknowledged writes from now on (S6)."""

    session: str
    lock: Lock


@dataclass(frozen=True, slots=True)
class StopLease(Effect):
    """The lock is not ours any more: renew no longer."""


@dataclass(frozen=True, slots=True)
class ResetHealth(Effect):
    """Forget what the probes said: the service has just been started or stopped on purpose."""


@dataclass(frozen=True, slots=True)
class RaiseFloor(Effect):
    """Keep on disk, before anything else is done, that no epoch up to this one is ever promoted here again."""

    epoch: int


@dataclass(frozen=True, slots=True)
class AnswerDemand(Effect):
    """Answer a peer's DemoteDemanded."""

    request: str
    verdict: Verdict
    node: Node
    epoch: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EndSwitchover(Effect):
    """Take the switchover record out of the control record, with its outcome."""

    id: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StopProcess(Effect):
    """End the controller with this exit code."""

    exit_code: int
    reason: str
