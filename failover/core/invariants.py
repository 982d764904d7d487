"""S1-S5, S7 and S8 as checks after every step, on every machine, also under -O.

A breach raises BrokenInvariant: the controller ends itself, the peers are safe by S1 (S10).
These checks look at what a step *did*, and know nothing of how the rows reached it.
"""

from __future__ import annotations

from collections.abc import Iterable

from failover.core.effects import (
    Claim,
    Demote,
    Effect,
    Fence,
    HandOver,
    Promote,
    Question,
    TakeLock,
)
from failover.core.events import Claimed, Demoted, Event, Fenced, LockTaken, Promoted, WriteOutcome
from failover.core.state import BrokenInvariant, State, confirmation, proven_ended
from failover.core.table import Row
from failover.core.values import Role, ServiceRole, Verdict


def check(before: State, event: Event, after: State, effects: Iterable[Effect], row: Row) -> None:
    """Raise BrokenInvariant, naming the rule, when this step must not have happened."""
    if after.role not in row.to:
        raise BrokenInvariant(f"row {row.role.value} on {row.event.__name__} ended in {after.role.value}")
    for effect in effects:
        if isinstance(effect, Question):
            _s4(effect, after)
        if isinstance(effect, Claim):
            _s1(before, event, after, effect)
        elif isinstance(effect, Promote):
            _s2(event, after, effect)
        elif isinstance(effect, HandOver):
            _s3(event, after, effect)
        elif isinstance(effect, Demote):
            _s3_gone(before, effect)
        elif isinstance(effect, Fence):
            _s7(after, effect)
        elif isinstance(effect, TakeLock):
            _s8_race(after)
    _s5(event, after)
    _s8(after)


def _need(fact: bool, rule: str, text: str) -> None:
    if not fact:
        raise BrokenInvariant(f"{rule}: {text}")


def _s1(before: State, event: Event, after: State, claim: Claim) -> None:
    """Claim only with the lock, after the last active is ourselves, clean, fenced, proven ended, or confirmed."""
    _need(after.lock is not None and claim.lock == after.lock, "S1", "claim without the lock")
    _need(not after.crumb.error, "S1", "claim over a breadcrumb that cannot be read")
    record = after.crumb.record
    fenced = (
        isinstance(event, Fenced)
        and event.verdict is Verdict.DONE
        and event.attempt == after.attempt
        and before.role is Role.FENCING
    )
    allowed = (
        record is None
        or record.node == after.identity.node
        or record.clean
        or fenced
        or proven_ended(after, record)
        or confirmation(after, record) is not None
    )
    _need(allowed, "S1", f"claim over {record.node.name if record else '?'}, which may be active")
    _need(claim.version == after.crumb.version, "S2", "claim on a version that was not read")
    epoch_ok = claim.epoch >= claim.lock.czxid and (record is None or claim.epoch > record.epoch)
    _need(epoch_ok, "S2", "the claim's epoch does not increase")
    _need(claim.epoch > after.floor, "S4", "claim at or below the floor set by a peer's fencing")


def _s2(event: Event, after: State, promote: Promote) -> None:
    """Promote only in the turn in which our claim was acknowledged, in the session that made it."""
    claimed = (
        isinstance(event, Claimed)
        and event.outcome is WriteOutcome.DONE
        and event.attempt == promote.attempt
        and event.epoch == promote.epoch == after.epoch
    )
    _need(claimed, "S2", "promote before the breadcrumb was written")
    _need(after.lock is not None and after.session is not None, "S1", "promote without the lock")
    _need(after.owns_crumb, "S2", "promote under a breadcrumb that is not ours")


def _s3(event: Event, after: State, hand_over: HandOver) -> None:
    """Marked clean only by its owner, after its own demote answered `done`."""
    _need(
        isinstance(event, Demoted) and event.verdict is Verdict.DONE,
        "S3",
        "marked clean without a demote that answered done",
    )
    _need(hand_over.record.clean and after.owns_crumb, "S3", "marked clean a foreign breadcrumb")
    _need(hand_over.version == after.written, "S3", "marked clean on another version")
    _need(after.service is ServiceRole.STANDBY, "S3", "marked clean a service that may be active")


def _s3_gone(before: State, demote: Demote) -> None:
    """A process that had ended before the promote says nothing of the one that the promote may have started."""
    promoting = before.role is Role.PROMOTING
    _need(not (demote.gone and promoting), "S3", "counts on the end of a process from before the promote")


def _s4(question: Question, after: State) -> None:
    _need(question.attempt == after.attempt, "S4", "a question under an attempt that is over")


def _s5(event: Event, after: State) -> None:
    """`unknown` is never `done`."""
    if isinstance(event, Fenced) and event.verdict is not Verdict.DONE:
        _need(after.role is Role.OUT, "S5", f"went on after a fence that answered {event.verdict}")
    if isinstance(event, Promoted) and event.verdict is not Verdict.DONE:
        _need(after.role is Role.DEMOTING, "S5", "went on after a promote that was not done")
    if isinstance(event, Demoted) and event.verdict is not Verdict.DONE:
        _need(after.service is not ServiceRole.STANDBY, "S5", "took a failed demote for done")
    if isinstance(event, LockTaken) and event.outcome.value == "unknown":
        _need(after.session is None, "S4", "kept a session whose lock request may still land")


def _s7(after: State, fence: Fence) -> None:
    record = after.crumb.record
    _need(fence.target.node != after.identity.node, "S7", "a node fences itself")
    _need(record is not None and fence.target == record, "S7", "fences another than the last active")
    _need(after.lock is not None and fence.lock == after.lock, "S7", "fences without the lock")


def _s8_race(after: State) -> None:
    own = after.service is ServiceRole.STANDBY or after.retaking
    _need(own, "S8", "races for the lock with a service that may be active")


def _s8(after: State) -> None:
    if after.role is Role.STANDBY:
        _need(after.service is ServiceRole.STANDBY, "S8", "standby with a service that may be active")
    if after.role is Role.ACTIVE:
        _need(after.lock is not None, "S1", "active without the lock")
        _need(after.service is ServiceRole.ACTIVE, "S1", "active with a service that is not")
