"""The node's own metrics: its role, lock, epoch and lease, what is ordered, and how it stands in the race."""

from __future__ import annotations

from failover.api.judgement import age_s, is_proven, proven_age_s
from failover.api.metrics.metric import (
    ADOPTION,
    HEALTH,
    ROLE,
    SERVICE_ROLE,
    Label,
    Metric,
    Reading,
    counted,
    one,
    spread,
    states,
    total,
)
from failover.api.views import active
from failover.ports.controller import Snapshot
from failover.support.wall_time import at_s


def _build(snapshot: Snapshot, _now_s: float) -> list[Reading]:
    return [((snapshot.version,), 1.0)]


def _config(snapshot: Snapshot, _now_s: float) -> list[Reading]:
    return [((snapshot.config_hash, snapshot.store_kind, snapshot.on_store_loss), 1.0)]


def _step_down_in(snapshot: Snapshot, now_s: float) -> float | None:
    return None if snapshot.step_down_s is None or not snapshot.lock_held else snapshot.step_down_s - now_s


def _good_for(snapshot: Snapshot, _now_s: float) -> float | None:
    """From the sending of a renewal to the moment at which a step-down must begin."""
    if snapshot.step_down_s is None or snapshot.proven_s is None or not snapshot.lock_held:
        return None
    return snapshot.step_down_s - snapshot.proven_s


VERSION = ("version", Label("a version", most=1))
# All that is told of a stale snapshot (S11).
ALWAYS = (
    Metric("build_info", "gauge", "Always 1; the version of the controller.", _build, dict([VERSION])),
    one("start_time_seconds", "When the controller started, since 1970.", lambda now, _: at_s(now.started_at)),
    one("snapshot_age_seconds", "How old what is told is. Older than 3 s is stale.", age_s),
)
NODE = (
    Metric(
        "config_info",
        "gauge",
        "Always 1; the hash of the configuration, without what is each node's own, and what it says of the store.",
        _config,
        {
            "hash": Label("the configuration's hash", most=1),
            "store": Label("the store's kind", ("zookeeper", "local", "simulated")),
            "on_store_loss": Label("what it says", ("hold", "step_down")),
        },
    ),
    states("role", "The controller's role: 1 for the present one.", ROLE, lambda now: now.role.value),
    one(
        "role_start_time_seconds",
        "Since when the controller has its role, since 1970.",
        lambda now, _: now.measures.role_since_s,
    ),
    counted(
        "role_entries_total", "How often the controller has taken on a role.", ROLE, lambda now: now.measures.roles
    ),
    states(
        "service_role",
        "What the service is, as far as the controller knows: 1 for the present one.",
        SERVICE_ROLE,
        lambda now: now.service_role.value,
    ),
    one("active_known", "1: this node is active, or knows which one is.", lambda now, _: active(now) is not None),
    # The lock.
    one(
        "lock_held", "1: this node holds the lock, as far as the store has acknowledged.", lambda now, _: now.lock_held
    ),
    one("lock_proven", "1: it was proven by a renewal that is younger than the lease.", is_proven),
    one("lock_proof_age_seconds", "Since the last acknowledged renewal was sent.", proven_age_s),
    one("epoch", "The epoch of this node's last claim.", lambda now, _: now.epoch),
    one(
        "breadcrumb_epoch",
        "The epoch of the last active, as this node has read it last.",
        lambda now, _: now.breadcrumb.epoch if now.breadcrumb is not None else None,
    ),
    one(
        "breadcrumb_clean",
        "1: the last active has stepped down cleanly, so nobody need be fenced.",
        lambda now, _: now.breadcrumb.clean if now.breadcrumb is not None else None,
    ),
    one(
        "lease_remaining_seconds",
        "Until a step-down begins, unless a renewal is acknowledged (on_store_loss: hold: until the lock is in doubt).",
        _step_down_in,
    ),
    one("lease_seconds", "What lease_remaining_seconds is just after a renewal was sent.", _good_for),
    # Health, and the controller itself.
    states("health", "What the probes say together: 1 for the present one.", HEALTH, lambda now: now.health.value),
    one("impaired_probes", "How many probes fail that are not critical.", lambda now, _: now.impaired),
    counted(
        "adoptions_total",
        "Predecessors' sessions that were taken up by this process.",
        ADOPTION,
        lambda now: now.measures.adoptions,
    ),
    one("recent_adoptions", "Adoptions within limits.within; at most two.", lambda now, _: now.adoptions),
    spread(
        "loop_lag_seconds", "How much later than due the loop turned, once a second.", lambda now: now.measures.loop_lag
    ),
    total("stalls_total", "How often the controller stood still for over 1 s.", lambda now: now.measures.stalls),
    total("stalled_seconds_total", "For how long it stood still, in all.", lambda now: now.measures.stalled_s),
    total("clock_jumps_total", "How often the wall clock was set by over 2 s.", lambda now: now.measures.clock_jumps),
    one(
        "watchdog_armed",
        "1: this host resets itself unless the controller proves the lock; absent without a watchdog.",
        lambda now, _: now.watchdog_armed,
    ),
)
