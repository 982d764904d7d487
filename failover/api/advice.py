"""Why a node is not active and what to do about it, in plain words, from one snapshot.

Pure. The page, the API and `failoverctl why` all say these words; nobody else makes up others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from failover.api.fence_advice import fence_worries
from failover.api.judgement import is_proven, no_store
from failover.core.state import DRAINED, NEVER
from failover.core.values import Health, Member, Role
from failover.ports.controller import Snapshot


@dataclass
class _Advice:
    """Reasons and next steps, each said once, in order."""

    reasons: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def add(self, reason: str, step: str = "") -> None:
        """One reason and, if there is something to do, what."""
        self.reasons.append(reason)
        if step and step not in self.steps:
            self.steps.append(step)


def to_do(snapshot: Snapshot, now_s: float) -> list[dict[str, str]]:
    """What is wrong with the service as seen from here, the worst first: {problem, next}."""
    wrong: list[dict[str, str]] = []
    for problem, step in _wrong(snapshot, now_s):
        wrong.append({"problem": problem, "next": step})
    return wrong


def _wrong(snapshot: Snapshot, now_s: float) -> list[tuple[str, str]]:
    log = f"journalctl -u failoverd@{snapshot.service}"
    found: list[tuple[str, str]] = []
    if snapshot.blocked:
        found.append((f"blocked: {snapshot.blocked}", f"do what it says; {log} has the details"))
    if not snapshot.connected:
        step = f"look after the store ({snapshot.store_kind}); with it away nobody is promoted"
        why = f": {snapshot.store_trouble}" if snapshot.store_trouble else ""
        found.append((f"the store does not answer on {snapshot.node.name}{why}", step))
    if snapshot.role is Role.ACTIVE and not is_proven(snapshot, now_s):
        found.append(("the lock is unproven: a peer may be taking over", "look after the store"))
    if snapshot.control.error:
        found.append((f"the control record: {snapshot.control.error}", "no order is carried out till it reads"))
    if snapshot.connected and snapshot.holder is None and not snapshot.lock_held:
        found.append(_nobody(snapshot))
    for each in snapshot.members:
        found.extend(_ill(each, snapshot))
    found.extend(fence_worries(snapshot, now_s))
    if snapshot.control.pause is not None:
        pause = snapshot.control.pause
        found.append((f"automatic moves are off: {pause.reason} ({pause.by})", "failoverctl resume, when done"))
    return found


def _nobody(snapshot: Snapshot) -> tuple[str, str]:
    candidates = [
        each.node.name
        for each in snapshot.members
        if each.candidate
        and not (each.health.bad and _counts(each.role, snapshot))
        and each.node.name not in snapshot.control.drained
    ]
    if snapshot.control.pause is not None:
        return "nobody is active, and automatic moves are off", "failoverctl resume"
    if not candidates:
        return "nobody is active, and no healthy candidate is there", "mend the service on one node"
    return (
        f"nobody is active; {' and '.join(candidates)} may become so",
        "if it lasts: failoverctl why NODE",
    )


def _counts(role: Role, snapshot: Snapshot) -> bool:
    """Whether the health of a node in `role` says anything: a stopped standby's service cannot answer."""
    return role is Role.ACTIVE or not snapshot.standby_stopped


def _ill(member: Member, snapshot: Snapshot) -> list[tuple[str, str]]:
    if not member.health.bad or not _counts(member.role, snapshot):
        return []
    # A record's `why` is of its last change of role, which under a pause may be "healthy again".
    mine = member.node == snapshot.node and snapshot.health.bad
    told = (snapshot.health_detail if mine else "") or member.why
    why = f": {told}" if told else ""
    return [
        (
            f"the service on {member.node.name} is {_words(member.health)}{why}",
            f"mend the service on {member.node.name}",
        )
    ]


def advice_on(node: str, snapshot: Snapshot, now_s: float) -> dict[str, Any]:
    """`reasons` why `node` is not active (or that it is) and the `next` steps."""
    advice = _Advice()
    if node == snapshot.node.name:
        _own(snapshot, now_s, advice)
    member = next((each for each in snapshot.members if each.node.name == node), None)
    active = _acts(node, snapshot, member)
    _impaired(node, snapshot, member, advice)
    if not active:
        _standing_orders(node, snapshot, advice)
        _record(node, snapshot, member, advice)
        _lock(node, snapshot, advice)
    return {"active": active, "reasons": advice.reasons, "next": advice.steps}


def _acts(node: str, snapshot: Snapshot, member: Member | None) -> bool:
    if node == snapshot.node.name:
        return snapshot.role is Role.ACTIVE and snapshot.lock_held
    held = snapshot.holder is not None and snapshot.holder.node == node
    return snapshot.connected and held and member is not None and member.role is Role.ACTIVE


