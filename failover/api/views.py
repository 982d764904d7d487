"""Snapshots as JSON: what /v1/status, /v1/cluster and the page show.

Pure: the present time is an argument. Leaves out what only fencing needs (a node's facts): reads may be open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from failover.api.advice import advice_on, to_do
from failover.api.judgement import age_s, is_proven, proven_age_s
from failover.core.values import (
    Breadcrumb,
    Control,
    EndedSwitchover,
    Lock,
    Member,
    Pause,
    Role,
    Switchover,
)
from failover.ports.controller import HistoryLine, Operation, Snapshot

View = dict[str, Any]


def status(snapshot: Snapshot, now_s: float) -> View:
    """What this node's controller knows about itself."""
    return {
        "service": snapshot.service,
        "node": snapshot.node.name,
        "machine_id": snapshot.node.machine_id,
        "role": str(snapshot.role),
        "why": snapshot.why,
        "epoch": snapshot.epoch,
        "attempt": snapshot.attempt,
        "health": str(snapshot.health),
        "health_detail": snapshot.health_detail,
        "impaired": snapshot.impaired,
        "service_role": str(snapshot.service_role),
        "lock": lock(snapshot, now_s),
        "store": _store(snapshot),
        "timing": dict(snapshot.timing),
        "candidate": snapshot.candidate,
        "failures": snapshot.failures,
        "retry_in_s": snapshot.retry_in_s,
        "blocked": snapshot.blocked,
        "pause": pause(snapshot.control.pause),
        "drained": sorted(snapshot.control.drained),
        "to_do": to_do(snapshot, now_s),
        "version": snapshot.version,
        "started_at": snapshot.started_at,
        "age_s": round(age_s(snapshot, now_s), 3),
        "recent": [line(entry) for entry in snapshot.recent],
        "extra": snapshot.extra,
    }


def cluster(snapshot: Snapshot, now_s: float, history: Iterable[Mapping[str, Any]] = ()) -> View:
    """The whole service, as this node sees it."""
    control = snapshot.control
    return {
        "service": snapshot.service,
        "seen_by": snapshot.node.name,
        "active": active(snapshot, history),
        "lock": lock(snapshot, now_s),
        "breadcrumb": breadcrumb(snapshot.breadcrumb),
        "members": [member(entry, snapshot, now_s) for entry in members(snapshot)],
        "pause": pause(control.pause),
        "drained": sorted(control.drained),
        "switchover": switchover(control.switchover),
        "ended_switchovers": [ended(entry) for entry in control.ended],
        "control_error": control.error,
        "blocked": snapshot.blocked,
        "to_do": to_do(snapshot, now_s),
        "store": _store(snapshot),
        "age_s": round(age_s(snapshot, now_s), 3),
    }


def active(snapshot: Snapshot, history: Iterable[Mapping[str, Any]] = ()) -> View | None:
    """The active node, or None. With the store away only this very node can be called active."""
    if snapshot.role is Role.ACTIVE and snapshot.lock_held:
        name, epoch = snapshot.node.name, snapshot.epoch
    else:
        found = _active_member(snapshot)
        if found is None:
            return None
        name, epoch = found.node.name, found.epoch
    known = next((each for each in snapshot.members if each.node.name == name), None)
    return {
        "node": name,
        "epoch": epoch,
        "address": known.address if known else "",
        "since": active_since(name, epoch, [*history, *map(line, snapshot.recent)]),
    }


def _active_member(snapshot: Snapshot) -> Member | None:
    holder = snapshot.holder
    if not snapshot.connected or holder is None or holder.node == snapshot.node.name:
        return None
    return next(
        (each for each in snapshot.members if each.node.name == holder.node and each.role is Role.ACTIVE),
        None,
    )


def active_since(node: str, epoch: int, history: Iterable[Mapping[str, Any]]) -> str | None:
    """When `node` became active under `epoch` (wall clock, ISO), as the history has it."""
    since = None
    for entry in history:
        became = entry.get("to") == Role.ACTIVE and entry.get("from") != Role.ACTIVE
        if became and entry.get("node") == node and entry.get("epoch") == epoch:
            since = str(entry.get("at"))
    return since


def members(snapshot: Snapshot) -> list[Member]:
    """Every member by name; this node by its snapshot, which is newer than its record."""
    own = [each for each in snapshot.members if each.node == snapshot.node] or [
        Member(snapshot.node, barred="" if snapshot.candidate else snapshot.fitness.bar, version=snapshot.version)
    ]
    others = [each for each in snapshot.members if each.node.name != snapshot.node.name]
    return sorted([own[0], *others], key=lambda each: each.node.name)


