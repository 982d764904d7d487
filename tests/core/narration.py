"""What a step did, in words: the role before and after, why, and each effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from failover.core.effects import (
    AnswerDemand,
    Cancel,
    Claim,
    CloseSession,
    Demote,
    Effect,
    EndSwitchover,
    Fence,
    Follow,
    HandOver,
    OpenSession,
    Promote,
    PublishMember,
    Question,
    RaiseFloor,
    ResetHealth,
    SetTimer,
    StartLease,
    StopLease,
    StopProcess,
    StopTimer,
    TakeLock,
)
from failover.core.state import State
from failover.core.step import Step
from failover.core.values import Member


def narrate(before: State, step: Step) -> Iterator[str]:
    """The step's lines."""
    if step.stale:
        yield f"dropped: {step.why}"
        return
    yield f"{before.role.value} → {step.state.role.value}: {step.why}"
    for effect in step.effects:
        asked = f" [attempt {effect.attempt}]" if isinstance(effect, Question) else ""
        yield f"- {WORDS[type(effect)](effect)}{asked}"


def _demote(effect: Demote) -> str:
    gone = " (its process is gone)" if effect.gone else ""
    return f"demote under epoch {effect.epoch}{gone}, because: {effect.reason}"


def _promote(effect: Promote) -> str:
    after = f" after {effect.old_active}" if effect.old_active else ""
    return f"promote under epoch {effect.epoch}{after}, because: {effect.reason}"


def _take(effect: TakeLock) -> str:
    return f"take the lock in session {effect.session}, if control is still at version {effect.control_version}"


def _claim(effect: Claim) -> str:
    on = f"over breadcrumb version {effect.version}" if effect.version >= 0 else "where no breadcrumb is"
    return f"claim epoch {effect.epoch} for {effect.record.node.name} {on}, with lock {effect.lock.czxid}"


def _hand_over(effect: HandOver) -> str:
    return (
        f"hand over: in one transaction mark epoch {effect.record.epoch} clean on version {effect.version},"
        f" release lock {effect.lock.czxid}"
    )


def _fence(effect: Fence) -> str:
    return f"fence {effect.target.node.name}, active under epoch {effect.target.epoch}, for epoch {effect.epoch}"


def _timer(effect: SetTimer) -> str:
    jitter = f" and up to {effect.jitter:.0%} more" if effect.jitter else ""
    return f"set timer {effect.name}: {effect.after_s:g} s{jitter}"


def _answer(effect: AnswerDemand) -> str:
    return f"answer demand {effect.request}: {effect.verdict.value} for epoch {effect.epoch} ({effect.detail})"


def _end_switchover(effect: EndSwitchover) -> str:
    return f"end switchover {effect.id}: {effect.outcome} ({effect.detail})"


def _member(member: Member) -> str:
    words = [member.role.value, member.health.value]
    if member.epoch:
        words.append(f"epoch {member.epoch}")
    if member.ended:
        words.append(f"epoch {member.ended} ended")
    if member.settled:
        words.append("settled")
    if member.impaired:
        words.append(f"impaired {member.impaired}")
    if member.fenceable:
        words.append(f"could fence {' and '.join(member.fenceable)}")
    if not member.candidate:
        words.append("no candidate")
    return ", ".join(words)


def _floor(effect: RaiseFloor) -> str:
    return f"keep on disk: nothing up to epoch {effect.epoch} is promoted here again"


WORDS: dict[type[Effect], Callable[[Any], str]] = {
    OpenSession: lambda effect: f"open a session ({_member(effect.member)})",
    CloseSession: lambda effect: f"close session {effect.session}",
    TakeLock: _take,
    Claim: _claim,
    HandOver: _hand_over,
    Promote: _promote,
    Demote: _demote,
    Follow: lambda effect: f"follow {effect.active} at {effect.address} under epoch {effect.epoch}",
    Fence: _fence,
    Cancel: lambda effect: f"cancel attempt {effect.attempt}: drop its effects, end its hooks",
    SetTimer: _timer,
    StopTimer: lambda effect: f"stop timer {effect.name}",
    PublishMember: lambda effect: f"publish: {_member(effect.member)}",
    StartLease: lambda effect: f"renew lock {effect.lock.czxid} of session {effect.session} from now on",
    StopLease: lambda effect: "renew the lock no longer",
    ResetHealth: lambda effect: "forget what the probes said",
    RaiseFloor: _floor,
    AnswerDemand: _answer,
    EndSwitchover: _end_switchover,
    StopProcess: lambda effect: f"end the process, exit code {effect.exit_code}: {effect.reason}",
}