def _own(snapshot: Snapshot, now_s: float, advice: _Advice) -> None:
    if snapshot.role is Role.ACTIVE and snapshot.lock_held:
        proof = "proven" if is_proven(snapshot, now_s) else "NOT proven"
        advice.add(f"it is active under epoch {snapshot.epoch}; the lock is {proof}")
        _own_illness(snapshot, advice)
        return
    advice.add(f"it is {snapshot.role}: {snapshot.why}")
    if snapshot.blocked:
        advice.add(f"blocked: {snapshot.blocked}", "do what `blocked` says")
    if not snapshot.connected:
        advice.add(
            f"{no_store(snapshot)}: with it away nobody is promoted",
            "look after the store and the network to it",
        )
    if snapshot.retry_in_s is not None and snapshot.retry_in_s > 0:
        advice.add(f"it tries again in {snapshot.retry_in_s:.0f} s, after {snapshot.failures} failures")
    _own_illness(snapshot, advice)


def _own_illness(snapshot: Snapshot, advice: _Advice) -> None:
    """Said of an active, too: under a pause, or with no peer to take over, nothing else tells."""
    if snapshot.health.bad and _counts(snapshot.role, snapshot):
        advice.add(
            f"its service is {_words(snapshot.health)}: {snapshot.health_detail}",
            f"mend the service on {snapshot.node.name}",
        )


def _impaired(node: str, snapshot: Snapshot, member: Member | None, advice: _Advice) -> None:
    """Said of an active, too: it stays where it is, and somebody should mend it."""
    mine = node == snapshot.node.name
    failing = snapshot.impaired if mine else member.impaired if member is not None else 0
    if not failing:
        return
    which = snapshot.health_detail if mine else "ask its own controller which"
    probes = "1 probe that is not critical fails" if failing == 1 else f"{failing} probes that are not critical fail"
    advice.add(
        f"it is impaired: {probes} ({which}); an equally fresh candidate that is less so goes first",
        f"mend what is impaired on {node}",
    )


def _standing_orders(node: str, snapshot: Snapshot, advice: _Advice) -> None:
    if snapshot.control.pause is not None:
        pause = snapshot.control.pause
        advice.add(f"automatic moves are off: {pause.reason} ({pause.by})", "failoverctl resume")
    if node in snapshot.control.drained:
        advice.add("it is drained: an operator barred it", f"failoverctl undrain {node}")


def _record(node: str, snapshot: Snapshot, member: Member | None, advice: _Advice) -> None:
    if member is None:
        if node != snapshot.node.name:
            advice.add(
                "its controller is not there: it has no member record in the store",
                f"on {node}: systemctl status failoverd@{snapshot.service}",
            )
        return
    if node != snapshot.node.name:
        advice.add(f"it is {member.role}" + (f": {member.why}" if member.why else ""))
        if member.health is not Health.HEALTHY and _counts(member.role, snapshot):
            advice.add(f"its service is {_words(member.health)}", f"mend the service on {node}")
    if member.barred not in ("", DRAINED):
        mend = "set candidate: true and restart its controller" if member.barred == NEVER else ""
        advice.add(f"it is no candidate: {member.barred}", mend)
    if not member.settled:
        advice.add("it has not yet made certain that its own service is not active")


def _lock(node: str, snapshot: Snapshot, advice: _Advice) -> None:
    holder = snapshot.holder
    if snapshot.connected and holder is not None and holder.node != node:
        advice.add(
            f"{holder.node} holds the lock, and only its holder may be active",
            f"nothing, if {holder.node} should stay; else failoverctl switchover --to {node} --reason …",
        )
    crumb = snapshot.breadcrumb
    if holder is None and crumb is not None and not crumb.clean and crumb.node.name != node:
        advice.add(f"{crumb.node.name} was active last and has not stepped down cleanly: it is fenced first")


def _words(health: Health) -> str:
    return str(health).replace("_", " ")


def after_resume(snapshot: Snapshot) -> list[str]:
    """What would move or be fenced once the pause ends, in plain words; empty: nothing."""
    holder, crumb = snapshot.holder, snapshot.breadcrumb
    if holder is not None or snapshot.lock_held:
        name = holder.node if holder is not None else snapshot.node.name
        member = next((each for each in snapshot.members if each.node.name == name), None)
        if member is not None and member.health.bad:
            return [f"{name} is active with an ill service: another node would take over"]
        return []
    told = ["nobody holds the lock: a healthy candidate would become active"]
    if crumb is not None and not crumb.clean:
        told.append(f"{crumb.node.name} was active last and not clean: it would be fenced, unless it returns first")
    return told
