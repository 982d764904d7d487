"""Fencing as JSON. Pure. Facts are shown to callers with a role only; secrets are nowhere in what arrives here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from failover.core.values import Confirmation
from failover.ports.controller import Snapshot
from failover.ports.fences import FenceSight, Known, MethodTold, Struck

if TYPE_CHECKING:
    from failover.ports.fence_plans import Plan, PlannedLevel, PlannedMethod

View = dict[str, Any]


def overview(snapshot: Snapshot, sight: FenceSight, strikes: Iterable[Struck], now_s: float) -> View:
    """Everything that this node knows of fencing."""
    return {
        "service": snapshot.service,
        "seen_by": snapshot.node.name,
        "levels": [list(level) for level in sight.levels],
        "methods": [_method(one, sight) for one in sight.methods],
        "probe_every_s": sight.every_s,
        "proofs": [known(one, now_s) for one in sight.known],
        "peers": [
            {
                "node": member.node.name,
                "proven": member.node.name in sight.fenceable,
                "usable": member.node.name not in sight.unusable,
                "stale": member.node.name in sight.stale,
            }
            for member in snapshot.members
            if member.node.name != snapshot.node.name
        ],
        "fenced": [{**asdict(one), "at_s": None, "age_s": _age(one.at_s, now_s)} for one in sight.fenced],
        "restores": [asdict(one) for one in sight.restores],
        "strikes": [struck(one) for one in strikes],
        "blocked": snapshot.blocked,
    }


def _method(one: MethodTold, sight: FenceSight) -> View:
    helped = one.name in sight.needs_help
    return {"name": one.name, "timeout_s": one.timeout_s, **asdict(one.traits), "needs_the_nodes_help": helped}


def known(one: Known, now_s: float) -> View:
    """One method towards one node."""
    return {
        "node": one.node.name,
        "machine_id": one.node.machine_id,
        "method": one.method,
        "proof": one.proof.value if one.proof is not None else None,
        "detail": one.detail,
        "proved_at": one.proved_at,
        "age_s": _age(one.proved_s, now_s),
        "on_at": one.on_at,
        "failures": one.failures,
        "quarantine": one.quarantine,
        "test": one.test.value if one.test is not None else None,
        "test_detail": one.test_detail,
        "tested_at": one.tested_at,
    }


def _age(at_s: float | None, now_s: float) -> float | None:
    return None if at_s is None else round(now_s - at_s, 1)


def struck(one: Struck) -> View:
    """One strike."""
    return {**asdict(one), "verdict": one.verdict.value}


def plan(made: Plan, now_s: float) -> View:
    """The whole plan."""
    target = made.target
    return {
        "node": target.node.name,
        "machine_id": target.node.machine_id,
        "boot_id": target.boot_id,
        "epoch": target.epoch,
        "address": target.address,
        "facts": dict(target.facts),
        "source": made.source,
        "now": made.now,
        "levels": [_level(level, now_s) for level in made.levels],
        "worst_case_s": round(made.worst_case_s, 3),
        "timeout_s": made.timeout_s,
        "casualties": None if made.casualties is None else [asdict(one) for one in made.casualties],
    }


def _level(level: PlannedLevel, now_s: float) -> View:
    methods = [_planned(method, now_s) for method in level.methods]
    return {"level": level.number, "bar": level.bar, "methods": methods}


def _planned(method: PlannedMethod, now_s: float) -> View:
    return {
        "method": method.name,
        "attempts": method.attempts,
        "timeout_s": method.timeout_s,
        "worst_s": round(method.worst_s, 3),
        "bar": method.bar,
        "lines": [asdict(line) for line in method.lines],
        "traits": asdict(method.traits),
        "proof": known(method.known, now_s),
    }


def confirmed(word: Confirmation) -> View:
    """An operator's word, as it was written."""
    return {
        "node": word.node.name,
        "machine_id": word.node.machine_id,
        "epoch": word.epoch,
        "version": word.version,
        "by": word.by,
        "reason": word.reason,
        "at": word.at,
    }