def member(entry: Member, snapshot: Snapshot, now_s: float) -> View:
    """One member, with the reasons why it is not active and what to do about it."""
    mine = entry.node == snapshot.node
    return {
        "node": entry.node.name,
        "machine_id": entry.node.machine_id,
        "role": str(snapshot.role if mine else entry.role),
        "health": str(snapshot.health if mine else entry.health),
        "impaired": snapshot.impaired if mine else entry.impaired,
        "why": snapshot.why if mine else entry.why,
        "epoch": snapshot.epoch if mine else entry.epoch,
        "address": entry.address,
        "priority": entry.priority,
        "position": entry.position,
        "candidate": entry.candidate,
        "drained": entry.node.name in snapshot.control.drained,
        "settled": entry.settled,
        "config_hash": entry.config_hash,
        "version": entry.version,
        "fence_proven": fence_proven(entry.node.name, snapshot, now_s),
        **advice_on(entry.node.name, snapshot, now_s),
    }


def fence_proven(node: str, snapshot: Snapshot, now_s: float) -> View:
    """Who has lately proven that `node` could be fenced, and when; how old this node's own last proofs are."""
    by = {each.node.name: each.fenceable[node] for each in snapshot.members if node in each.fenceable}
    ages = [now_s - one.proved_s for one in snapshot.fences.known if one.node.name == node and one.proved_s is not None]
    return {"by": dict(sorted(by.items())), "own_age_s": round(max(ages), 1) if ages else None}


def lock(snapshot: Snapshot, now_s: float) -> View:
    """Who holds the lock, and how well proven it is when that is this node."""
    age = proven_age_s(snapshot, now_s)
    return {
        "held": snapshot.lock_held,
        "proven": is_proven(snapshot, now_s),
        "proven_age_s": None if age is None else round(age, 3),
        "lease_s": snapshot.lease_s,
        "holder": _holder(snapshot.holder),
    }


def _holder(holder: Lock | None) -> View | None:
    return None if holder is None else {"node": holder.node, "czxid": holder.czxid}


def _store(snapshot: Snapshot) -> View:
    return {
        "kind": snapshot.store_kind,
        "connected": snapshot.connected,
        "trouble": snapshot.store_trouble,
        "session": snapshot.session,
        "session_timeout_s": snapshot.session_timeout_s,
        "on_store_loss": snapshot.on_store_loss,
    }


def breadcrumb(record: Breadcrumb | None) -> View | None:
    """Who was active last, without the facts that fencing uses."""
    if record is None:
        return None
    return {
        "node": record.node.name,
        "machine_id": record.node.machine_id,
        "epoch": record.epoch,
        "clean": record.clean,
        "address": record.address,
    }


def pause(order: Pause | None) -> View | None:
    """Automatic moves are off: by whom, why, since when, and until when ("": until somebody resumes)."""
    if order is None:
        return None
    return {"by": order.by, "reason": order.reason, "since": order.since, "until": order.until}


def switchover(order: Switchover | None) -> View | None:
    """A planned hand-over under way."""
    if order is None:
        return None
    return {
        "id": order.id,
        "from": order.source,
        "to": order.target,
        "epoch": order.epoch,
        "reason": order.reason,
        "by": order.by,
        "requested_at": order.requested_at,
    }


def ended(entry: EndedSwitchover) -> View:
    """A hand-over that is over; phases in milliseconds after the request."""
    return {
        "switchover": switchover(entry.order),
        "outcome": entry.outcome,
        "detail": entry.detail,
        "phases_ms": dict(entry.phases),
    }


def operation(entry: Operation) -> View:
    """An order under way or ended."""
    return {
        "id": entry.id,
        "kind": entry.kind,
        "state": entry.state,
        "detail": entry.detail,
        "ended": ended(entry.ended) if entry.ended else None,
        "extra": dict(entry.extra),
    }


def control(record: Control) -> View:
    """The standing orders after one has been given."""
    return {
        "pause": pause(record.pause),
        "drained": sorted(record.drained),
        "switchover": switchover(record.switchover),
    }


def line(entry: HistoryLine) -> View:
    """One line of the history, with the keys of the store's own records."""
    return {
        "at": entry.at,
        "node": entry.node,
        "event": entry.event,
        "from": str(entry.before),
        "to": str(entry.after),
        "epoch": entry.epoch,
        "attempt": entry.attempt,
        "why": entry.why,
    }
