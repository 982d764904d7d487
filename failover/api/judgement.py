"""What a snapshot allows one to say now: how old it is, whether the lock is proven, each health check's answer (S11).

Pure. Does not know of HTTP beyond the names of the checks; the numbers 200 and 503 are given elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from failover.core.values import Health, Role, ServiceRole
from failover.ports.controller import Snapshot

PROVEN, UNPROVEN = "proven", "unproven"
# The lock is asked for or won, but the service has not been told yet: still a standby, if it was one.
_BEFORE_PROMOTE = (Role.CAMPAIGNING, Role.FENCING, Role.CLAIMING)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One check's answer. `lock` is `proven`, `unproven` or "" where the check does not speak of the lock."""

    ok: bool
    why: str
    lock: str = ""


Check = Callable[[Snapshot, float], Judgement]


def age_s(snapshot: Snapshot, now_s: float) -> float:
    """How old the snapshot is, in seconds; never negative."""
    return max(0.0, now_s - snapshot.taken_s)


def proven_age_s(snapshot: Snapshot, now_s: float) -> float | None:
    """Seconds since the last acknowledged renewal was sent; None: the lock is not held or was never proven."""
    if not snapshot.lock_held or snapshot.proven_s is None:
        return None
    return max(0.0, now_s - snapshot.proven_s)


def is_proven(snapshot: Snapshot, now_s: float) -> bool:
    """Whether the last renewal is younger than the lease (S6)."""
    age = proven_age_s(snapshot, now_s)
    return age is not None and snapshot.lease_s is not None and age < snapshot.lease_s


def no_store(snapshot: Snapshot) -> str:
    """That the store does not answer, and why as far as that is known."""
    why = f" ({snapshot.store_trouble})" if snapshot.store_trouble else ""
    return f"the store ({snapshot.store_kind}) does not answer{why}"


def live(snapshot: Snapshot, now_s: float) -> Judgement:
    """The controller still turns: its snapshot is fresh, which has been checked before."""
    return Judgement(True, f"the controller is running; its snapshot is {age_s(snapshot, now_s):.1f} s old")


def ready(snapshot: Snapshot, _now_s: float) -> Judgement:
    """The controller takes part: the store answers, a session is open, the first look has been taken."""
    if not snapshot.connected:
        return Judgement(False, f"{no_store(snapshot)}: {snapshot.why}")
    if snapshot.session is None or snapshot.role is Role.STARTING:
        return Judgement(False, f"the controller is {snapshot.role}: {snapshot.why}")
    return Judgement(True, f"the controller takes part as {snapshot.role}")


def active(snapshot: Snapshot, now_s: float) -> Judgement:
    """This node is active. Unproven is enough under `hold` only: there peers fence before they promote (S6)."""
    if snapshot.role is not Role.ACTIVE:
        return Judgement(False, f"the role is {snapshot.role}: {snapshot.why}")
    if not snapshot.lock_held:
        return Judgement(False, f"the lock is not held: {snapshot.why}", UNPROVEN)
    if is_proven(snapshot, now_s):
        return Judgement(True, f"active under epoch {snapshot.epoch}; the lock is proven", PROVEN)
    if snapshot.on_store_loss == "hold":
        return Judgement(True, f"active under epoch {snapshot.epoch}; {_unproven(snapshot, now_s)}", UNPROVEN)
    return Judgement(False, _unproven(snapshot, now_s), UNPROVEN)


def proven_active(snapshot: Snapshot, now_s: float) -> Judgement:
    """`/active?proven`: active, and a renewal younger than the lease."""
    judged = active(snapshot, now_s)
    if judged.ok and judged.lock != PROVEN:
        return Judgement(False, _unproven(snapshot, now_s), UNPROVEN)
    return judged


def standby(snapshot: Snapshot, _now_s: float) -> Judgement:
    """This node's service is a standby."""
    if snapshot.role is Role.STANDBY or (
        snapshot.role in _BEFORE_PROMOTE and snapshot.service_role is ServiceRole.STANDBY
    ):
        return Judgement(True, f"the service is a standby: {snapshot.why}")
    return Judgement(False, f"the role is {snapshot.role}: {snapshot.why}")


def healthy(snapshot: Snapshot, _now_s: float) -> Judgement:
    """The probes say that the service is well."""
    detail = f": {snapshot.health_detail}" if snapshot.health_detail else ""
    return Judgement(snapshot.health is Health.HEALTHY, f"the service is {snapshot.health}{detail}")


def may_start(snapshot: Snapshot, now_s: float) -> Judgement:
    """The service's own unit may be started now: by the promote or active here, or because standbys run (S3)."""
    if snapshot.role is Role.PROMOTING and snapshot.lock_held:
        return Judgement(True, f"this controller promotes the service under epoch {snapshot.epoch}")
    judged = active(snapshot, now_s)
    if judged.ok:
        return judged
    if not snapshot.standby_stopped:
        return Judgement(True, "standbys of this service run (control.standby: running)")
    return Judgement(False, f"the service may not be started here: {judged.why}")


def _unproven(snapshot: Snapshot, now_s: float) -> str:
    age = proven_age_s(snapshot, now_s)
    since = "was never proven" if age is None else f"was last proven {age:.1f} s ago"
    away = "" if snapshot.connected else f", the store ({snapshot.store_kind}) does not answer"
    return f"the lock {since}{away}"


CHECKS: dict[str, Check] = {
    "live": live,
    "ready": ready,
    "active": active,
    "standby": standby,
    "healthy": healthy,
}
