"""What is wrong with fencing before it is needed, in plain words, from one snapshot. Pure."""

from __future__ import annotations

from failover.core.values import Verdict
from failover.ports.controller import Snapshot
from failover.ports.fences import Fenced, FenceSight, Known, Restoring

MISSING_AFTER_S = 300.0
FAILING_AFTER = 3
_MEND = "correct the method's settings or the node's facts, reload, then"

Worry = tuple[str, str]


def fence_worries(snapshot: Snapshot, now_s: float) -> list[Worry]:
    """(problem, next step), the worst first."""
    sight = snapshot.fences
    found = [_unusable(node) for node in sight.unusable]
    for known in sight.known:
        if _concerns(known, snapshot):
            found.extend(_doubtful(known))
    found += [_stale(node, snapshot, now_s) for node in sight.stale]
    found += [
        (
            f"what fencing took from {one.node} was not given back by {one.method}: {one.detail}",
            f"{_mended(one, sight)} by hand, when you know why",
        )
        for one in sight.restores
        if one.state == "given_up" and not _is_here(one.node, snapshot)
    ]
    found += [_missing(one, now_s) for one in sight.fenced if _is_missing(one, snapshot, now_s)]
    return found


def _concerns(known: Known, snapshot: Snapshot) -> bool:
    """A node that is there, or that must be fenced; not one that has long been retired."""
    crumb = snapshot.breadcrumb
    return any(one.node == known.node for one in snapshot.members) or (crumb is not None and crumb.node == known.node)


def _unusable(node: str) -> Worry:
    return (
        f"critical: no usable level is left for {node}: a failover that must fence it would block",
        f"failoverctl fence plan {node} says why",
    )


def _doubtful(known: Known) -> list[Worry]:
    node, check = known.node.name, f"failoverctl fence probe {known.node.name}"
    if known.quarantine:
        return [(f"quarantined: {known.quarantine}", f"{_MEND}: {check}")]
    if known.failures >= FAILING_AFTER and known.proof is not Verdict.DONE:
        words = f"{known.method} could not fence {node} in the last {known.failures} probes: {known.detail}"
        return [(words, f"look at the device, then: {check}")]
    return []


def _stale(node: str, snapshot: Snapshot, now_s: float) -> Worry:
    proofs = [one.proved_s for one in snapshot.fences.known if one.node.name == node and one.proved_s is not None]
    age = f"{(now_s - max(proofs)) / 60:.0f} min old" if proofs else "from an earlier boot"
    return f"the last proof that {node} could be fenced is {age}", f"failoverctl fence probe {node}"


def _mended(one: Restoring, sight: FenceSight) -> str:
    power = any(method.traits.power for method in sight.methods if method.name == one.method)
    return f"switch {one.node} on" if power else f"bring {one.node} back"


def _is_here(node: str, snapshot: Snapshot) -> bool:
    return any(member.node.name == node for member in snapshot.members)


def _is_missing(one: Fenced, snapshot: Snapshot, now_s: float) -> bool:
    if _is_here(one.node.name, snapshot):
        return False
    return one.at_s is None or now_s - one.at_s > MISSING_AFTER_S


def _missing(one: Fenced, now_s: float) -> Worry:
    ago = "" if one.at_s is None else f", {(now_s - one.at_s) / 60:.0f} min ago"
    by = " and ".join(one.methods) or "no method"
    return (
        f"{one.node.name} has not come back since it was fenced at {one.at}{ago} by {by}: the service lacks it",
        f"bring {one.node.name} back; if it is retired, take it out of `nodes` and reload",
    )
